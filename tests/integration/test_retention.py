"""Retention: what the policy keeps no longer goes, once, with its event, and nothing else does."""

# Fixtures are imported, and asked for by their names.
# ruff: noqa: F401, F811

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import chdir, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from typer.testing import CliRunner

from ops.cli import app
from ops.demo_load import default_policy
from ops.policy.document import write_policy
from shared.decisions.policy import decode_policy, encode_policy
from shared.persistence.database import engine
from shared.persistence.erasure import due_erasures, erase_by_retention
from tests.fhir_files import mrn, patient
from tests.integration.aging import days_pass
from tests.integration.apart import call_retention, database, product
from tests.integration.databases import Database
from tests.integration.intake_desk import Desk
from tests.integration.overdue import COUNSELOR, DESK, LEAD, nobody_sent, patient_document, system
from tests.integration.product import (
    EXPIRING,
    GREEN,
    INACTIVE,
    MANY,
    Clinic,
    Product,
    at_once,
    new_clinic,
)

YEAR = {"retention": {"patient_days": 365, "text_days": None, "legal_hold": False}}
TEXTS = {"retention": {"patient_days": None, "text_days": 30, "legal_hold": False}}


def retained(clinic: Clinic) -> dict[str, int]:
    """One call that succeeds."""
    response = call_retention(clinic.product)
    assert response.status_code == 200, response.get_data(as_text=True)
    answer: dict[str, int] = response.get_json()
    return answer


def erasures(clinic: Clinic, number: int) -> list[dict[str, Any]]:
    """What the patient's chain says of erasures."""
    assert clinic.chain_holds(number)
    payloads = [e.payload_json for e in clinic.events(number) if e.event_type == "Patient.Erased"]
    assert all(payload.pop("texts_until") for payload in payloads)
    return payloads


def names(clinic: Clinic, number: int) -> list[str | None]:
    rows = clinic.sql(
        """SELECT display_name FROM patient_snapshot
           WHERE tenant_id = :tenant AND patient_context_id = :context""",
        context=clinic.context(number),
    )
    return [row.display_name for row in rows]


def found(clinic: Clinic, typed: str) -> list[str]:
    answer = clinic.answer("mini/patient/search", {"q": typed}, user=LEAD)
    return [each["id"] for each in answer["results"]]


def lived(clinic: Clinic, number: int) -> None:
    """The patient was seen, acknowledged with a note, and the glass broken before them."""
    clinic.status(number, user=COUNSELOR)
    clinic.answer(
        "mini/ack", clinic.says(number), user=COUNSELOR, headers={"Idempotency-Key": f"key-{number}"}
    )
    asked = {**clinic.names(number), "reason": "covering", "explanation": "Ana is on leave."}
    clinic.answer("sidecar/break-glass", asked, user=DESK)


@contextmanager
def refusing_events_of(database: Database, clinic: Clinic, number: int) -> Iterator[None]:
    """The database refuses whatever is told of this patient."""
    with database.superuser.begin() as connection:
        connection.execute(
            text(f"""CREATE FUNCTION refuse_event() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                IF NEW.patient_context_id = '{clinic.context(number)}' THEN RAISE 'no'; END IF;
                RETURN NEW; END $$;
                CREATE TRIGGER refuse_event BEFORE INSERT ON event_log
                FOR EACH ROW EXECUTE FUNCTION refuse_event()""")
        )
    try:
        yield
    finally:
        with database.superuser.begin() as connection:
            connection.execute(text("DROP TRIGGER refuse_event ON event_log; DROP FUNCTION refuse_event()"))


@pytest.fixture
def clinic(product: Product) -> Iterator[Clinic]:
    made = new_clinic(product)
    yield made
    # Or the next test's rounds would erase here too.
    made.publish()
    made.leave()


def test_everything_that_tells_of_a_patient_goes_after_the_years_and_no_other_patients(
    database: Database, clinic: Clinic
) -> None:
    for number in (EXPIRING, INACTIVE):
        lived(clinic, number)
    typed = clinic.patients[EXPIRING].display_name.split()[-1]
    assert clinic.key(EXPIRING) in found(clinic, typed)
    clinic.publish(**YEAR)
    days_pass(database, clinic.context(EXPIRING), 366)
    days_pass(database, clinic.context(INACTIVE), 364)
    before = patient_document(clinic, EXPIRING)

    assert retained(clinic)["erased"] == 1
    assert erasures(clinic, EXPIRING) == [
        {"scope": "all", "reason": "retention", "snapshot_count": 1, "note_count": 1, "explanation_count": 1}
    ]
    assert names(clinic, EXPIRING) == [None]
    assert clinic.key(EXPIRING) not in found(clinic, typed)
    assert found(clinic, clinic.patients[EXPIRING].external_id) == []
    after = patient_document(clinic, EXPIRING)
    assert before["snapshot"]["display_name"] is not None
    assert set(after["snapshot"].values()) <= {None, 1, after["snapshot"]["updated_at"]}
    assert after["version"] == before["version"] + 1
    assert after["version_head"]["seq"] == len(clinic.events(EXPIRING))
    assert (
        after["last_mini_submission"]["mini_submission_id"]
        == before["last_mini_submission"]["mini_submission_id"]
    )

    history = clinic.answer("sidecar/history", clinic.names(EXPIRING), user=LEAD)["events"]
    assert [each["note"] for each in history if each["note"]] == ["[erased]"]
    assert erasures(clinic, INACTIVE) == []
    assert names(clinic, INACTIVE) != [None]
    assert len(found(clinic, clinic.patients[INACTIVE].external_id)) == 1


def test_texts_go_by_themselves_and_do_not_make_the_patient_younger(
    database: Database, clinic: Clinic
) -> None:
    lived(clinic, GREEN)
    clinic.publish(**TEXTS)
    assert retained(clinic)["erased"] == 0
    days_pass(database, clinic.context(GREEN), 31)
    version = clinic.context_row(GREEN).version
    assert retained(clinic)["erased"] == 1
    (told,) = erasures(clinic, GREEN)
    assert (told["scope"], told["snapshot_count"], told["note_count"], told["explanation_count"]) == (
        "texts", 0, 1, 1,
    )  # fmt: skip
    assert clinic.context_row(GREEN).version == version
    assert names(clinic, GREEN) != [None]
    assert retained(clinic)["erased"] == 0

    # The erasure was today, and all else 31 days ago: at 30 days the patient goes.
    clinic.publish(retention={"patient_days": 30, "text_days": 30, "legal_hold": False})
    assert retained(clinic)["erased"] == 1
    assert [each["scope"] for each in erasures(clinic, GREEN)] == ["texts", "all"]
    assert names(clinic, GREEN) == [None]
    assert retained(clinic)["erased"] == 0


def test_with_work_left_or_a_legal_hold_nobody_goes(database: Database, clinic: Clinic) -> None:
    nobody_sent(clinic, EXPIRING)
    clinic.status(INACTIVE)
    lived(clinic, GREEN)
    assert clinic.context_row(INACTIVE).ack_due_at is not None
    clinic.publish(retention={"patient_days": 365, "text_days": 365, "legal_hold": True})
    for number in (EXPIRING, INACTIVE, GREEN):
        days_pass(database, clinic.context(number), 366)
    assert retained(clinic)["erased"] == 0
    clinic.publish(**YEAR)
    assert retained(clinic)["erased"] == 1
    assert [len(erasures(clinic, number)) for number in (EXPIRING, INACTIVE, GREEN)] == [0, 0, 1]


def test_the_preview_of_a_policy_says_who_would_go(
    database: Database, clinic: Clinic, tmp_path: Path
) -> None:
    for number in (GREEN, MANY):
        lived(clinic, number)
        days_pass(database, clinic.context(number), 366 if number == GREEN else 40)
    rules = {"patient_days": 365, "text_days": 30, "legal_hold": False}
    policy = decode_policy(encode_policy(default_policy()) | {"version": 1, "retention": rules})
    file = tmp_path / "policy.yaml"
    file.write_text(write_policy(policy, "Stricter."))
    asked = ["policy", "preview", str(file), "--tenant", str(clinic.tenant_id)]
    with chdir("/"):
        said = CliRunner().invoke(app, asked, env={"DATABASE_URL": clinic.product.urls.owner}).stdout
    assert (
        "Retention: 1 patient is erased for good at the next round, and what was written about 1 other."
        in said
    )
    assert names(clinic, GREEN) != [None]


def test_who_fails_holds_nobody_up_and_loses_nothing_without_its_event(
    database: Database, clinic: Clinic
) -> None:
    other = new_clinic(clinic.product)
    # A policy that nobody can read, in a tenant that comes before or after.
    other.sql(
        """INSERT INTO policy_config SELECT tenant_id, now(), 2, allowlist_rules_json, ui_variants_json,
            timeout_rules_json, notification_rules_json, decision_rules_json, '{"patient_days": "soon"}'
           FROM policy_config WHERE tenant_id = :tenant"""
    )
    clinic.publish(**YEAR)
    for number in (EXPIRING, GREEN, INACTIVE):
        clinic.status(number, user=LEAD)
        clinic.answer("mini/ack", clinic.says(number), user=LEAD)
        days_pass(database, clinic.context(number), 366)
    with refusing_events_of(database, clinic, GREEN):
        assert call_retention(clinic.product).status_code == 503
    assert [len(erasures(clinic, number)) for number in (EXPIRING, GREEN, INACTIVE)] == [1, 0, 1]
    assert names(clinic, GREEN) != [None]
    other.publish()
    assert retained(clinic)["erased"] == 1
    assert names(clinic, GREEN) == [None]


def test_however_many_erase_at_once_it_happens_once(database: Database, clinic: Clinic) -> None:
    lived(clinic, MANY)
    clinic.publish(**YEAR)
    days_pass(database, clinic.context(MANY), 366)
    (due,) = due_erasures(engine(), clinic.tenant_id)
    erase = partial(erase_by_retention, engine(), clinic.tenant_id, due, system(clinic).correlation_id)
    done = at_once([erase] * 8)
    assert sum(each is not None for each in done) == 1
    assert len(erasures(clinic, MANY)) == 1


def test_a_tenant_of_many_patients_is_looked_through_in_stretches(
    database: Database, clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    clinic.publish(**YEAR)
    # Nothing ever happened with these: their age is that of their context.
    clinic.sql("""UPDATE patient_context SET created_at = now() - interval '366 days'
        WHERE tenant_id = :tenant""")
    clinic.sql(
        """INSERT INTO patient_context (tenant_id, patient_context_id, patient_key)
           SELECT :tenant, gen_random_uuid(), 'nothing-of-' || n FROM generate_series(1, 2500) n"""
    )
    assert retained(clinic)["erased"] == len(clinic.patients)
    assert clinic.count("patient_search_term") == clinic.count("patient_signal") == 0
    assert clinic.count("patient_identity_ref") == 0
    assert retained(clinic)["erased"] == 0
    assert clinic.count("outbox") == 0  # nobody had seen them: there are no documents


def test_who_comes_back_is_taken_in_again(clinic: Clinic, database: Database, tmp_path: Path) -> None:
    desk, file = Desk(clinic), tmp_path / "patients.ndjson"
    file.write_text(json.dumps(patient(1)))
    assert "1 new" in desk.intake(file)
    known = desk.patient(mrn(1))
    clinic.publish(**YEAR)
    days_pass(database, known.patient_context_id, 366)
    assert retained(clinic)["erased"] == 1
    assert "1 changed" in desk.intake(file)
    assert desk.patient(mrn(1)).patient_context_id == known.patient_context_id
    for typed in ("Zyntherson1", mrn(1)):
        assert found(clinic, typed) == [known.patient_key]
    assert retained(clinic)["erased"] == 0
