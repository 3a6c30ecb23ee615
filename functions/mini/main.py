"""The Mini surface: what floats over the page. One target per endpoint."""

from __future__ import annotations

import functions_framework

from functions.configuration import config_of
from functions.mini.answers import patient_answer
from functions.surface import acknowledge, break_glass_of, caller, detected_key, endpoint, interact, set_aside
from shared.runtime import core
from shared.settings import settings
from shared.web import registry
from shared.web.break_glass_messages import BreakGlassRequest, BreakGlassResponse
from shared.web.config_messages import ConfigRequest, ConfigResponse
from shared.web.endpoint import Call
from shared.web.messages import (
    AckRequest,
    AckResponse,
    DismissRequest,
    DismissResponse,
    InteractionRequest,
    InteractionResponse,
    SearchRequest,
    SearchResponse,
    SearchResult,
    StatusRequest,
    StatusResponse,
)

settings()  # A wrong configuration stops the start, not the first request.


@functions_framework.http
@endpoint(registry.MINI_STATUS)
def status(call: Call, request: StatusRequest) -> StatusResponse:
    """A patient in one glance."""
    detection = request.detection
    patient_key = detected_key(call, detection) if detection else request.patient_key
    who = caller(
        call,
        request.session_id,
        site=request.site,
        application=request.application_id,
        page_signature=request.page_signature,
    )
    view = core().get_patient_state(
        who, patient_key, detected_by=detection.source_system if detection else None
    )
    return patient_answer(request, view)


@functions_framework.http
@endpoint(registry.MINI_ACK)
def ack(call: Call, request: AckRequest) -> AckResponse:
    """Send."""
    return acknowledge(call, request)


@functions_framework.http
@endpoint(registry.MINI_DISMISS)
def dismiss(call: Call, request: DismissRequest) -> DismissResponse:
    """Sets a response aside."""
    return set_aside(call, request)


@functions_framework.http
@endpoint(registry.MINI_INTERACTION)
def interaction(call: Call, request: InteractionRequest) -> InteractionResponse:
    """What commits nothing."""
    return interact(call, request)


@functions_framework.http
@endpoint(registry.MINI_BREAK_GLASS)
def break_glass(call: Call, request: BreakGlassRequest) -> BreakGlassResponse:
    """Opens what the policy keeps from the role, of one patient, for a while."""
    return break_glass_of(call, request)


@functions_framework.http
@endpoint(registry.MINI_CONFIG)
def config(call: Call, request: ConfigRequest) -> ConfigResponse:
    """What a client has to know before it shows anything."""
    return config_of(call, request)


@functions_framework.http
@endpoint(registry.MINI_PATIENT_SEARCH)
def patient_search(call: Call, request: SearchRequest) -> SearchResponse:
    """Finds a patient when the page does not say who is on it."""
    who = caller(call, request.session_id, site=request.site, application=request.application_id)
    found = core().search_patients(who, request.q, request.limit)
    results = tuple(
        SearchResult(name=f.snapshot.display_name, id=f.patient_key, id_masked=f.snapshot.id_masked)
        for f in found
    )
    return SearchResponse(session_id=request.session_id, surface=call.surface, q=request.q, results=results)
