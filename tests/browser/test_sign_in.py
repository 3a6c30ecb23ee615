"""Signing in to the extension with a password, against the official Auth emulator."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from playwright.sync_api import Playwright, expect

from tests.auth_emulator.running import auth_emulator
from tests.browser.closed_root import ClosedRoot
from tests.browser.host_pages import HostPages
from tests.browser.profile import Profile, configured_extension
from tests.browser.records import record
from tests.e2e.clinic import Clinic
from tests.stack import MOBIUS, Stack

pytestmark = pytest.mark.timeout(180)

NAME, EMAIL, PASSWORD = "Wilma Testermann", "wilma@clinic.example", "correct horse battery"


@pytest.fixture(scope="module")
def accounts(stack: Stack) -> Iterator[str]:
    with auth_emulator(stack.description["project_id"]) as host:
        yield host


@pytest.fixture(scope="module")
def extension(folder: Path, stack: Stack, accounts: str) -> Path:
    told = stack.description
    return configured_extension(
        folder / "extension",
        told,
        firebase={"projectId": told["project_id"], "apiKey": "any"},
        emulators={"firestore": told["firestore_emulator_host"], "auth": accounts},
        personas=None,
    )


@pytest.fixture(scope="module")
def worker(stack: Stack, clinic: Clinic, accounts: str) -> str:
    """Somebody who was let in by the operator's command, and then chose a password."""
    project = stack.description["project_id"]
    environment = {"FIREBASE_AUTH_EMULATOR_HOST": accounts, "PATH": "/usr/bin:/bin"}
    made = subprocess.run(
        (
            *(str(MOBIUS), "users", "create", "--state-dir", str(stack.state_dir)),
            *("--tenant", clinic.tenant["name"], "--role", "front_desk", "--name", NAME, EMAIL),
        ),
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode == 0, made.stderr
    owner = {"Authorization": "Bearer owner"}
    base = f"http://{accounts}/identitytoolkit.googleapis.com/v1/projects/{project}/accounts"
    found = requests.post(f"{base}:lookup", json={"email": [EMAIL]}, headers=owner, timeout=10).json()
    (account,) = found["users"]
    assert json.loads(account["customAttributes"])["tenant_id"] == clinic.tenant["tenant_id"]
    changed = requests.post(
        f"{base}:update",
        json={"localId": account["localId"], "password": PASSWORD},
        headers=owner,
        timeout=10,
    )
    changed.raise_for_status()
    return str(account["localId"])


def test_who_signs_in_with_a_password_works_and_who_signs_out_sees_nothing(
    playwright: Playwright, extension: Path, worker: str, hosts: HostPages, clinic: Clinic
) -> None:
    patient = record(clinic)
    with Profile(playwright, extension) as profile:
        panel = profile.panel()
        panel.get_by_label("E-mail address").fill(EMAIL)
        panel.get_by_label("Password").fill("wrong password")
        panel.get_by_role("button", name="Sign in", exact=True).click()
        expect(panel.get_by_role("alert").first).not_to_be_empty()
        panel.get_by_label("Password").fill(PASSWORD)
        panel.get_by_role("button", name="Sign in", exact=True).click()
        expect(panel.get_by_text(NAME)).to_be_visible(timeout=20_000)

        page = profile.page(hosts.address(patient.external_id))
        mini = ClosedRoot(page)
        mini.expect_text(patient.name)
        mini.expect_text("^Live$")
        mini.write("textbox", "Note", "Signed in for real.")
        mini.click("button", "^Send$")
        mini.expect_text("Sent")
        ((user,),) = clinic.rows(
            """SELECT s.user_id::text FROM mini_submission s JOIN patient_context c
            USING (tenant_id, patient_context_id) WHERE c.patient_key = %s""",
            patient.patient_key,
        )
        assert user == worker

        panel.get_by_role("button", name="Sign out").click()
        expect(panel.get_by_label("Password")).to_be_visible()
        mini.expect_text("Sign in")
        assert patient.name not in mini.text()
