"""What Mini and Sidecar have to know before they show anything."""

from __future__ import annotations

from functions.surface import caller
from shared.decisions.display import is_permitted, mode_text, proceed_text
from shared.model import BreakGlassReason, DismissReason, ExecutionMode, ProceedIndicator
from shared.runtime import core
from shared.web.config_messages import (
    ConfigPermissions,
    ConfigRequest,
    ConfigResponse,
    ConfigTexts,
    ConfigTimers,
    ConfigUser,
)
from shared.web.endpoint import Call
from shared.web.messages import SurfacePolicy


def config_of(call: Call, request: ConfigRequest) -> ConfigResponse:
    """The policy as this user's clients need it."""
    who = caller(call, request.session_id, site=request.site, application=request.application_id)
    view = core().get_config(who)
    policy, rules, actor = view.policy, view.policy.allowlist, view.actor
    allowed = {
        deed: is_permitted(getattr(rules.permissions, deed), actor.role)
        for deed in ConfigPermissions.__struct_fields__
    }
    timers = {name: getattr(policy.timeouts, name) for name in ConfigTimers.__struct_fields__}
    return ConfigResponse(
        session_id=request.session_id,
        surface=call.surface,
        user=ConfigUser(
            user_id=actor.user_id,
            display_name=actor.display_name,
            role=actor.role,
            tenant_id=call.identity.tenant_id,
        ),
        permissions=ConfigPermissions(**allowed),
        sites=rules.sites_of(actor.role),
        applications=rules.applications,
        page_adapters=rules.page_adapters,
        timers=ConfigTimers(**timers),
        texts=ConfigTexts(
            proceed={each: proceed_text(policy, each) for each in ProceedIndicator},
            mode={each: mode_text(policy, each) for each in ExecutionMode},
        ),
        dismiss_reasons=tuple(DismissReason),
        break_glass_reasons=tuple(BreakGlassReason),
        variant=view.display.variant,
        policy=SurfacePolicy(show_mini=view.display.show_mini, ui_variant=view.display.variant_name),
        policy_version=policy.version,
    )
