"""One response with everything that is stored of it: what it rested on and what became of it."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import msgspec
from sqlalchemy import text

from ops.installation import Refused
from shared.model import AssignmentStatus, Frozen, OutcomeKind, PatientKey, SystemResponse, TenantId
from shared.persistence.patients import RESPONSE
from shared.persistence.unit_of_work import UnitOfWork


class PastOutcome(Frozen, frozen=True):
    """An outcome of the response; ``who`` None: nobody did it, the system found it."""

    computed_at: datetime
    outcome: OutcomeKind
    who: str | None
    reason: str | None


class PastSend(Frozen, frozen=True):
    """A Send that answers the response, without its note."""

    submitted_at: datetime
    who: str
    override_proceed: str | None
    override_tasking: str | None
    confirmed: bool
    superseded: bool


class PastAssignment(Frozen, frozen=True):
    """An item that the response left; ``whose`` is a role or a user's display name."""

    created_at: datetime
    reason_code: str
    whose: str
    status: AssignmentStatus
    resolved_at: datetime | None


class Story(Frozen, frozen=True):
    """Everything that is stored of one response. ``ledger_digest``: what its event says it rested on."""

    patient_key: PatientKey
    response: SystemResponse
    ledger_digest: str | None
    outcomes: tuple[PastOutcome, ...]
    sends: tuple[PastSend, ...]
    assignments: tuple[PastAssignment, ...]


_STORY = text(f"""
SELECT json_build_object('patient_key', c.patient_key,
    'response', {RESPONSE},
    'ledger_digest', (SELECT e.payload_json ->> 'facts_digest' FROM event_log e
        WHERE e.tenant_id = r.tenant_id AND e.patient_context_id = r.patient_context_id
        AND e.event_type = 'System.Response'
        AND e.payload_json ->> 'system_response_id' = CAST(r.system_response_id AS text)
        ORDER BY e.seq LIMIT 1),
    'outcomes', (SELECT coalesce(json_agg(json_build_object('computed_at', o.computed_at,
            'outcome', o.outcome, 'reason', o.reason, 'who', u.display_name)
            ORDER BY o.computed_at, o.response_outcome_id), '[]')
        FROM response_outcome o LEFT JOIN app_user u ON u.tenant_id = o.tenant_id AND u.user_id = o.user_id
        WHERE o.tenant_id = r.tenant_id AND o.system_response_id = r.system_response_id),
    'sends', (SELECT coalesce(json_agg(json_build_object('submitted_at', m.submitted_at,
            'who', u.display_name, 'override_proceed', m.override_proceed,
            'override_tasking', m.override_tasking, 'confirmed', m.confirmed, 'superseded', m.superseded)
            ORDER BY m.submitted_at, m.mini_submission_id), '[]')
        FROM mini_submission m JOIN app_user u ON u.tenant_id = m.tenant_id AND u.user_id = m.user_id
        WHERE m.tenant_id = r.tenant_id AND m.patient_context_id = r.patient_context_id
        AND m.system_response_id = r.system_response_id),
    'assignments', (SELECT coalesce(json_agg(json_build_object('created_at', a.created_at,
            'reason_code', a.reason_code, 'whose', coalesce(a.assigned_to_role, u.display_name),
            'status', a.status, 'resolved_at', a.resolved_at)
            ORDER BY a.created_at, a.assignment_id), '[]')
        FROM assignment a
        LEFT JOIN app_user u ON u.tenant_id = a.tenant_id AND u.user_id = a.assigned_to_user
        WHERE a.tenant_id = r.tenant_id AND a.patient_context_id = r.patient_context_id
        AND a.system_response_id = r.system_response_id))::text
FROM system_response r
JOIN patient_context c ON c.tenant_id = r.tenant_id AND c.patient_context_id = r.patient_context_id
WHERE r.tenant_id = :tenant AND r.system_response_id = :response""")


def read_story(uow: UnitOfWork, tenant_id: TenantId, response_id: str) -> Story:
    """The story of a response of this tenant. Raises Refused when there is none of that id."""
    try:
        found = uow.value(_STORY, tenant=tenant_id, response=UUID(response_id))
    except ValueError:
        raise Refused(f"'{response_id}' is no response's id: it must be a UUID.") from None
    if found is None:
        raise Refused("This tenant has no response of that id.")
    try:
        return msgspec.json.decode(found, type=Story)
    except msgspec.MsgspecError:
        raise Refused("What is stored of this response can't be read: it is not what Mobius wrote.") from None
