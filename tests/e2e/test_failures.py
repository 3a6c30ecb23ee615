"""The running stack when parts of it are frozen or killed: callers are told in time, and nothing is lost."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from uuid import uuid4

import psutil
import pytest
import requests
from google.cloud import firestore

from tests.e2e.clinic import Clinic, Json
from tests.stack import eventually

WITHIN_S = 2.0
SLOWNESS_S = 3.0
"""What a busy machine may add. Without deadlines, batches of eight would take as long each, in turn."""
AT_ONCE = 32
"""Four times what the API's pool serves."""

Answer = tuple[float, requests.Response]


def part(clinic: Clinic, name: str) -> list[psutil.Process]:
    """The processes of a part of the stack."""
    top = psutil.Process(clinic.stack.description["pids"][name])
    return [top, *top.children(recursive=True)]


@contextmanager
def frozen(clinic: Clinic, name: str) -> Iterator[None]:
    """Nobody of a part does anything meanwhile, as an instance between two requests."""
    stopped = part(clinic, name)
    for process in stopped:
        process.suspend()
    try:
        yield
    finally:
        for process in stopped:
            process.resume()


def asked(clinic: Clinic, endpoint: str, body: Json, key: str | None = None) -> Answer:
    """An answer, and how long it took from the caller's side."""
    headers = {"Authorization": f"Bearer {clinic.users[0]['token']}"}
    began = time.monotonic()
    answer = requests.post(
        clinic.told["functions"][endpoint],
        json={"session_id": "e2e", **body},
        headers={**headers, **({"Idempotency-Key": key} if key else {})},
        timeout=30,
    )
    return time.monotonic() - began, answer


def at_once(call: Callable[[], Answer], count: int) -> list[Answer]:
    with ThreadPoolExecutor(count) as pool:
        return [each.result() for each in [pool.submit(call) for _ in range(count)]]


def is_well(clinic: Clinic, patient: str) -> bool:
    return asked(clinic, "mini/status", {"patient_key": patient})[1].status_code == 200


def test_a_frozen_database_is_told_to_many_in_time_and_they_are_well_right_after(clinic: Clinic) -> None:
    patient = clinic.new_patient()
    clinic.status(patient)
    with frozen(clinic, "postgres"):
        answers = at_once(partial(asked, clinic, "mini/status", {"patient_key": patient}), AT_ONCE)
    assert {answer.status_code for _, answer in answers} == {503}
    assert all(int(answer.headers["Retry-After"]) > 0 for _, answer in answers)
    assert max(took for took, _ in answers) < WITHIN_S + SLOWNESS_S
    assert eventually(lambda: is_well(clinic, patient), within_s=5)
    looks = at_once(partial(asked, clinic, "mini/status", {"patient_key": patient}), AT_ONCE)
    assert {answer.status_code for _, answer in looks} == {200}


def test_a_database_that_is_killed_loses_no_send_and_the_functions_go_on_without_a_restart(
    clinic: Clinic,
) -> None:
    patient = clinic.new_patient()
    clinic.status(patient)
    api = clinic.stack.description["pids"]["api"]
    send = {"patient_key": patient, "note_text": "Called the payer.", "override_tasking": "review"}
    os.kill(clinic.stack.description["pids"]["postgres"], signal.SIGKILL)
    key, told = str(uuid4()), set()
    until = time.monotonic() + 60
    while True:
        took, answer = asked(clinic, "mini/ack", send, key)
        assert took < WITHIN_S + SLOWNESS_S
        told.add(answer.status_code)
        if answer.status_code == 200:
            break
        assert answer.status_code == 503
        assert time.monotonic() < until
        time.sleep(0.05)
    assert told == {200, 503}
    assert asked(clinic, "mini/ack", send, key)[1].json() == answer.json()
    assert clinic.counts(patient)[:2] == (1, 1)
    assert clinic.stack.description["pids"]["api"] == api
    assert eventually(lambda: clinic.counts(patient) == (1, 1, 0), within_s=30)


@pytest.mark.parametrize("rounds", [3])
def test_an_instance_that_is_frozen_right_after_its_answer_leaves_nothing_undone(
    clinic: Clinic, documents: firestore.Client, rounds: int
) -> None:
    for _ in range(rounds):
        patient = clinic.new_patient()
        clinic.status(patient)
        submission = clinic.send(patient)["submission_id"]
        with frozen(clinic, "api"):

            def shows(patient: str = patient, submission: str = submission) -> bool:
                found = documents.document(clinic.path(patient)).get().to_dict() or {}
                return (found.get("last_mini_submission") or {}).get("mini_submission_id") == submission

            assert eventually(shows, within_s=20)
