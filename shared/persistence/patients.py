"""What is known of one patient, read whole: one statement, one snapshot of the database.

The database builds the answer as JSON in the shape of ``shared.model``, which decodes it typed.
"""

from __future__ import annotations

from datetime import datetime

import msgspec
from sqlalchemy import text

from shared.model import (
    Actor,
    AssertedProceed,
    AssertedTasking,
    Assignment,
    AssignmentId,
    CorrelationId,
    Frozen,
    PatientKey,
    PatientState,
    SubmissionId,
    SystemResponseId,
    TenantId,
    UserId,
)
from shared.persistence.unit_of_work import UnitOfWork

HISTORY_LENGTH = 10
PREVIEW_LENGTH = 5


class StoredSubmission(Frozen, frozen=True):
    """An acknowledgement with everything that its first answer said."""

    mini_submission_id: SubmissionId
    system_response_id: SystemResponseId
    submitted_at: datetime
    note_text: str
    override_proceed: AssertedProceed | None
    override_tasking: AssertedTasking | None
    confirmed: bool
    superseded: bool
    needs_ack_after: bool
    resolved_assignments: tuple[AssignmentId, ...]
    request_hash: str | None


class PatientReading(Frozen, frozen=True):
    """Who asks, under which policy version, about whom."""

    actor: Actor | None
    policy_version: int
    patient: PatientState | None


class SendReading(PatientReading, frozen=True):
    """Beside the reading, what a Send has to know.

    ``repeated`` is what the same idempotency key stored before; ``answered`` whether the response that
    the request names belongs to this patient, ``acknowledged`` whether somebody acknowledged it before.
    """

    repeated: StoredSubmission | None
    answered: bool
    acknowledged: bool


class PastEvent(Frozen, frozen=True):
    """One ledger event with its actor's name."""

    event_type: str
    created_at: datetime
    actor_user_id: UserId | None
    actor_display_name: str | None
    payload: dict[str, str | int | bool | list[str] | None]
    correlation_id: CorrelationId | None


class Inbox(Frozen, frozen=True):
    """A user's open assignments, the oldest first, and how many there are in all."""

    open_count: int
    assignments: tuple[Assignment, ...]


class PanelReading(PatientReading, frozen=True):
    """Beside the reading, what the side panel shows."""

    history: tuple[PastEvent, ...]
    inbox: Inbox


_ASSIGNMENT = """json_build_object(
    'assignment_id', a.assignment_id, 'patient_key', ac.patient_key,
    'system_response_id', a.system_response_id, 'reason_code', a.reason_code, 'created_at', a.created_at,
    'status', a.status, 'assigned_to_user', a.assigned_to_user, 'assigned_to_role', a.assigned_to_role,
    'claimed_by', a.claimed_by)"""

PATIENT_STATE = f"""json_build_object(
    'patient_context_id', c.patient_context_id, 'patient_key', c.patient_key, 'version', c.version,
    'version_head', CASE WHEN c.version_head IS NOT NULL THEN json_build_object(
        'seq', c.version_seq, 'hash', encode(c.version_head, 'hex')) END,
    'ack_due_at', c.ack_due_at, 'last_updated_at', c.last_updated_at,
    'snapshot', (SELECT json_build_object(
            'snapshot_version', s.snapshot_version, 'display_name', s.display_name,
            'id_label', s.id_label, 'id_masked', s.id_masked, 'dob', s.dob, 'updated_at', s.created_at)
        FROM patient_snapshot s
        WHERE s.tenant_id = c.tenant_id AND s.patient_context_id = c.patient_context_id
        ORDER BY s.snapshot_version DESC LIMIT 1),
    'signals', (SELECT coalesce(json_agg(json_build_object(
            'code', g.code, 'status', g.status, 'detail', g.detail_json,
            'observed_at', g.observed_at, 'source_system', g.source_system)
            ORDER BY g.code, g.source_system), '[]')
        FROM patient_signal g
        WHERE g.tenant_id = c.tenant_id AND g.patient_context_id = c.patient_context_id),
    'response', (SELECT json_build_object(
            'system_response_id', r.system_response_id, 'surface_type', r.surface_type,
            'computed_at', r.computed_at, 'proceed_indicator', r.proceed_indicator,
            'execution_mode', r.execution_mode, 'tasking_summary', r.tasking_summary,
            'task_count', r.task_count, 'rationale', r.rationale, 'needs_ack', r.needs_ack,
            'policy_version', r.policy_version, 'facts_digest', r.facts_digest)
        FROM system_response r
        WHERE r.tenant_id = c.tenant_id AND r.patient_context_id = c.patient_context_id
        ORDER BY r.computed_at DESC, r.system_response_id DESC LIMIT 1),
    'outcome', (SELECT o.outcome FROM response_outcome o
        WHERE o.tenant_id = c.tenant_id AND o.outcome <> 'invalidated' AND o.system_response_id = (
            SELECT r.system_response_id FROM system_response r
            WHERE r.tenant_id = c.tenant_id AND r.patient_context_id = c.patient_context_id
            ORDER BY r.computed_at DESC, r.system_response_id DESC LIMIT 1)
        ORDER BY o.computed_at DESC, o.response_outcome_id DESC LIMIT 1),
    'submission', (SELECT json_build_object(
            'mini_submission_id', m.mini_submission_id, 'submitted_at', m.submitted_at,
            'user_id', m.user_id, 'user_display_name', mu.display_name,
            'system_response_id', m.system_response_id, 'override_proceed', m.override_proceed,
            'override_tasking', m.override_tasking, 'confirmed', m.confirmed)
        FROM mini_submission m
        JOIN app_user mu ON mu.tenant_id = m.tenant_id AND mu.user_id = m.user_id
        WHERE m.tenant_id = c.tenant_id AND m.patient_context_id = c.patient_context_id
        ORDER BY m.submitted_at DESC, m.mini_submission_id DESC LIMIT 1),
    'open_assignments', (SELECT coalesce(json_agg({_ASSIGNMENT.replace("ac.patient_key", "c.patient_key")}
            ORDER BY a.created_at, a.assignment_id), '[]')
        FROM assignment a
        WHERE a.tenant_id = c.tenant_id AND a.patient_context_id = c.patient_context_id
        AND a.status = 'open'))"""

_READING = f"""'actor', (SELECT json_build_object('user_id', u.user_id, 'role', u.role,
        'display_name', u.display_name, 'status', u.status, 'tokens_valid_after', u.tokens_valid_after)
    FROM app_user u WHERE u.tenant_id = :tenant AND u.user_id = :user),
'policy_version', (SELECT coalesce(max(p.version), 0) FROM policy_config p WHERE p.tenant_id = :tenant),
'patient', (SELECT {PATIENT_STATE} FROM patient_context c
    WHERE c.tenant_id = :tenant AND c.patient_key = :patient_key)"""

_REPEATED = """'repeated', (SELECT json_build_object(
        'mini_submission_id', m.mini_submission_id, 'system_response_id', m.system_response_id,
        'submitted_at', m.submitted_at, 'note_text', m.note_text, 'override_proceed', m.override_proceed,
        'override_tasking', m.override_tasking, 'confirmed', m.confirmed, 'superseded', m.superseded,
        'needs_ack_after', m.needs_ack_after, 'request_hash', encode(m.request_hash, 'hex'),
        'resolved_assignments', (SELECT coalesce(json_agg(a.assignment_id ORDER BY a.created_at,
            a.assignment_id), '[]') FROM assignment a WHERE a.tenant_id = m.tenant_id
            AND a.patient_context_id = m.patient_context_id
            AND a.resolved_by_submission = m.mini_submission_id))
    FROM mini_submission m WHERE m.tenant_id = :tenant AND m.user_id = :user
    AND m.idempotency_key_hash = CAST(:key_hash AS bytea)),
'answered', EXISTS (SELECT 1 FROM system_response r JOIN patient_context c
    ON c.tenant_id = r.tenant_id AND c.patient_context_id = r.patient_context_id
    WHERE r.tenant_id = :tenant AND r.system_response_id = CAST(:response AS uuid)
    AND c.patient_key = :patient_key),
'acknowledged', EXISTS (SELECT 1 FROM response_outcome o WHERE o.tenant_id = :tenant
    AND o.outcome = 'acknowledged' AND o.system_response_id = coalesce(CAST(:response AS uuid),
        (SELECT r.system_response_id FROM system_response r JOIN patient_context c
        ON c.tenant_id = r.tenant_id AND c.patient_context_id = r.patient_context_id
        WHERE r.tenant_id = :tenant AND c.patient_key = :patient_key
        ORDER BY r.computed_at DESC, r.system_response_id DESC LIMIT 1)))"""


def inbox_json(limit: int) -> str:
    """The inbox of the user ``w``: what is for that user or for that user's role, the oldest first."""
    return f"""json_build_object(
    'open_count', (SELECT count(*) FROM assignment a WHERE a.tenant_id = w.tenant_id AND a.status = 'open'
        AND (a.assigned_to_user = w.user_id OR a.assigned_to_role = w.role)),
    'assignments', (SELECT coalesce(json_agg(i.item ORDER BY i.created_at, i.assignment_id), '[]') FROM (
        SELECT {_ASSIGNMENT} AS item, a.created_at, a.assignment_id
        FROM assignment a JOIN patient_context ac
        ON ac.tenant_id = a.tenant_id AND ac.patient_context_id = a.patient_context_id
        WHERE a.tenant_id = w.tenant_id AND a.status = 'open'
        AND (a.assigned_to_user = w.user_id OR a.assigned_to_role = w.role)
        ORDER BY a.created_at, a.assignment_id LIMIT {limit:d}) i))"""


_PANEL = f"""'history', (SELECT coalesce(json_agg(h.item ORDER BY h.seq DESC), '[]') FROM (
        SELECT e.seq, json_build_object('event_type', e.event_type, 'created_at', e.created_at,
            'actor_user_id', e.actor_user_id, 'actor_display_name', eu.display_name,
            'payload', e.payload_json, 'correlation_id', e.correlation_id) AS item
        FROM patient_context c
        JOIN event_log e ON e.tenant_id = c.tenant_id AND e.patient_context_id = c.patient_context_id
        LEFT JOIN app_user eu ON eu.tenant_id = e.tenant_id AND eu.user_id = e.actor_user_id
        WHERE c.tenant_id = :tenant AND c.patient_key = :patient_key
        ORDER BY e.seq DESC LIMIT {HISTORY_LENGTH}) h),
'inbox', coalesce((SELECT {inbox_json(PREVIEW_LENGTH)} FROM app_user w
    WHERE w.tenant_id = :tenant AND w.user_id = :user),
    '{{"open_count": 0, "assignments": []}}'::json)"""

_READ = text(f"SELECT json_build_object({_READING})::text")
_READ_FOR_SEND = text(f"SELECT json_build_object({_READING}, {_REPEATED})::text")
_READ_FOR_PANEL = text(f"SELECT json_build_object({_READING}, {_PANEL})::text")


def read_patient(
    uow: UnitOfWork, tenant_id: TenantId, user_id: UserId, patient_key: PatientKey | None
) -> PatientReading:
    """Reads the caller and a patient; the patient is None when there is no such one in this tenant."""
    found = uow.value(_READ, tenant=tenant_id, user=user_id, patient_key=patient_key or "")
    return msgspec.json.decode(found, type=PatientReading)


def read_for_send(
    uow: UnitOfWork,
    tenant_id: TenantId,
    user_id: UserId,
    patient_key: PatientKey,
    *,
    key_hash: bytes | None,
    answered: SystemResponseId | None,
) -> SendReading:
    """Reads what a Send has to know. Call it under the patient's lock."""
    found = uow.value(
        _READ_FOR_SEND,
        tenant=tenant_id,
        user=user_id,
        patient_key=patient_key,
        key_hash=key_hash,
        response=answered,
    )
    return msgspec.json.decode(found, type=SendReading)


def read_for_panel(
    uow: UnitOfWork, tenant_id: TenantId, user_id: UserId, patient_key: PatientKey
) -> PanelReading:
    """Reads the caller, a patient, the latest 10 events and the oldest 5 items of the caller's inbox."""
    found = uow.value(
        _READ_FOR_PANEL,
        tenant=tenant_id,
        user=user_id,
        patient_key=patient_key,
    )
    return msgspec.json.decode(found, type=PanelReading)
