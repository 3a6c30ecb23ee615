"""The security headers are on every answer, whoever makes it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from werkzeug.test import Client, TestResponse

from ops.gateway import Gateway
from shared.web.responses import SECURITY_HEADERS
from tests.unit.endpoint_calls import (
    ORIGIN,
    ROOT,
    client_of,
    environment,  # noqa: F401 -- a fixture
    send,
    signed_in,
)

pytestmark = pytest.mark.usefixtures("environment")

STATE = {"session_id": "s-1", "patient_key": "p1_abcdefgh"}
PROJECTOR = ROOT / "functions" / "projector" / "main.py"
SCHEDULER = ROOT / "functions" / "scheduler" / "main.py"


def of_endpoints() -> Iterator[TestResponse]:
    yield send("ack")
    yield client_of("patient_search").get("/?q=a", headers=signed_in())
    yield client_of("ack").options("/")
    yield client_of("ack").options("/", headers={"Origin": ORIGIN})
    yield client_of("ack").options("/", headers={"Origin": "https://ehr.example"})
    yield client_of("ack").get("/", headers=signed_in())
    yield client_of("ack").head("/")
    yield client_of("ack").post("/")
    yield send("ack", {})
    yield send("state", {**STATE, "session_id": "busy"})
    yield send("state", STATE)


def of_the_framework() -> Iterator[TestResponse]:
    for path in ("/robots.txt", "/favicon.ico", "/static/x"):
        yield client_of("ack").get(path)


def of_projector_and_scheduler() -> Iterator[TestResponse]:
    project = client_of("project", PROJECTOR)
    yield project.get("/")
    yield project.post("/", data=b"{")
    yield project.post("/", json={"message": "x"})
    yield project.post("/", json={"subscription": "s", "message": {"messageId": "1", "data": "e30="}})
    for target in ("relay", "sweep", "tidy", "retention", "checkpoint"):
        yield client_of(target, SCHEDULER).get("/")


def of_the_gateway() -> Iterator[TestResponse]:
    client = Client(Gateway({}))
    for path in ("/healthz", "/openapi.json", "/", "/api/v1/nothing"):
        yield client.get(path)
        yield client.post(path)


@pytest.mark.parametrize(
    "answers", [of_endpoints, of_the_framework, of_projector_and_scheduler, of_the_gateway]
)
def test_every_answer_has_every_security_header_once(answers: object) -> None:
    statuses = set()
    for response in answers():  # type: ignore[operator] -- one of the above
        statuses.add(response.status_code)
        for name, value in SECURITY_HEADERS.items():
            assert response.headers.getlist(name) == [value], (response.status_code, name)
    assert len(statuses) > 1 or answers is of_the_framework


def test_they_say_what_they_have_to() -> None:
    assert SECURITY_HEADERS["Cache-Control"] == "no-store"
    assert SECURITY_HEADERS["X-Content-Type-Options"] == "nosniff"
    assert SECURITY_HEADERS["Strict-Transport-Security"] == "max-age=63072000; includeSubDomains"
    assert SECURITY_HEADERS["Content-Security-Policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert SECURITY_HEADERS["Referrer-Policy"] == "no-referrer"
    assert SECURITY_HEADERS["Cross-Origin-Resource-Policy"] == "same-origin"
    assert SECURITY_HEADERS["X-Frame-Options"] == "DENY"


def test_no_answer_says_what_it_is_made_with() -> None:
    for answers in (of_endpoints, of_the_framework, of_projector_and_scheduler, of_the_gateway):
        for response in answers():
            assert not {"Server", "X-Powered-By", "X-Google-Status"} & set(response.headers.keys())
