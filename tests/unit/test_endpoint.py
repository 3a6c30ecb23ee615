"""What every endpoint promises, through the framework's real entry point."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import UUID, uuid4

import functions_framework
import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from shared.security.identity import development_token
from shared.settings import settings

FUNCTIONS = Path(__file__).parent / "functions_under_test" / "main.py"
PROJECT = "demo-mobius"
TENANT = uuid4()
USER = uuid4()
ORIGIN = "chrome-extension://abcdefghijklmnop"
ACK = {"session_id": "s-1", "patient_key": "p1_abcdefgh", "note_text": "Called.", "override_tasking": "act"}
ENVIRONMENT = {
    "GOOGLE_CLOUD_PROJECT": PROJECT,
    "FIRESTORE_EMULATOR_HOST": "127.0.0.1:1",
    "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none",
    "MOBIUS_MASTER_SECRET": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
    "ALLOWED_ORIGINS": f"{ORIGIN},http://127.0.0.1:9000",
    "LOG_LEVEL": "INFO",
}

Send = Callable[..., TestResponse]


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("K_SERVICE", "CLOUD_SQL_INSTANCE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    settings.cache_clear()
    yield
    settings.cache_clear()


def client_of(target: str) -> FlaskClient:
    return functions_framework.create_app(target, str(FUNCTIONS)).test_client()


def signed_in(tenant_id: UUID = TENANT) -> dict[str, str]:
    return {"Authorization": f"Bearer {development_token(PROJECT, USER, tenant_id, 60)}"}


def send(target: str, body: object = None, **options: object) -> TestResponse:
    headers = {**signed_in(), **options.pop("headers", {})}  # type: ignore[dict-item] -- plain JSON in a test
    return client_of(target).post("/", json=ACK if body is None else body, headers=headers, **options)


def problem_of(response: TestResponse, status: int) -> dict[str, object]:
    assert response.status_code == status
    assert response.mimetype == "application/problem+json"
    problem = response.get_json(force=True)
    assert problem["status"] == status
    assert problem["error"] == problem["detail"]
    assert problem["type"].startswith("urn:mobius:problem:")
    assert problem["title"]
    assert problem["correlation_id"] == response.headers["X-Correlation-Id"]
    return problem


def wrong_fields(response: TestResponse) -> dict[str, str]:
    problem = problem_of(response, 422)
    return {error["field"]: error["message"] for error in problem["errors"]}  # type: ignore[attr-defined] -- plain JSON in a test


# Answers ----------------------------------------------------------------------------------------------


def test_a_right_call_gets_the_handlers_answer_with_nulls_and_offsets_spelled_out() -> None:
    response = send("ack")
    assert response.status_code == 200
    assert response.content_type == "application/json"
    body = response.get_json()
    assert body["ok"] is True
    assert body["surface"] == "mini"
    assert body["submission"]["note"] == "Called."
    assert body["submission"]["override_proceed"] is None
    assert body["submission"]["submitted_at"] == "2025-01-02T03:04:05Z"


@pytest.mark.parametrize("path", ["/", "/api/v1/mini/ack", "/anything/else"])
def test_the_path_does_not_matter(path: str) -> None:
    assert client_of("ack").post(path, json=ACK, headers=signed_in()).status_code == 200


def test_every_answer_forbids_caching_and_sniffing() -> None:
    for response in (send("ack"), client_of("ack").get("/"), client_of("ack").options("/")):
        assert response.headers["Cache-Control"] == "no-store"
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert response.headers["Vary"] == "Origin"


def test_a_uuid_as_correlation_id_is_taken_over() -> None:
    given = str(uuid4())
    assert send("ack", headers={"X-Correlation-Id": given}).headers["X-Correlation-Id"] == given


def test_anything_else_as_correlation_id_is_replaced() -> None:
    made = send("ack", headers={"X-Correlation-Id": "Maria"}).headers["X-Correlation-Id"]
    assert UUID(made)


def test_a_read_takes_the_same_fields_from_query_and_body() -> None:
    client = client_of("patient_search")
    by_query = client.get("/?q=r%C5%91z&limit=3&unknown=x", headers=signed_in())
    by_body = client.post("/", json={"q": "rőz", "limit": 3, "unknown": "x"}, headers=signed_in())
    assert by_query.status_code == by_body.status_code == 200
    assert by_query.get_json() == by_body.get_json()
    assert by_query.get_json()["results"][0]["name"] == "Rőzsa 3"
    assert by_query.get_json()["results"][0]["id"] == str(USER)


# Methods and origins ----------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "PATCH"])
def test_a_write_is_posted(method: str) -> None:
    response = client_of("ack").open("/", method=method, headers=signed_in())
    assert response.status_code == 405
    assert response.headers["Allow"] == "POST"


def test_head_is_refused_on_a_read_for_reading_is_audited() -> None:
    response = client_of("patient_search").head("/?q=a", headers=signed_in())
    assert response.status_code == 405
    assert response.headers["Allow"] == "GET, POST"


def test_a_preflight_of_a_configured_origin_is_answered_without_a_token() -> None:
    asked = {"Origin": ORIGIN, "Access-Control-Request-Method": "POST"}
    response = client_of("ack").options("/", headers=asked)
    assert response.status_code == 204
    assert response.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert response.headers["Access-Control-Allow-Methods"] == "POST"
    allowed = {name.strip() for name in response.headers["Access-Control-Allow-Headers"].split(",")}
    assert allowed == {"Authorization", "Content-Type", "X-Correlation-Id", "Idempotency-Key"}
    assert int(response.headers["Access-Control-Max-Age"]) > 0


@pytest.mark.parametrize("origin", ["https://ehr.example", "null", ORIGIN + "x", ORIGIN.upper()])
def test_a_preflight_of_another_origin_is_refused(origin: str) -> None:
    response = client_of("ack").options("/", headers={"Origin": origin})
    problem_of(response, 403)
    assert not [name for name, _ in response.headers if name.startswith("Access-Control")]


def test_answers_and_problems_show_themselves_to_configured_origins_only() -> None:
    for body, status in ((ACK, 200), ({}, 422)):
        shown = send("ack", body, headers={"Origin": ORIGIN})
        assert shown.status_code == status
        assert shown.headers["Access-Control-Allow-Origin"] == ORIGIN
        assert "X-Correlation-Id" in shown.headers["Access-Control-Expose-Headers"]
        assert "Retry-After" in shown.headers["Access-Control-Expose-Headers"]
        hidden = send("ack", body, headers={"Origin": "https://ehr.example"})
        assert "Access-Control-Allow-Origin" not in hidden.headers


# Identity ---------------------------------------------------------------------------------------------


def test_without_a_token_nobody_gets_in() -> None:
    response = client_of("ack").post("/", json=ACK)
    problem_of(response, 401)
    assert response.headers["WWW-Authenticate"] == "Bearer"


def test_identity_comes_before_fields() -> None:
    problem_of(client_of("ack").post("/", data=b"\xff"), 401)


def test_the_tokens_own_tenant_may_be_named() -> None:
    assert send("ack", {**ACK, "tenant_id": str(TENANT)}).status_code == 200


def test_another_tenant_is_refused_in_body_and_query() -> None:
    problem_of(send("ack", {**ACK, "tenant_id": str(uuid4())}), 403)
    query = f"/?q=a&tenant_id={uuid4()}"
    problem_of(client_of("patient_search").get(query, headers=signed_in()), 403)


# Bodies -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"null",
        b"[1]",
        b'"text"',
        b"\xff\xfe\x00",
        b'{"note": "\xff"}',
        b'{"note": "\\ud800"}',
        b'{"a": 1e999}',
        b'{"a": ' + b"9" * 6000 + b"}",
        b"[" * 60_000,
        b'{"a":' * 10_000,
        b'{"session_id": "s"} trailing',
    ],
)
def test_what_is_not_a_json_object_is_malformed(body: bytes) -> None:
    headers = {**signed_in(), "Content-Type": "application/json"}
    problem_of(client_of("ack").post("/", data=body, headers=headers), 400)


@pytest.mark.parametrize("media_type", [None, "text/plain", "application/x-www-form-urlencoded"])
def test_a_body_of_another_media_type_is_refused(media_type: str | None) -> None:
    body = json.dumps(ACK).encode()
    response = client_of("ack").post("/", data=body, content_type=media_type, headers=signed_in())
    problem_of(response, 415)


def test_a_charset_beside_the_media_type_is_fine() -> None:
    response = client_of("ack").post(
        "/", data=json.dumps(ACK), content_type="application/json; charset=utf-8", headers=signed_in()
    )
    assert response.status_code == 200


def test_64_kib_is_the_most_a_body_may_hold() -> None:
    body = json.dumps(ACK).encode()
    client = client_of("ack")
    headers = {**signed_in(), "Content-Type": "application/json"}
    assert client.post("/", data=body.ljust(64 * 1024), headers=headers).status_code == 200
    problem_of(client.post("/", data=body.ljust(64 * 1024 + 1), headers=headers), 413)


def test_ten_megabytes_are_too_large_also_where_the_framework_has_a_limit_of_its_own() -> None:
    headers = {**signed_in(), "Content-Type": "application/json"}
    problem_of(client_of("ack").post("/", data=b" " * 10_500_000, headers=headers), 413)


def test_a_body_of_no_announced_length_is_measured() -> None:
    class Endless:
        def __init__(self, size: int) -> None:
            self.left = size

        def read(self, size: int = -1) -> bytes:
            taken = min(self.left, size if size >= 0 else self.left, 1000)
            self.left -= taken
            return b" " * taken

    headers = {**signed_in(), "Content-Type": "application/json", "Transfer-Encoding": "chunked"}
    response = client_of("ack").post(
        "/",
        headers=headers,
        environ_overrides={"wsgi.input": Endless(70_000), "wsgi.input_terminated": True},
    )
    problem_of(response, 413)


# Fields -----------------------------------------------------------------------------------------------


def test_every_wrong_field_is_named_with_how_to_mend_it() -> None:
    body = {
        "session_id": "no spaces please",
        "patient_key": 7,
        "note_text": "   ",
        "override_proceed": "blue",
        "system_response_id": "x",
        "tenant_id": "x",
    }
    response = send("ack", body, headers={"Idempotency-Key": "white space"})
    assert wrong_fields(response) == {
        "session_id": "must be 1 to 128 characters out of A-Z a-z 0-9 . _ : -",
        "patient_key": "must be 8 to 64 characters out of A-Z a-z 0-9 _ -",
        "note_text": "must be 1 to 4,000 characters, not blank and without NUL",
        "override_proceed": "must be one of green, yellow, grey",
        "system_response_id": "must be a UUID",
        "tenant_id": "must be a UUID",
        "Idempotency-Key": (
            "must be 1 to 255 characters out of A-Z a-z 0-9 . _ : -, or a quoted string of that length"
        ),
    }


def test_missing_fields_and_broken_rules_are_named_together() -> None:
    assert set(wrong_fields(send("ack", {}))) == {
        "session_id",
        "patient_key",
        "note_text",
        "override_proceed",
    }


def test_a_query_names_its_wrong_fields_too() -> None:
    response = client_of("patient_search").get("/?limit=26", headers=signed_in())
    assert wrong_fields(response) == {
        "q": "is required",
        "limit": "must be a whole number from 1 to 25",
    }


def test_no_value_that_was_sent_comes_back_or_is_logged(capsys: pytest.CaptureFixture[str]) -> None:
    secret = "MariaExample1970"
    body = {name: {secret: secret} for name in ("session_id", "patient_key", "note_text", secret)}
    headers = {"Idempotency-Key": f"{secret} {secret}", "X-Correlation-Id": secret, "Origin": secret}
    response = send("ack", body, headers=headers, query_string={secret: secret})
    problem_of(response, 422)
    assert secret not in response.get_data(as_text=True)
    assert secret not in str(response.headers)
    assert secret not in capsys.readouterr().out


@pytest.mark.parametrize("key", ["a", "A.b_c:d-9", "k" * 255, '"white space"', '"' + "k" * 255 + '"'])
def test_a_right_idempotency_key_is_taken(key: str) -> None:
    assert send("ack", headers={"Idempotency-Key": key}).status_code == 200


@pytest.mark.parametrize("key", ["", "k" * 256, "a b", "a,b", '"', '""', '"a', '"a"b"', "ä", '"ä"'])
def test_a_wrong_idempotency_key_is_named(key: str) -> None:
    assert set(wrong_fields(send("ack", headers={"Idempotency-Key": key}))) == {"Idempotency-Key"}


def test_the_quotes_of_an_idempotency_key_are_not_part_of_it() -> None:
    answer = send("ack", headers={"Idempotency-Key": '"confirm me"'}).get_json()
    assert answer["confirmed"] is True


def test_a_read_pays_no_heed_to_an_idempotency_key() -> None:
    headers = {**signed_in(), "Idempotency-Key": "a b"}
    assert client_of("patient_search").get("/?q=a", headers=headers).status_code == 200


# Failures and logs ------------------------------------------------------------------------------------

STATE = {"session_id": "s-1", "patient_key": "p1_abcdefgh"}


def test_a_known_error_is_told_with_when_to_try_again() -> None:
    response = send("state", {**STATE, "session_id": "busy"})
    problem_of(response, 429)
    assert response.headers["Retry-After"] == "1"


def test_an_unknown_error_tells_nothing_and_logs_only_where_it_was(
    capsys: pytest.CaptureFixture[str],
) -> None:
    response = send("state", STATE)
    problem = problem_of(response, 500)
    assert "errors" not in problem
    written = capsys.readouterr()
    lines = [json.loads(line) for line in written.out.splitlines()]
    failure = next(line for line in lines if line["code"] == "unexpected_error")
    assert failure["severity"] == "ERROR"
    assert failure["error"].startswith("builtins.ValueError at shared/web/endpoint.py:")
    assert "caused by builtins.KeyError" in failure["error"]
    for told in (response.get_data(as_text=True), written.out, written.err):
        assert "Maria" not in told
        assert "no row for" not in told


def test_one_line_says_how_a_request_went(capsys: pytest.CaptureFixture[str]) -> None:
    trace = "0af7651916cd43dd8448eb211c80319c"
    headers = {"traceparent": f"00-{trace}-b7ad6b7169203331-01"}
    response = send("ack", headers=headers)
    (line,) = [json.loads(text) for text in capsys.readouterr().out.splitlines()]
    assert line.pop("duration_ms") >= 0
    assert line == {
        "severity": "INFO",
        "message": "A request was answered.",
        "code": "request_answered",
        "correlation_id": response.headers["X-Correlation-Id"],
        "logging.googleapis.com/trace": f"projects/{PROJECT}/traces/{trace}",
        "endpoint": "mini/ack",
        "status": 200,
    }
