"""What every endpoint promises, through the framework's real entry point."""

from __future__ import annotations

import json
from uuid import UUID, uuid4

import pytest

from tests.unit.endpoint_calls import (
    ACK,
    PROJECT,
    TENANT,
    USER,
    client_of,
    environment,  # noqa: F401 -- a fixture
    problem_of,
    send,
    signed_in,
    wrong_fields,
)

pytestmark = pytest.mark.usefixtures("environment")

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
    headers = {"Idempotency-Key": f"{secret} {secret}", "X-Correlation-Id": secret}
    for more, status in (({}, 422), ({"Origin": secret}, 403)):
        response = send("ack", body, headers={**headers, **more}, query_string={secret: secret})
        problem_of(response, status)
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
    problem_of(response, 503)
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
        "tenant_id": str(TENANT),
        "user_id": str(USER),
        "endpoint": "mini/ack",
        "status": 200,
    }
