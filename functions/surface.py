"""What Mini and Sidecar do alike: say who calls, Send, dismiss, interact."""

from __future__ import annotations

from functools import partial

from shared.model import DeniedReason, PatientKey
from shared.runtime import core
from shared.security.patient_keys import client_text_hash, patient_key
from shared.settings import settings
from shared.views import BreakGlass, Caller, Dismissal, Send
from shared.web.break_glass_messages import BreakGlassRequest, BreakGlassResponse
from shared.web.endpoint import Call
from shared.web.endpoint import endpoint as web_endpoint
from shared.web.messages import (
    AckRequest,
    AckResponse,
    AckSubmission,
    Detection,
    DismissRequest,
    DismissResponse,
    InteractionRequest,
    InteractionResponse,
    Request,
)


def caller(
    call: Call,
    session_id: str | None = None,
    *,
    site: str | None = None,
    application: str | None = None,
    page_signature: str | None = None,
) -> Caller:
    """Who asks, as the core wants to know it.

    The session's own string is hashed, for each surface apart: Mini and Sidecar are two instances, whatever
    they call their sessions.
    """
    session = None
    if session_id is not None:
        secret, tenant_id = settings().master_secret, call.identity.tenant_id
        session = client_text_hash(secret, tenant_id, f"session:{call.surface}", session_id)
    return Caller(
        identity=call.identity,
        surface=call.surface,
        correlation_id=call.correlation_id,
        session=session,
        site=site,
        application=application,
        page_signature=page_signature,
    )


def record_denial(call: Call, request: Request, reason: DeniedReason) -> None:
    """Tells the ledger of a caller who was refused."""
    session_id = getattr(request, "session_id", None)
    core().record_denial(caller(call, session_id), reason)


endpoint = partial(web_endpoint, on_denied=record_denial)
"""Makes an HTTP function of a handler, for both surfaces."""


def detected_key(call: Call, detection: Detection) -> PatientKey:
    """The key of a patient whom the host application names. The raw id goes no further than here."""
    secret, tenant_id = settings().master_secret, call.identity.tenant_id
    return patient_key(secret, tenant_id, detection.source_system, detection.external_id)


def acknowledge(call: Call, request: AckRequest) -> AckResponse:
    """Stores a Send and says what it did."""
    send = Send(
        patient_key=request.patient_key,
        note_text=request.stated_note,
        override_proceed=request.override_proceed,
        override_tasking=request.override_tasking,
        system_response_id=request.system_response_id,
    )
    stored = core().persist_submission_ack(
        caller(call, request.session_id, site=request.site, application=request.application_id),
        send,
        endpoint=call.endpoint.key,
        idempotency_key=call.idempotency_key,
    )
    return AckResponse(
        session_id=request.session_id,
        surface=call.surface,
        submission_id=stored.mini_submission_id,
        submission=AckSubmission(
            note=stored.note_text,
            override_proceed=stored.override_proceed,
            override_tasking=stored.override_tasking,
            submitted_at=stored.submitted_at,
            system_response_id=stored.system_response_id,
        ),
        confirmed=stored.confirmed,
        superseded=stored.superseded,
        resolved_assignments=stored.resolved_assignments,
        needs_ack=stored.needs_ack_after,
    )


def set_aside(call: Call, request: DismissRequest) -> DismissResponse:
    """Sets a response aside and says what became of it."""
    dismissal = Dismissal(
        patient_key=request.patient_key,
        reason=request.reason,
        system_response_id=request.system_response_id,
    )
    who = caller(call, request.session_id, site=request.site, application=request.application_id)
    outcome = core().persist_dismissal(who, dismissal)
    return DismissResponse(session_id=request.session_id, surface=call.surface, outcome=outcome)


def interact(call: Call, request: InteractionRequest) -> InteractionResponse:
    """Notes what a user did without committing anything."""
    who = caller(
        call,
        request.session_id,
        site=request.site,
        application=request.application_id,
        page_signature=request.page_signature,
    )
    core().record_interaction(who, request.kind, request.patient_key)
    return InteractionResponse(session_id=request.session_id, surface=call.surface)


def break_glass_of(call: Call, request: BreakGlassRequest) -> BreakGlassResponse:
    """Opens to the user what the policy keeps from their role."""
    asked = BreakGlass(
        patient_key=request.patient_key, reason=request.reason, explanation=request.explanation
    )
    until = core().break_glass(caller(call, request.session_id), asked)
    return BreakGlassResponse(session_id=request.session_id, surface=call.surface, glass_broken_until=until)
