"""Handlers as thin as the real ones, without a database behind them."""

from datetime import UTC, datetime
from functools import partial
from uuid import UUID

import functions_framework

from shared.errors import Overloaded
from shared.model import PatientKey, SubmissionId, SystemResponseId
from shared.web import registry
from shared.web.endpoint import Call
from shared.web.endpoint import endpoint as web_endpoint
from shared.web.messages import (
    AckRequest,
    AckResponse,
    AckSubmission,
    SearchRequest,
    SearchResponse,
    SearchResult,
)
from shared.web.panel_messages import StateRequest, StateResponse

AN_ID = UUID("00000000-0000-4000-8000-000000000001")
endpoint = partial(web_endpoint, on_denied=lambda *_: None)
SECRET = "Maria Example, born 1970-01-01"


@functions_framework.http
@endpoint(registry.MINI_ACK)
def ack(call: Call, request: AckRequest) -> AckResponse:
    return AckResponse(
        session_id=request.session_id,
        surface=call.surface,
        submission_id=SubmissionId(AN_ID),
        submission=AckSubmission(
            note=request.stated_note,
            override_proceed=request.override_proceed,
            override_tasking=request.override_tasking,
            submitted_at=datetime(2025, 1, 2, 3, 4, 5, tzinfo=UTC),
            system_response_id=request.system_response_id or SystemResponseId(AN_ID),
        ),
        confirmed=call.idempotency_key == "confirm me",
        superseded=False,
        resolved_assignments=(),
        needs_ack=False,
    )


@functions_framework.http
@endpoint(registry.MINI_PATIENT_SEARCH)
def patient_search(call: Call, request: SearchRequest) -> SearchResponse:
    found = SearchResult(
        name=f"Rőzsa {request.limit}", id=PatientKey(str(call.identity.user_id)), id_masked=None
    )
    return SearchResponse(session_id=request.session_id, surface=call.surface, q=request.q, results=(found,))


@functions_framework.http
@endpoint(registry.SIDECAR_STATE)
def state(call: Call, request: StateRequest) -> StateResponse:
    if request.session_id == "busy":
        raise Overloaded
    try:
        raise KeyError(SECRET)
    except KeyError as error:
        raise ValueError(f"no row for {SECRET}") from error
