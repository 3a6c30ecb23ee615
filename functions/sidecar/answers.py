"""How Sidecar says what the core found."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from shared.chat import Reply
from shared.decisions.display import proceed_text
from shared.model import PatientState, ProceedIndicator, Surface
from shared.persistence.panel import HistoryPlace
from shared.persistence.readings import PastEvent
from shared.projections.reader import ProjectionUnreadable
from shared.views import BrokenGlassPage, HistoryPage, InboxPage, PanelView, PatientView
from shared.web.break_glass_messages import (
    BreakGlassEntry,
    BreakGlassListRequest,
    BreakGlassListResponse,
    BreakGlassUser,
)
from shared.web.cursors import encode_cursor
from shared.web.logging import LogCode, log
from shared.web.messages import SurfacePolicy
from shared.web.panel_messages import (
    ChatRequest,
    ChatResponse,
    HistoryActor,
    HistoryEvent,
    HistoryRequest,
    HistoryResponse,
    InboxPreview,
    InboxRequest,
    InboxResponse,
    PanelResponse,
    SidecarPatientState,
    StateFlags,
    StateRequest,
    StateResponse,
    StateSource,
)


def panel_answer(
    request: StateRequest,
    view: PanelView,
    projected_version: Callable[[], int | None],
    ask_for_projection: Callable[[PatientState], None],
) -> StateResponse:
    """The whole panel. ``projected_version`` waits for the version that subscribers see.

    When that is another one, or none, ``ask_for_projection`` is called.
    """
    state = view.state
    return StateResponse(
        session_id=request.session_id,
        surface=Surface.SIDECAR,
        patient_state=SidecarPatientState(
            found=state is not None,
            patient_key=request.patient_key,
            version=state.version if state else 0,
            snapshot=view.snapshot,
            system_response=_response(view),
            last_submission=state.submission if state else None,
            outcome=state.outcome if state else None,
            flags=StateFlags(
                needs_ack=state is not None and state.needs_ack,
                open_assignment_count=len(state.open_assignments) if state else 0,
            ),
        ),
        history=tuple(_event(event) for event in view.history),
        inbox_preview=InboxPreview(open_count=view.inbox.open_count, assignments=view.inbox.assignments),
        policy=SurfacePolicy(
            show_mini=view.display.show_mini,
            ui_variant=view.display.variant_name,
            glass_broken_until=view.glass_until,
        ),
        source=_source(view, projected_version, ask_for_projection),
    )


def history_answer(request: HistoryRequest, page: HistoryPage) -> HistoryResponse:
    """A page of the ledger."""
    return HistoryResponse(
        session_id=request.session_id,
        surface=Surface.SIDECAR,
        events=tuple(_event(event) for event in page.events),
        has_more=page.has_more,
        next_cursor=None if page.next_before is None else encode_cursor(HistoryPlace(seq=page.next_before)),
    )


def inbox_answer(request: InboxRequest, page: InboxPage) -> InboxResponse:
    """A page of the inbox."""
    return InboxResponse(
        session_id=request.session_id,
        surface=Surface.SIDECAR,
        assignments=page.inbox.assignments,
        open_count=page.inbox.open_count,
        has_more=page.has_more,
        next_cursor=None if page.next_after is None else encode_cursor(page.next_after),
    )


def broken_glass_answer(request: BreakGlassListRequest, page: BrokenGlassPage) -> BreakGlassListResponse:
    """A page of who has broken the glass."""
    return BreakGlassListResponse(
        session_id=request.session_id,
        surface=Surface.SIDECAR,
        entries=tuple(
            BreakGlassEntry(
                break_glass_id=each.break_glass_id,
                created_at=each.created_at,
                expires_at=each.expires_at,
                user=BreakGlassUser(
                    user_id=each.user_id, display_name=each.user_display_name, role=each.user_role
                ),
                patient_key=each.patient_key,
                surface=each.surface,
                reason=each.reason,
                explanation=each.explanation,
            )
            for each in page.broken
        ),
        has_more=page.has_more,
        next_cursor=None if page.next_before is None else encode_cursor(page.next_before),
    )


def chat_answer(request: ChatRequest, view: PatientView, reply: Reply) -> ChatResponse:
    """The reply; when a decision raised, it says first that what follows was decided earlier."""
    text = reply.text
    if view.undecided:
        blue = proceed_text(view.policy, ProceedIndicator.BLUE)
        text = f"{blue}. What follows was decided earlier.\n\n{text}"
    return ChatResponse(
        session_id=request.session_id, surface=Surface.SIDECAR, reply=text, sources=reply.sources
    )


def _response(view: PatientView) -> PanelResponse | None:
    response = view.state.response if view.state else None
    if response is None:
        return None
    fields = msgspec.structs.asdict(response)
    if view.undecided:
        fields["proceed_indicator"] = ProceedIndicator.BLUE
    if view.undecided or not view.display.variant.show_mode:
        fields["execution_mode"] = None
    return PanelResponse(**fields)


def _event(event: PastEvent) -> HistoryEvent:
    actor = None
    if event.actor_user_id is not None:
        actor = HistoryActor(user_id=event.actor_user_id, display_name=event.actor_display_name or "")
    return HistoryEvent(
        event_type=event.event_type,
        created_at=event.created_at,
        actor=actor,
        payload=event.payload,
        note=event.note,
        correlation_id=event.correlation_id,
    )


def _source(
    view: PanelView,
    projected_version: Callable[[], int | None],
    ask_for_projection: Callable[[PatientState], None],
) -> StateSource:
    """PROJECTION when subscribers see this very version; what is answered is the truth either way."""
    try:
        projected = projected_version()
    except ProjectionUnreadable as error:
        log(LogCode.PROJECTION_READ_FAILED, error=error)
        return StateSource.POSTGRES
    if view.state is None:
        return StateSource.POSTGRES
    if projected == view.state.version:
        return StateSource.PROJECTION
    if view.state.version:
        ask_for_projection(view.state)
    return StateSource.POSTGRES
