"""The running stack keeps its secrets: none on a command line, in a log, or in a file for others to read."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest
from sqlalchemy import make_url

from tests.stack import Stack


@pytest.fixture
def secrets(stack: Stack) -> list[str]:
    described = stack.description
    urls = [make_url(described[name]) for name in ("database_url", "app_database_url")]
    kept = [
        path
        for name in ("master-secret", "postgres-password", "ledger-signing-key")
        if (path := stack.state_dir / name).exists()
    ]
    texts = [path.read_text() for path in kept]
    tokens = [user["token"] for tenant in described["tenants"] for user in tenant["users"]]
    # The administrator's password is in hex, because it becomes part of a URL.
    return [*texts, *(text.encode().hex() for text in texts), *(str(url.password) for url in urls), *tokens]


def test_no_command_line_shows_a_secret(stack: Stack, secrets: list[str]) -> None:
    supervisor = psutil.Process(stack.process.pid)
    lines = [" ".join(one.cmdline()) for one in (supervisor, *supervisor.children(recursive=True))]
    assert len(lines) > len(stack.description["pids"])
    assert any("gunicorn" in line for line in lines)
    assert not [secret for secret in secrets if any(secret in line for line in lines)]


def test_no_log_shows_a_secret(stack: Stack, secrets: list[str]) -> None:
    logs = {path.name: path.read_text(errors="replace") for path in (stack.state_dir / "logs").iterdir()}
    assert logs
    assert not [(secret, name) for secret in secrets for name, text in logs.items() if secret in text]


def test_whatever_holds_a_secret_is_its_owners_alone(stack: Stack, secrets: list[str]) -> None:
    holding = [path for path in own_files(stack.state_dir) if holds(path, secrets)]
    assert {"master-secret", "ledger-signing-key", "stack.json"} <= {path.name for path in holding}
    for path in holding:
        assert path.stat().st_mode & 0o777 == 0o600, path.name
    # PostgreSQL's own user has to walk through it where the stack runs as root; nobody can look into it.
    assert stack.state_dir.stat().st_mode & 0o066 == 0


def own_files(folder: Path) -> list[Path]:
    # output.txt is what a person would see on the screen: a token to try the calls with is meant to be there.
    return [path for path in folder.iterdir() if path.is_file() and path.name != "output.txt"]


def holds(path: Path, secrets: list[str]) -> bool:
    text = path.read_text(errors="replace")
    return any(secret in text for secret in secrets)
