"""The catalogue of audit events: one payload type for each, of ids, enumerations, counts and times.

There is no field for free text, a name, a birth date, an external id or a client's string, so none can
get in (mission: no PHI in the ledger). How events are chained is the database's business.
"""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar
from uuid import UUID

import msgspec

from shared.model import (
    AssertedProceed,
    AssertedTasking,
    AssignmentId,
    AssignmentStatus,
    BreakGlassId,
    BreakGlassReason,
    CorrelationId,
    DeniedReason,
    DismissReason,
    ErasureReason,
    ErasureScope,
    ExecutionMode,
    Frozen,
    InteractionKind,
    LedgerReading,
    OutcomeKind,
    PatientContextId,
    ProceedIndicator,
    SubmissionId,
    Surface,
    SystemResponseId,
    UserId,
    UserStatus,
)


class Payload(Frozen, frozen=True):
    """Base of every payload; ``event_type`` is past tense and dotted."""

    event_type: ClassVar[str]


class SystemResponded(Payload, frozen=True):
    """The system computed something new and surfaced it.

    ``shown_digest``: of the words beside it (see digests.py), so that they can't be altered unseen either.
    """

    event_type = "System.Response"
    system_response_id: SystemResponseId
    proceed_indicator: ProceedIndicator
    execution_mode: ExecutionMode
    task_count: int
    needs_ack: bool
    policy_version: int
    surface: Surface
    facts_digest: str
    shown_digest: str


class UserAcknowledged(Payload, frozen=True):
    """Somebody pressed Send. ``note_digest``: of the note, under a key of the tenant's (see text_digest)."""

    event_type = "User.Acknowledged"
    mini_submission_id: SubmissionId
    system_response_id: SystemResponseId
    override_proceed: AssertedProceed | None
    override_tasking: AssertedTasking | None
    confirmed: bool
    superseded: bool
    note_digest: str
    surface: Surface


class UserDismissed(Payload, frozen=True):
    """Somebody set a response aside without acknowledging it."""

    event_type = "User.Dismissed"
    system_response_id: SystemResponseId
    reason: DismissReason
    surface: Surface


class UserInteracted(Payload, frozen=True):
    """Somebody did what commits nothing; a session's first view of a patient is always here."""

    event_type = "User.Interaction"
    kind: InteractionKind
    surface: Surface


class UserSearched(Payload, frozen=True):
    """Somebody looked for a patient and was shown so many, and whom; what they typed is nobody's business."""

    event_type = "User.Searched"
    result_count: int
    surface: Surface
    shown: tuple[PatientContextId, ...]


class GlassBroken(Payload, frozen=True):
    """Somebody opened, for ``lasts_s`` seconds, what the policy keeps from their role, and said why.

    ``explanation_digest``: as a note's.
    """

    event_type = "Glass.Broken"
    break_glass_id: BreakGlassId
    reason: BreakGlassReason
    lasts_s: int
    explanation_digest: str
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


class AssignmentClaimed(Payload, frozen=True):
    """The actor took an open item on; the others see that somebody has it."""

    event_type = "Assignment.Claimed"
    assignment_id: AssignmentId
    reason_code: str
    assigned_to_user: UserId | None
    assigned_to_role: str | None


class AssignmentReassigned(Payload, frozen=True):
    """An open item of somebody who works here no more became somebody else's, whom it names."""

    event_type = "Assignment.Reassigned"
    assignment_id: AssignmentId
    reason_code: str
    assigned_to_user: UserId | None
    assigned_to_role: str | None


class AssignmentResolved(Payload, frozen=True):
    """An open item was answered by a Send, or dismissed with what it was about."""

    event_type = "Assignment.Resolved"
    assignment_id: AssignmentId
    reason_code: str
    status: AssignmentStatus
    mini_submission_id: SubmissionId | None


class PolicyPublished(Payload, frozen=True):
    """A new version of the tenant's policy counts from here on. ``digest``: SHA-256 of its canonical JSON."""

    event_type = "Policy.Published"
    version: int
    digest: str


class PatientUpdated(Payload, frozen=True):
    """An intake brought a patient in or changed what is known of one.

    ``snapshot_version`` is the newest after it; ``changed_signals`` are signal codes, sorted.
    """

    event_type = "Patient.Updated"
    snapshot_version: int
    changed_signals: tuple[str, ...]


class VersionRaised(Payload, frozen=True):
    """After the database was restored to an earlier point, the patient's version was put above what was lost.

    ``lost_version``, ``lost_seq`` and ``lost_hash`` are what the patient's document held: the version, and
    the number and hash of its last event. ``version`` is the patient's from here on.
    """

    event_type = "Version.Raised"
    lost_version: int
    lost_seq: int
    lost_hash: str
    version: int


class AccessChanged(Payload, frozen=True):
    """Who may come in changed: what a user's role and status are from here on.

    Where both are what they were before, it is the user's sign-ins that were revoked.
    """

    event_type = "Access.Changed"
    user_id: UserId
    role: str
    status: UserStatus


class AccessDenied(Payload, frozen=True):
    """Somebody who is signed in was refused; told once for each session and reason."""

    event_type = "Access.Denied"
    reason: DeniedReason
    surface: Surface


class LedgerRead(Payload, frozen=True):
    """An operator read the ledger, of one patient or of all (None): nobody of the tenant acts."""

    event_type = "Ledger.Read"
    kind: LedgerReading
    patient_context_id: PatientContextId | None
    event_count: int


class PatientErased(Payload, frozen=True):
    """What was known of the patient, or only what people wrote about them, was erased; so many of each.

    ``texts_until``: what people wrote up to then; later texts are still there.
    """

    event_type = "Patient.Erased"
    scope: ErasureScope
    reason: ErasureReason
    snapshot_count: int
    note_count: int
    explanation_count: int
    texts_until: datetime


class TenantExported(Payload, frozen=True):
    """An operator copied everything that is kept of the tenant."""

    event_type = "Tenant.Exported"
    patient_count: int
    event_count: int


class TenantClosed(Payload, frozen=True):
    """The tenant has left: nobody signs in any more, nothing more comes in."""

    event_type = "Tenant.Closed"
    user_count: int


class TenantErased(Payload, frozen=True):
    """Everything that tells of the tenant's patients and users was erased; its chains stay."""

    event_type = "Tenant.Erased"
    patient_count: int
    user_count: int


class Event(Frozen, frozen=True):
    """One event to append. Events of one change keep their order in the chain.

    ``first_view``: appended only if the session had not seen the patient before; it changes no state.
    """

    event_id: UUID
    payload: Payload
    actor_user_id: UserId | None
    correlation_id: CorrelationId
    first_view: bool = False

    def as_row(self, order: int) -> dict[str, object]:
        """The event as the one statement that writes a change takes it."""
        return {
            "ord": order,
            "first_view": self.first_view,
            "event_id": self.event_id,
            "event_type": self.payload.event_type,
            "actor_user_id": self.actor_user_id,
            "correlation_id": self.correlation_id,
            "payload_json": msgspec.to_builtins(self.payload),
        }
