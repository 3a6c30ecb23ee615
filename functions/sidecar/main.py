"""The Sidecar surface: the side panel. One target per endpoint."""

from __future__ import annotations

from functools import partial

import functions_framework

from functions.configuration import config_of
from functions.sidecar.answers import (
    broken_glass_answer,
    chat_answer,
    history_answer,
    inbox_answer,
    panel_answer,
)
from functions.surface import acknowledge, break_glass_of, caller, endpoint, interact, set_aside
from shared.chat import Question, StateAnswerer
from shared.persistence.break_glass import BrokenGlassPlace
from shared.persistence.panel import HistoryPlace, InboxPlace
from shared.projections.reader import look_at_version
from shared.runtime import core
from shared.settings import settings
from shared.web import registry
from shared.web.break_glass_messages import (
    BreakGlassListRequest,
    BreakGlassListResponse,
    BreakGlassRequest,
    BreakGlassResponse,
)
from shared.web.config_messages import ConfigRequest, ConfigResponse
from shared.web.cursors import decode_cursor
from shared.web.endpoint import Call
from shared.web.messages import (
    AckRequest,
    AckResponse,
    DismissRequest,
    DismissResponse,
    InteractionRequest,
    InteractionResponse,
)
from shared.web.panel_messages import (
    ChatRequest,
    ChatResponse,
    ClaimRequest,
    ClaimResponse,
    HistoryRequest,
    HistoryResponse,
    InboxRequest,
    InboxResponse,
    StateRequest,
    StateResponse,
)

settings()  # A wrong configuration stops the start, not the first request.

_ANSWERER = StateAnswerer()


@functions_framework.http
@endpoint(registry.SIDECAR_STATE)
def state(call: Call, request: StateRequest) -> StateResponse:
    """A patient's state with its history and the user's inbox."""
    projected_version = look_at_version(call.identity.tenant_id, request.patient_key)
    who = caller(call, request.session_id)
    view = core().get_panel_state(who, request.patient_key)
    return panel_answer(request, view, projected_version, partial(core().ask_for_projection, who))


@functions_framework.http
@endpoint(registry.SIDECAR_ACK)
def ack(call: Call, request: AckRequest) -> AckResponse:
    """Send, as in Mini."""
    return acknowledge(call, request)


@functions_framework.http
@endpoint(registry.SIDECAR_DISMISS)
def dismiss(call: Call, request: DismissRequest) -> DismissResponse:
    """Sets a response aside, as in Mini."""
    return set_aside(call, request)


@functions_framework.http
@endpoint(registry.SIDECAR_INTERACTION)
def interaction(call: Call, request: InteractionRequest) -> InteractionResponse:
    """What commits nothing, as in Mini."""
    return interact(call, request)


@functions_framework.http
@endpoint(registry.SIDECAR_BREAK_GLASS)
def break_glass(call: Call, request: BreakGlassRequest) -> BreakGlassResponse:
    """Opens what the policy keeps from the role, of one patient, for a while."""
    return break_glass_of(call, request)


@functions_framework.http
@endpoint(registry.SIDECAR_CONFIG)
def config(call: Call, request: ConfigRequest) -> ConfigResponse:
    """What the panel has to know before it shows anything, as in Mini."""
    return config_of(call, request)


@functions_framework.http
@endpoint(registry.SIDECAR_HISTORY)
def history(call: Call, request: HistoryRequest) -> HistoryResponse:
    """The patient's ledger, the newest event first."""
    place = decode_cursor(request.cursor, HistoryPlace)
    page = core().get_history(
        caller(call, request.session_id),
        request.patient_key,
        limit=request.limit,
        before=place.seq if place else None,
    )
    return history_answer(request, page)


@functions_framework.http
@endpoint(registry.SIDECAR_INBOX)
def inbox(call: Call, request: InboxRequest) -> InboxResponse:
    """The user's open assignments, the oldest first."""
    after = decode_cursor(request.cursor, InboxPlace)
    page = core().get_inbox(caller(call, request.session_id), limit=request.limit, after=after)
    return inbox_answer(request, page)


@functions_framework.http
@endpoint(registry.SIDECAR_CLAIM)
def assignment_claim(call: Call, request: ClaimRequest) -> ClaimResponse:
    """Takes an open assignment on."""
    claimed = core().claim_assignment(
        caller(call, request.session_id), request.assignment_id, take_over=request.take_over
    )
    return ClaimResponse(session_id=request.session_id, surface=call.surface, assignment=claimed)


@functions_framework.http
@endpoint(registry.SIDECAR_CHAT)
def chat_message(call: Call, request: ChatRequest) -> ChatResponse:
    """Answers from the patient's state alone; commits nothing of what the user says, keeps no text."""
    view = core().get_panel_state(caller(call, request.session_id), request.patient_key)
    question = Question(
        message=request.message,
        state=view.state,
        history=view.history,
        policy=view.policy,
        variant=view.display.variant,
    )
    return chat_answer(request, view, _ANSWERER.answer(question))


@functions_framework.http
@endpoint(registry.SIDECAR_BREAK_GLASS_LIST)
def break_glass_list(call: Call, request: BreakGlassListRequest) -> BreakGlassListResponse:
    """Who has broken the glass in this tenant, the newest first."""
    before = decode_cursor(request.cursor, BrokenGlassPlace)
    page = core().get_broken_glass(caller(call, request.session_id), limit=request.limit, before=before)
    return broken_glass_answer(request, page)
