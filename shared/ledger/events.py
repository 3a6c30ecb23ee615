"""The catalogue of audit events: one payload type for each, of ids, enumerations, counts and times.

There is no field for free text, a name, a birth date, an external id or a client's string, so none can
get in (mission: no PHI in the ledger). How events are chained is the database's business.
"""

from __future__ import annotations

from typing import ClassVar
from uuid import UUID

import msgspec

from shared.model import (
    AssertedProceed,
    AssertedTasking,
    AssignmentId,
    CorrelationId,
    ExecutionMode,
    Frozen,
    OutcomeKind,
    ProceedIndicator,
    SubmissionId,
    Surface,
    SystemResponseId,
    UserId,
)


class Payload(Frozen, frozen=True):
    """Base of every payload; ``event_type`` is past tense and dotted."""

    event_type: ClassVar[str]


class SystemResponded(Payload, frozen=True):
    """The system computed something new and surfaced it."""

    event_type = "System.Response"
    system_response_id: SystemResponseId
    proceed_indicator: ProceedIndicator
    execution_mode: ExecutionMode
    task_count: int
    needs_ack: bool
    policy_version: int
    surface: Surface
    facts_digest: str


class UserAcknowledged(Payload, frozen=True):
    """Somebody pressed Send."""

    event_type = "User.Acknowledged"
    mini_submission_id: SubmissionId
    system_response_id: SystemResponseId
    override_proceed: AssertedProceed | None
    override_tasking: AssertedTasking | None
    confirmed: bool
    superseded: bool
    surface: Surface


class OutcomeComputed(Payload, frozen=True):
    """What became of a response."""

    event_type = "Outcome.Computed"
    system_response_id: SystemResponseId
    outcome: OutcomeKind


class AssignmentCreated(Payload, frozen=True):
    """An open item was made."""

    event_type = "Assignment.Created"
    assignment_id: AssignmentId
    reason_code: str
    assigned_to_user: UserId | None
    assigned_to_role: str | None


class AssignmentResolved(Payload, frozen=True):
    """An open item was answered by a Send."""

    event_type = "Assignment.Resolved"
    assignment_id: AssignmentId
    reason_code: str
    mini_submission_id: SubmissionId


class Event(Frozen, frozen=True):
    """One event to append. Events of one change keep their order in the chain."""

    event_id: UUID
    payload: Payload
    actor_user_id: UserId | None
    correlation_id: CorrelationId

    def as_row(self, order: int) -> dict[str, object]:
        """The event as the one statement that writes a change takes it."""
        return {
            "ord": order,
            "event_id": self.event_id,
            "event_type": self.payload.event_type,
            "actor_user_id": self.actor_user_id,
            "correlation_id": self.correlation_id,
            "payload_json": msgspec.to_builtins(self.payload),
        }
