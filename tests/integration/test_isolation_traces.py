"""What another tenant's rows leave elsewhere: in statistics, plans, errors, running statements, locks."""

# Fixtures are imported, and asked for by their names; SQL is our own text.
# ruff: noqa: F401, F811, S608

from __future__ import annotations

import io
from uuid import uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from shared.model import PatientKey, TenantId
from shared.persistence.tables import metadata
from shared.persistence.unit_of_work import unit_of_work
from tests.integration.databases import (
    REFUSED,
    Clinic,
    Database,
    application_engine,
    as_tenant,
    clinic,
    database,
    neighbour,
    refusal,
    run,
)

TABLES = sorted(set(metadata.tables) - {"role"})
TERM = "abernale-of-another-tenant"


@pytest.fixture(scope="module")
def theirs(database: Database) -> Clinic:
    """Whose rows have been counted and sampled, as autovacuum does."""
    made = database.clinic(Clinic(word="zebra"))
    with database.superuser.begin() as connection:
        connection.execute(text("ANALYZE"))
    return made


# --- Statistics


@pytest.mark.parametrize("role", ["app", "worker", "owner"])
def test_the_statistics_of_a_tenants_table_show_nothing(
    database: Database, theirs: Clinic, clinic: Clinic, role: str
) -> None:
    sampled = "SELECT DISTINCT tablename FROM pg_stats WHERE tablename = ANY (:tables)"
    assert run(database.superuser, None, sampled, tables=TABLES)
    for tenant in (None, clinic.tenant_id):
        for view in ("pg_stats", "pg_stats_ext", "pg_stats_ext_exprs"):
            query = f"SELECT * FROM {view} WHERE tablename = ANY (:tables)"
            assert run(getattr(database, role), tenant, query, tables=TABLES) == []
    for table in ("pg_statistic", "pg_statistic_ext_data"):
        assert refusal(getattr(database, role), None, f"SELECT * FROM {table}")[0] == REFUSED


@pytest.mark.parametrize("table", TABLES)
def test_a_plan_for_another_tenants_rows_reads_none_of_them(
    database: Database, theirs: Clinic, clinic: Clinic, table: str
) -> None:
    # How many it expects, it does say: whoever explains plans as the application learns how big a tenant is.
    explain = f"EXPLAIN (ANALYZE, FORMAT JSON) SELECT * FROM {table} WHERE tenant_id = :theirs"
    ((found,),) = run(database.app, clinic.tenant_id, explain, theirs=theirs.tenant_id)
    top = found[0]["Plan"]
    assert top["Actual Rows"] == 0
    assert "One-Time Filter" in top
    assert [below["Actual Loops"] for below in top["Plans"]] == [0]


# --- Errors


@pytest.mark.parametrize("table", TABLES)
def test_no_error_tells_what_a_hidden_row_holds(database: Database, theirs: Clinic, table: str) -> None:
    """A cast that fails quotes its value: it must not come before the policy."""
    columns = [column.name for column in metadata.tables[table].columns]
    failed = 0
    for column in columns:
        query = f"SELECT count(*) FROM {table} WHERE CAST(CAST({column} AS text) AS point) IS NOT NULL"
        assert run(database.app, uuid4(), query) == [(0,)]
        try:
            run(database.superuser, None, query)
        except DBAPIError:
            failed += 1
    assert failed > 1


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO patient_search_term (tenant_id, patient_context_id, term) VALUES (:t, :p, :word)",
        """INSERT INTO patient_snapshot (tenant_id, patient_context_id, snapshot_version, display_name)
            VALUES (:t, :p, 0, :word)""",
        """INSERT INTO patient_snapshot (tenant_id, patient_context_id, snapshot_version, display_name)
            VALUES (:t, :p, null, :word)""",
        "INSERT INTO patient_search_term (tenant_id, patient_context_id, term) VALUES (:other, :p, :word)",
        "INSERT INTO patient_search_term (tenant_id, patient_context_id, term) VALUES (:t, :other, :word)",
    ],
    ids=["a duplicate", "a broken check", "a missing value", "another tenant's", "a reference to none"],
)
def test_an_error_quotes_no_row(database: Database, statement: str) -> None:
    """Not even one's own: the server would, were it not for row-level security."""
    own = database.clinic(Clinic(word="abernale"))
    values = {"t": own.tenant_id, "p": own.patient_id, "other": uuid4(), "word": own.word}
    with pytest.raises(DBAPIError) as raised:
        run(database.app, own.tenant_id, statement, **values)
    said = str(getattr(raised.value.orig, "args", ()))
    assert not [value for value in values.values() if str(value) in said]


# --- Roundabout ways of reading


@pytest.mark.parametrize(
    "query",
    [
        "SELECT string_agg(word, ' ') FROM ts_stat('SELECT to_tsvector(term) FROM patient_search_term')",
        "SELECT string_agg(s::text, '') FROM patient_snapshot s TABLESAMPLE BERNOULLI (100)",
        "SELECT string_agg(s::text, '') FROM ONLY patient_snapshot s",
        *(
            f"WITH RECURSIVE s AS ({read}) SELECT string_agg(s::text, '') FROM s"
            for read in (
                "UPDATE patient_context SET version = version RETURNING *",
                "DELETE FROM session_view RETURNING *",
                "SELECT * FROM patient_context FOR UPDATE",
                "SELECT * FROM patient_snapshot UNION SELECT * FROM s",
                "SELECT s.* FROM role r LEFT JOIN LATERAL (SELECT * FROM patient_snapshot) s ON true",
                "SELECT s.* FROM patient_snapshot s RIGHT JOIN patient_context c ON true",
            )
        ),
    ],
)
def test_a_roundabout_way_of_reading_leads_nowhere(
    database: Database, theirs: Clinic, clinic: Clinic, query: str
) -> None:
    def read(tenant: object) -> str:
        with database.app.connect() as connection:
            connection.execute(text(f"SET LOCAL app.tenant_id = '{tenant}'"))
            return str(connection.execute(text(query)).scalar())

    theirs_alone = (str(theirs.tenant_id), theirs.word)
    assert any(each in read(theirs.tenant_id) for each in theirs_alone)
    assert not any(each in read(clinic.tenant_id) for each in theirs_alone)


def test_a_copy_of_a_whole_table_is_a_copy_of_ones_own_rows(
    database: Database, theirs: Clinic, clinic: Clinic
) -> None:
    with database.app.connect() as connection:
        connection.execute(text(f"SET LOCAL app.tenant_id = '{clinic.tenant_id}'"))
        cursor, copied = connection.connection.cursor(), io.BytesIO()
        cursor.execute("COPY patient_snapshot TO STDOUT", stream=copied)
        assert {line.split(b"\t")[0] for line in copied.getvalue().splitlines()} == {
            str(clinic.tenant_id).encode()
        }
        with pytest.raises(Exception, match="COPY FROM not supported with row-level security"):
            cursor.execute("COPY session_view FROM STDIN", stream=io.BytesIO(b""))


def test_a_plan_that_was_made_for_one_tenant_serves_the_next_one_with_its_own_rows(
    database: Database, theirs: Clinic, clinic: Clinic
) -> None:
    with database.app.connect() as connection:
        connection.execute(text("SET LOCAL plan_cache_mode = force_generic_plan"))
        connection.execute(text("PREPARE look AS SELECT tenant_id FROM patient_snapshot"))
        for tenant in (theirs, clinic, theirs):
            connection.execute(text(f"SET LOCAL app.tenant_id = '{tenant.tenant_id}'"))
            assert connection.execute(text("EXECUTE look")).all() == [(tenant.tenant_id,)]
        connection.execute(text("SET LOCAL app.tenant_id = ''"))
        assert connection.execute(text("EXECUTE look")).all() == []
        connection.execute(text("DEALLOCATE look"))


# --- While others are at it


def test_the_list_of_what_is_running_holds_nothing_that_was_bound(
    database: Database, theirs: Clinic, clinic: Clinic
) -> None:
    """All statements run as the application, so it sees their text: ids at most, nothing of people."""
    engine = application_engine(database, 1)
    add = text("INSERT INTO patient_search_term (tenant_id, patient_context_id, term) VALUES (:t, :p, :term)")
    with unit_of_work(engine, TenantId(theirs.tenant_id)) as uow:
        uow.run(add, t=theirs.tenant_id, p=theirs.patient_id, term=TERM)
        running = run(database.app, clinic.tenant_id, "SELECT query FROM pg_stat_activity")
        assert any("INSERT INTO patient_search_term" in str(row.query) for row in running)
        assert not any(TERM in str(row.query) for row in running if "pg_stat_activity" not in str(row.query))
        hidden = run(database.worker, None, "SELECT query FROM pg_stat_activity WHERE usename = 'mobius_app'")
        assert {row.query for row in hidden} == {"<insufficient privilege>"}
    engine.dispose()


def test_nobody_waits_for_another_tenant(database: Database, theirs: Clinic, clinic: Clinic) -> None:
    """Neither for its rows nor for what keeps its users as they are, whatever it holds."""
    engine = application_engine(database, 1)
    with as_tenant(database.owner, theirs.tenant_id) as holding:
        holding.execute(text("UPDATE app_user SET status = status"))
        for table in ("tenant", "patient_context", "invocation", "session", "assignment", "outbox"):
            holding.execute(text(f"SELECT 1 FROM {table} FOR UPDATE"))
        key = PatientKey(f"{clinic.word}-patient-1")
        with unit_of_work(engine, TenantId(clinic.tenant_id), lock=key) as uow:
            assert uow.locked == key
            uow.run(text("SET LOCAL lock_timeout = 1000"))
            assert uow.run(text("UPDATE patient_context SET version = version + 1")) == 2
            assert uow.run(text("DELETE FROM outbox")) > 0
            uow.run(text("UPDATE assignment SET status = status"))
            uow.run(
                text("""INSERT INTO event_log (tenant_id, event_id, event_type, payload_json)
                    VALUES (:t, gen_random_uuid(), 'Ab.Cd', '{}')"""),
                t=clinic.tenant_id,
            )
            uow.commit()
        with as_tenant(database.owner, clinic.tenant_id) as connection:
            connection.execute(text("SET LOCAL lock_timeout = 1000"))
            connection.execute(text("UPDATE app_user SET status = status"))
    engine.dispose()
