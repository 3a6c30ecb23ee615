"""Where tests run ``mobius users``, and look at what came of it."""

from __future__ import annotations

import re
from contextlib import chdir
from typing import Any
from uuid import UUID, uuid4

from typer.testing import CliRunner, Result

from ops.cli import app
from ops.demo import DemoUser
from shared.model import UserId
from tests.integration.product import Clinic


def new_address() -> str:
    """An address that no other test knows."""
    return f"ana.{uuid4().hex[:12]}@clinic.example"


def mobius(clinic: Clinic, command: str, *args: str, **environment: str | None) -> Result:
    """Runs ``mobius users COMMAND`` as the owner of the database, about this clinic."""
    env = {"DATABASE_URL": clinic.product.urls.owner, **environment}
    with chdir("/"):  # where no stack runs: the environment names the database
        return CliRunner().invoke(app, ["users", command, *args, "--tenant", str(clinic.tenant_id)], env=env)


def done(result: Result) -> str:
    assert result.exit_code == 0, result.output
    return result.stdout


def refused(result: Result) -> str:
    assert (result.exit_code, result.stdout) == (1, ""), result.output
    return result.stderr


def created(clinic: Clinic, email: str, *, role: str = "front_desk", name: str = "Ana Ruiz") -> int:
    """Creates a user; returns their number in the clinic."""
    said = done(mobius(clinic, "create", email, "--name", name, "--role", role))
    user_id = UserId(UUID(re.findall(r"user ([0-9a-f-]{36})", said)[0]))
    clinic.users = (*clinic.users, DemoUser(user_id=user_id, role=role, display_name=name))
    return len(clinic.users) - 1


def row(clinic: Clinic, user: int) -> Any:
    (found,) = clinic.sql(
        "SELECT * FROM app_user WHERE tenant_id = :tenant AND user_id = :user",
        user=clinic.users[user].user_id,
    )
    return found


def access_changes(clinic: Clinic) -> list[tuple[str, str, str]]:
    events = [event for event in clinic.events(None) if event.event_type == "Access.Changed"]
    assert {event.actor_user_id for event in events} <= {None}
    assert clinic.chain_holds(None)
    return [tuple(event.payload_json[name] for name in ("user_id", "role", "status")) for event in events]
