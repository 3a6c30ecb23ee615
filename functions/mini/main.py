"""The Mini surface: what floats over the page. One target per endpoint."""

from __future__ import annotations

import functions_framework

from functions.mini.answers import patient_answer
from functions.surface import acknowledge, caller, detected_key
from shared.runtime import core
from shared.settings import settings
from shared.web import registry
from shared.web.endpoint import Call, endpoint
from shared.web.messages import (
    AckRequest,
    AckResponse,
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
    view = core().get_patient_state(
        caller(call),
        patient_key,
        detected_by=detection.source_system if detection else None,
        site=request.site,
        application=request.application_id,
    )
    return patient_answer(request, view)


@functions_framework.http
@endpoint(registry.MINI_ACK)
def ack(call: Call, request: AckRequest) -> AckResponse:
    """Send."""
    return acknowledge(call, request)


@functions_framework.http
@endpoint(registry.MINI_PATIENT_SEARCH)
def patient_search(call: Call, request: SearchRequest) -> SearchResponse:
    """Finds a patient when the page does not say who is on it."""
    found = core().search_patients(caller(call), request.q, request.limit)
    results = tuple(
        SearchResult(name=f.snapshot.display_name, id=f.patient_key, id_masked=f.snapshot.id_masked)
        for f in found
    )
    return SearchResponse(session_id=request.session_id, surface=call.surface, q=request.q, results=results)
