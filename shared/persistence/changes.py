"""The one statement that writes a change to a patient's state: all of it, or none.

Everything that a Send, a response or an assignment changes goes through here: the rows themselves, the
next version of the context, the ledger events, the outbox rows of the patient and of every user whose
inbox is affected, and what the request leaves behind about its session. It runs under the patient's lock.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import msgspec
from sqlalchemy import text

from shared.errors import Collided
from shared.ledger.events import AssignmentReassigned, Event
from shared.model import (
    AssertedProceed,
    AssertedTasking,
    AssignmentId,
    AssignmentStatus,
    CorrelationId,
    Frozen,
    InvocationId,
    OutcomeKind,
    PatientContextId,
    SubjectType,
    SubmissionId,
    SystemResponse,
    SystemResponseId,
    TenantId,
    UserId,
)
from shared.persistence.unit_of_work import UnitOfWork
from shared.persistence.visits import (
    EVENT_COLUMNS,
    INVOCATION,
    VISIT,
    VISITED,
    Visit,
    visit_parameters,
)

RELAY_AFTER_S = 3
"""How long the relay leaves a new outbox row to the request that wrote it."""


class NewSubmission(Frozen, frozen=True):
    """A Send to store."""

    mini_submission_id: SubmissionId
    system_response_id: SystemResponseId
    user_id: UserId
    override_proceed: AssertedProceed | None
    override_tasking: AssertedTasking | None
    note_text: str
    confirmed: bool
    superseded: bool
    needs_ack_after: bool
    idempotency_key_hash: str | None
    request_hash: str | None


class NewOutcome(Frozen, frozen=True):
    """What became of a response, to store; a second one of the same kind is the first."""

    response_outcome_id: UUID
    system_response_id: SystemResponseId
    outcome: OutcomeKind
    user_id: UserId | None
    reason: str | None = None


class NewAssignment(Frozen, frozen=True):
    """An open item to make, for exactly one of a user and a role."""

    assignment_id: AssignmentId
    system_response_id: SystemResponseId
    reason_code: str
    assigned_to_user: UserId | None
    assigned_to_role: str | None


class Change(Frozen, frozen=True):
    """One step of a patient's state. ``ack_due_at`` is what it is after the step.

    ``closed`` items end as ``closed_as``: resolved by the submission, or dismissed. ``reassigned`` items were
    those of the user ``reassigned_from``. ``visit`` is what the request leaves behind about its session,
    ``invocation_id`` the invocation that is already there.
    """

    patient_context_id: PatientContextId
    ack_due_at: datetime | None
    correlation_id: CorrelationId
    events: tuple[Event, ...]
    response: SystemResponse | None = None
    submission: NewSubmission | None = None
    outcome: NewOutcome | None = None
    opened: tuple[NewAssignment, ...] = ()
    closed: tuple[AssignmentId, ...] = ()
    closed_as: AssignmentStatus = AssignmentStatus.RESOLVED
    claimed: AssignmentId | None = None
    claimed_by: UserId | None = None
    reassigned: tuple[AssignmentReassigned, ...] = ()
    reassigned_from: UserId | None = None
    visit: Visit | None = None
    invocation_id: InvocationId | None = None

    def visited(
        self, visit: Visit | None, invocation_id: InvocationId | None, first_view: tuple[Event, ...]
    ) -> Change:
        """The change with what its request leaves behind about its session; a first view comes first."""
        return msgspec.structs.replace(
            self, visit=visit, invocation_id=invocation_id, events=(*first_view, *self.events)
        )


class Subject(Frozen, frozen=True):
    """A projection that Firestore does not have yet."""

    subject_type: SubjectType
    subject: UUID
    version: int


class Written(Frozen, frozen=True):
    """What the database made of a change: when it happened and which projections follow."""

    at: datetime
    version: int
    subjects: tuple[Subject, ...]
    visited: bool


# clock_timestamp(), not now(): a transaction that waited for the lock began before the one it waited for.
_WRITE = text(f"""
WITH locked AS (SELECT 1), {VISIT}, context AS (
    UPDATE patient_context
    SET version = version + 1, last_updated_at = clock_timestamp(),
        ack_due_at = CAST(:ack_due_at AS timestamptz),
        reassess_at = CASE WHEN CAST(:decided AS boolean) THEN NULL ELSE reassess_at END
    WHERE tenant_id = :tenant AND patient_context_id = :context
    RETURNING tenant_id, patient_context_id, version, last_updated_at AS at
), response AS (
    INSERT INTO system_response (tenant_id, patient_context_id, computed_at, correlation_id,
        system_response_id, surface_type, proceed_indicator, execution_mode, tasking_summary, task_count,
        rationale, needs_ack, policy_version, facts_digest)
    SELECT c.tenant_id, c.patient_context_id, c.at, CAST(:correlation AS uuid), r.*
    FROM context c, jsonb_to_recordset(CAST(:responses AS jsonb)) AS r(system_response_id uuid,
        surface_type text, proceed_indicator text, execution_mode text, tasking_summary text,
        task_count smallint, rationale jsonb, needs_ack boolean, policy_version int, facts_digest text)
), submission AS (
    INSERT INTO mini_submission (tenant_id, patient_context_id, submitted_at, invocation_id,
        mini_submission_id, system_response_id, user_id, override_proceed, override_tasking, note_text,
        confirmed, superseded, needs_ack_after, idempotency_key_hash, request_hash)
    SELECT c.tenant_id, c.patient_context_id, c.at, {INVOCATION},
        m.mini_submission_id, m.system_response_id, m.user_id, m.override_proceed,
        m.override_tasking, m.note_text, m.confirmed, m.superseded, m.needs_ack_after,
        decode(m.idempotency_key_hash, 'hex'), decode(m.request_hash, 'hex')
    FROM context c, jsonb_to_recordset(CAST(:submissions AS jsonb)) AS m(mini_submission_id uuid,
        system_response_id uuid, user_id uuid, override_proceed text, override_tasking text, note_text text,
        confirmed boolean, superseded boolean, needs_ack_after boolean, idempotency_key_hash text,
        request_hash text)
), outcome AS (
    INSERT INTO response_outcome (tenant_id, patient_context_id, computed_at,
        response_outcome_id, system_response_id, outcome, user_id, reason)
    SELECT c.tenant_id, c.patient_context_id, c.at, o.*
    FROM context c, jsonb_to_recordset(CAST(:outcomes AS jsonb)) AS o(response_outcome_id uuid,
        system_response_id uuid, outcome text, user_id uuid, reason text)
    ON CONFLICT (tenant_id, system_response_id, outcome) DO NOTHING
), opened AS (
    INSERT INTO assignment (tenant_id, patient_context_id, created_at,
        assignment_id, system_response_id, reason_code, assigned_to_user, assigned_to_role)
    SELECT c.tenant_id, c.patient_context_id, c.at, a.*
    FROM context c, jsonb_to_recordset(CAST(:opened AS jsonb)) AS a(assignment_id uuid,
        system_response_id uuid, reason_code text, assigned_to_user uuid, assigned_to_role text)
    RETURNING assigned_to_user, assigned_to_role
), closed AS (
    UPDATE assignment a
    SET status = CAST(:closed_as AS text), resolved_at = c.at,
        resolved_by_submission = CAST(:resolved_by AS uuid)
    FROM context c, jsonb_array_elements_text(CAST(:closed AS jsonb)) AS r(assignment_id)
    WHERE a.tenant_id = c.tenant_id AND a.patient_context_id = c.patient_context_id
        AND a.assignment_id = CAST(r.assignment_id AS uuid) AND a.status = 'open'
    RETURNING a.assigned_to_user, a.assigned_to_role
), claimed AS (
    UPDATE assignment a SET claimed_by = CAST(:claimed_by AS uuid) FROM context c
    WHERE a.tenant_id = c.tenant_id AND a.patient_context_id = c.patient_context_id
        AND a.assignment_id = CAST(:claimed AS uuid) AND a.status = 'open'
    RETURNING a.assigned_to_user, a.assigned_to_role
), reassigned AS (
    UPDATE assignment a SET assigned_to_user = r.assigned_to_user, assigned_to_role = r.assigned_to_role,
        claimed_by = NULL  -- or the claim of who left would count again on the day they come back
    FROM context c, jsonb_to_recordset(CAST(:reassigned AS jsonb)) AS r(assignment_id uuid,
        assigned_to_user uuid, assigned_to_role text)
    WHERE a.tenant_id = c.tenant_id AND a.patient_context_id = c.patient_context_id
        AND a.assignment_id = r.assignment_id AND a.status = 'open'
    RETURNING a.assigned_to_user, a.assigned_to_role
), subjects AS (
    SELECT c.tenant_id, 'patient' AS subject_type, c.patient_context_id AS subject, c.version FROM context c
    UNION ALL
    SELECT c.tenant_id, 'user', u.user_id, CAST(CAST(pg_current_xact_id() AS text) AS bigint)
    FROM context c JOIN app_user u ON u.tenant_id = c.tenant_id AND u.status = 'active'
    WHERE EXISTS (SELECT 1 FROM (
            SELECT * FROM opened UNION ALL SELECT * FROM closed UNION ALL SELECT * FROM claimed
            UNION ALL SELECT * FROM reassigned) f
        WHERE f.assigned_to_user = u.user_id OR f.assigned_to_role = u.role)
    UNION ALL
    SELECT c.tenant_id, 'user', u.user_id, CAST(CAST(pg_current_xact_id() AS text) AS bigint)
    FROM context c JOIN app_user u ON u.tenant_id = c.tenant_id AND u.status <> 'active'
        AND u.user_id = CAST(:reassigned_from AS uuid)
), told AS (
    INSERT INTO outbox (tenant_id, outbox_id, subject_type, subject, version, next_attempt_at)
    SELECT s.tenant_id, gen_random_uuid(), s.subject_type, s.subject, s.version,
        clock_timestamp() + interval '{RELAY_AFTER_S} seconds'
    FROM subjects s
), events AS (
    INSERT INTO event_log (tenant_id, patient_context_id, version, event_id, event_type, actor_user_id,
        correlation_id, invocation_id, payload_json)
    SELECT c.tenant_id, c.patient_context_id, CASE WHEN NOT e.first_view THEN c.version END, e.event_id,
        e.event_type, e.actor_user_id, e.correlation_id, {INVOCATION}, e.payload_json
    FROM context c, jsonb_to_recordset(CAST(:events AS jsonb)) AS e({EVENT_COLUMNS})
    WHERE NOT e.first_view OR EXISTS (SELECT 1 FROM viewed)
    ORDER BY e.ord
)
SELECT json_build_object('at', c.at, 'version', c.version, 'visited', {VISITED},
    'subjects', (SELECT json_agg(json_build_object(
        'subject_type', s.subject_type, 'subject', s.subject, 'version', s.version)) FROM subjects s))::text
FROM context c
""")


def write_change(uow: UnitOfWork, tenant_id: TenantId, change: Change) -> Written:
    """Writes ``change`` in one statement. The caller holds the patient's lock and commits.

    Raises Collided when another request of the same tab began the visit's session meanwhile.
    """
    found = uow.value(
        _WRITE,
        tenant=tenant_id,
        context=change.patient_context_id,
        ack_due_at=change.ack_due_at,
        decided=change.response is not None,
        correlation=change.correlation_id,
        responses=_rows(change.response),
        submissions=_rows(change.submission),
        outcomes=_rows(change.outcome),
        opened=_json(change.opened),
        closed=_json(change.closed),
        closed_as=change.closed_as.value,
        resolved_by=change.submission.mini_submission_id if change.submission else None,
        claimed=change.claimed,
        claimed_by=change.claimed_by,
        reassigned=_json(change.reassigned),
        reassigned_from=change.reassigned_from,
        events=_json([event.as_row(order) for order, event in enumerate(change.events)]),
        **visit_parameters(change.visit, change.invocation_id),
    )
    written = msgspec.json.decode(found, type=Written)
    if not written.visited:
        raise Collided
    return written


def _rows(row: Frozen | None) -> str:
    return _json([] if row is None else [row])


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
