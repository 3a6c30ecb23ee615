"""What goes in and comes out of the endpoints, as types (handbook: api.md).

Requests ignore fields they don't know, for older and newer clients; answers leave nothing out, what is
absent is null.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum
from typing import Literal

from msgspec import Struct

from shared.errors import FieldError
from shared.model import (
    AssertedProceed,
    AssertedTasking,
    Assignment,
    AssignmentId,
    CorrelationId,
    ExecutionMode,
    OutcomeKind,
    PatientKey,
    ProceedIndicator,
    Submission,
    SubmissionId,
    Surface,
    SystemResponse,
    SystemResponseId,
    TenantId,
    UserId,
    VisibleSnapshot,
)
from shared.web.field_types import (
    ExternalIdText,
    NameText,
    NoteText,
    PatientKeyText,
    SearchLimit,
    SearchText,
    SessionText,
    SiteText,
)


class Request(Struct, frozen=True, kw_only=True):
    """What every request may carry: a tenant, which must then be the token's."""

    tenant_id: TenantId | None = None

    def problems(self) -> Iterable[FieldError]:
        """What is wrong between fields that are right one by one.

        Looks at optional fields only: a required one that is missing or wrong is None here.
        """
        return ()


class Answer(Struct, frozen=True, kw_only=True):
    """What every answer carries."""

    ok: Literal[True] = True
    session_id: str | None
    surface: Surface


class Detection(Struct, frozen=True, kw_only=True):
    """A patient as the host application names them. The id is hashed and dropped, never stored."""

    source_system: NameText
    external_id: ExternalIdText


class SurfacePolicy(Struct, frozen=True, kw_only=True):
    """What the tenant's policy says about the surface that asked."""

    show_mini: bool
    ui_variant: str


# mini/status ----------------------------------------------------------------------------------------


class StatusRequest(Request, frozen=True, kw_only=True):
    """Which patient is on the page: by key, by detection, or nobody."""

    session_id: SessionText
    patient_key: PatientKeyText | None = None
    detection: Detection | None = None
    application_id: NameText | None = None
    site: SiteText | None = None
    page_signature: NameText | None = None

    def problems(self) -> Iterable[FieldError]:
        """A patient is named one way."""
        if self.patient_key is not None and self.detection is not None:
            yield FieldError("detection", "must not be given together with patient_key")


class StatusPatient(Struct, frozen=True, kw_only=True):
    """The snapshot as policy lets this user see it; ``found`` is false for an unknown patient.

    ``dob`` is an ISO date, or the year alone.
    """

    found: bool
    patient_key: PatientKey | None
    display_name: str | None
    id_label: str | None
    id_masked: str | None
    dob: str | None


class StatusProceed(Struct, frozen=True, kw_only=True):
    """The indicator and its line."""

    color: ProceedIndicator
    text: str


class StatusTasking(Struct, frozen=True, kw_only=True):
    """The tasking summary and who can advance it; the mode is null when policy hides it."""

    color: ProceedIndicator
    text: str
    needs_ack: bool
    mode: ExecutionMode | None
    mode_text: str | None


class StatusSubmission(Struct, frozen=True, kw_only=True):
    """The latest acknowledgement of this patient, by whomever."""

    who: str
    when: datetime
    override_proceed: AssertedProceed | None
    override_tasking: AssertedTasking | None
    confirmed: bool


class StatusResponse(Answer, frozen=True, kw_only=True):
    """A patient in one glance."""

    patient: StatusPatient
    proceed: StatusProceed
    tasking: StatusTasking
    mode: ExecutionMode | None
    has_tasks: bool
    task_count: int
    needs_ack: bool
    last_submission: StatusSubmission | None
    outcome: OutcomeKind | None
    system_response_id: SystemResponseId | None
    computed_at: datetime | None
    policy: SurfacePolicy


# mini/ack, sidecar/ack ------------------------------------------------------------------------------


class AckRequest(Request, frozen=True, kw_only=True):
    """Send: a note (``note_text``, or ``note`` from older clients) and at least one asserted value."""

    session_id: SessionText
    patient_key: PatientKeyText
    note_text: NoteText | None = None
    note: NoteText | None = None
    override_proceed: AssertedProceed | None = None
    override_tasking: AssertedTasking | None = None
    system_response_id: SystemResponseId | None = None

    @property
    def stated_note(self) -> str:
        """The note, under whichever of its two names it came."""
        return self.note_text or self.note or ""

    def problems(self) -> Iterable[FieldError]:
        """There is one note and at least one asserted value (plan 2.1)."""
        if self.note_text is None and self.note is None:
            yield FieldError("note_text", "is required")
        if self.note_text is not None and self.note is not None and self.note_text != self.note:
            yield FieldError("note", "must say the same as note_text when both are given")
        if self.override_proceed is None and self.override_tasking is None:
            yield FieldError("override_proceed", "or override_tasking is required")


class AckSubmission(Struct, frozen=True, kw_only=True):
    """The acknowledgement as stored."""

    note: str
    override_proceed: AssertedProceed | None
    override_tasking: AssertedTasking | None
    submitted_at: datetime
    system_response_id: SystemResponseId


class AckResponse(Answer, frozen=True, kw_only=True):
    """What the Send did. ``superseded``: a newer response exists, so ``needs_ack`` stays."""

    submission_id: SubmissionId
    submission: AckSubmission
    confirmed: bool
    superseded: bool
    resolved_assignments: tuple[AssignmentId, ...]
    needs_ack: bool


# mini/patient/search --------------------------------------------------------------------------------


class SearchRequest(Request, frozen=True, kw_only=True):
    """Part of a name, digits of a masked id, or a full external id."""

    session_id: SessionText | None = None
    q: SearchText
    limit: SearchLimit = 8


class SearchResult(Struct, frozen=True, kw_only=True):
    """One patient; ``id`` is the patient key."""

    name: str | None
    id: PatientKey
    id_masked: str | None


class SearchResponse(Answer, frozen=True, kw_only=True):
    """The patients that fit, best first."""

    q: str
    results: tuple[SearchResult, ...]


# sidecar/state --------------------------------------------------------------------------------------


class StateRequest(Request, frozen=True, kw_only=True):
    """Which patient the side panel shows."""

    session_id: SessionText
    patient_key: PatientKeyText


class StateFlags(Struct, frozen=True, kw_only=True):
    """What is still open about a patient."""

    needs_ack: bool
    open_assignment_count: int


class SidecarPatientState(Struct, frozen=True, kw_only=True):
    """One patient's state in one version; ``found`` is false, and the rest empty, for an unknown one."""

    found: bool
    patient_key: PatientKey
    version: int
    snapshot: VisibleSnapshot | None
    system_response: SystemResponse | None
    last_submission: Submission | None
    outcome: OutcomeKind | None
    flags: StateFlags


class HistoryActor(Struct, frozen=True, kw_only=True):
    """Who did it."""

    user_id: UserId
    display_name: str


class HistoryEvent(Struct, frozen=True, kw_only=True):
    """One ledger event. ``note`` only for roles that may read it; ``actor`` null: the system."""

    event_type: str
    created_at: datetime
    actor: HistoryActor | None
    payload: dict[str, str | int | bool | list[str] | None]
    note: str | None
    correlation_id: CorrelationId | None


class InboxPreview(Struct, frozen=True, kw_only=True):
    """The signed-in user's oldest open assignments, and how many there are in all."""

    open_count: int
    assignments: tuple[Assignment, ...]


class StateSource(StrEnum):
    """Where the state was read: ``projection`` when the document has the version that Postgres has."""

    PROJECTION = "projection"
    POSTGRES = "postgres"


class StateResponse(Answer, frozen=True, kw_only=True):
    """The same state as Mini's, with more room. ``history`` holds the latest 10 events."""

    patient_state: SidecarPatientState
    history: tuple[HistoryEvent, ...]
    inbox_preview: InboxPreview
    policy: SurfacePolicy
    source: StateSource
