from __future__ import annotations

import pytest
from werkzeug.test import Client
from werkzeug.wrappers import Request, Response

from ops.gateway import Gateway


@Request.application
def echo(request: Request) -> Response:
    return Response(f"{request.method} {request.path}")


client = Client(Gateway({"/api/v1/mini/status": echo}))


def test_a_known_path_reaches_its_function_whole_whatever_the_method() -> None:
    assert client.post("/api/v1/mini/status").text == "POST /api/v1/mini/status"
    assert client.delete("/api/v1/mini/status").text == "DELETE /api/v1/mini/status"


def test_an_unknown_path_is_a_problem_document_with_the_callers_correlation_id() -> None:
    asked = "0198c2a4-7c1e-7d6b-9a53-0d3f2b8f6a10"
    answer = client.get("/api/v1/mini/status/", headers={"X-Correlation-Id": asked})
    assert answer.status_code == 404
    assert answer.mimetype == "application/problem+json"
    assert answer.headers["X-Correlation-Id"] == asked
    problem = answer.get_json()
    assert problem["status"] == 404
    assert problem["error"] == problem["detail"] == "No endpoint has this path."
    assert problem["correlation_id"] == asked


def test_a_correlation_id_that_is_none_is_not_repeated() -> None:
    assert (
        client.get("/x", headers={"X-Correlation-Id": "<script>"}).headers["X-Correlation-Id"] != "<script>"
    )


def test_a_path_counts_as_it_is_written() -> None:
    for path in ("/api/v1/mini%2Fstatus", "/api/v1/mini/%73tatus", "/api/v1/x/%2e%2e/mini/status"):
        assert client.get(path).status_code == 404


def test_its_own_pages_are_got_and_nothing_else() -> None:
    refused = client.post("/healthz")
    assert refused.status_code == 405
    assert refused.headers["Allow"] == "GET"
    assert refused.get_json()["detail"] == "Call this endpoint with GET."


def test_it_says_that_it_is_up() -> None:
    assert client.get("/healthz").get_json() == {"ok": True}


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.0.0.1:8080", "localhost", "LOCALHOST:5", "[::1]", "[::1]:8080"]
)
def test_it_answers_to_this_machines_own_names(host: str) -> None:
    assert client.get("/healthz", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        *("evil.example", "evil.example:8080", "localhost.evil.example", "127.0.0.1.evil.example"),
        *("evil.example@127.0.0.1", "127.0.0.1:8080:1", "127.0.0.1 evil.example", "::1", "0", ""),
    ],
)
def test_a_name_of_the_web_that_leads_to_this_machine_is_refused(host: str) -> None:
    for path in ("/api/v1/mini/status", "/healthz", "/openapi.json", "/none"):
        answer = client.get(path, environ_overrides={"HTTP_HOST": host})
        assert answer.status_code == 421
        assert answer.mimetype == "application/problem+json"
        assert answer.get_json()["detail"] == "Call the local stack as 127.0.0.1, [::1] or localhost."
