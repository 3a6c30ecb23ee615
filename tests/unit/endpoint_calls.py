"""Calls endpoints without a database behind them, through the framework's real entry point."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from uuid import UUID, uuid4

import functions_framework
import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from shared.security.identity import development_token
from shared.settings import settings
from shared.web.rate import rate_limit

ROOT = Path(__file__).parents[2]
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
NOT_PASSED_ON = ("K_SERVICE", "CLOUD_SQL_INSTANCE")


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A process of its own, as far as what it keeps of its settings goes."""
    for name in NOT_PASSED_ON:
        monkeypatch.delenv(name, raising=False)
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    forget()
    yield
    forget()


def forget() -> None:
    for made_once in (settings, rate_limit):
        made_once.cache_clear()


def client_of(target: str, source: Path = FUNCTIONS) -> FlaskClient:
    return functions_framework.create_app(target, str(source)).test_client()


def signed_in(tenant_id: UUID = TENANT, user_id: UUID = USER) -> dict[str, str]:
    return {"Authorization": f"Bearer {development_token(PROJECT, user_id, tenant_id, 60)}"}


def send(target: str, body: object = None, **options: object) -> TestResponse:
    headers = {**signed_in(), **options.pop("headers", {})}  # type: ignore[dict-item] -- plain JSON in a test
    return client_of(target).post("/", json=ACK if body is None else body, headers=headers, **options)


def post(target: str, data: bytes, content_type: str | None = "application/json") -> TestResponse:
    return client_of(target).post("/", data=data, content_type=content_type, headers=signed_in())


def problem_of(response: TestResponse, status: int) -> dict[str, object]:
    """The problem document of a response, once it is one."""
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
