"""Who may see and do what: tenants apart, history fixed, each role of the database held to its grants."""

# Fixtures are imported, and asked for by their names; SQL is our own text.
# ruff: noqa: F401, F811, S608

from __future__ import annotations

from collections.abc import Iterator
from uuid import uuid4

import pytest
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.exc import DBAPIError

from shared.persistence.database import driver_url
from shared.persistence.tables import APPEND_ONLY, metadata
from tests.integration.databases import (
    FOREIGN_KEY,
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

TENANT_TABLES = sorted(set(metadata.tables) - {"role"})
# But for which tenants there are: that the owner sees, whose commands go over all of them.
READERS = [
    (role, table)
    for role in ("app", "owner")
    for table in TENANT_TABLES
    if (role, table) != ("owner", "tenant")
]
OUTBOX_ROWS = 3
"""Of a clinic: one of a patient, and one of each new user's inbox."""


def whole_table(database: Database, table: str, tenant: Clinic) -> list[str]:
    """A tenant's rows as they really are."""
    query = f"SELECT t::text FROM {table} t WHERE tenant_id = :tenant_id ORDER BY 1"
    with database.superuser.connect() as connection:
        return list(connection.execute(text(query), {"tenant_id": tenant.tenant_id}).scalars())


# --- Tenants apart


@pytest.mark.parametrize(("role", "table"), READERS)
def test_without_a_tenant_there_is_nothing_to_see(
    database: Database, clinic: Clinic, table: str, role: str
) -> None:
    assert whole_table(database, table, clinic)
    assert run(getattr(database, role), None, f"SELECT * FROM {table}") == []


@pytest.mark.parametrize("table", TENANT_TABLES)
def test_an_empty_tenant_setting_shows_nothing(database: Database, clinic: Clinic, table: str) -> None:
    with database.app.begin() as connection:
        connection.execute(text("SET LOCAL app.tenant_id = ''"))
        assert connection.execute(text(f"SELECT * FROM {table}")).all() == []


@pytest.mark.parametrize(("role", "table"), READERS)
def test_a_tenant_sees_its_own_rows_and_no_others(
    database: Database, clinic: Clinic, neighbour: Clinic, table: str, role: str
) -> None:
    rows = run(getattr(database, role), clinic.tenant_id, f"SELECT tenant_id FROM {table}")
    assert {row.tenant_id for row in rows} == {clinic.tenant_id}
    theirs = f"SELECT count(*) FROM {table} WHERE tenant_id = :theirs"
    assert run(database.app, clinic.tenant_id, theirs, theirs=neighbour.tenant_id) == [(0,)]


def test_the_owner_sees_which_tenants_there_are(
    database: Database, clinic: Clinic, neighbour: Clinic
) -> None:
    rows = run(database.owner, None, "SELECT tenant_id FROM tenant")
    assert {row.tenant_id for row in rows} >= {clinic.tenant_id, neighbour.tenant_id}


@pytest.mark.parametrize("table", TENANT_TABLES)
def test_a_row_of_another_tenant_cannot_be_put_in(
    database: Database, clinic: Clinic, neighbour: Clinic, table: str
) -> None:
    # As the owner, who may insert into every table: only the policy is in the way.
    before = whole_table(database, table, neighbour)
    copy = f"INSERT INTO {table} SELECT r.* FROM jsonb_populate_record(null::{table}, CAST(:row AS jsonb)) r"
    with database.superuser.connect() as connection:
        query = f"SELECT to_jsonb(t)::text FROM {table} t WHERE tenant_id = :t LIMIT 1"
        row = connection.execute(text(query), {"t": neighbour.tenant_id}).scalar()
    code, _ = refusal(database.owner, clinic.tenant_id, copy, row=row)
    # The chain's trigger comes first: for it, the other tenant's chain does not exist.
    assert code == (FOREIGN_KEY if table == "event_log" else REFUSED)
    assert whole_table(database, table, neighbour) == before


@pytest.mark.parametrize("table", sorted(set(TENANT_TABLES) - set(APPEND_ONLY)))
def test_a_row_of_another_tenant_cannot_be_changed_or_removed(
    database: Database, clinic: Clinic, neighbour: Clinic, table: str
) -> None:
    before = whole_table(database, table, neighbour)
    theirs = {"theirs": neighbour.tenant_id}
    change = f"UPDATE {table} SET created_at = now() WHERE tenant_id = :theirs"
    assert run(database.owner, clinic.tenant_id, change, **theirs) == 0
    assert (
        run(database.owner, clinic.tenant_id, f"DELETE FROM {table} WHERE tenant_id = :theirs", **theirs) == 0
    )
    assert whole_table(database, table, neighbour) == before


@pytest.mark.parametrize("table", sorted(set(TENANT_TABLES) - set(APPEND_ONLY)))
def test_a_row_cannot_be_given_to_another_tenant(
    database: Database, clinic: Clinic, neighbour: Clinic, table: str
) -> None:
    give = f"UPDATE {table} SET tenant_id = :theirs"
    assert refusal(database.owner, clinic.tenant_id, give, theirs=neighbour.tenant_id)[0] == REFUSED


def test_the_application_changes_only_its_own_tenants_rows(
    database: Database, clinic: Clinic, neighbour: Clinic
) -> None:
    before = {t: whole_table(database, t, neighbour) for t in ("patient_context", "outbox", "session_view")}
    assert run(database.app, clinic.tenant_id, "UPDATE patient_context SET version = version + 1") == 2
    assert run(database.app, clinic.tenant_id, "DELETE FROM outbox") == OUTBOX_ROWS
    assert run(database.app, clinic.tenant_id, "DELETE FROM session_view") == 1
    assert {t: whole_table(database, t, neighbour) for t in before} == before


@pytest.mark.parametrize(
    "statement",
    [
        """INSERT INTO session_view (tenant_id, session_id, patient_context_id)
            VALUES (:mine, :session_id, :their_patient)""",
        """INSERT INTO patient_search_term (tenant_id, patient_context_id, term)
            VALUES (:mine, :their_patient, 'x')""",
        """INSERT INTO patient_context (tenant_id, patient_context_id, patient_key, patient_identity_ref_id)
            VALUES (:mine, gen_random_uuid(), 'a-new-patient', :their_identity)""",
        """INSERT INTO invocation (tenant_id, invocation_id, user_id, surface_type)
            VALUES (:mine, gen_random_uuid(), :their_user, 'mini')""",
        """INSERT INTO response_outcome (tenant_id, response_outcome_id, patient_context_id,
            system_response_id, outcome)
            VALUES (:mine, gen_random_uuid(), :patient_id, :their_response, 'dismissed')""",
        """INSERT INTO assignment (tenant_id, assignment_id, patient_context_id, system_response_id,
            reason_code, assigned_to_user)
            VALUES (:mine, gen_random_uuid(), :patient_id, :response_id, 'x', :their_user)""",
        """INSERT INTO event_log (tenant_id, event_id, event_type, payload_json, patient_context_id)
            VALUES (:mine, gen_random_uuid(), 'A.b', '{}', :their_patient)""",
        """INSERT INTO event_log (tenant_id, event_id, event_type, payload_json, actor_user_id)
            VALUES (:mine, gen_random_uuid(), 'Ab.Cd', '{}', :their_user)""",
    ],
)
def test_a_row_of_another_tenant_cannot_be_referred_to(
    database: Database, clinic: Clinic, neighbour: Clinic, statement: str
) -> None:
    theirs = {
        "their_patient": neighbour.patient_id,
        "their_identity": neighbour.identity_id,
        "their_user": neighbour.user_id,
        "their_response": neighbour.response_id,
    }
    values = {**clinic.ids, "mine": clinic.tenant_id, **theirs}
    assert refusal(database.app, clinic.tenant_id, statement, **values)[0] == FOREIGN_KEY


# --- History fixed


@pytest.mark.parametrize("table", APPEND_ONLY)
@pytest.mark.parametrize(
    "statement", ["UPDATE {} SET created_at = now()", "DELETE FROM {}", "TRUNCATE {} CASCADE"]
)
@pytest.mark.parametrize("role", ["app", "owner", "superuser"])
def test_what_is_written_stays(
    database: Database, clinic: Clinic, table: str, statement: str, role: str
) -> None:
    before = whole_table(database, table, clinic)
    code, _ = refusal(getattr(database, role), clinic.tenant_id, statement.format(table))
    assert code == REFUSED
    assert whole_table(database, table, clinic) == before


@pytest.mark.parametrize("table", APPEND_ONLY)
def test_the_application_has_no_privilege_to_rewrite_history(database: Database, table: str) -> None:
    query = """SELECT has_any_column_privilege('mobius_app', :t, 'UPDATE'),
        has_table_privilege('mobius_app', :t, 'DELETE'), has_table_privilege('mobius_app', :t, 'TRUNCATE')"""
    assert run(database.owner, None, query, t=table) == [(False, False, False)]


def test_nothing_but_outbox_rows_and_session_views_can_be_deleted_by_the_application(
    database: Database,
) -> None:
    query = """SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'
        AND has_table_privilege('mobius_app', oid, 'DELETE')"""
    assert {row.relname for row in run(database.owner, None, query)} == {"outbox", "session_view"}


def test_truncating_what_history_refers_to_is_refused(database: Database, clinic: Clinic) -> None:
    assert refusal(database.owner, clinic.tenant_id, "TRUNCATE tenant CASCADE")[0] == REFUSED
