"""From the facts of a use case to the one change that is written: pure but for new ids."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

import msgspec
from uuid_utils.compat import uuid7

from shared.decisions.acknowledgement import is_confirmation
from shared.ledger.events import (
    AssignmentResolved,
    Event,
    OutcomeComputed,
    Payload,
    SystemResponded,
    UserAcknowledged,
)
from shared.model import (
    Actor,
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
    NewOutcome,
    NewSubmission,
)
from shared.persistence.patients import (
    SendReading,
    StoredSubmission,
)
from shared.views import Caller, Send


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
    )


def sent(
    caller: Caller,
    actor: Actor,
    send: Send,
    reading: SendReading,
    state: PatientState,
    latest: SystemResponse,
    key_hash: bytes | None,
    request_hash: bytes | None,
) -> Change:
    """Everything that a Send changes: pure."""
    answered = send.system_response_id or latest.system_response_id
    superseded = answered != latest.system_response_id
    submission = NewSubmission(
        mini_submission_id=SubmissionId(uuid7()),
        system_response_id=answered,
        user_id=actor.user_id,
        override_proceed=send.override_proceed,
        override_tasking=send.override_tasking,
        note_text=send.note_text,
        confirmed=not superseded and is_confirmation(latest, send.override_proceed, send.override_tasking),
        superseded=superseded,
        needs_ack_after=superseded and state.needs_ack,
        idempotency_key_hash=key_hash.hex() if key_hash else None,
        request_hash=request_hash.hex() if request_hash else None,
    )
    # A Send resolves what it answers: all that is open, or, when it came too late, its own response's.
    resolved = tuple(
        item for item in state.open_assignments if not superseded or item.system_response_id == answered
    )
    payloads: list[Payload] = [
        UserAcknowledged(
            mini_submission_id=submission.mini_submission_id,
            system_response_id=answered,
            override_proceed=send.override_proceed,
            override_tasking=send.override_tasking,
            confirmed=submission.confirmed,
            superseded=superseded,
            surface=caller.surface,
        )
    ]
    if not reading.acknowledged:
        payloads.append(OutcomeComputed(system_response_id=answered, outcome=OutcomeKind.ACKNOWLEDGED))
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
        submission=submission,
        outcome=NewOutcome(
            response_outcome_id=uuid7(),
            system_response_id=answered,
            outcome=OutcomeKind.ACKNOWLEDGED,
            user_id=actor.user_id,
        ),
        resolved=tuple(item.assignment_id for item in resolved),
        events=events_of(caller, actor.user_id, payloads),
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
        resolved_assignments=change.resolved,
        request_hash=request_hash.hex() if request_hash else None,
    )


def events_of(caller: Caller, actor: UserId | None, payloads: Iterable[Payload]) -> tuple[Event, ...]:
    """The events of one change, in the order of the chain. ``actor`` None: the system."""
    return tuple(
        Event(event_id=uuid7(), payload=payload, actor_user_id=actor, correlation_id=caller.correlation_id)
        for payload in payloads
    )
