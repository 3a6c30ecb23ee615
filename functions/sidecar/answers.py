"""How Sidecar says what the core found."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from shared.decisions.display import show_mini
from shared.model import ProceedIndicator, Surface, SystemResponse
from shared.persistence.patients import PastEvent
from shared.projections.reader import ProjectionUnreadable
from shared.views import PanelView
from shared.web.logging import LogCode, log
from shared.web.messages import (
    HistoryActor,
    HistoryEvent,
    InboxPreview,
    SidecarPatientState,
    StateFlags,
    StateRequest,
    StateResponse,
    StateSource,
    SurfacePolicy,
)


def panel_answer(
    request: StateRequest, view: PanelView, projected_version: Callable[[], int | None]
) -> StateResponse:
    """The whole panel. ``projected_version`` waits for the version that subscribers see."""
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
            show_mini=show_mini(view.policy, None, None, view.actor.role), ui_variant=view.variant[0]
        ),
        source=_source(view, projected_version),
    )


def _response(view: PanelView) -> SystemResponse | None:
    response = view.state.response if view.state else None
    if response is not None and view.undecided:
        return msgspec.structs.replace(response, proceed_indicator=ProceedIndicator.BLUE)
    return response


def _event(event: PastEvent) -> HistoryEvent:
    actor = None
    if event.actor_user_id is not None:
        actor = HistoryActor(user_id=event.actor_user_id, display_name=event.actor_display_name or "")
    return HistoryEvent(
        event_type=event.event_type,
        created_at=event.created_at,
        actor=actor,
        payload=event.payload,
        # No policy says yet which roles may read notes, so none does.
        note=None,
        correlation_id=event.correlation_id,
    )


def _source(view: PanelView, projected_version: Callable[[], int | None]) -> StateSource:
    """PROJECTION when subscribers see this very version; what is answered is the truth either way."""
    try:
        projected = projected_version()
    except ProjectionUnreadable as error:
        log(LogCode.PROJECTION_READ_FAILED, error=error)
        return StateSource.POSTGRES
    same = view.state is not None and projected == view.state.version
    return StateSource.PROJECTION if same else StateSource.POSTGRES
