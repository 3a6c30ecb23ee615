"""``mobius users`` without an identity provider, and when it, the database or an operator is not up to it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import pytest
from sqlalchemy import create_engine, make_url

from ops.installation import Refused
from ops.users.staff import StoredStaff
from shared.model import UserStatus
from shared.persistence.database import driver_url
from tests.auth_emulator.desk import access_changes, created, done, mobius, new_address, refused, row
from tests.integration.overdue import DESK, LEAD, inbox_document
from tests.integration.product import (
    EXPIRING,
    Clinic,
    Product,
    at_once,
    closed_port,
    new_clinic,
    problem_of,
)
from tests.stack import MOBIUS

pytestmark = pytest.mark.usefixtures("held")

ROOT = Path(__file__).parents[2]
ANA = ("--name", "Ana Ruiz", "--role", "front_desk")


@pytest.fixture(autouse=True)
def no_provider(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FIREBASE_AUTH_EMULATOR_HOST", raising=False)


def run_mobius(clinic: Clinic, command: str, *args: str) -> tuple[int, str]:
    """As ``mobius``, in a process of its own; returns its exit status and what it said."""
    env = {**os.environ, "DATABASE_URL": clinic.product.urls.owner}
    line = (str(MOBIUS), "users", command, *args, "--tenant", str(clinic.tenant_id))
    ended = subprocess.run(line, cwd="/", env=env, capture_output=True, text=True, timeout=60)
    return ended.returncode, ended.stdout + ended.stderr


def looks(clinic: Clinic, token: str) -> Any:
    headers = {"Authorization": f"Bearer {token}"}
    return clinic.product.client("mini/status").post("/", json=clinic.names(EXPIRING), headers=headers)


def test_without_a_provider_only_the_row_is_made_and_a_token_acts_as_the_newcomer(clinic: Clinic) -> None:
    email = new_address()
    said = done(mobius(clinic, "create", email, *ANA))
    assert "This stack has no identity provider" in said
    assert "Only the row was made." in said
    (token,) = re.findall(r"^TOKEN='?([^'\n]+)'?$", said, re.MULTILINE)
    assert looks(clinic, token).status_code == 200
    user = created(clinic, email)
    assert inbox_document(clinic, user)["active"] is True
    assert clinic.count("app_user", "display_name = 'Ana Ruiz'") == 1
    assert done(mobius(clinic, "disable", email)).startswith("Disabled: Ana Ruiz")
    problem_of(looks(clinic, token), 403)
    assert inbox_document(clinic, user)["active"] is False
    done(mobius(clinic, "enable", email))
    problem_of(looks(clinic, token), 401)
    assert [status for _, _, status in access_changes(clinic)] == ["active", "disabled", "active"]


def test_the_list_is_readable_by_a_program_and_says_that_nobody_was_asked(clinic: Clinic) -> None:
    listing = done(mobius(clinic, "list"))
    for user in clinic.users:
        (line,) = [line for line in listing.splitlines() if str(user.user_id) in line]
        cells = [cell.strip() for cell in line.strip("\u2502").split("\u2502")]
        assert cells == [str(user.user_id), user.display_name, user.role, "active", "never", "not asked"]
    assert "This stack has no identity provider" in listing


def test_disabling_twice_tells_it_once_and_moves_nothing(clinic: Clinic) -> None:
    lead = str(clinic.users[LEAD].user_id)
    done(mobius(clinic, "disable", lead))
    first = row(clinic, LEAD).tokens_valid_after
    assert done(mobius(clinic, "disable", lead)).startswith("Disabled already: ")
    assert row(clinic, LEAD).tokens_valid_after == first
    assert access_changes(clinic) == [(lead, "billing_lead", "disabled")]


def test_of_two_changes_of_one_user_at_the_same_moment_the_second_is_refused(clinic: Clinic) -> None:
    engine = create_engine(driver_url(clinic.product.urls.owner))
    staff = StoredStaff(engine, clinic.tenant_id)
    seen = staff.find(clinic.users[DESK].user_id)
    assert seen is not None
    staff.change(seen, msgspec.structs.replace(seen, role="billing_lead"))
    before = access_changes(clinic)
    for late in ({"status": UserStatus.DISABLED}, {"role": "financial_counselor", "display_name": "Late"}):
        with pytest.raises(Refused, match="at the same moment; nothing was changed"):
            staff.change(seen, msgspec.structs.replace(seen, **late), revoke=True)
    found = row(clinic, DESK)
    assert (found.role, found.status, found.display_name) == ("billing_lead", "active", seen.display_name)
    assert found.tokens_valid_after is None
    assert access_changes(clinic) == before
    engine.dispose()


def test_a_user_who_is_let_in_twice_at_once_is_one_user(clinic: Clinic) -> None:
    email = new_address()
    results = at_once([partial(run_mobius, clinic, "create", email, *ANA) for _ in range(4)])
    assert [status for status, _ in results] == [0] * 4
    assert sorted(said.split(":")[0] for _, said in results) == ["Created", *["There already"] * 3]
    assert len(access_changes(clinic)) == 1


@pytest.mark.parametrize(
    ("args", "sentence"),
    [
        (("disable", "nobody@clinic.example"), "This tenant has no user nobody@clinic.example"),
        (("enable", str(UUID(int=3))), "This tenant has no user"),
        (("revoke", "Dana Whitlow"), "Dana Whitlow is neither a user's id nor an email address."),
        (("change", str(UUID(int=3))), "Say what is to change: --role or --name."),
    ],
)
def test_whom_a_command_can_not_find_it_says(clinic: Clinic, args: tuple[str, ...], sentence: str) -> None:
    assert sentence in refused(mobius(clinic, *args))
    assert access_changes(clinic) == []


def test_a_user_of_another_tenant_is_nobody_here(clinic: Clinic, product: Product) -> None:
    other = new_clinic(product)
    assert "This tenant has no user" in refused(mobius(clinic, "disable", str(other.users[DESK].user_id)))
    assert row(other, DESK).status == "active"
    other.leave()


def test_a_database_that_is_away_or_lets_nobody_in_is_said_in_a_sentence(clinic: Clinic) -> None:
    urls = clinic.product.urls
    away = make_url(urls.owner).set(port=closed_port()).render_as_string(hide_password=False)
    said = refused(mobius(clinic, "create", new_address(), *ANA, DATABASE_URL=away))
    assert "can't be reached" in said
    assert "Run the same command again" in said
    for command, args in (("create", (new_address(), *ANA)), ("disable", (str(clinic.users[DESK].user_id),))):
        assert "mobius_owner" in refused(mobius(clinic, command, *args, DATABASE_URL=urls.app))


@pytest.mark.parametrize("host", ["closed", "http://127.0.0.1:1"])
def test_a_provider_that_can_not_be_asked_is_said_and_what_was_done_stays_done(
    clinic: Clinic, host: str
) -> None:
    host = f"127.0.0.1:{closed_port()}" if host == "closed" else host
    there = {"FIREBASE_AUTH_EMULATOR_HOST": host}
    said = refused(mobius(clinic, "create", new_address(), *ANA, **there))
    assert "Run the same command again" in said
    assert clinic.count("app_user") == 3
    if "//" in host:
        return
    assert "can't be reached" in said
    desk = str(clinic.users[DESK].user_id)
    halfway = mobius(clinic, "disable", desk, **there)
    assert (halfway.exit_code, halfway.stdout.startswith("Disabled: ")) == (1, True)
    assert "can't be reached" in halfway.stderr
    assert row(clinic, DESK).status == "disabled"
    listing = mobius(clinic, "list", **there)
    assert desk in done(listing)
    assert "can't be reached" in listing.stdout
    assert "handed over" in done(mobius(clinic, "disable", desk))
    assert len(access_changes(clinic)) == 1


def test_nothing_but_a_command_about_users_imports_the_providers_library() -> None:
    code = """
import sys, ops.cli, ops.users.handover
for name in ("mini", "sidecar", "projector"):
    sys.path.insert(0, "functions/" + name)
    __import__(f"functions.{name}.main")
assert not [name for name in sys.modules if name.startswith("firebase_admin")]
"""
    env = {**os.environ, "GOOGLE_CLOUD_PROJECT": "none", "DATABASE_URL": "postgresql://nobody@localhost/none"}
    env |= {"MOBIUS_MASTER_SECRET": "A" * 44}
    subprocess.run([sys.executable, "-c", code], check=True, env=env, cwd=ROOT)
