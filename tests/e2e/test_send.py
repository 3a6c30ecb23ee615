"""The way of a Send over the running stack: HTTP in, Firestore out, and what heals in between."""

from __future__ import annotations

import os
import queue
import signal
import subprocess
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests
from google.cloud import firestore

from tests.e2e.clinic import Clinic, Json
from tests.stack import MOBIUS, eventually


def last_sent(documents: firestore.Client, clinic: Clinic, patient: str) -> str | None:
    found = documents.document(clinic.path(patient)).get().to_dict()
    return found and found["last_mini_submission"] and found["last_mini_submission"]["mini_submission_id"]


def arrives(documents: firestore.Client, clinic: Clinic, patient: str, sent: Json, within_s: float) -> bool:
    """Whether the document ends at ``sent`` with nothing left in the outbox, without another Send."""
    return bool(
        eventually(
            lambda: (
                last_sent(documents, clinic, patient) == sent["submission_id"]
                and clinic.counts(patient)[2] == 0
            ),
            within_s,
        )
    )


def test_a_send_reaches_a_listener(clinic: Clinic, documents: firestore.Client) -> None:
    patient = clinic.new_patient()
    clinic.status(patient)
    seen: queue.Queue[str] = queue.Queue()

    def on_change(snapshots: list[Any], _changes: Any, _time: Any) -> None:
        for snapshot in snapshots:
            if snapshot.exists and (last := snapshot.to_dict()["last_mini_submission"]):
                seen.put(last["mini_submission_id"])

    listener = documents.document(clinic.path(patient)).on_snapshot(on_change)
    try:
        sent = clinic.send(patient)
        assert seen.get(timeout=10) == sent["submission_id"]
    finally:
        listener.unsubscribe()


def test_a_second_user_sees_who_sent_what(clinic: Clinic) -> None:
    patient = clinic.new_patient()
    clinic.status(patient)
    sent = clinic.send(patient, tasking="act")
    last = clinic.status(patient, user=1)["last_submission"]
    assert last["who"] == clinic.users[0]["display_name"]
    assert (last["override_proceed"], last["override_tasking"]) == (None, "act")
    assert last["when"] == sent["submission"]["submitted_at"]


def test_a_hundred_sends_are_a_hundred_submissions_and_events(
    clinic: Clinic, documents: firestore.Client
) -> None:
    patient = clinic.new_patient()
    clinic.status(patient)
    for number in range(100):
        sent = clinic.send(patient, note=f"Call {number}.")
    assert arrives(documents, clinic, patient, sent, within_s=10)
    assert clinic.counts(patient) == (100, 100, 0)


def test_sends_made_while_the_projector_stood_still_arrive_without_another(
    clinic: Clinic, documents: firestore.Client
) -> None:
    patient = clinic.new_patient()
    before = clinic.send(patient) if clinic.status(patient) else {}
    assert arrives(documents, clinic, patient, before, within_s=10)
    group = os.getpgid(clinic.stack.description["pids"]["projector"])
    os.killpg(group, signal.SIGSTOP)
    try:
        for _ in range(20):
            sent = clinic.send(patient)
        assert last_sent(documents, clinic, patient) == before["submission_id"]
        assert clinic.counts(patient) == (21, 21, 20)
    finally:
        os.killpg(group, signal.SIGCONT)
    assert arrives(documents, clinic, patient, sent, within_s=30)


def test_sends_made_while_the_projector_was_killed_arrive_without_another(
    clinic: Clinic, documents: firestore.Client
) -> None:
    patient = clinic.new_patient()
    clinic.status(patient)
    with ThreadPoolExecutor() as pool:
        sending = pool.submit(lambda: [clinic.send(patient) for _ in range(20)])
        os.kill(clinic.stack.description["pids"]["projector"], signal.SIGKILL)
        sent = sending.result()[-1]
    assert arrives(documents, clinic, patient, sent, within_s=30)
    assert clinic.counts(patient) == (20, 20, 0)


def test_another_tenant_finds_nothing(clinic: Clinic, other_clinic: Clinic) -> None:
    patient = clinic.new_patient()
    clinic.status(patient)
    answer = other_clinic.status(patient)
    assert answer["patient"]["found"] is False
    assert answer["patient"]["display_name"] is None
    assert answer["proceed"]["color"] == "grey"


def test_the_api_document_lists_every_endpoint(clinic: Clinic) -> None:
    document = requests.get(f"{clinic.told['api_url']}/openapi.json", timeout=5).json()
    assert set(document["paths"]) == {
        "/api/v1/mini/status",
        "/api/v1/mini/ack",
        "/api/v1/mini/config",
        "/api/v1/mini/patient/search",
        "/api/v1/mini/dismiss",
        "/api/v1/mini/interaction",
        "/api/v1/mini/break-glass",
        "/api/v1/sidecar/config",
        "/api/v1/sidecar/state",
        "/api/v1/sidecar/ack",
        "/api/v1/sidecar/history",
        "/api/v1/sidecar/inbox",
        "/api/v1/sidecar/assignment/claim",
        "/api/v1/sidecar/chat/message",
        "/api/v1/sidecar/dismiss",
        "/api/v1/sidecar/interaction",
        "/api/v1/sidecar/break-glass",
        "/api/v1/sidecar/break-glass/list",
    }


def test_browsers_may_get_their_own_tenants_documents_and_nothing_else(
    clinic: Clinic, other_clinic: Clinic, documents: firestore.Client
) -> None:
    patient = clinic.new_patient()
    clinic.status(patient)
    assert arrives(documents, clinic, patient, clinic.send(patient), within_s=10)
    path = clinic.path(patient)
    # The rules ask the user's inbox document, which a fresh stack makes in its first seconds.
    assert eventually(lambda: clinic.rest("GET", path).status_code == 200, 15)
    assert other_clinic.rest("GET", path).status_code == 403
    assert clinic.rest("GET", path.rpartition("/")[0]).status_code == 403
    assert clinic.rest("PATCH", path, json={"fields": {}}).status_code == 403
    assert clinic.rest("DELETE", path).status_code == 403


def test_watch_prints_a_send_and_ends_well_on_ctrl_c(clinic: Clinic) -> None:
    patient = clinic.new_patient()
    clinic.status(patient)
    watching = subprocess.Popen(
        (MOBIUS, "watch", patient, "--state-dir", clinic.stack.state_dir),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert watching.stdout
    try:
        first = watching.stdout.readline()
        if first.startswith("no document"):
            first = watching.stdout.readline()
        assert first.startswith("version 1 ")
        clinic.send(patient, note="a note that nobody but its reader sees")
        line = watching.stdout.readline()
        assert line.startswith("version 2 ")
        assert f"{clinic.users[0]['display_name']}: tasking review" in line
        assert line.endswith(" ms after the Send\n")
        assert "a note" not in line
        watching.send_signal(signal.SIGINT)
        assert watching.wait(10) == 0
        assert watching.stdout.read() == ""
    finally:
        watching.kill()
        watching.wait()


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (("unknown",), "No tenant of the running stack has a patient with this key"),
        (("unknown", "--tenant", "nowhere"), "There is no such tenant: give --tenant"),
        (("unknown", "--state-dir", "nowhere"), "No stack runs in nowhere"),
    ],
)
def test_watch_says_what_is_missing(clinic: Clinic, given: tuple[str, ...], says: str) -> None:
    ended = subprocess.run(
        (MOBIUS, "watch", "--state-dir", clinic.stack.state_dir, *given),
        capture_output=True,
        text=True,
        timeout=20,
    )
    assert ended.returncode == 1
    assert ended.stderr.startswith(f"mobius: {says}")
