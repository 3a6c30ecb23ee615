"""What a use case reads, as types: each is one statement's answer, one snapshot of the database."""

from __future__ import annotations

from datetime import datetime

from shared.model import (
    Actor,
    AssertedProceed,
    AssertedTasking,
    Assignment,
    AssignmentId,
    CorrelationId,
    Frozen,
    OutcomeKind,
    PatientContextId,
    PatientKey,
    PatientState,
    SubmissionId,
    SystemResponse,
    SystemResponseId,
    UserId,
)
from shared.persistence.visits import SessionReading


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


class Asking(Frozen, frozen=True):
    """Who asks: the user, the hash of the client's session string, the host application's name.

    Nobody, when the system itself does.
    """

    user_id: UserId | None = None
    session: bytes | None = None
    application: str | None = None


class ActorReading(Frozen, frozen=True):
    """Who asks, under which policy version."""

    actor: Actor | None
    policy_version: int


class SessionedReading(ActorReading, frozen=True):
    """Beside the caller, in which session they ask.

    ``application`` is the host application that the caller names, if the tenant has it.
    """

    session: SessionReading | None
    application: str | None


class PatientReading(SessionedReading, frozen=True):
    """Who asks, under which policy version, in which session, about whom.

    ``at`` is when, by the database's clock; ``glass_until`` until when the caller has broken the glass before
    this patient.
    """

    at: datetime
    patient: PatientState | None
    glass_until: datetime | None

    @property
    def context(self) -> PatientContextId | None:
        """The patient's own id, if there is such a patient."""
        return self.patient.patient_context_id if self.patient else None


class SendReading(PatientReading, frozen=True):
    """Beside the reading, what a Send has to know.

    ``repeated`` is what the same idempotency key stored before; ``answered`` the response that the
    request names, if it is one of this patient's, ``settled_as`` what became of it before.
    """

    repeated: StoredSubmission | None
    answered: SystemResponse | None
    settled_as: tuple[OutcomeKind, ...]


class PastEvent(Frozen, frozen=True):
    """One ledger event with its actor's name; ``note`` is a Send's, for those who may read it."""

    seq: int
    event_type: str
    created_at: datetime
    actor_user_id: UserId | None
    actor_display_name: str | None
    payload: dict[str, str | int | bool | list[str] | None]
    correlation_id: CorrelationId | None
    note: str | None


class Inbox(Frozen, frozen=True):
    """A user's open assignments, the oldest first, and how many there are in all."""

    open_count: int
    assignments: tuple[Assignment, ...]


NOTHING_OPEN = Inbox(open_count=0, assignments=())


class HistoryReading(PatientReading, frozen=True):
    """Beside the reading, a stretch of the patient's ledger, the newest first."""

    history: tuple[PastEvent, ...]


class PanelReading(HistoryReading, frozen=True):
    """Beside the history, the caller's inbox."""

    inbox: Inbox


class InboxReading(SessionedReading, frozen=True):
    """Beside the caller, their open assignments; None for somebody whom the tenant does not know."""

    inbox: Inbox | None


class ItemReading(ActorReading, frozen=True):
    """Beside the caller, which patient an open assignment is about."""

    patient_key: PatientKey | None
