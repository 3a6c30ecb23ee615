"""``mobius ledger show``: one patient's story in plain sentences, with what an auditor looks things up by."""

from __future__ import annotations

import os
import subprocess
from contextlib import chdir
from datetime import UTC, timedelta
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from ops.cli import app
from ops.ledger import story
from tests.integration.overdue import COUNSELOR, LEAD, nobody_sent
from tests.integration.product import BY_HAND, GREEN, NOTE, Clinic
from tests.stack import MOBIUS

pytestmark = pytest.mark.usefixtures("held")

MANY_EVENTS = """
    INSERT INTO event_log (tenant_id, patient_context_id, event_id, event_type, actor_user_id, payload_json)
    SELECT :tenant, :context, gen_random_uuid(), 'User.Interaction', CAST(:user AS uuid),
        '{"kind": "opened", "surface": "mini"}'
    FROM generate_series(1, :count)"""


def show(clinic: Clinic, number: int, *options: str) -> Result:
    arguments = ["ledger", "show", clinic.key(number), "--tenant", str(clinic.tenant_id), *options]
    with chdir("/"):  # where no stack runs: the environment names the database
        return CliRunner().invoke(app, arguments, env={"DATABASE_URL": clinic.product.urls.owner})


def told(result: Result) -> str:
    assert result.exit_code == 0, result.output
    return result.stdout


def event_lines(said: str) -> list[str]:
    return [line.strip() for line in said.splitlines() if line.startswith("  ")]


def a_day(clinic: Clinic) -> None:
    nobody_sent(clinic, BY_HAND)
    item = clinic.rows("assignment")[0].assignment_id
    clinic.answer("sidecar/assignment/claim", {"assignment_id": str(item)}, user=COUNSELOR)
    clinic.answer("mini/ack", clinic.says(BY_HAND), user=COUNSELOR)
    clinic.answer("sidecar/state", clinic.names(BY_HAND, "panel"), user=LEAD)


def test_a_story_is_told_event_by_event_with_number_hash_and_details(clinic: Clinic) -> None:
    a_day(clinic)
    events = clinic.events(BY_HAND)
    said = told(show(clinic, BY_HAND))
    lines = event_lines(said)
    assert len(lines) == len(events)
    for line, event in zip(lines, events, strict=True):
        at = event.created_at.astimezone(UTC)
        assert line.split()[:3] == [f"{at:%H:%M:%S}", str(event.seq), event.hash.hex()[:8]]
    response = next(event for event in events if event.event_type == "System.Response").payload_json
    mode = response["execution_mode"]
    worker = clinic.users[COUNSELOR].display_name
    of_worker, of_lead = (f"user …{str(clinic.users[n].user_id)[-12:]}" for n in (COUNSELOR, LEAD))
    assert (
        f"The system said yellow with 1 task, an acknowledgement was needed. [mode {mode}, "
        f"policy version 1, response {response['system_response_id']}, on mini]"
    ) in said
    answered = f"response …{response['system_response_id'][-12:]}"
    assert f"{worker} acknowledged and asserted tasking review. [{of_worker}, {answered}, on mini]" in said
    assert f"{worker} claimed the assignment for authorization. [{of_worker}" in said
    assert f"{clinic.users[LEAD].display_name} viewed the patient. [{of_lead}, on sidecar]" in said
    assert said.splitlines()[-1].endswith(f"event {events[-1].seq}, {events[-1].hash.hex()}.")


def test_neither_notes_nor_who_the_patient_is_are_told(clinic: Clinic) -> None:
    a_day(clinic)
    said = told(show(clinic, BY_HAND))
    patient = clinic.patients[BY_HAND]
    assert "Notes are not shown" in said
    for private in (NOTE, patient.display_name, patient.external_id, patient.id_masked, str(patient.dob)):
        assert private not in said


def test_pages_of_any_size_tell_the_same(clinic: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
    a_day(clinic)
    whole = event_lines(told(show(clinic, BY_HAND)))
    for size in (1, 2, len(whole)):
        monkeypatch.setattr(story, "PAGE", size)
        assert event_lines(told(show(clinic, BY_HAND))) == whole


def test_who_reads_a_story_is_told_to_the_tenants_chain_and_not_to_the_patients(clinic: Clinic) -> None:
    a_day(clinic)
    before = clinic.counts()
    count = len(event_lines(told(show(clinic, BY_HAND))))
    assert clinic.written_since(before) == {"event_log": 1}
    event, context = clinic.events(None)[-1], str(clinic.context(BY_HAND))
    assert event.payload_json == {"kind": "story", "patient_context_id": context, "event_count": count}


def test_a_day_is_told_from_its_beginning_to_its_end(clinic: Clinic) -> None:
    a_day(clinic)
    events = clinic.events(BY_HAND)
    first, last = (event.created_at.astimezone(UTC) for event in (events[0], events[-1]))
    days = ["--since", f"{first:%Y-%m-%d}", "--until", f"{last:%Y-%m-%d}"]
    assert len(event_lines(told(show(clinic, BY_HAND, *days)))) == len(events)
    said = told(show(clinic, BY_HAND, "--since", f"{last + timedelta(days=1):%Y-%m-%d}"))
    assert event_lines(said) == []
    assert "Nothing in this time." in said
    # The head is the chain's, whatever part of it was asked for.
    assert events[-1].hash.hex() in said


def test_a_patient_without_events_has_an_empty_story(clinic: Clinic) -> None:
    said = told(show(clinic, GREEN))
    assert "Nothing in this time." in said
    assert said.splitlines()[-1].startswith("The chain is empty.")


def test_events_that_nobody_of_us_wrote_are_told_as_far_as_they_can_be(clinic: Clinic) -> None:
    insert = """INSERT INTO event_log (tenant_id, patient_context_id, event_id, event_type, payload_json)
        VALUES (:tenant, :context, gen_random_uuid(), :event_type, CAST(:payload AS jsonb))"""
    for payload in ("[]", "{}", '"x"', '{"kind": {"a": 1}, "surface": "\\u001b[31m"}'):
        for event_type in ("User.Interaction", "Outcome.Computed", "Patient.Updated", "Something.New"):
            clinic.sql(insert, context=clinic.context(GREEN), event_type=event_type, payload=payload)
    said = told(show(clinic, GREEN))
    assert len(event_lines(said)) == 4 * 4
    assert "Something.New, for which this release has no words." in said
    assert "\x1b" not in said


def test_a_long_story_flows_into_a_pipe_that_closes_early(clinic: Clinic) -> None:
    values: dict[str, Any] = {"context": clinic.context(GREEN), "user": clinic.users[0].user_id}
    clinic.sql(MANY_EVENTS, count=3_000, **values)
    command = [str(MOBIUS), "ledger", "show", clinic.key(GREEN), "--tenant", str(clinic.tenant_id)]
    running = subprocess.Popen(
        command,
        cwd="/",
        env={**os.environ, "DATABASE_URL": clinic.product.urls.owner},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert running.stdout is not None
    assert running.stderr is not None
    assert running.stdout.readline().startswith(b"The story of patient")
    running.stdout.close()
    said = running.stderr.read()
    running.wait(30)
    running.stderr.close()
    assert said == b""
    assert clinic.events(None)[-1].payload_json["event_count"] == 3_000
