"""The narrow door of erasure: nothing goes through that is not due, and nothing can be altered by it."""

# Fixtures are imported, and asked for by their names; SQL is our own text.
# ruff: noqa: F401, F811

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from shared.ledger.events import PatientErased
from shared.model import ErasureReason, ErasureScope
from tests.integration.aging import days_pass
from tests.integration.databases import (
    REFUSED,
    Clinic,
    Database,
    as_tenant,
    clinic,
    database,
    neighbour,
    refusal,
    run,
)

LEFT = "55000"
ERASE = """SELECT snapshots, notes, explanations, others
    FROM erase_patient(:patient_id, :everything, gen_random_uuid())"""
NOTHING = (None, None, None, None)
KEPT = """SELECT
    (SELECT count(*) FROM patient_snapshot WHERE display_name IS NOT NULL) AS names,
    (SELECT count(*) FROM patient_search_term) AS terms, (SELECT count(*) FROM patient_signal) AS signals,
    (SELECT count(*) FROM patient_identity_ref) AS identities,
    (SELECT count(*) FROM patient_context WHERE patient_identity_ref_id IS NOT NULL) AS identified,
    (SELECT count(*) FROM mini_submission WHERE note_text = 'called' AND request_hash IS NOT NULL) AS notes,
    (SELECT count(*) FROM break_glass WHERE explanation = 'on the phone') AS explanations"""
ALL_KEPT = (1, 1, 1, 1, 1, 1, 1)


def rules(database: Database, clinic: Clinic, **retention: object) -> None:
    """Publishes what the newest policy says of retention."""
    run(
        database.owner,
        clinic.tenant_id,
        """INSERT INTO policy_config (tenant_id, version, allowlist_rules_json, ui_variants_json,
            timeout_rules_json, notification_rules_json, decision_rules_json, retention_rules_json)
        SELECT tenant_id, max(version) + 1, '{}', '{}', '{}', '{}', '{}', CAST(:rules AS jsonb)
        FROM policy_config GROUP BY tenant_id""",
        rules=json.dumps(retention),
    )


def erase(database: Database, clinic: Clinic, *, everything: bool = True, **asked: Any) -> Any:
    """As the application asks for it."""
    asked = {**clinic.ids, **asked}
    (found,) = run(database.app, asked["tenant_id"], ERASE, **asked, everything=everything)
    return tuple(found)


def told(database: Database, clinic: Clinic) -> list[PatientErased]:
    """What the patient's chain says, which the database writes itself: nothing goes untold."""
    events = """SELECT payload_json FROM event_log
        WHERE patient_context_id = :patient_id AND event_type = 'Patient.Erased' ORDER BY seq"""
    found = run(database.app, clinic.tenant_id, events, **clinic.ids)
    assert PatientErased.event_type == "Patient.Erased"
    assert all(set(row.payload_json) == set(PatientErased.__struct_fields__) for row in found)
    return [msgspec.convert(row.payload_json, PatientErased) for row in found]


def kept(database: Database, clinic: Clinic) -> tuple[int, ...]:
    return tuple(run(database.app, clinic.tenant_id, KEPT)[0])


def close_items(database: Database, clinic: Clinic) -> None:
    run(database.app, clinic.tenant_id, "UPDATE assignment SET status = 'dismissed', resolved_at = now()")


def close(database: Database, clinic: Clinic) -> None:
    run(database.owner, clinic.tenant_id, "UPDATE tenant SET closed_at = now() WHERE tenant_id = :t",
        t=clinic.tenant_id)  # fmt: skip


# What is due ---------------------------------------------------------------------------------------------


def test_all_of_a_patient_goes_when_nothing_happened_for_so_many_days(
    database: Database, clinic: Clinic
) -> None:
    rules(database, clinic, patient_days=90)
    close_items(database, clinic)
    days_pass(database, clinic.patient_id, 91)
    assert erase(database, clinic) == (1, 1, 1, 3)
    assert kept(database, clinic) == (0, 0, 0, 0, 0, 0, 0)
    (sent,) = run(database.app, clinic.tenant_id, "SELECT * FROM mini_submission")
    assert (sent.note_text, sent.request_hash, sent.idempotency_key_hash) == ("[erased]", None, None)
    assert (sent.override_proceed, sent.user_id) == ("green", clinic.user_id)
    (event,) = told(database, clinic)
    assert event == PatientErased(
        scope=ErasureScope.ALL, reason=ErasureReason.RETENTION, snapshot_count=1, note_count=1,
        explanation_count=1, texts_until=event.texts_until,
    )  # fmt: skip
    assert timedelta(0) <= datetime.now(UTC) - event.texts_until < timedelta(minutes=5)
    assert erase(database, clinic) == (0, 0, 0, 0)
    assert len(told(database, clinic)) == 1


def test_texts_alone_go_by_when_they_were_written(database: Database, clinic: Clinic) -> None:
    rules(database, clinic, text_days=30)
    assert erase(database, clinic, everything=False) == (0, 0, 0, 0)
    days_pass(database, clinic.patient_id, 31)
    run(database.app, clinic.tenant_id, "UPDATE patient_context SET ack_due_at = now()")
    assert erase(database, clinic, everything=False) == (0, 1, 1, 0)
    assert kept(database, clinic) == (1, 1, 1, 1, 1, 0, 0)
    (event,) = told(database, clinic)
    assert (event.scope, event.reason) == (ErasureScope.TEXTS, ErasureReason.RETENTION)


def test_of_a_tenant_that_left_all_goes_at_once(database: Database, clinic: Clinic) -> None:
    # A time that no clock gives, from whom the application may have been taken over by.
    run(database.app, clinic.tenant_id, """INSERT INTO mini_submission
        SELECT (jsonb_populate_record(m, jsonb_build_object('mini_submission_id', gen_random_uuid(),
            'idempotency_key_hash', null, 'request_hash', null, 'submitted_at', 'infinity'))).*
        FROM mini_submission m""")  # fmt: skip
    close(database, clinic)
    assert erase(database, clinic) == (1, 2, 1, 3)
    (event,) = told(database, clinic)
    assert (event.scope, event.reason) == (ErasureScope.ALL, ErasureReason.OFFBOARDING)


# What is not ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("retention", "everything"),
    [
        ({}, True),
        ({}, False),
        ({"legal_hold": False}, True),
        ({"patient_days": None, "text_days": None}, True),
        ({"patient_days": 92}, True),
        ({"patient_days": 90}, False),
        ({"text_days": 30}, True),
        ({"patient_days": 90, "text_days": 30, "legal_hold": True}, True),
        ({"patient_days": 90, "text_days": 30, "legal_hold": True}, False),
    ],
)
def test_what_the_policy_keeps_stays(
    database: Database, clinic: Clinic, retention: dict[str, object], everything: bool
) -> None:
    rules(database, clinic, patient_days=30, text_days=30)
    rules(database, clinic, **retention)
    close_items(database, clinic)
    days_pass(database, clinic.patient_id, 91)
    assert erase(database, clinic, everything=everything) == NOTHING
    assert kept(database, clinic) == ALL_KEPT


@pytest.mark.parametrize(
    "obstacle",
    [
        "UPDATE patient_context SET ack_due_at = now() - interval '1 year'",
        "UPDATE assignment SET status = 'open', resolved_at = null",
        """INSERT INTO event_log (tenant_id, patient_context_id, event_id, event_type, payload_json)
            VALUES (:tenant_id, :patient_id, gen_random_uuid(), 'User.Interaction', '{}')""",
    ],
)
def test_a_patient_with_whom_something_happens_or_is_open_stays(
    database: Database, clinic: Clinic, obstacle: str
) -> None:
    rules(database, clinic, patient_days=90)
    close_items(database, clinic)
    days_pass(database, clinic.patient_id, 91)
    run(database.app, clinic.tenant_id, obstacle, **clinic.ids)
    assert erase(database, clinic) == NOTHING
    assert kept(database, clinic) == ALL_KEPT


def test_an_erasure_is_nothing_that_happened_with_the_patient(database: Database, clinic: Clinic) -> None:
    rules(database, clinic, patient_days=90)
    close_items(database, clinic)
    days_pass(database, clinic.patient_id, 91)
    event = """INSERT INTO event_log (tenant_id, patient_context_id, event_id, event_type, payload_json)
        VALUES (:tenant_id, :patient_id, gen_random_uuid(), 'Patient.Erased', '{}')"""
    run(database.app, clinic.tenant_id, event, **clinic.ids)
    assert erase(database, clinic) == (1, 1, 1, 3)


def test_a_legal_hold_stands_above_everything(database: Database, clinic: Clinic) -> None:
    rules(database, clinic, legal_hold=True)
    close(database, clinic)
    for everything in (True, False):
        assert erase(database, clinic, everything=everything) == NOTHING
    assert kept(database, clinic) == ALL_KEPT


def test_another_tenants_patient_is_as_unknown_as_one_that_never_was(
    database: Database, clinic: Clinic, neighbour: Clinic
) -> None:
    for tenant in (clinic, neighbour):
        close(database, tenant)
    assert erase(database, clinic, patient_id=neighbour.patient_id) == NOTHING
    assert erase(database, clinic, patient_id=uuid4()) == NOTHING
    (found,) = run(database.app, None, ERASE, patient_id=clinic.patient_id, everything=True)
    assert tuple(found) == NOTHING
    for tenant in (clinic, neighbour):
        assert kept(database, tenant) == ALL_KEPT


def test_what_a_policy_says_in_no_form_of_ours_erases_nothing(database: Database, clinic: Clinic) -> None:
    rules(database, clinic, patient_days="soon", legal_hold="maybe")
    close(database, clinic)
    with pytest.raises(DBAPIError, match="maybe"):
        erase(database, clinic)


def test_a_policy_that_is_just_being_published_is_waited_for(database: Database, clinic: Clinic) -> None:
    close(database, clinic)
    with as_tenant(database.owner, clinic.tenant_id) as publisher:
        publisher.execute(
            text("""INSERT INTO policy_config SELECT tenant_id, now(), 2, '{}', '{}', '{}', '{}', '{}',
                '{"legal_hold": true}' FROM tenant WHERE tenant_id = :t"""),
            {"t": clinic.tenant_id},
        )
        # As its event does, which comes last.
        publisher.execute(
            text("SELECT 1 FROM tenant WHERE tenant_id = :t FOR NO KEY UPDATE"), {"t": clinic.tenant_id}
        )
        with as_tenant(database.app, clinic.tenant_id) as eraser:
            eraser.execute(text("SET LOCAL lock_timeout = '100ms'"))
            with pytest.raises(DBAPIError, match="lock timeout"):
                eraser.execute(text(ERASE), {"patient_id": clinic.patient_id, "everything": True})
            eraser.rollback()
    assert erase(database, clinic) == NOTHING


# What nobody can do --------------------------------------------------------------------------------------

ALTERATIONS = (
    "UPDATE patient_snapshot SET display_name = 'Somebody Else'",
    "UPDATE patient_snapshot SET display_name = null, snapshot_version = 7",
    "UPDATE mini_submission SET note_text = 'never said'",
    "UPDATE mini_submission SET note_text = '[erased]'",
    "UPDATE mini_submission SET note_text = '[erased]', idempotency_key_hash = null, request_hash = null, "
    "override_proceed = 'grey'",
    "UPDATE break_glass SET explanation = '[erased]', reason = 'emergency'",
    "UPDATE break_glass SET explanation = 'because'",
    *(
        f"{what} {table}"
        for table in ("patient_snapshot", "mini_submission", "break_glass", "event_log")
        for what in ("DELETE FROM", "TRUNCATE")
    ),
    "UPDATE event_log SET payload_json = '{}'",
    "UPDATE system_response SET tasking_summary = ''",
    "UPDATE response_outcome SET outcome = 'dismissed'",
    "UPDATE policy_config SET retention_rules_json = '{}'",
)


@pytest.mark.parametrize("statement", ALTERATIONS)
def test_with_the_door_open_not_even_the_owner_alters_or_deletes(
    database: Database, clinic: Clinic, statement: str
) -> None:
    with as_tenant(database.owner, clinic.tenant_id) as connection:
        connection.execute(text("SET LOCAL app.erasing = 'on'"))
        cascade = " CASCADE" if statement.startswith("TRUNCATE") else ""
        with pytest.raises(DBAPIError, match=REFUSED):
            connection.execute(text(statement + cascade))
        connection.rollback()


@pytest.mark.parametrize("setting", ["on", ""])
@pytest.mark.parametrize("role", ["app", "worker"])
def test_the_application_erases_nothing_with_its_own_hands(
    database: Database, clinic: Clinic, role: str, setting: str
) -> None:
    for statement in (
        "UPDATE patient_snapshot SET display_name = null, id_label = null, id_masked = null, dob = null",
        "UPDATE break_glass SET explanation = '[erased]'",
        "DELETE FROM patient_search_term",
        "DELETE FROM patient_signal",
        "DELETE FROM patient_identity_ref",
        "UPDATE tenant SET closed_at = now()",
    ):
        with as_tenant(getattr(database, role), clinic.tenant_id) as connection:
            connection.execute(text(f"SET LOCAL app.erasing = '{setting}'"))
            with pytest.raises(DBAPIError, match=REFUSED):
                connection.execute(text(statement))
            connection.rollback()


def test_the_door_is_shut_again_in_the_same_transaction(database: Database, clinic: Clinic) -> None:
    close(database, clinic)
    with as_tenant(database.owner, clinic.tenant_id) as connection:
        connection.execute(text(ERASE), {"patient_id": clinic.patient_id, "everything": True})
        with pytest.raises(DBAPIError, match=REFUSED):
            connection.execute(text("UPDATE break_glass SET explanation = '[erased]'"))
        connection.rollback()


# A tenant that has left ----------------------------------------------------------------------------------

INCOMING = {
    "patient_snapshot": """(tenant_id, patient_context_id, snapshot_version)
        VALUES (:tenant_id, :patient_id, 9)""",
    "patient_signal": """(tenant_id, patient_signal_id, patient_context_id, code, status, detail_json,
        observed_at, source_system) VALUES (:tenant_id, gen_random_uuid(), :patient_id, 'claim.paid',
        'active', '{}', now(), 'ehr')""",
    "patient_identity_ref": """(tenant_id, patient_identity_ref_id, source_system, external_patient_id_hash)
        VALUES (:tenant_id, gen_random_uuid(), 'other', '\\x01')""",
    "mini_submission": """(tenant_id, mini_submission_id, patient_context_id, system_response_id, user_id,
        override_proceed, note_text, confirmed, superseded, needs_ack_after) VALUES (:tenant_id,
        gen_random_uuid(), :patient_id, :response_id, :user_id, 'green', 'x', true, false, false)""",
    "break_glass": """(tenant_id, break_glass_id, user_id, user_role, patient_context_id, surface_type,
        reason, explanation, expires_at) VALUES (:tenant_id, gen_random_uuid(), :user_id, 'biller',
        :patient_id, 'mini', 'covering', 'x', now() + interval '1 hour')""",
    "app_user": """(tenant_id, user_id, role, display_name)
        VALUES (:tenant_id, gen_random_uuid(), 'biller', 'x')""",
}  # fmt: skip


@pytest.mark.parametrize("table", INCOMING)
def test_nothing_more_comes_in_to_a_tenant_that_left(
    database: Database, clinic: Clinic, neighbour: Clinic, table: str
) -> None:
    close(database, clinic)
    statement = f"INSERT INTO {table} {INCOMING[table]}"
    assert refusal(database.owner, clinic.tenant_id, statement, **clinic.ids)[0] == LEFT
    assert run(database.owner, neighbour.tenant_id, statement, **neighbour.ids) == 1


def test_what_is_just_coming_in_is_waited_for_by_the_closing(database: Database, clinic: Clinic) -> None:
    statement = f"INSERT INTO break_glass {INCOMING['break_glass']}"
    with as_tenant(database.app, clinic.tenant_id) as coming:
        coming.execute(text(statement), clinic.ids)
        with as_tenant(database.owner, clinic.tenant_id) as closing:
            closing.execute(text("SET LOCAL lock_timeout = '100ms'"))
            with pytest.raises(DBAPIError, match="lock timeout"):
                closing.execute(
                    text("SELECT 1 FROM tenant WHERE tenant_id = :tenant_id FOR UPDATE"), clinic.ids
                )
            closing.rollback()


def test_nothing_of_a_tenant_that_left_is_projected(
    database: Database, clinic: Clinic, neighbour: Clinic
) -> None:
    close(database, clinic)
    ask = """INSERT INTO outbox (tenant_id, outbox_id, subject_type, subject, version)
        SELECT tenant_id, gen_random_uuid(), 'patient', patient_context_id, 99 FROM patient_context"""
    assert run(database.app, clinic.tenant_id, ask) == 0
    assert run(database.app, neighbour.tenant_id, ask) == 2
