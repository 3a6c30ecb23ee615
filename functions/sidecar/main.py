"""The Sidecar surface: the side panel. One target per endpoint."""

from __future__ import annotations

import functions_framework

from functions.sidecar.answers import panel_answer
from functions.surface import acknowledge, caller
from shared.projections.reader import look_at_version
from shared.runtime import core
from shared.settings import settings
from shared.web import registry
from shared.web.endpoint import Call, endpoint
from shared.web.messages import AckRequest, AckResponse, StateRequest, StateResponse

settings()  # A wrong configuration stops the start, not the first request.


@functions_framework.http
@endpoint(registry.SIDECAR_STATE)
def state(call: Call, request: StateRequest) -> StateResponse:
    """A patient's state with its history and the user's inbox."""
    projected_version = look_at_version(call.identity.tenant_id, request.patient_key)
    view = core().get_panel_state(caller(call), request.patient_key)
    return panel_answer(request, view, projected_version)


@functions_framework.http
@endpoint(registry.SIDECAR_ACK)
def ack(call: Call, request: AckRequest) -> AckResponse:
    """Send, as in Mini."""
    return acknowledge(call, request)
