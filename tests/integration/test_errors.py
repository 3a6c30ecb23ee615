"""Every error that these endpoints can give: its status, its headers, and nothing of what was sent."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import create_engine, text

from shared.persistence import database
from shared.persistence.database import driver_url
from shared.security.identity import development_token
from tests.integration.product import BY_HAND, Clinic, Product, closed_port, problem_of

SECRET = "Maria-Example-1970"
EVERY = ("mini/status", "mini/ack", "mini/patient/search", "sidecar/state", "sidecar/ack")
READS = ("mini/status", "mini/patient/search", "sidecar/state")
WRITES = ("mini/ack", "sidecar/ack")

every_endpoint = pytest.mark.parametrize("endpoint", EVERY)
reads = pytest.mark.parametrize("endpoint", READS)
writes = pytest.mark.parametrize("endpoint", WRITES)


def right(clinic: Clinic, endpoint: str) -> dict[str, Any]:
    """A body that ``endpoint`` takes."""
    if endpoint == "mini/patient/search":
        return {"q": "a"}
    return clinic.says(BY_HAND) if endpoint in WRITES else clinic.names(BY_HAND)


def raw(clinic: Clinic, endpoint: str, data: bytes, content_type: str | None = "application/json") -> Any:
    return clinic.product.client(endpoint).post(
        "/", data=data, content_type=content_type, headers=clinic.headers()
    )


@every_endpoint
def test_random_bytes_are_malformed(clinic: Clinic, endpoint: str) -> None:
    problem_of(raw(clinic, endpoint, bytes(range(256)) * 4), 400)


@every_endpoint
def test_a_json_array_is_malformed(clinic: Clinic, endpoint: str) -> None:
    response = raw(clinic, endpoint, b'["Maria-Example-1970"]')
    problem_of(response, 400)
    assert SECRET not in response.get_data(as_text=True)


@every_endpoint
def test_ten_megabytes_are_too_large(clinic: Clinic, endpoint: str) -> None:
    problem_of(raw(clinic, endpoint, b'{"session_id": "' + b"a" * 10_000_000 + b'"}'), 413)


@every_endpoint
@pytest.mark.parametrize("content_type", [None, "text/plain", "application/x-www-form-urlencoded"])
def test_another_media_type_is_refused(clinic: Clinic, endpoint: str, content_type: str | None) -> None:
    problem_of(raw(clinic, endpoint, b"{}", content_type), 415)


@pytest.mark.parametrize(
    ("endpoint", "wrong"),
    [
        (
            "mini/status",
            {
                "session_id": 1,
                "patient_key": [],
                "application_id": {},
                "site": 2.5,
                "page_signature": True,
                "tenant_id": SECRET,
            },
        ),
        ("mini/status", {"session_id": None, "detection": SECRET}),
        ("mini/patient/search", {"q": 7, "limit": SECRET, "session_id": []}),
        ("sidecar/state", {"session_id": {}, "patient_key": False}),
        *(
            (
                write,
                {
                    "session_id": 1,
                    "patient_key": {SECRET: SECRET},
                    "note_text": 1,
                    "note": [],
                    "override_proceed": "blue",
                    "override_tasking": 0,
                    "system_response_id": SECRET,
                },
            )
            for write in WRITES
        ),
    ],
)
def test_every_field_of_a_wrong_type_is_named(clinic: Clinic, endpoint: str, wrong: dict[str, Any]) -> None:
    response = clinic.post(endpoint, wrong)
    problem = problem_of(response, 422)
    assert {error["field"] for error in problem["errors"]} == set(wrong)
    assert all(error["message"] for error in problem["errors"])
    assert SECRET not in response.get_data(as_text=True)


@writes
def test_a_note_that_is_blank_and_a_send_that_asserts_nothing_are_refused(
    clinic: Clinic, endpoint: str
) -> None:
    problem = problem_of(clinic.post(endpoint, {**clinic.names(BY_HAND), "note_text": " \n"}), 422)
    assert {error["field"] for error in problem["errors"]} == {"note_text", "override_proceed"}


@every_endpoint
@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "HEAD"])
def test_another_method_is_told_which_are_allowed(clinic: Clinic, endpoint: str, method: str) -> None:
    response = clinic.product.client(endpoint).open("/", method=method, headers=clinic.headers())
    assert response.status_code == 405
    assert response.headers["Allow"] == ("POST" if endpoint in WRITES else "GET, POST")
    if method != "HEAD":
        problem_of(response, 405)


@writes
def test_a_write_is_never_got(clinic: Clinic, endpoint: str) -> None:
    response = clinic.product.client(endpoint).get("/", headers=clinic.headers())
    problem_of(response, 405)
    assert response.headers["Allow"] == "POST"


@every_endpoint
@pytest.mark.parametrize("authorization", [None, "Bearer", "Bearer a.b.c", "Basic Maria-Example-1970"])
def test_without_a_right_token_nobody_comes_in(
    clinic: Clinic, endpoint: str, authorization: str | None
) -> None:
    headers = {"Authorization": authorization} if authorization else {}
    response = clinic.product.client(endpoint).post("/", json=right(clinic, endpoint), headers=headers)
    problem_of(response, 401)
    assert response.headers["WWW-Authenticate"] == "Bearer"
    assert SECRET not in response.get_data(as_text=True)


@every_endpoint
def test_another_tenant_in_the_body_is_refused(clinic: Clinic, endpoint: str) -> None:
    other = str(uuid4())
    before = clinic.counts()
    response = clinic.post(endpoint, {**right(clinic, endpoint), "tenant_id": other})
    problem_of(response, 403)
    assert other not in response.get_data(as_text=True)
    assert clinic.written_since(before) == {"event_log": 1}
    assert clinic.told(None) == ["Access.Denied"]


@reads
def test_another_tenant_in_the_query_is_refused(clinic: Clinic, endpoint: str) -> None:
    query = {**right(clinic, endpoint), "tenant_id": str(uuid4())}
    response = clinic.product.client(endpoint).get("/", query_string=query, headers=clinic.headers())
    problem_of(response, 403)


@every_endpoint
def test_a_disabled_user_is_refused_until_enabled_again(clinic: Clinic, endpoint: str) -> None:
    clinic.status(BY_HAND, user=1)
    change = "UPDATE app_user SET status = :status WHERE tenant_id = :tenant AND user_id = :user"
    clinic.sql(change, status="disabled", user=clinic.users[0].user_id)
    before = clinic.counts()
    problem_of(clinic.post(endpoint, right(clinic, endpoint)), 403)
    assert clinic.written_since(before) == {"event_log": 1}
    assert clinic.told(None) == ["Access.Denied"]
    clinic.sql(change, status="active", user=clinic.users[0].user_id)
    clinic.answer(endpoint, right(clinic, endpoint))


@every_endpoint
def test_somebody_whom_the_tenant_does_not_know_is_refused(clinic: Clinic, endpoint: str) -> None:
    clinic.status(BY_HAND)
    token = development_token(clinic.product.stack["project_id"], uuid4(), clinic.tenant_id, 60)
    headers = {"Authorization": f"Bearer {token}"}
    problem_of(clinic.post(endpoint, right(clinic, endpoint), headers=headers), 403)


@every_endpoint
def test_a_revoked_sign_in_has_to_be_made_again(clinic: Clinic, endpoint: str) -> None:
    clinic.sql(
        """UPDATE app_user SET tokens_valid_after = now() + interval '1 hour'
           WHERE tenant_id = :tenant AND user_id = :user""",
        user=clinic.users[0].user_id,
    )
    before = clinic.counts()
    response = clinic.post(endpoint, right(clinic, endpoint))
    problem_of(response, 401)
    assert response.headers["WWW-Authenticate"] == "Bearer"
    assert clinic.counts() == before


@writes
def test_a_patient_whom_another_change_holds_is_still_running(
    clinic: Clinic, product: Product, endpoint: str
) -> None:
    clinic.status(BY_HAND)
    product.configure(DATABASE_LOCK_TIMEOUT_S="0.1")
    before = clinic.counts()
    other = create_engine(driver_url(product.urls.owner))
    with other.connect() as holding:
        holding.execute(text(f"SET LOCAL app.tenant_id = '{clinic.tenant_id}'"))
        holding.execute(
            text("SELECT 1 FROM patient_context WHERE patient_context_id = :c FOR NO KEY UPDATE"),
            {"c": clinic.context(BY_HAND)},
        )
        response = clinic.post(endpoint, clinic.says(BY_HAND), headers={"Idempotency-Key": "key-1"})
    other.dispose()
    problem_of(response, 409)
    assert response.headers["Retry-After"] == "1"
    assert clinic.counts() == before
    clinic.answer(endpoint, clinic.says(BY_HAND), headers={"Idempotency-Key": "key-1"})


@every_endpoint
def test_with_every_connection_in_use_the_answer_is_to_try_again(
    clinic: Clinic, product: Product, endpoint: str
) -> None:
    clinic.status(BY_HAND)
    product.configure(DATABASE_POOL_SIZE="1", DATABASE_POOL_TIMEOUT_S="0.05")
    with database.engine().connect():
        response = clinic.post(endpoint, right(clinic, endpoint))
    problem_of(response, 503)
    assert int(response.headers["Retry-After"]) > 0
    clinic.answer(endpoint, right(clinic, endpoint))


@every_endpoint
def test_without_a_database_nothing_is_answered_from_anywhere_else(
    clinic: Clinic, product: Product, endpoint: str
) -> None:
    product.configure(DATABASE_URL=f"postgresql://mobius_app:{SECRET}@127.0.0.1:{closed_port()}/mobius")
    response = clinic.post(endpoint, right(clinic, endpoint))
    problem_of(response, 503)
    assert int(response.headers["Retry-After"]) > 0
    assert SECRET not in response.get_data(as_text=True)


def test_a_connection_that_died_while_idle_is_replaced_unseen(clinic: Clinic) -> None:
    shown = clinic.status(BY_HAND)
    other = create_engine(driver_url(clinic.product.urls.app))
    with other.connect() as connection:
        connection.execute(
            text(
                "SELECT pg_terminate_backend(:pid)",
            ),
            {"pid": _backend()},
        )
        connection.commit()
    other.dispose()
    assert clinic.status(BY_HAND)["system_response_id"] == shown["system_response_id"]


def _backend() -> int:
    # The newest connection first: this is the one that the next request gets.
    with database.engine().connect() as connection:
        return int(connection.scalar(text("SELECT pg_backend_pid()")) or 0)
