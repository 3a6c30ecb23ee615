"""The migrated schema: what the models say, and what the rules refuse."""

# Fixtures are imported, and asked for by their names; SQL is our own text.
# ruff: noqa: F401, F811

from __future__ import annotations

import base64
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import CheckConstraint, Engine, text

from ops.demo import demo_tenants
from ops.demo_load import load_demo
from ops.schema import migrate, prepare_database
from shared.model import (
    AssertedProceed,
    AssertedTasking,
    AssignmentStatus,
    ExecutionMode,
    OutcomeKind,
    ProceedIndicator,
    Surface,
)
from shared.persistence.tables import metadata
from shared.settings import Settings, read_settings
from tests.integration.databases import (
    CHECK,
    FOREIGN_KEY,
    RESPONSE,
    ROLES,
    UNIQUE,
    Clinic,
    Database,
    clinic,
    database,
    new_database,
    refusal,
    run,
)
from tests.stack import Stack

COLUMNS = """
    SELECT c.relname || '.' || a.attname || ' ' || format_type(a.atttypid, a.atttypmod)
        || CASE WHEN a.attnotnull THEN ' NOT NULL' ELSE '' END
        || coalesce(' DEFAULT ' || pg_get_expr(d.adbin, d.adrelid), '')
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
    WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace AND c.relname <> 'alembic_version'"""
CONSTRAINTS = """
    SELECT conrelid::regclass || ' ' || conname || ' ' || pg_get_constraintdef(oid) FROM pg_constraint
    WHERE connamespace = 'public'::regnamespace AND conrelid <> 0 AND contype <> 't'
        AND conrelid::regclass::text <> 'alembic_version'"""
INDEXES = "SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' AND tablename <> 'alembic_version'"
GUARDS = """
    SELECT 'policy ' || tablename || ' ' || policyname || ' ' || cmd || ' ' || roles::text || ' ' || qual
        FROM pg_policies
    UNION ALL SELECT 'trigger ' || pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal
    UNION ALL SELECT 'function ' || pg_get_functiondef(p.oid) || coalesce(p.proacl::text, '') FROM pg_proc p
        WHERE p.pronamespace = 'public'::regnamespace
    UNION ALL SELECT concat_ws(' ', 'table', relname, relrowsecurity, relforcerowsecurity, relacl::text)
        FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'
        AND relname <> 'alembic_version'
    UNION ALL SELECT concat_ws(' ', 'column', attrelid::regclass::text, attname, attacl::text)
        FROM pg_attribute WHERE attacl IS NOT NULL AND attrelid::regclass::text NOT LIKE 'pg_%'"""

SUBMISSION = """
    INSERT INTO mini_submission (tenant_id, mini_submission_id, patient_context_id, system_response_id,
        user_id, override_proceed, override_tasking, note_text, confirmed, superseded, needs_ack_after,
        idempotency_key_hash, request_hash)
    VALUES (:tenant_id, gen_random_uuid(), :patient, :response, :user_id, :proceed, :tasking, :note, true,
        false, false, CAST(:key AS bytea), CAST(:key AS bytea))"""
ASSIGNMENT = """
    INSERT INTO assignment (tenant_id, assignment_id, patient_context_id, system_response_id, reason_code,
        assigned_to_user, assigned_to_role, status, resolved_at)
    VALUES (:tenant_id, gen_random_uuid(), :patient, :response, :reason, :user, :role, :status, :resolved)"""


def listed(engine: Engine, query: str) -> list[str]:
    with engine.connect() as connection:
        return sorted(connection.execute(text(query)).scalars())


def whole_schema(engine: Engine) -> list[str]:
    return [line for query in (COLUMNS, CONSTRAINTS, INDEXES, GUARDS) for line in listed(engine, query)]


def submit(database: Database, clinic: Clinic, **change: Any) -> tuple[Engine, Any, str, dict[str, Any]]:
    values = {
        "tenant_id": clinic.tenant_id,
        "user_id": clinic.user_id,
        "patient": clinic.patient_id,
        "response": clinic.response_id,
        "proceed": "yellow",
        "tasking": None,
        "note": "spoke with the payer",
        "key": None,
    }
    return database.app, clinic.tenant_id, SUBMISSION, {**values, **change}


def assign(database: Database, clinic: Clinic, **change: Any) -> tuple[Engine, Any, str, dict[str, Any]]:
    values = {
        "tenant_id": clinic.tenant_id,
        "patient": clinic.patient_id,
        "response": clinic.response_id,
        "reason": "coverage_ended",
        "user": clinic.user_id,
        "role": None,
        "status": "open",
        "resolved": None,
    }
    return database.app, clinic.tenant_id, ASSIGNMENT, {**values, **change}


def respond(database: Database, clinic: Clinic, **change: str) -> tuple[Engine, Any, str, dict[str, Any]]:
    values = {"surface": "'mini'", "proceed": "'green'", "mode": "'copilot'"}
    values |= {name: f"'{value}'" for name, value in change.items()}
    statement = RESPONSE.format(patient="patient_id", response="response_id", **values)
    return database.app, clinic.tenant_id, statement, {**clinic.ids, "response_id": uuid4()}


def done(call: tuple[Engine, Any, str, dict[str, Any]]) -> int:
    engine, tenant_id, statement, values = call
    return run(engine, tenant_id, statement, **values)


def refused(call: tuple[Engine, Any, str, dict[str, Any]]) -> tuple[str, str]:
    engine, tenant_id, statement, values = call
    return refusal(engine, tenant_id, statement, **values)


# --- The schema as a whole


def test_alembic_finds_no_difference_between_models_and_migrated_schema(database: Database) -> None:
    options = {"compare_type": True, "compare_server_default": True}
    with database.owner.connect() as connection:
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, metadata) == []


@pytest.mark.parametrize("query", [COLUMNS, CONSTRAINTS, INDEXES], ids=["columns", "constraints", "indexes"])
def test_the_models_alone_would_make_the_very_same_tables(
    stack: Stack, database: Database, query: str
) -> None:
    # Alembic overlooks CHECK constraints, operator classes and nulls that are not distinct.
    with new_database(stack, "models", migrated=False) as made:
        metadata.create_all(made.owner)
        assert listed(database.owner, query) == listed(made.owner, query)


def test_check_constraints_agree_by_name(database: Database) -> None:
    in_models = {
        (table.name, str(constraint.name))
        for table in metadata.tables.values()
        for constraint in table.constraints
        if isinstance(constraint, CheckConstraint)
    }
    found = run(
        database.owner,
        None,
        """SELECT conrelid::regclass::text AS t, conname FROM pg_constraint
            WHERE contype = 'c' AND connamespace = 'public'::regnamespace""",
    )
    # The convention gives the prefix when the statement is made.
    assert {(table, name) for table, name in found} == {
        (table, f"ck_{table}_{name.removeprefix(f'ck_{table}_')}") for table, name in in_models
    }


def test_preparing_a_database_twice_changes_nothing(database: Database) -> None:
    before = whole_schema(database.owner)
    assert prepare_database(database.admin, database.name) == database.urls
    assert whole_schema(database.owner) == before


def test_a_database_full_of_patients_goes_down_to_nothing_and_up_again(stack: Stack) -> None:
    with new_database(stack, "down_up") as made:
        before = whole_schema(made.owner)
        assert load_demo(made.urls, demo_settings(made))
        full = made.clinic()
        migrate(made.urls.owner, "base")
        assert listed(made.superuser, COLUMNS) == []
        assert listed(made.superuser, GUARDS) == []
        migrate(made.urls.owner)
        assert whole_schema(made.owner) == before
        tenants = load_demo(made.urls, demo_settings(made))
        for tenant, demo in zip(tenants, demo_tenants(datetime.now(UTC).date()), strict=True):
            found = run(made.app, demo.tenant_id, "SELECT patient_key FROM patient_context")
            assert {row.patient_key for row in found} == {p["patient_key"] for p in tenant["patients"]}
        assert run(made.app, full.tenant_id, "SELECT * FROM tenant") == []
        # Usable: everything can be stored again, the ledger's events included.
        again = made.clinic()
        assert done(submit(made, again)) == 1


def test_loading_the_demo_twice_leaves_what_the_first_time_made(stack: Stack) -> None:
    with new_database(stack, "demo") as made:
        counts = "SELECT tenant_id::text || count(*) FROM patient_signal GROUP BY tenant_id"
        first = load_demo(made.urls, demo_settings(made))
        rows = listed(made.superuser, counts)
        assert load_demo(made.urls, demo_settings(made)) == first
        assert listed(made.superuser, counts) == rows
        assert len(rows) == 2


def demo_settings(made: Database) -> Settings:
    return read_settings(
        {
            "GOOGLE_CLOUD_PROJECT": "demo-test",
            "DATABASE_URL": made.urls.app,
            "MOBIUS_MASTER_SECRET": base64.b64encode(b"x" * 32).decode(),
        }
    )


# --- What the rules refuse


@pytest.mark.parametrize("note", ["", " ", "   ", "\n", "\r\n", "\t", " \n\t "])
def test_a_blank_note_is_refused(database: Database, clinic: Clinic, note: str) -> None:
    assert refused(submit(database, clinic, note=note)) == (CHECK, "ck_mini_submission_note_not_blank")


@pytest.mark.parametrize("note", ["x", "  x  ", "\n\nx", "é", "電話した"])
def test_a_note_with_a_word_in_it_is_stored(database: Database, clinic: Clinic, note: str) -> None:
    assert done(submit(database, clinic, note=note)) == 1


def test_a_submission_that_asserts_nothing_is_refused(database: Database, clinic: Clinic) -> None:
    call = submit(database, clinic, proceed=None, tasking=None)
    assert refused(call) == (CHECK, "ck_mini_submission_asserts_something")


def test_one_assertion_is_enough(database: Database, clinic: Clinic) -> None:
    assert done(submit(database, clinic, proceed=None, tasking="none")) == 1
    assert done(submit(database, clinic, proceed="grey", tasking=None)) == 1


def test_a_submission_to_another_patients_response_is_refused(database: Database, clinic: Clinic) -> None:
    assert refused(submit(database, clinic, response=clinic.other_response_id))[0] == FOREIGN_KEY


def test_an_outcome_and_an_assignment_for_another_patients_response_are_refused(
    database: Database, clinic: Clinic
) -> None:
    outcome = """INSERT INTO response_outcome (tenant_id, response_outcome_id, patient_context_id,
        system_response_id, outcome)
        VALUES (:tenant_id, gen_random_uuid(), :patient_id, :other_response_id, 'dismissed')"""
    assert refusal(database.app, clinic.tenant_id, outcome, **clinic.ids)[0] == FOREIGN_KEY
    assert refused(assign(database, clinic, response=clinic.other_response_id))[0] == FOREIGN_KEY


def test_a_users_idempotency_key_is_unique_and_another_users_is_their_own(
    database: Database, clinic: Clinic
) -> None:
    assert done(submit(database, clinic, key=b"k")) == 1
    assert refused(submit(database, clinic, key=b"k")) == (UNIQUE, "uq_mini_submission_idempotency")
    assert done(submit(database, clinic, key=b"k", user_id=clinic.colleague_id)) == 1


def test_submissions_without_a_key_do_not_collide(database: Database, clinic: Clinic) -> None:
    assert [done(submit(database, clinic)) for _ in range(2)] == [1, 1]


def test_a_response_has_each_outcome_at_most_once(database: Database, clinic: Clinic) -> None:
    outcome = """INSERT INTO response_outcome (tenant_id, response_outcome_id, patient_context_id,
        system_response_id, outcome)
        VALUES (:tenant_id, gen_random_uuid(), :patient_id, :response_id, :outcome)"""
    # The clinic comes with it acknowledged.
    code, _ = refusal(database.app, clinic.tenant_id, outcome, **clinic.ids, outcome="acknowledged")
    assert code == UNIQUE
    assert run(database.app, clinic.tenant_id, outcome, **clinic.ids, outcome="unacknowledged") == 1


def test_a_patient_has_one_open_assignment_for_each_reason(database: Database, clinic: Clinic) -> None:
    assert done(assign(database, clinic)) == 1
    again = assign(database, clinic, user=None, role=ROLES[1])
    assert refused(again) == (UNIQUE, "uq_assignment_open")
    assert done(assign(database, clinic, reason="another_reason")) == 1
    other = {"patient": clinic.other_patient_id, "response": clinic.other_response_id}
    assert done(assign(database, clinic, **other)) == 1


def test_a_closed_assignment_makes_room_for_the_next(database: Database, clinic: Clinic) -> None:
    close = "UPDATE assignment SET status = :s, resolved_at = now() WHERE status = 'open' RETURNING 1"
    for status in ("resolved", "dismissed"):
        assert done(assign(database, clinic)) == 1
        assert run(database.app, clinic.tenant_id, close, s=status)
    assert done(assign(database, clinic)) == 1


@pytest.mark.parametrize("both", [True, False], ids=["both", "neither"])
def test_an_assignment_is_for_exactly_one_of_a_user_and_a_role(
    database: Database, clinic: Clinic, both: bool
) -> None:
    call = assign(database, clinic, user=clinic.user_id if both else None, role=ROLES[0] if both else None)
    assert refused(call) == (CHECK, "ck_assignment_one_assignee")


@pytest.mark.parametrize(
    ("status", "resolved"), [("open", datetime(2026, 1, 1, tzinfo=UTC)), ("resolved", None)]
)
def test_an_assignment_is_closed_exactly_when_it_has_a_time_of_closing(
    database: Database, clinic: Clinic, status: str, resolved: datetime | None
) -> None:
    call = assign(database, clinic, status=status, resolved=resolved)
    assert refused(call) == (CHECK, "ck_assignment_resolved")


def test_blue_is_never_stored(database: Database, clinic: Clinic) -> None:
    call = respond(database, clinic, proceed="blue")
    assert refused(call) == (CHECK, "ck_system_response_proceed_indicator")
    assert refused(submit(database, clinic, proceed="blue")) == (CHECK, "ck_mini_submission_override_proceed")


@pytest.mark.parametrize("indicator", [i for i in ProceedIndicator if i != "blue"])
def test_every_other_indicator_is_stored(
    database: Database, clinic: Clinic, indicator: ProceedIndicator
) -> None:
    assert done(respond(database, clinic, proceed=indicator)) == 1


def test_a_user_has_one_current_session_for_each_session_of_the_client(
    database: Database, clinic: Clinic
) -> None:
    start = """INSERT INTO session (tenant_id, session_id, invocation_id, user_id, client_session_hash)
        VALUES (:tenant_id, gen_random_uuid(), :invocation_id, :user_id, decode('00', 'hex'))"""
    end = "UPDATE session SET ended_at = now(), end_reason = 'idle' WHERE ended_at IS NULL"
    assert refusal(database.app, clinic.tenant_id, start, **clinic.ids) == (UNIQUE, "uq_session_current")
    assert run(database.app, clinic.tenant_id, end) == 1
    assert run(database.app, clinic.tenant_id, start, **clinic.ids) == 1
    colleague = {**clinic.ids, "user_id": clinic.colleague_id}
    assert run(database.app, clinic.tenant_id, start, **colleague) == 1


def test_a_session_that_ended_says_why(database: Database, clinic: Clinic) -> None:
    end = "UPDATE session SET ended_at = now()"
    assert refusal(database.app, clinic.tenant_id, end) == (CHECK, "ck_session_ended")


UNKNOWN: list[Callable[[Database, Clinic], tuple[Engine, Any, str, dict[str, Any]]]] = [
    lambda d, c: respond(d, c, proceed="red"),
    lambda d, c: respond(d, c, proceed="GREEN"),
    lambda d, c: respond(d, c, proceed=""),
    lambda d, c: respond(d, c, mode="manual"),
    lambda d, c: respond(d, c, surface="phone"),
    lambda d, c: submit(d, c, proceed="red"),
    lambda d, c: submit(d, c, tasking="later"),
    lambda d, c: assign(d, c, status="claimed", resolved=datetime(2026, 1, 1, tzinfo=UTC)),
    lambda d, c: assign(d, c, reason="Called Mrs Smith"),
    lambda d, c: (d.app, c.tenant_id, "UPDATE invocation SET status = 'gone'", {}),
    lambda d, c: (d.app, c.tenant_id, "UPDATE session SET ended_at = now(), end_reason = 'x'", {}),
    lambda d, c: (d.app, c.tenant_id, "UPDATE patient_signal SET status = 'maybe'", {}),
    lambda d, c: (d.owner, c.tenant_id, "UPDATE app_user SET status = 'asleep'", {}),
    lambda d, c: (d.owner, c.tenant_id, "UPDATE patient_signal SET code = 'Not a code'", {}),
    lambda d, c: (d.owner, c.tenant_id, "UPDATE outbox SET subject_type = 'tenant'", {}),
    lambda d, c: (
        d.app,
        c.tenant_id,
        """INSERT INTO response_outcome (tenant_id, response_outcome_id, patient_context_id,
            system_response_id, outcome)
            VALUES (:tenant_id, gen_random_uuid(), :patient_id, :response_id, 'ignored')""",
        c.ids,
    ),
    lambda d, c: (
        d.app,
        c.tenant_id,
        """INSERT INTO response_outcome (tenant_id, response_outcome_id, patient_context_id,
            system_response_id, outcome, reason)
            VALUES (:tenant_id, gen_random_uuid(), :patient_id, :response_id, 'dismissed', 'She said no')""",
        c.ids,
    ),
    lambda d, c: (
        d.app,
        c.tenant_id,
        """INSERT INTO event_log (tenant_id, event_id, event_type, payload_json)
            VALUES (:tenant_id, gen_random_uuid(), 'something happened', '{}')""",
        c.ids,
    ),
]


@pytest.mark.parametrize("call", UNKNOWN)
def test_a_value_that_no_enumeration_knows_is_refused(
    database: Database,
    clinic: Clinic,
    call: Callable[[Database, Clinic], tuple[Engine, Any, str, dict[str, Any]]],
) -> None:
    assert refused(call(database, clinic))[0] == CHECK


def test_every_value_of_the_vocabulary_can_be_stored(database: Database, clinic: Clinic) -> None:
    for mode in ExecutionMode:
        done(respond(database, clinic, mode=mode))
    for surface in Surface:
        done(respond(database, clinic, surface=surface))
    for proceed in AssertedProceed:
        done(submit(database, clinic, proceed=proceed))
    for tasking in AssertedTasking:
        done(submit(database, clinic, tasking=tasking))
    for status in AssignmentStatus:
        resolved = None if status is AssignmentStatus.OPEN else datetime(2026, 1, 1, tzinfo=UTC)
        done(assign(database, clinic, status=status, resolved=resolved))
    outcome = """INSERT INTO response_outcome (tenant_id, response_outcome_id, patient_context_id,
        system_response_id, outcome)
        VALUES (:tenant_id, gen_random_uuid(), :other_patient_id, :other_response_id, :outcome)"""
    for kind in OutcomeKind:
        run(database.app, clinic.tenant_id, outcome, **clinic.ids, outcome=kind)
    stored = run(database.app, clinic.tenant_id, "SELECT DISTINCT outcome FROM response_outcome")
    assert {row.outcome for row in stored} == set(OutcomeKind)
