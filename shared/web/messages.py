"""What goes in and comes out of the endpoints, as types (handbook: api.md).

Requests ignore fields they don't know, for older and newer clients; answers leave nothing out, what is
absent is null.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Literal

from msgspec import Struct

from shared.errors import FieldError
from shared.model import (
    AssertedProceed,
    AssertedTasking,
    AssignmentId,
    DismissReason,
    ExecutionMode,
    InteractionKind,
    OutcomeKind,
    PatientKey,
    ProceedIndicator,
    SubmissionId,
    Surface,
    SystemResponseId,
    TenantId,
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

    def problems(self, wrong: Collection[str]) -> Iterable[FieldError]:  # noqa: ARG002 -- some rules need it
        """What is wrong between fields that are right one by one.

        A field that is missing or wrong is None here; those named in ``wrong`` are complained about already.
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
    """What the tenant's policy says about the surface that asked.

    ``glass_broken_until``: until when this user sees all of this patient, having broken the glass.
    """

    show_mini: bool
    ui_variant: str
    glass_broken_until: datetime | None = None


# mini/status ----------------------------------------------------------------------------------------


class StatusRequest(Request, frozen=True, kw_only=True):
    """Which patient is on the page: by key, by detection, or nobody."""

    session_id: SessionText
    patient_key: PatientKeyText | None = None
    detection: Detection | None = None
    application_id: NameText | None = None
    site: SiteText | None = None
    page_signature: NameText | None = None

    def problems(self, wrong: Collection[str]) -> Iterable[FieldError]:  # noqa: ARG002 -- some rules need it
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
    """The latest acknowledgement of this patient, by whomever; ``superseded``: a newer response exists."""

    who: str
    when: datetime
    override_proceed: AssertedProceed | None
    override_tasking: AssertedTasking | None
    confirmed: bool
    superseded: bool


class StatusResponse(Answer, frozen=True, kw_only=True):
    """A patient in one glance. ``version`` is that of the patient's document, 0 when there is none."""

    patient: StatusPatient
    version: int
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
    application_id: NameText | None = None
    site: SiteText | None = None

    @property
    def stated_note(self) -> str:
        """The note, under whichever of its two names it came."""
        return self.note_text or self.note or ""

    def problems(self, wrong: Collection[str]) -> Iterable[FieldError]:
        """There is one note and at least one asserted value (plan 2.1)."""
        if self.note_text is None and self.note is None and not {"note_text", "note"} & set(wrong):
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
    application_id: NameText | None = None
    site: SiteText | None = None


class SearchResult(Struct, frozen=True, kw_only=True):
    """One patient; ``id`` is the patient key."""

    name: str | None
    id: PatientKey
    id_masked: str | None


class SearchResponse(Answer, frozen=True, kw_only=True):
    """The patients that fit, best first."""

    q: str
    results: tuple[SearchResult, ...]


# mini/dismiss, sidecar/dismiss ----------------------------------------------------------------------


class DismissRequest(Request, frozen=True, kw_only=True):
    """Which response is set aside, the latest when it is not said, and why."""

    session_id: SessionText
    patient_key: PatientKeyText
    reason: DismissReason
    system_response_id: SystemResponseId | None = None
    application_id: NameText | None = None
    site: SiteText | None = None


class DismissResponse(Answer, frozen=True, kw_only=True):
    """What became of the response: what was acknowledged stays acknowledged."""

    outcome: OutcomeKind


# mini/interaction, sidecar/interaction --------------------------------------------------------------


class InteractionRequest(Request, frozen=True, kw_only=True):
    """What the user did, about which patient if any. ``switched`` and ``navigated`` name the one left."""

    session_id: SessionText
    kind: InteractionKind
    patient_key: PatientKeyText | None = None
    application_id: NameText | None = None
    site: SiteText | None = None
    page_signature: NameText | None = None

    def problems(self, wrong: Collection[str]) -> Iterable[FieldError]:  # noqa: ARG002 -- some rules need it
        """What leaves a patient says whom."""
        if self.kind in (InteractionKind.SWITCHED, InteractionKind.NAVIGATED) and self.patient_key is None:
            yield FieldError("patient_key", "is required: it is the patient who is left")


class InteractionResponse(Answer, frozen=True, kw_only=True):
    """It was noted. Nothing was committed."""
