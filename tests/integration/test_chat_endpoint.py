"""sidecar/chat/message: an answer out of the patient's real state, and nothing is kept of the question."""

from __future__ import annotations

from typing import Any

import pytest

from shared.persistence.tables import metadata
from tests.integration.overdue import COUNSELOR, DESK, nobody_sent
from tests.integration.product import BY_HAND, GREEN, MANY, NOTE, Clinic, problem_of

pytestmark = pytest.mark.usefixtures("held")

MARK = "Zanzibar-4711"
"""A word that is in nothing but the question."""


def ask(clinic: Clinic, message: str, number: int = BY_HAND, *, user: int = DESK) -> dict[str, Any]:
    return clinic.answer("sidecar/chat/message", {**clinic.names(number), "message": message}, user=user)


def test_why_it_is_yellow_is_told_with_the_signal_that_decided(clinic: Clinic) -> None:
    shown = clinic.status(BY_HAND)
    answer = ask(clinic, "Why is it yellow?")
    assert (answer["session_id"], answer["surface"]) == ("s-1", "sidecar")
    assert "yellow" in answer["reply"]
    assert "Authorization missing" in answer["reply"]
    rests_on = [(source["kind"], source["id"]) for source in answer["sources"]]
    assert rests_on[:2] == [
        ("system_response", shown["system_response_id"]),
        ("signal", "authorization.missing"),
    ]


def test_who_acknowledged_is_told_with_the_submission_and_without_its_note(clinic: Clinic) -> None:
    clinic.status(BY_HAND)
    assert "Nobody has acknowledged" in ask(clinic, "Who acknowledged it?")["reply"]
    sent = clinic.answer("mini/ack", clinic.says(BY_HAND, override_proceed="green"), user=COUNSELOR)
    answer = ask(clinic, "Who acknowledged it?")
    assert clinic.users[COUNSELOR].display_name in answer["reply"]
    assert "Proceed green and tasking review" in answer["reply"]
    (source,) = answer["sources"]
    assert (source["kind"], source["id"]) == ("submission", sent["submission_id"])
    assert NOTE not in str(ask(clinic, "What does the note of the acknowledgement say?", user=COUNSELOR))


def test_what_is_open_is_told_with_the_assignment(clinic: Clinic) -> None:
    nobody_sent(clinic, BY_HAND)
    answer = ask(clinic, "What is open, and whose is it?")
    (item,) = clinic.rows("assignment")
    assert "financial counselor" in answer["reply"]
    assert ("assignment", str(item.assignment_id)) in {
        (source["kind"], source["id"]) for source in answer["sources"]
    }


def test_what_changed_is_told_from_the_ledger(clinic: Clinic) -> None:
    clinic.status(BY_HAND)
    clinic.answer("mini/ack", clinic.says(BY_HAND))
    clinic.signal(BY_HAND, "authorization.missing", "resolved")
    clinic.status(BY_HAND)
    answer = ask(clinic, "What changed since then?")
    assert {"submission", "event"} <= {source["kind"] for source in answer["sources"]}


def test_a_role_that_may_not_read_the_history_is_told_nothing_out_of_it(clinic: Clinic) -> None:
    clinic.publish(allowlist={"permissions": {"history": ["billing_lead"]}})
    clinic.status(BY_HAND)
    answer = ask(clinic, "What changed?")
    assert answer["sources"] == []
    assert "no history here that I may tell" in answer["reply"]


def test_a_question_commits_nothing_but_the_audited_view(clinic: Clinic) -> None:
    clinic.status(BY_HAND)
    before, row = clinic.counts(), clinic.context_row(BY_HAND)
    ask(clinic, "Why is it yellow?")
    written = {"event_log": 1, "invocation": 1, "session": 1, "session_view": 1}
    assert clinic.written_since(before) == written
    viewed = clinic.events(BY_HAND)[-1]
    assert viewed.event_type == "User.Interaction"
    assert viewed.payload_json == {"kind": "viewed", "surface": "sidecar"}
    for message in ("Please acknowledge it.", "Delete this patient", "Set it to green", "Send it"):
        ask(clinic, message)
    assert clinic.written_since(before) == written
    after = clinic.context_row(BY_HAND)
    assert (after.version, after.ack_due_at) == (row.version, row.ack_due_at)
    assert clinic.chain_holds(BY_HAND)


def test_the_question_is_kept_nowhere(clinic: Clinic, capfd: pytest.CaptureFixture[str]) -> None:
    clinic.status(MANY)
    message = f"Why is {MARK} yellow and what did {MARK} owe?"
    answer = ask(clinic, message, MANY)
    assert MARK not in str(answer)
    refused = clinic.post("sidecar/chat/message", {**clinic.names(MANY), "message": MARK * 100})
    problem_of(refused, 422)
    assert MARK not in refused.get_data(as_text=True)
    captured = capfd.readouterr()
    assert "sidecar/chat/message" in captured.out
    assert MARK.casefold() not in (captured.out + captured.err).casefold()
    tables = [table.name for table in metadata.sorted_tables if "tenant_id" in table.columns]
    assert "event_log" in tables
    everything = " UNION ALL ".join(
        f"SELECT '{table}', t::text FROM {table} t WHERE t.tenant_id = :tenant"  # noqa: S608 -- our own names
        for table in tables
    )
    rows = clinic.sql(everything)
    assert len(rows) > 100
    assert [row for row in rows if MARK.casefold() in row[1].casefold()] == []


def test_a_patient_whom_nobody_knows_is_answered_with_that(clinic: Clinic) -> None:
    before = clinic.counts()
    body = {"session_id": "s-1", "patient_key": "p1_nobody_here", "message": "Why is it grey?"}
    answer = clinic.answer("sidecar/chat/message", body)
    assert "doesn't know this patient" in answer["reply"]
    assert answer["sources"] == []
    assert "p1_nobody_here" not in answer["reply"]
    assert not {"event_log", "session_view", "version"} & set(clinic.written_since(before))


def test_a_patient_of_another_tenant_is_one_whom_nobody_knows(clinic: Clinic) -> None:
    other = clinic.product.stack["tenants"][0]["patients"][BY_HAND]["patient_key"]
    body = {"session_id": "s-1", "patient_key": other, "message": "Why is it yellow?"}
    assert "doesn't know this patient" in clinic.answer("sidecar/chat/message", body)["reply"]


def test_nothing_of_the_snapshot_is_told(clinic: Clinic) -> None:
    clinic.status(GREEN)
    patient = clinic.patients[GREEN]
    for message in ("What is the patient's name?", "When were they born?", "Tell me everything you know"):
        reply = str(ask(clinic, message, GREEN))
        assert patient.display_name not in reply
        assert patient.id_masked not in reply
        assert patient.dob.isoformat() not in reply


def test_an_empty_question_is_refused(clinic: Clinic) -> None:
    response = clinic.post("sidecar/chat/message", {**clinic.names(BY_HAND), "message": "  "})
    assert [error["field"] for error in problem_of(response, 422)["errors"]] == ["message"]
