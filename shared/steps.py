"""From the facts of a use case to the one change that is written: pure but for new ids."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from uuid import UUID

import msgspec
from uuid_utils.compat import uuid7

from shared.decisions.acknowledgement import is_confirmation
from shared.decisions.assignment import decide_assignments
from shared.decisions.policy import Policy
from shared.ledger.digests import shown_digest
from shared.ledger.events import (
    AssignmentCreated,
    AssignmentResolved,
    Event,
    OutcomeComputed,
    Payload,
    SystemResponded,
    UserAcknowledged,
    UserDismissed,
)
from shared.model import (
    Actor,
    Assignment,
    AssignmentId,
    AssignmentStatus,
    Decision,
    OutcomeKind,
    PatientState,
    SubmissionId,
    Surface,
    SystemResponse,
    SystemResponseId,
    UserId,
)
from shared.persistence.changes import (
    Change,
    NewAssignment,
    NewOutcome,
    NewSubmission,
)
from shared.persistence.readings import SendReading, StoredSubmission
from shared.views import Caller, Dismissal, Origin, Send


def new_response(decision: Decision, surface: Surface, at: datetime) -> SystemResponse:
    """What a decision becomes when it is surfaced; the database says when that was."""
    fields = msgspec.structs.asdict(decision)
    return SystemResponse(
        system_response_id=SystemResponseId(uuid7()), surface_type=surface, computed_at=at, **fields
    )


def responded(response: SystemResponse) -> SystemResponded:
    """The ledger's word for a new response."""
    return SystemResponded(
        system_response_id=response.system_response_id,
        proceed_indicator=response.proceed_indicator,
        execution_mode=response.execution_mode,
        task_count=response.task_count,
        needs_ack=response.needs_ack,
        policy_version=response.policy_version,
        surface=response.surface_type,
        facts_digest=response.facts_digest,
        shown_digest=shown_digest(response.tasking_summary, msgspec.json.encode(response.rationale)),
    )


def sent(
    caller: Caller,
    actor: Actor,
    send: Send,
    reading: SendReading,
    state: PatientState,
    latest: SystemResponse,
    answered: SystemResponse,
    key_hash: bytes | None,
    request_hash: bytes | None,
    digest: Callable[[UUID, str], str],
) -> Change:
    """Everything that a Send changes: pure. ``digest`` is what the ledger holds of a record's note."""
    answers = answered.system_response_id
    superseded = answers != latest.system_response_id
    submission = NewSubmission(
        mini_submission_id=SubmissionId(uuid7()),
        system_response_id=answers,
        user_id=actor.user_id,
        override_proceed=send.override_proceed,
        override_tasking=send.override_tasking,
        note_text=send.note_text,
        confirmed=is_confirmation(answered, send.override_proceed, send.override_tasking),
        superseded=superseded,
        needs_ack_after=superseded and state.needs_ack,
        idempotency_key_hash=key_hash.hex() if key_hash else None,
        request_hash=request_hash.hex() if request_hash else None,
    )
    resolved = _closed_with(answers, latest, state)
    payloads: list[Payload] = [
        UserAcknowledged(
            mini_submission_id=submission.mini_submission_id,
            system_response_id=answers,
            override_proceed=send.override_proceed,
            override_tasking=send.override_tasking,
            confirmed=submission.confirmed,
            superseded=superseded,
            note_digest=digest(submission.mini_submission_id, send.note_text),
            surface=caller.surface,
        )
    ]
    if OutcomeKind.ACKNOWLEDGED not in reading.settled_as:
        payloads.append(OutcomeComputed(system_response_id=answers, outcome=OutcomeKind.ACKNOWLEDGED))
    payloads += [
        AssignmentResolved(
            assignment_id=item.assignment_id,
            reason_code=item.reason_code,
            status=AssignmentStatus.RESOLVED,
            mini_submission_id=submission.mini_submission_id,
        )
        for item in resolved
    ]
    return Change(
        patient_context_id=state.patient_context_id,
        ack_due_at=state.ack_due_at if superseded else None,
        correlation_id=caller.correlation_id,
        submission=submission,
        outcome=NewOutcome(
            response_outcome_id=uuid7(),
            system_response_id=answers,
            outcome=OutcomeKind.ACKNOWLEDGED,
            user_id=actor.user_id,
        ),
        closed=tuple(item.assignment_id for item in resolved),
        events=events_of(caller, actor.user_id, payloads),
    )


def dismissed(
    caller: Caller,
    actor: Actor,
    dismissal: Dismissal,
    state: PatientState,
    latest: SystemResponse,
    policy: Policy,
    absent: frozenset[UserId],
) -> Change:
    """Everything that a dismissal changes: pure but for new ids.

    Its open items end with it, unless the policy leaves work for somebody after a dismissal.
    """
    answered = dismissal.system_response_id or latest.system_response_id
    is_latest = answered == latest.system_response_id
    leaves_work = OutcomeKind.DISMISSED in policy.notifications.on_outcomes
    closed = () if leaves_work else _closed_with(answered, latest, state)
    opened: tuple[NewAssignment, ...] = ()
    if is_latest and latest.needs_ack:
        opened = new_assignments(OutcomeKind.DISMISSED, latest, state, policy, absent)
    payloads: list[Payload] = [
        UserDismissed(system_response_id=answered, reason=dismissal.reason, surface=caller.surface),
        OutcomeComputed(system_response_id=answered, outcome=OutcomeKind.DISMISSED),
        *(
            AssignmentResolved(
                assignment_id=item.assignment_id,
                reason_code=item.reason_code,
                status=AssignmentStatus.DISMISSED,
                mini_submission_id=None,
            )
            for item in closed
        ),
        *(created(item) for item in opened),
    ]
    return Change(
        patient_context_id=state.patient_context_id,
        ack_due_at=None if is_latest else state.ack_due_at,
        correlation_id=caller.correlation_id,
        outcome=NewOutcome(
            response_outcome_id=uuid7(),
            system_response_id=answered,
            outcome=OutcomeKind.DISMISSED,
            user_id=actor.user_id,
            reason=dismissal.reason.value,
        ),
        opened=opened,
        closed=tuple(item.assignment_id for item in closed),
        closed_as=AssignmentStatus.DISMISSED,
        events=events_of(caller, actor.user_id, payloads),
    )


def unanswered(
    origin: Origin,
    state: PatientState,
    response: SystemResponse,
    policy: Policy,
    absent: frozenset[UserId],
) -> Change:
    """Everything that follows when nobody acknowledged a response in time: pure but for new ids."""
    opened = new_assignments(OutcomeKind.UNACKNOWLEDGED, response, state, policy, absent)
    payloads: list[Payload] = [
        OutcomeComputed(system_response_id=response.system_response_id, outcome=OutcomeKind.UNACKNOWLEDGED),
        *(created(item) for item in opened),
    ]
    return Change(
        patient_context_id=state.patient_context_id,
        ack_due_at=None,
        correlation_id=origin.correlation_id,
        outcome=NewOutcome(
            response_outcome_id=uuid7(),
            system_response_id=response.system_response_id,
            outcome=OutcomeKind.UNACKNOWLEDGED,
            user_id=None,
        ),
        opened=opened,
        events=events_of(origin, None, payloads),
    )


def new_assignments(
    outcome: OutcomeKind,
    response: SystemResponse,
    state: PatientState,
    policy: Policy,
    absent: frozenset[UserId],
) -> tuple[NewAssignment, ...]:
    """The items that the assignment agent asks for, as they are stored."""
    open_reasons = frozenset(item.reason_code for item in state.open_assignments)
    items = decide_assignments(outcome, response.rationale, open_reasons, policy, absent).value
    return tuple(
        NewAssignment(
            assignment_id=AssignmentId(uuid7()),
            system_response_id=response.system_response_id,
            reason_code=item.reason_code,
            assigned_to_user=item.user,
            assigned_to_role=item.role,
        )
        for item in items
    )


def _closed_with(
    answered: SystemResponseId, latest: SystemResponse, state: PatientState
) -> tuple[Assignment, ...]:
    """The open items that end when somebody answers a response: all of them when it is the latest.

    When it came too late, those that were made for it, unless the latest has gone unacknowledged too: then
    they are its items as well, and nothing would bring it back to anybody.
    """
    if answered == latest.system_response_id:
        return state.open_assignments
    if state.outcome is OutcomeKind.UNACKNOWLEDGED:
        return ()
    return tuple(item for item in state.open_assignments if item.system_response_id == answered)


def created(item: NewAssignment) -> AssignmentCreated:
    """The ledger's word for a new item."""
    return AssignmentCreated(
        assignment_id=item.assignment_id,
        reason_code=item.reason_code,
        assigned_to_user=item.assigned_to_user,
        assigned_to_role=item.assigned_to_role,
    )


def stored_submission(change: Change, at: datetime, request_hash: bytes | None) -> StoredSubmission:
    """A Send's change as its first answer says it, and every repeated one after it."""
    submission = change.submission
    assert submission is not None  # noqa: S101 -- for the type checker: a Send always has one
    return StoredSubmission(
        mini_submission_id=submission.mini_submission_id,
        system_response_id=submission.system_response_id,
        submitted_at=at,
        note_text=submission.note_text,
        override_proceed=submission.override_proceed,
        override_tasking=submission.override_tasking,
        confirmed=submission.confirmed,
        superseded=submission.superseded,
        needs_ack_after=submission.needs_ack_after,
        resolved_assignments=change.closed,
        request_hash=request_hash.hex() if request_hash else None,
    )


def events_of(origin: Origin, actor: UserId | None, payloads: Iterable[Payload]) -> tuple[Event, ...]:
    """The events of one change, in the order of the chain. ``actor`` None: the system."""
    return tuple(
        Event(event_id=uuid7(), payload=payload, actor_user_id=actor, correlation_id=origin.correlation_id)
        for payload in payloads
    )
