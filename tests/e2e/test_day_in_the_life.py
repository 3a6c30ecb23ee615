"""A day in the life of one patient at one clinic, over the running stack, by its public doors alone.

A patient comes in from outside, Mini shows yellow with a reason, nobody acknowledges, an open item finds its
role, somebody else picks it up in Sidecar and presses Send, and the coverage is renewed. At the end every
document and every inbox is right, the ledger tells all of it in order, and no table lies idle.
"""

from __future__ import annotations

import csv
import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from google.cloud import firestore

from ops.ledger import verify_export
from tests.e2e.clinic import Clinic, Json
from tests.stack import MOBIUS, eventually

FRONT_DESK, COUNSELOR, LEAD = 0, 1, 2
# Synthetic, and of no other test.
NAME = {"use": "official", "family": "Quillfeather", "given": ["Zarabeth"]}
MRN = "HSP-778812"
PATIENT: Json = {
    "resourceType": "Patient",
    "id": "day-1",
    "identifier": [
        {
            "type": {
                "coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "MR"}],
                "text": "MRN",
            },
            "system": "urn:oid:2.16.840.1.113883.19.5",
            "value": MRN,
        }
    ],
    "name": [NAME],
    "birthDate": "1961-04-12",
    "gender": "female",
    "telecom": [{"system": "phone", "value": "555-0100"}],
    "address": [{"line": ["1 Nowhere Lane"], "city": "Springfield", "postalCode": "00000"}],
}
COVERAGE: Json = {
    "resourceType": "Coverage",
    "id": "cov-1",
    "status": "active",
    "beneficiary": {"reference": "Patient/day-1"},
    "payor": [{"display": "Synthetic Mutual"}],
    "meta": {"lastUpdated": "2026-01-02T03:04:05Z"},
}
TABLES = (
    *("app_user", "application", "policy_config", "invocation", "session", "session_view"),
    *("patient_identity_ref", "patient_context", "patient_snapshot", "patient_search_term", "patient_signal"),
    *("system_response", "response_outcome", "mini_submission", "assignment", "event_log"),
)


@pytest.fixture
def day(other_clinic: Clinic, tmp_path: Path) -> Day:
    return Day(other_clinic, tmp_path)


class Day:
    """What people do at the clinic, and what its operators do at the command line."""

    def __init__(self, clinic: Clinic, folder: Path) -> None:
        self.clinic = clinic
        self._folder = folder

    def mobius(self, *words: str, status: int = 0) -> str:
        done = subprocess.run(
            [str(MOBIUS), *words, "--state-dir", str(self.clinic.stack.state_dir)],
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == status, done.stdout + done.stderr
        # Nothing that identifies the patient comes out of any command.
        assert not any(marker in done.stdout + done.stderr for marker in ("Quillfeather", MRN, "1961-04-12"))
        return done.stdout

    def intake(self, *resources: Json) -> str:
        file = self._folder / "today.ndjson"
        file.write_text("\n".join(json.dumps(each) for each in resources) + "\n")
        return self.mobius("intake", "fhir", str(file), "--tenant", self.clinic.tenant["name"])

    def change_policy(self, **timeouts: int) -> str:
        tenant = ("--tenant", self.clinic.tenant["name"])
        policy = yaml.safe_load(self.mobius("policy", "show", *tenant))
        policy["timeouts"].update(timeouts)
        file = self._folder / "policy.yaml"
        file.write_text(yaml.safe_dump(policy))
        assert "In short: " in self.mobius("policy", "preview", str(file), *tenant)
        return self.mobius("policy", "publish", str(file), *tenant)

    def ledger(self, patient: str) -> list[tuple[str, Json, str | None]]:
        """The patient's events in order: type, payload, actor; the chain is followed on the way."""
        rows = self.clinic.rows(
            """SELECT e.event_type, e.payload_json, CAST(e.actor_user_id AS text), e.prev_hash, e.hash,
            event_log_canonical(e) FROM event_log e JOIN patient_context c USING (patient_context_id)
            WHERE c.patient_key = %s ORDER BY e.seq""",
            patient,
        )
        head = bytes(32)
        for *_, previous, digest, canonical in rows:
            assert bytes(previous) == head
            head = hashlib.sha256(head + canonical.encode()).digest()
            assert bytes(digest) == head
        return [(kind, payload, actor) for kind, payload, actor, *_ in rows]


def test_a_day_in_the_life(day: Day, documents: firestore.Client, tmp_path: Path) -> None:
    clinic = day.clinic
    desk, counselor, lead = (user["user_id"] for user in clinic.users)
    root = f"tenants/{clinic.tenant['tenant_id']}"

    def document(path: str) -> Any:
        return documents.document(f"{root}/{path}").get().to_dict()

    def items(user: str) -> list[Json]:
        return [i for i in document(f"user_inbox/{user}")["open_assignments"] if i["patient_key"] == patient]

    # The clinic decides that an acknowledgement is due within two seconds.
    assert "version 2" in day.change_policy(acknowledgement_due_s=2)

    # Intake: a patient whose coverage has ended comes in.
    day.intake(PATIENT, {**COVERAGE, "period": {"start": "2025-01-01", "end": "2026-11-01"}})

    # The front desk finds the patient by name, and Mini shows yellow with a reason.
    (found,) = clinic.call("mini/patient/search", {"q": "quillf ZARA"}, FRONT_DESK)["results"]
    patient = found["id"]
    assert found["id_masked"] == "····8812"
    page = {"patient_key": patient, "application_id": "demo-board", "page_signature": "demo-board"}
    shown = clinic.call("mini/status", page, FRONT_DESK)
    assert shown["proceed"]["color"] == "yellow"
    assert "Coverage ended 1 Nov 2026" in shown["tasking"]["text"]
    assert shown["needs_ack"] is True

    # Nobody acknowledges. The sweep makes it an outcome, and an open item in the inbox of the role.
    assert eventually(lambda: items(counselor), within_s=30)
    (item,) = items(counselor)
    assert (item["reason_code"], item["status"], item["claimed_by"]) == ("coverage", "open", None)
    assert items(lead) == items(desk) == []
    assert document(f"patient_state/{patient}")["outcome"] == "unacknowledged"

    # Another user, elsewhere, opens it in Sidecar: nothing of the original page is needed.
    (listed,) = clinic.call("sidecar/inbox", {"patient_key": patient}, COUNSELOR)["assignments"]
    assert listed["assignment_id"] == item["assignment_id"]
    panel = clinic.call("sidecar/state", {"patient_key": patient}, COUNSELOR)
    assert panel["patient_state"]["system_response"]["system_response_id"] == shown["system_response_id"]
    assert panel["patient_state"]["outcome"] == "unacknowledged"
    reply = clinic.call("sidecar/chat/message", {"patient_key": patient, "message": "Why yellow?"}, COUNSELOR)
    assert "Coverage ended 1 Nov 2026" in reply["reply"]
    assert any(source["kind"] == "signal" for source in reply["sources"])
    ((invocation,),) = clinic.rows("SELECT invocation_id FROM invocation WHERE user_id = %s", counselor)
    assert eventually(lambda: document(f"invocation_presence/{invocation}"), within_s=30)
    presence = document(f"invocation_presence/{invocation}")
    assert (presence["user_display_name"], presence["patient_key"]) == (
        clinic.users[COUNSELOR]["display_name"],
        patient,
    )
    clinic.call("sidecar/assignment/claim", {"assignment_id": item["assignment_id"]}, COUNSELOR)

    # Send.
    answer = clinic.call(
        "sidecar/ack",
        {"patient_key": patient, "note": "New coverage requested.", "override_tasking": "review"},
        COUNSELOR,
    )
    assert answer["resolved_assignments"] == [item["assignment_id"]]
    assert answer["needs_ack"] is False

    def settled() -> bool:
        state = document(f"patient_state/{patient}")
        return bool(state["outcome"] == "acknowledged" and items(counselor) == [])

    assert eventually(settled, within_s=30)
    state = document(f"patient_state/{patient}")
    assert state["last_mini_submission"]["user_id"] == counselor
    assert state["flags"] == {"needs_ack": False, "open_assignment_count": 0}
    assert clinic.call("mini/status", page, FRONT_DESK)["last_submission"]["confirmed"] is True

    # The coverage is renewed: the open Mini turns by itself, nobody asks.
    day.intake(PATIENT, {**COVERAGE, "period": {"start": "2026-11-02", "end": "2099-12-31"}})
    assert eventually(
        lambda: (
            document(f"patient_state/{patient}")["latest_system_response"]["proceed_indicator"] == "green"
        ),
        within_s=30,
    )

    # The ledger is complete and in order.
    told = [
        (kind, payload.get("outcome") or payload.get("kind"), actor)
        for kind, payload, actor in day.ledger(patient)
    ]
    assert told == [
        ("Patient.Updated", None, None),
        ("User.Interaction", "viewed", desk),
        ("System.Response", None, None),
        ("Outcome.Computed", "unacknowledged", None),
        ("Assignment.Created", None, None),
        ("User.Interaction", "viewed", counselor),
        ("Assignment.Claimed", None, counselor),
        ("User.Acknowledged", None, counselor),
        ("Outcome.Computed", "acknowledged", counselor),
        ("Assignment.Resolved", None, counselor),
        ("Patient.Updated", None, None),
        ("System.Response", None, None),
    ]
    assert "the same decision" in day.mobius(
        "why", shown["system_response_id"], "--tenant", clinic.tenant["name"]
    )

    # Nothing is unconfirmed, and no table lies idle.
    assert eventually(lambda: clinic.count("outbox") == 0, within_s=30)
    assert [table for table in TABLES if not clinic.count(table)] == []
    # With the one that the clinic began with.
    assert clinic.count("event_log", "event_type = 'Policy.Published'") == 2

    # Months later: was anything altered, who looked, and can an auditor check it without us?
    day.mobius("ledger", "checkpoint")
    tenant = ("--tenant", clinic.tenant["name"])
    verified = day.mobius("ledger", "verify", *tenant)
    assert " events, chain intact: " in verified
    assert " in Firestore w" in verified
    saw = day.mobius("ledger", "who-saw", patient, *tenant, "--csv")
    people = {row["user_id"] for row in csv.DictReader(saw.splitlines()) if row["who"] == "person"}
    assert people == {desk, counselor}
    day.mobius("ledger", "export", *tenant, "--to", str(tmp_path / "ledger"))
    key = day.mobius("ledger", "key").strip()
    check = (sys.executable, "-I", verify_export.__file__, str(tmp_path / "ledger"), "--key", key)
    checked = subprocess.run(check, capture_output=True, text=True, timeout=60)
    assert checked.returncode == 0, checked.stderr
    assert " events of " in checked.stdout
