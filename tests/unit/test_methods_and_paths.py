"""No method and no path answers but the declared ones: in the framework, and under the real server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ops.function_parts import function_part
from ops.gateway import HEALTH, OPENAPI, SCHEDULED
from shared.web.registry import ENDPOINTS, Endpoint
from tests.unit.endpoint_calls import (
    ACK,
    ENVIRONMENT,
    ROOT,
    client_of,
    environment,  # noqa: F401 -- a fixture
    problem_of,
    signed_in,
)
from tests.unit.served import Server, framework, free_port, served

pytestmark = pytest.mark.usefixtures("environment")

ELSEWHERE = ("PUT", "PATCH", "DELETE", "HEAD", "TRACE", "CONNECT", "PROPFIND", "MKCOL", "POSTER", "XYZ")
PROJECTOR = ROOT / "functions" / "projector" / "main.py"
SCHEDULER = ROOT / "functions" / "scheduler" / "main.py"
OVERRIDES = ("X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override")


# In the framework, every function that is deployed ------------------------------------------------------


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda endpoint: endpoint.key)
def test_an_endpoint_refuses_every_method_that_it_does_not_declare(endpoint: Endpoint) -> None:
    client = client_of(endpoint.target, ROOT / endpoint.source)
    others = {"GET", "POST", *ELSEWHERE} - set(endpoint.methods)
    for method in sorted(others):
        response = client.open("/", method=method, headers=signed_in())
        assert response.status_code == 405, method
        assert response.headers["Allow"] == ", ".join(endpoint.methods)


@pytest.mark.parametrize("job", SCHEDULED, ids=lambda job: job.target)
def test_a_scheduled_function_is_posted_to_and_nothing_else(job: object) -> None:
    client = client_of(job.target, SCHEDULER)  # type: ignore[attr-defined] -- a ScheduledTarget
    for method in ("GET", "OPTIONS", *ELSEWHERE):
        response = client.open("/", method=method)
        assert response.status_code == 405, method
        assert response.headers["Allow"] == "POST"


def test_the_projector_is_posted_to_and_nothing_else() -> None:
    client = client_of("project", PROJECTOR)
    for method in ("GET", "OPTIONS", *ELSEWHERE):
        response = client.open("/", method=method)
        assert response.status_code == 405, method
        assert response.headers["Allow"] == "POST"


@pytest.mark.parametrize("header", OVERRIDES)
def test_a_header_does_not_make_another_method_of_a_request(header: str) -> None:
    for method in ("GET", "PUT"):
        response = client_of("ack").open(
            "/", method=method, json=ACK, headers={**signed_in(), header: "POST"}
        )
        problem_of(response, 405)
    deleted = client_of("ack").post("/?_method=DELETE", json=ACK, headers={**signed_in(), header: "DELETE"})
    assert deleted.status_code == 200


@pytest.mark.parametrize("path", ["/", "/api/v1/mini/ack", "/anything/else", "//ack", "/a//b", "/a/../b"])
def test_a_deployed_function_is_one_address_and_answers_at_it_whatever_the_path(path: str) -> None:
    taken_as_it_is = {"PATH_INFO": path, "RAW_URI": path, "REQUEST_URI": path}
    response = client_of("ack").post("/", json=ACK, headers=signed_in(), environ_overrides=taken_as_it_is)
    assert response.status_code == 200


@pytest.mark.parametrize("path", ["/robots.txt", "/favicon.ico", "/static/main.py", "/static/../main.py"])
@pytest.mark.parametrize("target", ["ack", "patient_search"])
def test_the_pages_of_the_framework_itself_are_no_pages(path: str, target: str) -> None:
    client = client_of(target)
    for method in ("GET", "HEAD", "OPTIONS"):
        response = client.open(path, method=method)
        assert response.status_code == 404
    assert problem_of(client.get(path), 404)["detail"] == "No endpoint has this path."


def test_a_folder_named_static_is_not_handed_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "static").mkdir()
    (tmp_path / "static" / "notes.txt").write_text("not for you")
    monkeypatch.chdir(tmp_path)
    problem_of(client_of("ack").get("/static/notes.txt"), 404)


# Under the server ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def function(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with framework(str(tmp_path_factory.mktemp("function")), "ack") as server:
        yield server


@pytest.mark.parametrize("method", ["GET", *ELSEWHERE])
def test_the_server_passes_odd_methods_on_and_they_are_refused(function: Server, method: str) -> None:
    answer = function.ask(f"{method} / HTTP/1.1", signed_in())
    assert answer.status == 405
    assert answer.headers["allow"] == "POST"


@pytest.mark.parametrize(
    "line",
    [
        "post / HTTP/1.1",
        "X / HTTP/1.1",
        "POST x HTTP/1.1",
        "POST  HTTP/1.1",
        "POST / HTTP/9.9",
        "PRI * HTTP/2.0",
        "GET",
    ],
)
def test_what_is_not_http_never_reaches_the_function(function: Server, line: str) -> None:
    before = function.output()
    assert function.ask(line, signed_in()).status == 400
    assert function.output() == before


def test_a_redirect_is_never_answered(function: Server) -> None:
    for target in (
        "//evil.example/x",
        "/a//b",
        "/a/./b/",
        "http://evil.example/",
        "*",
        "/%2f%2fevil.example",
    ):
        answer = function.ask(f"POST {target} HTTP/1.1", signed_in())
        assert answer.status in (400, 415), target
        assert "location" not in answer.headers


def test_the_server_does_not_say_its_version(function: Server) -> None:
    answer = function.ask("POST / HTTP/1.1")
    assert answer.headers["server"] == "gunicorn"
    assert "x-powered-by" not in answer.headers


# The local gateway, as the local stack runs it ----------------------------------------------------------


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    port = free_port()
    part = function_part("api", factory="api", port=port, environment={**ENVIRONMENT, "THREADS": "2"})
    with served(part.command, port, str(tmp_path_factory.mktemp("gateway"))) as server:
        yield server


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda endpoint: endpoint.key)
def test_a_declared_path_is_answered_by_its_function(gateway: Server, endpoint: Endpoint) -> None:
    answer = gateway.ask(f"POST {endpoint.path} HTTP/1.1")
    assert answer.status == 401
    assert gateway.ask(f"PUT {endpoint.path} HTTP/1.1").headers["allow"] == ", ".join(endpoint.methods)


@pytest.mark.parametrize(
    "path",
    [
        "//api/v1/mini/status",
        "/api//v1/mini/status",
        "/api/v1/mini/status/",
        "/api/v1/mini/status;x",
        "/api/v1/mini/status%00",
        "/api/v1/mini/status%20",
        "/api/v1/mini%2Fstatus",
        "/api/v1/mini/%73tatus",
        "/api/v1/mini/../mini/status",
        "/api/v1/mini/%2e%2e/mini/status",
        "/api/v1/mini/..%2fmini/status",
        "/api/v1/mini\\status",
        "/API/V1/mini/status",
        "/api/v1/Mini/status",
        "/api/v1/mini",
        "/api/v1/mini/status/x",
        "/api/v1/mini/status.json",
        "/mini/status",
        "/robots.txt",
        "/static/main.py",
        "/.git/config",
        "http://127.0.0.1/api/v1/mini/status",
        "/openapi.json/",
        "/healthz/",
    ],
)
def test_a_path_that_is_not_declared_to_the_letter_is_none(gateway: Server, path: str) -> None:
    answer = gateway.ask(f"POST {path} HTTP/1.1", signed_in())
    assert answer.status == 404
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_header_does_not_make_another_path_of_a_request(gateway: Server) -> None:
    for name in ("X-Original-URL", "X-Rewrite-URL", "X-Forwarded-Prefix", "X-Forwarded-Path"):
        assert gateway.ask("POST /x HTTP/1.1", {name: "/api/v1/mini/status"}).status == 404
    # gunicorn takes this one from loopback, for a proxy that cuts the front of a path off.
    assert gateway.ask("POST /x/api/v1/mini/status HTTP/1.1", {"SCRIPT_NAME": "/x"}).status == 404


@pytest.mark.parametrize("path", [HEALTH, OPENAPI])
def test_the_gateways_own_pages_are_got_and_nothing_else(gateway: Server, path: str) -> None:
    assert gateway.ask(f"GET {path} HTTP/1.1").status == 200
    for method in ("POST", "PUT", "DELETE", "OPTIONS", "TRACE", "XYZ"):
        answer = gateway.ask(f"{method} {path} HTTP/1.1")
        assert answer.status == 405
        assert answer.headers["allow"] == "GET"
