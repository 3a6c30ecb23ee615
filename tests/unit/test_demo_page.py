"""The demo page's files and data, as the local stack's gateway serves them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from werkzeug.test import Client

from ops import demo_page
from ops.gateway import Gateway
from shared import settings
from shared.security.identity import TokenVerifier

PROJECT = "demo-project"


@pytest.fixture
def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    (tmp_path / "index.html").write_text("<title>Demo</title>")
    (tmp_path / "demo.js").write_text("void 0;")
    monkeypatch.setattr(demo_page, "_BUILT", tmp_path)
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", PROJECT)
    monkeypatch.setenv("DATABASE_URL", "postgresql://u:p@127.0.0.1/mobius")
    monkeypatch.setenv("MOBIUS_MASTER_SECRET", "A" * 43 + "=")
    monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", "127.0.0.1:8084")
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", "127.0.0.1:8085")
    settings.settings.cache_clear()
    yield Client(Gateway({}, demo_page.demo_page))
    settings.settings.cache_clear()


def test_the_address_of_the_stack_is_the_page_and_its_files_lie_below(client: Client) -> None:
    page = client.get("/")
    assert page.status_code == 200
    assert page.mimetype == "text/html"
    assert page.text == "<title>Demo</title>"
    assert client.get("/demo/demo.js").mimetype == "text/javascript"


def test_the_page_runs_its_own_scripts_only_and_speaks_to_the_stack_only(client: Client) -> None:
    policy = client.get("/").headers["Content-Security-Policy"]
    assert "default-src 'none'; script-src 'self';" in policy
    assert "connect-src 'self' http://127.0.0.1:8084;" in policy


@pytest.mark.parametrize(
    "path", ["/demo/", "/demo/none.js", "/demo/../gateway.py", "/demo/%2e%2e/cli.py", "/demo//etc/passwd"]
)
def test_nothing_else_is_served(client: Client, path: str) -> None:
    assert client.get(path).status_code == 404


def test_unbuilt_it_says_how_to_build_it(
    client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo_page, "_BUILT", tmp_path / "none")
    assert "make extension" in client.get("/").get_json()["detail"]


def test_it_is_got_and_nothing_else(client: Client) -> None:
    assert client.post("/").status_code == 405


def test_the_clinics_come_with_tokens_that_a_local_function_takes(client: Client) -> None:
    told = client.get("/demo/clinics.json").get_json()
    assert told["firestore_emulator_host"] == "127.0.0.1:8084"
    clinic = told["clinics"][0]
    user = clinic["users"][0]
    identity = TokenVerifier(PROJECT, None).verify(f"Bearer {user['token']}")
    assert (str(identity.tenant_id), str(identity.user_id)) == (clinic["tenant_id"], user["user_id"])
    assert {"source_system", "external_id", "display_name", "dob"} == set(clinic["patients"][0])
