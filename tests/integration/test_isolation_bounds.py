"""What the roles of the database may do at all: the application's bounds, and the scheduler's."""

# Fixtures are imported, and asked for by their names; SQL is our own text.
# ruff: noqa: F401, F811, S608

from __future__ import annotations

from uuid import uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from shared.persistence.tables import metadata
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

TENANT_TABLES = sorted(set(metadata.tables) - {"role"})
WORKER_SEES = {
    "outbox": {
        *("tenant_id", "outbox_id", "created_at", "subject_type", "subject", "version"),
        *("forced", "attempts", "next_attempt_at", "parked_at"),
    },
    "projection_walk": {column.name for column in metadata.tables["projection_walk"].columns},
    "patient_context": {
        *("tenant_id", "patient_context_id", "ack_due_at", "reassess_at"),
        *("patient_key", "ledger_seq", "ledger_head"),
    },
    "tenant": {"tenant_id", "created_at", "ledger_seq", "ledger_head"},
}
OUTBOX_ROWS = 3
"""Of a clinic: one of a patient, and one of each new user's inbox."""


# --- The application's bounds


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE t (x int)",
        "CREATE VIEW v AS SELECT 1",
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "CREATE SCHEMA s",
        "DROP TABLE outbox",
        "ALTER TABLE outbox ADD COLUMN x int",
        "ALTER TABLE event_log DISABLE TRIGGER ALL",
        "ALTER TABLE outbox DISABLE ROW LEVEL SECURITY",
        "CREATE INDEX ON outbox (subject)",
        "CREATE POLICY p ON outbox USING (true)",
        "DROP FUNCTION event_log_canonical(event_log)",
        "SET ROLE mobius_owner",
        "SET session_replication_role = replica",
        "CREATE ROLE r",
    ],
)
@pytest.mark.parametrize("role", ["app", "worker"])
def test_the_schema_is_not_the_applications_to_change(database: Database, role: str, statement: str) -> None:
    assert refusal(getattr(database, role), None, statement)[0] == REFUSED


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE patient_context SET ledger_seq = 0",
        "UPDATE patient_context SET ledger_head = null",
        "UPDATE patient_context SET version_seq = 0",
        "UPDATE patient_context SET version_head = null",
        "UPDATE tenant SET ledger_seq = 0",
        "UPDATE tenant SET ledger_head = null",
        "UPDATE app_user SET role = 'biller'",
        "UPDATE app_user SET status = 'active'",
        "UPDATE policy_config SET decision_rules_json = '{}'",
        "INSERT INTO role (name) VALUES ('king')",
        *(
            f"""INSERT INTO patient_context (tenant_id, patient_context_id, patient_key, {column})
                VALUES (:tenant_id, gen_random_uuid(), 'forged-patient', {value})"""
            for column, value in {
                "ledger_seq": "7",
                "ledger_head": "sha256('x')",
                "version_seq": "7",
                "version_head": "sha256('x')",
            }.items()
        ),
    ],
)
def test_the_heads_of_the_chains_and_who_may_do_what_are_not_the_applications_to_set(
    database: Database, clinic: Clinic, statement: str
) -> None:
    assert refusal(database.app, clinic.tenant_id, statement, **clinic.ids)[0] == REFUSED


def test_the_application_can_make_a_patient_with_an_empty_chain(database: Database, clinic: Clinic) -> None:
    statement = """INSERT INTO patient_context (tenant_id, patient_context_id, patient_key)
        VALUES (:tenant_id, :new, 'a-new-patient')
        RETURNING ledger_seq, ledger_head, version_seq, version_head"""
    assert run(database.app, clinic.tenant_id, statement, **clinic.ids, new=uuid4()) == [(0, None, 0, None)]


@pytest.mark.parametrize("role", ["app", "worker"])
def test_the_function_that_moves_the_heads_cannot_be_borrowed(database: Database, role: str) -> None:
    # On a table of the borrower's own, with a cast of its own, it would run the borrower's code as the owner.
    borrow = """CREATE TRIGGER borrowed BEFORE INSERT ON own
        FOR EACH ROW EXECUTE FUNCTION event_log_chain()"""
    with database.superuser.connect() as connection:
        connection.execute(text("CREATE TABLE own (tenant_id uuid)"))
        connection.execute(text(f"ALTER TABLE own OWNER TO mobius_{role}"))
        connection.execute(text(f"SET LOCAL ROLE mobius_{role}"))
        with pytest.raises(DBAPIError, match=REFUSED):
            connection.execute(text(borrow))


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TEMPORARY TABLE own (x int)",
        "CREATE TEMPORARY TABLE app_user AS SELECT 1 AS x",
        "SELECT 1 AS x INTO TEMPORARY own",
        "CREATE TEMPORARY VIEW own AS SELECT 1",
        "CREATE TEMPORARY SEQUENCE own",
        "CREATE FUNCTION pg_temp.own() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    ],
)
@pytest.mark.parametrize("role", ["app", "worker", "worker as the application"])
def test_nobody_who_serves_makes_a_table_of_their_own(database: Database, role: str, statement: str) -> None:
    engine = database.app if role == "app" else database.worker
    with engine.connect() as connection:
        if role == "worker as the application":
            connection.execute(text("SET LOCAL ROLE mobius_app"))
        with pytest.raises(DBAPIError, match=REFUSED):
            connection.execute(text(statement))


@pytest.mark.parametrize(
    "statement",
    [
        "COPY patient_snapshot TO '/tmp/stolen'",
        "COPY patient_snapshot TO PROGRAM 'cat'",
        "COPY session_view FROM '/etc/hostname'",
        "COPY session_view FROM PROGRAM 'hostname'",
        "SELECT pg_read_file('/etc/hostname')",
        "SELECT pg_read_binary_file('PG_VERSION')",
        "SELECT pg_ls_dir('.')",
        "SELECT pg_stat_file('PG_VERSION')",
        "SELECT lo_import('/etc/hostname')",
        "SELECT lo_export(1, '/tmp/stolen')",
        "SELECT pg_current_logfile()",
        "SELECT * FROM pg_hba_file_rules",
        "SELECT * FROM pg_authid",
        "SELECT * FROM pg_largeobject",
        "SELECT pg_create_logical_replication_slot('own', 'test_decoding')",
        "CREATE SUBSCRIPTION own CONNECTION '' PUBLICATION own WITH (connect = false)",
        "CREATE PUBLICATION own FOR ALL TABLES",
        "CREATE EVENT TRIGGER own ON ddl_command_end EXECUTE FUNCTION refuse_change()",
        "ALTER ROLE CURRENT_USER SET app.tenant_id = '00000000-0000-0000-0000-000000000000'",
        "ALTER ROLE CURRENT_USER BYPASSRLS",
        "ALTER ROLE mobius_owner SET row_security = off",
        "ALTER DATABASE mobius SET row_security = off",
        "SET log_statement = 'all'",
        "SET track_functions = 'all'",
    ],
)
@pytest.mark.parametrize("role", ["app", "worker"])
def test_there_is_no_way_to_the_server_around_the_tables(
    database: Database, role: str, statement: str
) -> None:
    assert refusal(getattr(database, role), None, statement)[0] == REFUSED


@pytest.mark.parametrize("role", ["app", "owner"])
@pytest.mark.parametrize("table", TENANT_TABLES)
def test_row_level_security_that_is_switched_off_is_an_error_and_no_way_in(
    database: Database, clinic: Clinic, role: str, table: str
) -> None:
    with getattr(database, role).connect() as connection:
        connection.execute(text("SET LOCAL row_security = off"))
        with pytest.raises(DBAPIError, match=REFUSED):
            connection.execute(text(f"SELECT count(*) FROM {table}"))


# --- The worker's bounds


@pytest.mark.parametrize("table", sorted(WORKER_SEES))
def test_the_worker_sees_ids_due_times_and_heads_of_every_tenant(
    database: Database, clinic: Clinic, neighbour: Clinic, table: str
) -> None:
    rows = run(database.worker, None, f"SELECT {', '.join(sorted(WORKER_SEES[table]))} FROM {table}")
    assert {row.tenant_id for row in rows} >= {clinic.tenant_id, neighbour.tenant_id}


@pytest.mark.parametrize("table", sorted(metadata.tables))
@pytest.mark.parametrize("with_tenant", [True, False], ids=["with tenant", "without"])
def test_the_worker_sees_nothing_else(
    database: Database, clinic: Clinic, table: str, with_tenant: bool
) -> None:
    tenant = clinic.tenant_id if with_tenant else None
    hidden = {column.name for column in metadata.tables[table].columns} - WORKER_SEES.get(table, set())
    for column in hidden:
        assert refusal(database.worker, tenant, f"SELECT {column} FROM {table}")[0] == REFUSED


def test_the_worker_may_put_off_an_attempt_and_change_nothing_more(
    database: Database, clinic: Clinic
) -> None:
    mine = "WHERE tenant_id = :tenant_id"
    put_off = f"UPDATE outbox SET attempts = attempts + 1, next_attempt_at = now(), parked_at = now() {mine}"
    assert run(database.worker, None, put_off, **clinic.ids) == OUTBOX_ROWS
    for statement in (
        f"UPDATE outbox SET version = 0 {mine}",
        f"DELETE FROM outbox {mine}",
        f"UPDATE patient_context SET ack_due_at = null {mine}",
        f"UPDATE patient_context SET reassess_at = null {mine}",
        f"UPDATE invocation SET status = 'closed' {mine}",
        f"UPDATE invocation SET last_seen_at = now() {mine}",
        f"UPDATE tenant SET name = 'x' {mine}",
        "INSERT INTO tenant (tenant_id, name) VALUES (gen_random_uuid(), 'x')",
    ):
        assert refusal(database.worker, None, statement, **clinic.ids)[0] == REFUSED


def test_the_worker_as_the_application_is_held_to_one_tenant(
    database: Database, clinic: Clinic, neighbour: Clinic
) -> None:
    with as_tenant(database.worker, clinic.tenant_id) as connection:
        connection.execute(text("SET LOCAL ROLE mobius_app"))
        for table in TENANT_TABLES:
            rows = connection.execute(text(f"SELECT tenant_id FROM {table}")).all()
            assert {row.tenant_id for row in rows} == {clinic.tenant_id}
