"""Which pages may call: the configured ones. What another page sends is refused and not carried out."""

from __future__ import annotations

import pytest

from shared.errors import Overloaded
from tests.unit.endpoint_calls import (
    ACK,
    ORIGIN,
    client_of,
    environment,  # noqa: F401 -- a fixture
    problem_of,
    send,
    signed_in,
)

pytestmark = pytest.mark.usefixtures("environment")

OTHERS = (
    "https://ehr.example",  # the page that a content script runs in
    "null",  # a sandboxed frame, a file
    "",
    ORIGIN + "x",
    ORIGIN.upper(),
    ORIGIN + "/",
    f"{ORIGIN}, {ORIGIN}",
    "http://127.0.0.1",
    "http://127.0.0.1:9000.evil.example",
    "https://127.0.0.1:9000",
)
other_origins = pytest.mark.parametrize("origin", OTHERS)


def test_a_preflight_of_a_configured_origin_is_answered_without_a_token() -> None:
    asked = {"Origin": ORIGIN, "Access-Control-Request-Method": "POST"}
    response = client_of("ack").options("/", headers=asked)
    assert response.status_code == 204
    assert response.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert response.headers["Access-Control-Allow-Methods"] == "POST"
    allowed = {name.strip() for name in response.headers["Access-Control-Allow-Headers"].split(",")}
    assert allowed == {"Authorization", "Content-Type", "X-Correlation-Id", "Idempotency-Key"}
    assert int(response.headers["Access-Control-Max-Age"]) > 0


@other_origins
def test_a_preflight_of_another_origin_is_refused(origin: str) -> None:
    response = client_of("ack").options("/", headers={"Origin": origin})
    problem_of(response, 403)
    assert not [name for name, _ in response.headers if name.startswith("Access-Control")]


@other_origins
@pytest.mark.parametrize(("target", "method"), [("ack", "POST"), ("patient_search", "GET"), ("ack", "PUT")])
def test_what_another_origin_sends_with_a_right_token_is_not_carried_out(
    origin: str, target: str, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A simple request has no preflight: only this stands between a page and the endpoint.
    monkeypatch.setattr("shared.web.endpoint.verify_token", lambda _: pytest.fail("went on"))
    headers = {**signed_in(), "Origin": origin}
    response = client_of(target).open("/?q=a", method=method, headers=headers)
    problem_of(response, 403)
    assert not [name for name, _ in response.headers if name.startswith("Access-Control")]


def test_without_an_origin_it_is_no_page_and_passes() -> None:
    assert send("ack").status_code == 200
    plain = client_of("ack").options("/")
    assert plain.status_code == 204
    assert plain.headers["Allow"] == "POST"


def test_answers_and_problems_show_themselves_to_a_configured_origin() -> None:
    for body, status in ((ACK, 200), ({}, 422)):
        shown = send("ack", body, headers={"Origin": ORIGIN})
        assert shown.status_code == status
        assert shown.headers["Access-Control-Allow-Origin"] == ORIGIN
        assert "X-Correlation-Id" in shown.headers["Access-Control-Expose-Headers"]
        assert "Retry-After" in shown.headers["Access-Control-Expose-Headers"]


def test_no_page_is_let_in_with_cookies_or_from_anywhere() -> None:
    for response in (send("ack", headers={"Origin": ORIGIN}), send("ack"), client_of("ack").options("/")):
        assert response.headers.get("Access-Control-Allow-Origin") != "*"
        assert "Access-Control-Allow-Credentials" not in response.headers
        assert "Set-Cookie" not in response.headers
        assert response.headers["Vary"] == "Origin"


def test_an_error_is_shown_to_a_configured_origin_with_when_to_try_again() -> None:
    busy = {"session_id": "busy", "patient_key": "p1_abcdefgh"}
    response = send("state", busy, headers={"Origin": ORIGIN})
    assert response.headers["Retry-After"] == str(Overloaded.retry_after_s)
    assert response.headers["Access-Control-Allow-Origin"] == ORIGIN
