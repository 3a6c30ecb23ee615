"""What Mini and Sidecar do alike: say who calls, and Send."""

from __future__ import annotations

from shared.model import PatientKey
from shared.runtime import core
from shared.security.patient_keys import patient_key
from shared.settings import settings
from shared.views import Caller, Send
from shared.web.endpoint import Call
from shared.web.messages import AckRequest, AckResponse, AckSubmission, Detection


def caller(call: Call) -> Caller:
    """Who asks, as the core wants to know it."""
    return Caller(identity=call.identity, surface=call.surface, correlation_id=call.correlation_id)


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
        caller(call), send, endpoint=call.endpoint.key, idempotency_key=call.idempotency_key
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
