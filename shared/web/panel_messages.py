"""What goes in and comes out of Sidecar's own endpoints, as types (handbook: api.md)."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from msgspec import Struct

from shared.chat import Source
from shared.model import (
    Assignment,
    AssignmentId,
    CorrelationId,
    ExecutionMode,
    OutcomeKind,
    PatientKey,
    ProceedIndicator,
    Reason,
    Submission,
    Surface,
    SystemResponseId,
    UserId,
    VisibleSnapshot,
)
from shared.web.field_types import ChatText, CursorText, PageLimit, PatientKeyText, SessionText
from shared.web.messages import Answer, Request, SurfacePolicy

# sidecar/state --------------------------------------------------------------------------------------


class StateRequest(Request, frozen=True, kw_only=True):
    """Which patient the side panel shows."""

    session_id: SessionText
    patient_key: PatientKeyText


class StateFlags(Struct, frozen=True, kw_only=True):
    """What is still open about a patient."""

    needs_ack: bool
    open_assignment_count: int


class PanelResponse(Struct, frozen=True, kw_only=True):
    """The latest system response; the mode is null when policy hides it."""

    system_response_id: SystemResponseId
    surface_type: Surface
    computed_at: datetime
    proceed_indicator: ProceedIndicator
    execution_mode: ExecutionMode | None
    tasking_summary: str
    task_count: int
    rationale: tuple[Reason, ...]
    needs_ack: bool
    policy_version: int
    facts_digest: str


class SidecarPatientState(Struct, frozen=True, kw_only=True):
    """One patient's state in one version; ``found`` is false, and the rest empty, for an unknown one."""

    found: bool
    patient_key: PatientKey
    version: int
    snapshot: VisibleSnapshot | None
    system_response: PanelResponse | None
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


# sidecar/history ------------------------------------------------------------------------------------


class HistoryRequest(Request, frozen=True, kw_only=True):
    """Whose history; ``cursor`` is the ``next_cursor`` of the page before."""

    session_id: SessionText | None = None
    patient_key: PatientKeyText
    limit: PageLimit = 20
    cursor: CursorText | None = None


class HistoryResponse(Answer, frozen=True, kw_only=True):
    """Ledger events, the newest first. What happens meanwhile doesn't move the pages that follow."""

    events: tuple[HistoryEvent, ...]
    has_more: bool
    next_cursor: str | None


# sidecar/inbox --------------------------------------------------------------------------------------


class InboxRequest(Request, frozen=True, kw_only=True):
    """A page of the signed-in user's inbox; ``cursor`` is the ``next_cursor`` of the page before."""

    session_id: SessionText | None = None
    limit: PageLimit = 20
    cursor: CursorText | None = None


class InboxResponse(Answer, frozen=True, kw_only=True):
    """Open assignments, the oldest first; ``open_count`` counts those of all pages."""

    assignments: tuple[Assignment, ...]
    open_count: int
    has_more: bool
    next_cursor: str | None


# sidecar/assignment/claim ---------------------------------------------------------------------------


class ClaimRequest(Request, frozen=True, kw_only=True):
    """Which open item the user takes on; ``take_over``: also from somebody who has it."""

    session_id: SessionText | None = None
    assignment_id: AssignmentId
    take_over: bool = False


class ClaimResponse(Answer, frozen=True, kw_only=True):
    """The item, claimed."""

    assignment: Assignment


# sidecar/chat/message -------------------------------------------------------------------------------


class ChatRequest(Request, frozen=True, kw_only=True):
    """A question about one patient's state. It is answered and forgotten."""

    session_id: SessionText
    patient_key: PatientKeyText
    message: ChatText


class ChatResponse(Answer, frozen=True, kw_only=True):
    """The answer, and what in the state it rests on."""

    reply: str
    sources: tuple[Source, ...]
