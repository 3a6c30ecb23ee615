"""What goes in and comes out of ``mini/config``, as types (handbook: api.md)."""

from __future__ import annotations

from msgspec import Struct

from shared.decisions.policy import PageAdapter, UiVariant
from shared.model import BreakGlassReason, DismissReason, ExecutionMode, ProceedIndicator, TenantId, UserId
from shared.web.field_types import NameText, SessionText, SiteText
from shared.web.messages import Answer, Request, SurfacePolicy


class ConfigRequest(Request, frozen=True, kw_only=True):
    """Where Mini would show; policy may hide it there."""

    session_id: SessionText | None = None
    application_id: NameText | None = None
    site: SiteText | None = None


class ConfigUser(Struct, frozen=True, kw_only=True):
    """The signed-in user as the database knows them."""

    user_id: UserId
    display_name: str
    role: str
    tenant_id: TenantId


class ConfigPermissions(Struct, frozen=True, kw_only=True):
    """What the user's role may do; what is false here is answered with 403."""

    sidecar: bool
    override: bool
    dismiss: bool
    history: bool
    notes: bool
    break_glass: bool
    audit: bool


class ConfigTimers(Struct, frozen=True, kw_only=True):
    """How often and how long, in seconds. A client says "still there" well within ``presence_s``."""

    acknowledgement_due_s: int
    presence_s: int
    session_idle_s: int
    session_max_s: int
    break_glass_s: int


class ConfigTexts(Struct, frozen=True, kw_only=True):
    """The words of the policy for each indicator and each mode."""

    proceed: dict[ProceedIndicator, str]
    mode: dict[ExecutionMode, str]


class ConfigResponse(Answer, frozen=True, kw_only=True):
    """What a client has to know before it shows anything. ``variant`` is what this user's role sees."""

    user: ConfigUser
    permissions: ConfigPermissions
    sites: tuple[str, ...]
    applications: tuple[str, ...]
    page_adapters: tuple[PageAdapter, ...]
    timers: ConfigTimers
    texts: ConfigTexts
    dismiss_reasons: tuple[DismissReason, ...]
    break_glass_reasons: tuple[BreakGlassReason, ...]
    variant: UiVariant
    policy: SurfacePolicy
    policy_version: int
