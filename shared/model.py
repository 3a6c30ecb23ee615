"""The vocabulary as types: identifiers, closed sets, facts and decisions.

Every layer speaks in these. Nothing here knows a store, a protocol or a clock.
"""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum
from typing import NewType
from uuid import UUID

import msgspec

TenantId = NewType("TenantId", UUID)
UserId = NewType("UserId", UUID)
PatientContextId = NewType("PatientContextId", UUID)
PatientKey = NewType("PatientKey", str)
SystemResponseId = NewType("SystemResponseId", UUID)
SubmissionId = NewType("SubmissionId", UUID)
AssignmentId = NewType("AssignmentId", UUID)
InvocationId = NewType("InvocationId", UUID)
SessionId = NewType("SessionId", UUID)
CorrelationId = NewType("CorrelationId", UUID)
BreakGlassId = NewType("BreakGlassId", UUID)


class ProceedIndicator(StrEnum):
    """Can this move ahead, in one glance. ``blue`` is drawn, never stored."""

    GREY = "grey"
    GREEN = "green"
    YELLOW = "yellow"
    BLUE = "blue"


class ExecutionMode(StrEnum):
    """Who can advance it."""

    AGENTIC = "agentic"
    COPILOT = "copilot"
    USER_DRIVEN = "user_driven"


class AssertedProceed(StrEnum):
    """What a user may assert about Proceed: every indicator but ``blue``, which only a failure shows."""

    GREEN = "green"
    YELLOW = "yellow"
    GREY = "grey"


class AssertedTasking(StrEnum):
    """What a user may assert about tasking."""

    NONE = "none"
    REVIEW = "review"
    ACT = "act"


class Surface(StrEnum):
    """Where a state was surfaced; ``system`` when no person was looking."""

    MINI = "mini"
    SIDECAR = "sidecar"
    SYSTEM = "system"


class OutcomeKind(StrEnum):
    """Computed, never asserted."""

    ACKNOWLEDGED = "acknowledged"
    UNACKNOWLEDGED = "unacknowledged"
    DISMISSED = "dismissed"
    INVALIDATED = "invalidated"


class DismissReason(StrEnum):
    """Why a user set a response aside without acknowledging it."""

    NOT_APPLICABLE = "not_applicable"
    ALREADY_HANDLED = "already_handled"
    NOT_NOW = "not_now"
    WRONG_PATIENT = "wrong_patient"
    OTHER = "other"


class InteractionKind(StrEnum):
    """What a user did without committing anything. ``switched`` and ``navigated`` leave the patient."""

    VIEWED = "viewed"
    OPENED = "opened"
    TYPED = "typed"
    SWITCHED = "switched"
    NAVIGATED = "navigated"
    CLOSED = "closed"


class DeniedReason(StrEnum):
    """Why somebody who is signed in was refused."""

    OTHER_TENANT = "other_tenant"
    INACTIVE_USER = "inactive_user"
    ROLE = "role"
    SITE = "site"
    APPLICATION = "application"


class BreakGlassReason(StrEnum):
    """Why a user opens what the policy keeps from their role; an explanation comes with it."""

    EMERGENCY = "emergency"
    COVERING = "covering"
    PATIENT_REQUEST = "patient_request"
    SUPERVISION = "supervision"
    OTHER = "other"


class ErasureReason(StrEnum):
    """Why what was known of a patient, or what people wrote, was erased."""

    RETENTION = "retention"
    OFFBOARDING = "offboarding"


class ErasureScope(StrEnum):
    """How much was erased: what people wrote, or everything that tells of the patient."""

    TEXTS = "texts"
    ALL = "all"


class LedgerReading(StrEnum):
    """What somebody read of the ledger outside of the application."""

    EXPORT = "export"
    WHO_SAW = "who_saw"
    STORY = "story"


class SessionEnd(StrEnum):
    """Why a session is over."""

    IDLE = "idle"
    EXPIRED = "expired"
    CLOSED = "closed"


class InvocationStatus(StrEnum):
    """Whether a Mini or Sidecar instance is still there, as far as anybody knows."""

    OPEN = "open"
    CLOSED = "closed"


class SignalStatus(StrEnum):
    """An ``active`` signal stands in the way; a ``resolved`` one was looked at and does not."""

    ACTIVE = "active"
    RESOLVED = "resolved"


class AssignmentStatus(StrEnum):
    """An assignment is open until a Send resolves it or somebody dismisses it."""

    OPEN = "open"
    RESOLVED = "resolved"
    DISMISSED = "dismissed"


class UserStatus(StrEnum):
    """Only an ``active`` user gets an answer."""

    ACTIVE = "active"
    DISABLED = "disabled"


class SubjectType(StrEnum):
    """What a projection is about: a patient's state or a user's inbox."""

    PATIENT = "patient"
    USER = "user"


class WalkPurpose(StrEnum):
    """What somebody walks over all projections of a tenant for."""

    CHECK = "check"
    REBUILD = "rebuild"


class WalkStage(StrEnum):
    """What a walk over the projections looks at: patients, then users, then documents of nobody."""

    PATIENT = "patient"
    USER = "user"
    ORPHAN = "orphan"


class Frozen(msgspec.Struct, frozen=True, kw_only=True):
    """A value: equal by content, never changed. Stored ones may have fields that newer code wrote."""


class Signal(Frozen, frozen=True):
    """One financial fact about a patient, free of PHI. ``detail`` holds dates, not "days left"."""

    code: str
    status: SignalStatus
    detail: dict[str, str | int]
    observed_at: datetime
    source_system: str


class Reason(Frozen, frozen=True):
    """Why an indicator is what it is: one signal as a sentence, its source and its age.

    ``decided`` marks the signals that made the indicator; the others only add tasks.
    """

    signal: str
    text: str
    detail: dict[str, str | int]
    source_system: str
    observed_at: datetime
    decided: bool


class Decision(Frozen, frozen=True):
    """What the agents computed from one set of facts under one policy version."""

    proceed_indicator: ProceedIndicator
    execution_mode: ExecutionMode
    tasking_summary: str
    task_count: int
    rationale: tuple[Reason, ...]
    needs_ack: bool
    policy_version: int
    facts_digest: str


class Snapshot(Frozen, frozen=True):
    """The display-only fields of a patient, in one version."""

    snapshot_version: int
    display_name: str | None
    id_label: str | None
    id_masked: str | None
    dob: date | None
    updated_at: datetime


class VisibleSnapshot(Frozen, frozen=True):
    """A snapshot as a reader may see it: what is hidden is ``None``, names may be initials.

    ``dob`` is an ISO date, or the year alone.
    """

    snapshot_version: int
    display_name: str | None
    id_label: str | None
    id_masked: str | None
    dob: str | None
    updated_at: datetime


class SystemResponse(Frozen, frozen=True):
    """What the system computed and surfaced."""

    system_response_id: SystemResponseId
    surface_type: Surface
    computed_at: datetime
    proceed_indicator: ProceedIndicator
    execution_mode: ExecutionMode
    tasking_summary: str
    task_count: int
    rationale: tuple[Reason, ...]
    needs_ack: bool
    policy_version: int
    facts_digest: str


class Submission(Frozen, frozen=True):
    """A stored acknowledgement, without its note."""

    mini_submission_id: SubmissionId
    submitted_at: datetime
    user_id: UserId
    user_display_name: str
    system_response_id: SystemResponseId
    override_proceed: AssertedProceed | None
    override_tasking: AssertedTasking | None
    confirmed: bool


class Assignment(Frozen, frozen=True):
    """An open item for a user or a role."""

    assignment_id: AssignmentId
    patient_key: PatientKey
    system_response_id: SystemResponseId
    reason_code: str
    created_at: datetime
    status: AssignmentStatus
    assigned_to_user: UserId | None
    assigned_to_role: str | None
    claimed_by: UserId | None


class LedgerHead(Frozen, frozen=True):
    """A place in a chain: the sequence number of an event and its hash in hex."""

    seq: int
    hash: str


class PatientState(Frozen, frozen=True):
    """Everything the truth holds about one patient, read in one snapshot of the database.

    ``version`` and content belong together. ``signals`` are what the decision agents look at; an
    empty tuple means that nobody has assessed this patient yet.
    """

    patient_context_id: PatientContextId
    patient_key: PatientKey
    version: int
    version_head: LedgerHead | None
    ack_due_at: datetime | None
    last_updated_at: datetime
    snapshot: Snapshot | None
    signals: tuple[Signal, ...]
    response: SystemResponse | None
    outcome: OutcomeKind | None
    submission: Submission | None
    open_assignments: tuple[Assignment, ...]

    @property
    def needs_ack(self) -> bool:
        """Whether the latest response still waits for somebody to acknowledge or dismiss it."""
        settled = self.outcome in (OutcomeKind.ACKNOWLEDGED, OutcomeKind.DISMISSED)
        return self.response is not None and self.response.needs_ack and not settled


class Actor(Frozen, frozen=True):
    """The signed-in user as the database knows them; a token never says role or status."""

    user_id: UserId
    role: str
    display_name: str
    status: UserStatus
    tokens_valid_after: datetime | None
