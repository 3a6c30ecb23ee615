"""``mobius ledger who-saw``: everybody who saw or did anything about a patient, and what is not known."""

from __future__ import annotations

import csv
import io
from contextlib import chdir
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from typer.testing import CliRunner, Result

from ops.cli import app
from ops.ledger import sightings
from tests.integration.overdue import COUNSELOR, DESK, LEAD, change_user, nobody_sent
from tests.integration.product import BY_HAND, GREEN, MANY, NOTE, Clinic

pytestmark = pytest.mark.usefixtures("held")

APPEND = """
    INSERT INTO event_log (tenant_id, patient_context_id, event_id, event_type, actor_user_id, payload_json)
    VALUES (:tenant, CAST(:context AS uuid), gen_random_uuid(), :event_type, CAST(:user AS uuid),
        CAST(:payload AS jsonb))"""


def who_saw(clinic: Clinic, number: int, *options: str) -> Result:
    return asked(clinic, clinic.key(number), *options)


def asked(clinic: Clinic, key: str, *options: str, **env: str) -> Result:
    arguments = ["ledger", "who-saw", key, "--tenant", str(clinic.tenant_id), *options]
    with chdir("/"):  # where no stack runs: the environment names the database
        return CliRunner().invoke(app, arguments, env={"DATABASE_URL": clinic.product.urls.owner, **env})


def told(result: Result) -> str:
    assert result.exit_code == 0, result.output
    return result.stdout


def rows(clinic: Clinic, number: int, *options: str) -> list[dict[str, str]]:
    result = who_saw(clinic, number, "--csv", *options)
    assert result.exit_code == 0, result.output
    written = result.stdout_bytes.decode()  # as it is: .stdout has other ends of lines
    assert written.endswith("\r\n")
    assert result.stderr.splitlines()[-1].startswith("What is not here: ")
    return list(csv.DictReader(io.StringIO(written, newline=""), strict=True))


def did(clinic: Clinic, number: int, *options: str) -> list[tuple[str, str]]:
    """Who did what, the oldest first."""
    return [(row["name"] or row["who"], row["did"]) for row in rows(clinic, number, *options)]


def append(clinic: Clinic, event_type: str, payload: str, **values: Any) -> None:
    parameters = {"context": None, "user": None, **values}
    clinic.sql(APPEND, event_type=event_type, payload=payload, **parameters)


def name(clinic: Clinic, user: int) -> str:
    return clinic.users[user].display_name


def a_day(clinic: Clinic) -> None:
    """Three people and the system, of whom each did something else."""
    nobody_sent(clinic, BY_HAND)
    item = clinic.rows("assignment")[0].assignment_id
    clinic.answer("sidecar/state", clinic.names(BY_HAND, "panel"), user=COUNSELOR)
    clinic.answer("sidecar/assignment/claim", {"assignment_id": str(item)}, user=COUNSELOR)
    clinic.publish(allowlist={"permissions": {"break_glass": ["billing_lead"]}})
    broken = {**clinic.names(BY_HAND), "reason": "covering", "explanation": "On call tonight."}
    clinic.answer("sidecar/break-glass", broken, user=LEAD)
    clinic.answer("mini/dismiss", {**clinic.names(BY_HAND), "reason": "not_now"}, user=DESK)
    clinic.answer("mini/ack", clinic.says(BY_HAND), user=DESK)
    found = clinic.answer("mini/patient/search", {"q": clinic.patients[BY_HAND].external_id}, user=LEAD)
    assert len(found["results"]) == 1


DAY = [
    (DESK, "looked"),
    (COUNSELOR, "looked"),
    (COUNSELOR, "claimed"),
    (LEAD, "broke the glass"),
    (DESK, "dismissed"),
    (DESK, "consequence"),
    (DESK, "consequence"),
    (DESK, "acknowledged"),
    (DESK, "consequence"),
    (LEAD, "shown in a search"),
]


def test_everybody_is_listed_from_the_first_view_on_with_what_they_did(clinic: Clinic) -> None:
    a_day(clinic)
    # Somebody else's patient, and a search that showed somebody else.
    clinic.status(GREEN, user=COUNSELOR)
    clinic.answer("mini/patient/search", {"q": clinic.patients[GREEN].external_id}, user=COUNSELOR)
    assert did(clinic, BY_HAND) == [(name(clinic, user), what) for user, what in DAY]


def test_the_table_has_a_row_for_each_person_and_fits_a_terminal(clinic: Clinic) -> None:
    a_day(clinic)
    change_user(clinic, COUNSELOR, status="disabled")
    said = told(who_saw(clinic, BY_HAND))
    assert max(len(line) for line in said.split("\nWhat is not here")[0].splitlines()) <= 80
    places = [said.index(name(clinic, user)) for user in (DESK, COUNSELOR, LEAD)]
    assert places == sorted(places)
    for words in (
        "looked 1", "claimed 1", "dismissed 1", "acknowledged 1", "broke the glass 1", "(covering)",
        "shown in a search 1", "disabled", "sidecar", str(clinic.users[LEAD].user_id)[-8:],
    ):  # fmt: skip
        assert words in said
    assert "consequence" not in said
    patient = clinic.patients[BY_HAND]
    for private in (NOTE, "On call", patient.display_name, patient.external_id, patient.id_masked):
        assert private not in said
    assert said.splitlines()[-1].startswith("What is not here: ")


def test_the_details_come_in_the_order_of_time(clinic: Clinic) -> None:
    a_day(clinic)
    said = told(who_saw(clinic, BY_HAND, "--each"))
    lines = [line for line in said.splitlines() if " UTC  " in line]
    assert len(lines) == len(DAY)
    for line, (user, what) in zip(lines, DAY, strict=True):
        assert name(clinic, user) in line
        assert what in line


def test_pages_of_any_size_list_the_same(clinic: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
    a_day(clinic)
    for size in (1, 2, 3):
        monkeypatch.setattr(sightings, "PAGE", size)
        found = [row for row in rows(clinic, BY_HAND) if row["who"] == "person"]
        assert [row["did"] for row in found] == [what for _, what in DAY]


def test_who_asks_is_told_to_the_ledger_and_listed_from_then_on(clinic: Clinic) -> None:
    clinic.status(BY_HAND)
    before = clinic.counts()
    told(who_saw(clinic, BY_HAND))
    assert clinic.written_since(before) == {"event_log": 1}
    event = clinic.events(None)[-1]
    context = str(clinic.context(BY_HAND))
    assert (event.event_type, event.actor_user_id) == ("Ledger.Read", None)
    assert event.payload_json == {"kind": "who_saw", "patient_context_id": context, "event_count": 1}
    assert clinic.chain_holds(None)
    append(clinic, "Ledger.Read", '{"kind": "export", "patient_context_id": null, "event_count": 9}')
    append(clinic, "Tenant.Exported", '{"patient_count": 1, "event_count": 9}')
    assert did(clinic, BY_HAND)[1:] == [
        ("operator", "asked who saw"),
        ("operator", "exported the ledger"),
        ("operator", "exported the tenant"),
    ]
    assert did(clinic, GREEN) == [
        ("operator", "exported the ledger"),
        ("operator", "exported the tenant"),
    ]
    said = told(who_saw(clinic, BY_HAND))
    assert "an operator" in said
    assert "asked who saw 2" in said


def test_nothing_is_printed_that_the_ledger_could_not_be_told(clinic: Clinic) -> None:
    clinic.status(BY_HAND)
    with clinic.holding("SELECT 1 FROM tenant WHERE tenant_id = :tenant FOR UPDATE"):
        result = asked(clinic, clinic.key(BY_HAND), DATABASE_LOCK_TIMEOUT_S="0.3")
    assert (result.exit_code, result.stdout) == (1, "")
    assert len(result.stderr.splitlines()) == 1
    assert clinic.events(None) == []


def test_days_are_counted_from_their_beginning_to_their_end(clinic: Clinic) -> None:
    clinic.status(BY_HAND)
    at = clinic.events(BY_HAND)[0].created_at.astimezone(UTC)
    day, before, after = (f"{at + timedelta(days=days):%Y-%m-%d}" for days in (0, -1, 1))
    looked = [(name(clinic, DESK), "looked")]
    assert did(clinic, BY_HAND, "--since", day, "--until", day)[:1] == looked
    assert did(clinic, BY_HAND, "--since", "0001-01-01", "--until", "9999-12-31")[:1] == looked
    assert did(clinic, BY_HAND, "--until", before) == []
    said = told(who_saw(clinic, BY_HAND, "--since", after))
    assert "Nobody in this time." in said


def test_searches_of_an_older_release_are_counted_as_unknown(clinic: Clinic) -> None:
    append(clinic, "User.Searched", '{"result_count": 3, "surface": "mini"}', user=clinic.users[DESK].user_id)
    append(clinic, "User.Searched", '{"result_count": 0, "surface": "mini"}', user=clinic.users[DESK].user_id)
    clinic.status(BY_HAND)
    said = told(who_saw(clinic, BY_HAND))
    assert f"1 search until {datetime.now(UTC).day} " in said
    assert "not say whom" in said
    assert "shown in a search" not in said.split("What is not here")[0].replace("\n", " ")


def test_what_nobody_wrote_is_listed_all_the_same(clinic: Clinic) -> None:
    """Whatever somebody with the owner's password puts into a chain, or a later release does."""
    user, context = clinic.users[DESK].user_id, clinic.context(BY_HAND)
    odd = ("[]", "{}", '{"kind": ["viewed"], "surface": {"a": 1}, "reason": 5}', '{"surface": "\\u001b[31m"}')
    for payload in odd:
        append(clinic, "User.Interaction", payload, user=user, context=context)
        append(clinic, "Glass.Broken", payload, user=user, context=context)
        append(clinic, "Something.New", payload, user=user, context=context)
        append(clinic, "User.Searched", payload, user=user)
        append(clinic, "Ledger.Read", payload)
    assert len(rows(clinic, BY_HAND)) == 4 * 4
    said = told(who_saw(clinic, BY_HAND, "--each"))
    assert "\x1b" not in said


def test_a_hostile_name_stays_a_name(clinic: Clinic) -> None:
    clinic.status(BY_HAND)
    hostile = '=HYPERLINK("//x"),\n[red]\x1b[31m\u202e'
    change_user(clinic, DESK, display_name=hostile)
    (row,) = rows(clinic, BY_HAND)
    assert row["name"] == '\'=HYPERLINK("//x"),\ufffd[red]\ufffd[31m\ufffd'
    assert row["did"] == "looked"
    said = told(who_saw(clinic, BY_HAND, "--each"))
    assert "\x1b" not in said
    assert "\u202e" not in said
    assert "[red]" in said


def test_a_patient_whom_nobody_has_seen_is_a_patient(clinic: Clinic) -> None:
    said = told(who_saw(clinic, MANY))
    assert "Nobody in this time." in said
    assert rows(clinic, GREEN) == []


def test_a_key_that_is_none_is_not_repeated(clinic: Clinic) -> None:
    for key in ("p1_nobody_here", "x", "Maria Example", "", "k" * 500, "\udcff" * 8, "' OR true --"):
        result = asked(clinic, key)
        assert (result.exit_code, result.stdout) == (1, "")
        assert "patient" in result.stderr
        assert len(key) < 2 or key not in result.stderr
    assert clinic.events(None) == []


def test_a_patient_of_another_tenant_is_no_patient(clinic: Clinic) -> None:
    other = clinic.product.stack["tenants"][0]["patients"][BY_HAND]["patient_key"]
    result = asked(clinic, other)
    assert (result.exit_code, result.stdout) == (1, "")
    assert "This tenant has no patient of that key" in result.stderr
    nowhere = asked(clinic, clinic.key(BY_HAND), "--tenant", str(uuid4()))
    assert (nowhere.exit_code, nowhere.stdout) == (1, "")


def test_what_makes_no_sense_is_said_to_be_so(clinic: Clinic) -> None:
    for options, sentence in (
        (["--since", "2026-11-02", "--until", "2026-11-01"], "--since must not be after --until"),
        (["--since", "yesterday"], "--since must be a day, written as 2026-11-23."),
        (["--until", "2026-02-30"], "--until must be a day"),
        (["--csv", "--each"], "--csv has every event already"),
    ):
        result = who_saw(clinic, BY_HAND, *options)
        assert (result.exit_code, result.stdout) == (1, "")
        assert sentence in result.stderr
    assert clinic.events(None) == []
