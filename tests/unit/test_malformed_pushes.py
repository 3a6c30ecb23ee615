"""What is pushed to the projector and is no message of ours is refused, and nothing of it is told again.

Left alone, the framework answers some of these with their whole body and all their headers, the caller's
token among them, and writes tracebacks that quote them.
"""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from werkzeug.test import TestResponse

from shared.web.body import MAX_BODY
from tests.unit.endpoint_calls import (
    ROOT,
    client_of,
    environment,  # noqa: F401 -- a fixture
    problem_of,
)
from tests.unit.served import framework

pytestmark = pytest.mark.usefixtures("environment")

SECRET = "MariaExample1970"
PROJECTOR = ROOT / "functions" / "projector" / "main.py"
CLOUD_EVENT = {"ce-specversion": "1.0", "ce-id": SECRET, "ce-source": SECRET, "ce-type": SECRET}
STRUCTURED = {"specversion": "1.0", "id": SECRET, "source": SECRET, "type": SECRET}


def pushed(**message: object) -> dict[str, Any]:
    return {"json": {"subscription": SECRET, "message": {"messageId": SECRET, **message}}}


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


MALFORMED: dict[str, dict[str, Any]] = {
    "nothing": {"data": b""},
    "no JSON": {"data": f"{{{SECRET}".encode(), "content_type": "application/json"},
    "no UTF-8": {"data": b'"\xff' + SECRET.encode() + b'"', "content_type": "application/json"},
    "text": {"data": SECRET.encode(), "content_type": "text/plain"},
    "a form": {"data": {SECRET: SECRET}},
    "a list": {"json": [SECRET]},
    "a string": {"json": SECRET},
    "null": {"data": b"null", "content_type": "application/json"},
    "deep": {"data": b'["' + SECRET.encode() + b'",' + b"[" * 60_000, "content_type": "application/json"},
    "any object": {"json": {SECRET: SECRET}},
    "a message that is none": {"json": {"subscription": SECRET, "message": SECRET}},
    "a push without data": pushed(),
    "a push of no base64": pushed(data=SECRET),
    "a push of no JSON": pushed(data=encoded(SECRET)),
    "a push of another JSON": pushed(data=encoded(json.dumps({"kind": SECRET}))),
    "a push with odd attributes": pushed(data=encoded("{}"), attributes=SECRET),
    "a background event": {"json": {"context": {"eventType": SECRET, "eventId": SECRET}, "data": SECRET}},
    "an odd context": {"json": {"context": {SECRET: SECRET}, "data": SECRET}},
    "a context that is none": {"json": {"context": SECRET, "data": SECRET}},
    "half a CloudEvent": {"headers": {"ce-specversion": "1.0", "ce-id": SECRET}, "data": SECRET},
    "a CloudEvent of another version": {"headers": {**CLOUD_EVENT, "ce-specversion": SECRET}, "data": SECRET},
    "a CloudEvent of no JSON": {"headers": CLOUD_EVENT, "data": SECRET, "content_type": "application/json"},
    "a CloudEvent of something else": {"headers": CLOUD_EVENT, "json": {"message": {"data": SECRET}}},
    "a structured CloudEvent": {
        "data": json.dumps({**STRUCTURED, "data": SECRET}),
        "content_type": "application/cloudevents+json",
    },
    "one of no base64": {
        "data": json.dumps({**STRUCTURED, "data_base64": f"{SECRET}!"}),
        "content_type": "application/cloudevents+json",
    },
    "one of no JSON": {"data": SECRET, "content_type": "application/cloudevents+json"},
}


def push(**request: Any) -> TestResponse:
    headers = {"Authorization": f"Bearer {SECRET}", "X-Correlation-Id": SECRET, **request.pop("headers", {})}
    return client_of("project", PROJECTOR).post(f"/{SECRET}", headers=headers, **request)


@pytest.mark.parametrize("request_of", MALFORMED.values(), ids=MALFORMED)
def test_what_is_malformed_is_refused_without_a_word_of_it(
    request_of: dict[str, Any], capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    response = push(**request_of)
    problem_of(response, response.status_code)
    assert response.status_code in (400, 415, 500)
    written = capfd.readouterr()
    for told in (
        response.get_data(as_text=True),
        str(response.headers),
        written.out,
        written.err,
        caplog.text,
    ):
        assert SECRET not in told
    lines = [json.loads(line) for line in written.out.splitlines()]
    assert lines[-1]["code"] == "request_answered"
    assert lines[-1]["status"] == response.status_code


def test_an_error_that_nobody_planned_for_is_logged_by_its_kind_and_place(
    capfd: pytest.CaptureFixture[str],
) -> None:
    problem_of(push(**MALFORMED["a context that is none"]), 500)
    first = json.loads(capfd.readouterr().out.splitlines()[0])
    assert first["code"] == "unexpected_error"
    assert first["error"].startswith("builtins.TypeError at outside our code")


def test_more_than_a_message_can_hold_is_not_even_read() -> None:
    body = json.dumps({"subscription": "s", "message": {"messageId": "1", "data": "A" * MAX_BODY}})
    problem_of(push(data=body, content_type="application/json"), 413)
    problem_of(push(data=body, content_type="application/cloudevents+json"), 413)


def test_it_holds_in_the_process_that_is_deployed(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Also what the server and the framework write to standard error."""
    folder = str(tmp_path_factory.mktemp("projector"))
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {SECRET}"}
    with framework(folder, "project", str(PROJECTOR)) as server:
        for body in (b"{" + SECRET.encode(), b'{"a": "%s"}' % SECRET.encode(), b'["%s"]' % SECRET.encode()):
            answer = server.ask(f"POST /{SECRET} HTTP/1.1", headers, body)
            assert answer.status in (400, 500)
            assert answer.headers["content-type"] == "application/problem+json"
            assert SECRET.encode() not in answer.body
        assert SECRET not in server.output()
        assert "Traceback" not in server.output()
