"""What keeps the ledger append-only: verification names what of it is missing, off or another one."""

# Fixtures are imported, and asked for by their names.
# ruff: noqa: F401, F811

from __future__ import annotations

from uuid import uuid4

import pytest

from shared.ledger.verification import guards
from shared.model import TenantId
from tests.integration.databases import Database, database
from tests.integration.small_ledger import ask


def test_the_list_is_that_of_the_newest_migration(database: Database) -> None:
    # After a migration that means to change one: write what this shows into the file.
    with database.owner.connect() as connection:
        found = guards.read_guards(lambda t, asked: ask(connection, t, asked), TenantId(uuid4()))
    assert guards._EXPECTED.read_text(encoding="utf-8") == guards.written_down(found)


@pytest.mark.parametrize(
    ("statement", "says"),
    [
        (
            "ALTER TABLE event_log DISABLE TRIGGER refuse_change",
            "trigger refuse_change of event_log is another one than this release's: switched off",
        ),
        (
            "ALTER TABLE event_log ENABLE REPLICA TRIGGER event_log_chain",
            "trigger event_log_chain of event_log is another one than this release's: switched off",
        ),
        ("DROP TRIGGER head_is_a_row ON tenant", "trigger head_is_a_row of tenant is missing"),
        ("DROP TRIGGER erases_only ON mini_submission", "trigger erases_only of mini_submission is missing"),
        (
            "CREATE TRIGGER more BEFORE INSERT ON system_response "
            "FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()",
            "trigger more of system_response is none of this release's",
        ),
        (
            "CREATE OR REPLACE TRIGGER refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON event_log "
            "FOR EACH STATEMENT WHEN (false) EXECUTE FUNCTION refuse_change()",
            "trigger refuse_change of event_log is another one than this release's",
        ),
        (
            "ALTER TABLE patient_context NO FORCE ROW LEVEL SECURITY",
            "table patient_context is another one than this release's: row security not forced",
        ),
        (
            "ALTER TABLE response_outcome DISABLE ROW LEVEL SECURITY",
            "table response_outcome is another one than this release's: row security not forced",
        ),
        (
            "CREATE POLICY more ON mini_submission USING (true)",
            "policy more of mini_submission is none of this release's",
        ),
        (
            "ALTER POLICY this_tenant ON event_log USING (true)",
            "policy this_tenant of event_log is another one than this release's",
        ),
        (
            "ALTER POLICY this_tenant ON break_glass TO mobius_app",
            "policy this_tenant of break_glass is another one than this release's",
        ),
        (
            "ALTER TABLE event_log ALTER seq DROP NOT NULL",
            "column event_log.seq is another one than this release's: may be null",
        ),
        (
            "ALTER TABLE event_log DROP CONSTRAINT uq_event_log_chain",
            "constraint uq_event_log_chain of event_log is missing",
        ),
        (
            "ALTER TABLE event_log SET UNLOGGED",
            "table event_log is another one than this release's: no plain table",
        ),
        (
            "ALTER TABLE policy_config RENAME TO kept; CREATE VIEW policy_config AS SELECT * FROM kept",
            "table policy_config is another one than this release's: no plain table",
        ),
        ("ALTER TABLE event_log RENAME TO gone", "table event_log is missing"),
        (
            "CREATE TABLE more () INHERITS (mini_submission)",
            "table more within mini_submission is none of this release's",
        ),
        (
            "CREATE RULE more AS ON INSERT TO response_outcome DO INSTEAD NOTHING",
            "rule more of response_outcome is none of this release's",
        ),
        (
            "GRANT UPDATE (note_text) ON mini_submission TO mobius_app",
            "privilege UPDATE (note_text) on mini_submission of mobius_app is none of this release's",
        ),
        (
            "GRANT TRUNCATE ON event_log TO public",
            "privilege TRUNCATE on event_log of public is none of this release's",
        ),
        (
            "CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql "
            "AS 'BEGIN RETURN NULL; END'",
            "function refuse_change/0 is another one than this release's",
        ),
        (
            "ALTER FUNCTION erase_patient SECURITY INVOKER",
            "function erase_patient/3 is missing",
        ),
        (
            "CREATE FUNCTION more() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1'",
            "function more/0 is none of this release's",
        ),
    ],
)
def test_a_guard_that_is_not_as_it_should_be_is_named(database: Database, statement: str, says: str) -> None:
    with database.owner.connect() as connection:

        def found() -> list[str]:
            return guards.check_guards(lambda t, asked: ask(connection, t, asked), TenantId(uuid4()))

        assert found() == []
        connection.exec_driver_sql(statement)
        after = found()
        connection.rollback()
    assert says in after


def test_a_reading_role_of_a_customers_own_is_none_of_our_business(database: Database) -> None:
    with database.superuser.connect() as connection:
        connection.exec_driver_sql("CREATE ROLE reports; GRANT SELECT ON event_log TO reports")
        found = guards.check_guards(lambda t, asked: ask(connection, t, asked), TenantId(uuid4()))
        connection.rollback()
    assert found == []
