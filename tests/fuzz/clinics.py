"""The clinics that are fuzzed: a stack of their own, a policy that soon leaves work open, a few patients."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import requests
import yaml

from ops.demo import SOURCE_SYSTEM, demo_tenants
from shared.web.registry import MINI_STATUS, SIDECAR_INBOX
from tests.fuzz.known import Known
from tests.stack import MOBIUS, READY_WITHIN_S, Stack, eventually, launch

# Few, so that calls meet what other calls left.
_PATIENTS = 16
_SESSIONS = 6
_ENVIRONMENT = {
    # Nobody is held back by the limit of one user.
    "RATE_LIMIT_PER_USER_S": "100000",
    # A machine that is busy is no failure.
    "DATABASE_POOL_TIMEOUT_S": "60",
    "DATABASE_STATEMENT_TIMEOUT_S": "60",
    "OUTSIDE_TIMEOUT_S": "30",
}
_POLICY = Path(__file__).parents[2] / "ops/default_policy.yaml"


@dataclass(frozen=True)
class Caller:
    """Somebody signed in, what they know, and what somebody else knows, of another clinic at times."""

    token: str
    known: Known
    another: Known


@contextmanager
def fuzzed_stack() -> Iterator[Stack]:
    """A running stack of its own, with generous limits; afterwards nothing is left of it."""
    state_dir = Path(tempfile.mkdtemp(prefix="mobius-fuzz-"))
    try:
        # In hand before it is ready: Ctrl-C may come any time.
        stack = Stack(launch(state_dir, _ENVIRONMENT), state_dir)
        try:
            described = state_dir / "stack.json"
            eventually(lambda: described.exists() or stack.process.poll() is not None, READY_WITHIN_S)
            assert described.exists(), f"the stack did not start:\n{stack.output}"
            yield stack
        finally:
            stack.stop()
    finally:
        shutil.rmtree(state_dir, ignore_errors=True)


def open_clinics(stack: Stack, patients: int) -> list[Caller]:
    """Every user of the stack, once work lies open: so many patients of each clinic were looked at."""
    told = stack.description
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda clinic: _open(stack, clinic, patients), told["tenants"]))
    users = [
        (user["token"], Known(list(_seeds(clinic, number))))
        for number, clinic in enumerate(told["tenants"])
        for user in clinic["users"]
    ]
    return [Caller(token, known, users[place - 1][1]) for place, (token, known) in enumerate(users)]


def _open(stack: Stack, clinic: dict[str, Any], patients: int) -> None:
    _leave_work_soon(stack, clinic)
    first, *_, lead = clinic["users"]
    for patient in clinic["patients"][:patients]:
        _call(stack, MINI_STATUS.key, first, patient_key=patient["patient_key"])
    assert eventually(lambda: _call(stack, SIDECAR_INBOX.key, lead)["open_count"], 60)


def _seeds(clinic: dict[str, Any], number: int) -> Iterator[dict[str, Any]]:
    # Ids are the same whatever the day.
    same_clinic = demo_tenants(date(2026, 1, 1))[number]
    for place, patient in enumerate(clinic["patients"][:_PATIENTS]):
        external_id = same_clinic.patients[place].external_id
        yield {
            "tenant_id": clinic["tenant_id"],
            "session_id": f"fuzz-{place % _SESSIONS}",
            "patient_key": patient["patient_key"],
            "q": patient["display_name"].split()[0],
            "detection": {"source_system": SOURCE_SYSTEM, "external_id": external_id},
        }


def _leave_work_soon(stack: Stack, clinic: dict[str, Any]) -> None:
    policy = yaml.safe_load(_POLICY.read_text())
    policy["timeouts"]["acknowledgement_due_s"] = 1
    # Each role finds something in its inbox.
    policy["notifications"]["assign"]["coverage"] = {"role": clinic["users"][0]["role"]}
    file = stack.state_dir / f"{clinic['tenant_id']}.yaml"
    file.write_text(json.dumps(policy))
    command = (MOBIUS, "policy", "publish", file, "--tenant", clinic["name"], "--state-dir", stack.state_dir)
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


def _call(stack: Stack, endpoint: str, user: dict[str, Any], **fields: str) -> dict[str, Any]:
    answer = requests.post(
        stack.description["functions"][endpoint],
        json={"session_id": "fuzz-0", **fields},
        headers={"Authorization": f"Bearer {user['token']}"},
        timeout=60,
    )
    assert answer.status_code == 200, answer.text
    return dict(answer.json())
