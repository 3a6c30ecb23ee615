"""What keeps the ledger append-only: verification names what of it is missing, off or another one."""

# Fixtures are imported, and asked for by their names.
# ruff: noqa: F401, F811

from __future__ import annotations

from uuid import uuid4

import pytest

from shared.ledger.verification.guards import check_guards
from shared.model import TenantId
from tests.integration.databases import Database, database
from tests.integration.small_ledger import ask


@pytest.mark.parametrize(
    ("statement", "says"),
    [
        ("ALTER TABLE event_log DISABLE TRIGGER refuse_change", "refuse_change of event_log is switched off"),
        (
            "ALTER TABLE event_log ENABLE REPLICA TRIGGER event_log_chain",
            "event_log_chain of event_log is switched",
        ),
        ("DROP TRIGGER head_is_a_row ON tenant", "trigger head_is_a_row of tenant is missing"),
        (
            "CREATE OR REPLACE TRIGGER refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON event_log "
            "FOR EACH STATEMENT WHEN (false) EXECUTE FUNCTION refuse_change()",
            "trigger refuse_change of event_log is another one",
        ),
        ("ALTER TABLE patient_context NO FORCE ROW LEVEL SECURITY", "row security of patient_context"),
        ("ALTER TABLE event_log DISABLE ROW LEVEL SECURITY", "row security of event_log"),
        ("CREATE POLICY more ON event_log USING (true)", "the policies of event_log"),
        ("ALTER POLICY this_tenant ON event_log USING (true)", "the policies of event_log"),
        ("ALTER POLICY this_tenant ON event_log TO mobius_app", "the policies of event_log"),
        ("ALTER TABLE event_log ALTER seq DROP NOT NULL", "event_log.seq may be null"),
        ("ALTER TABLE event_log DROP CONSTRAINT uq_event_log_chain", "constraint uq_event_log_chain"),
        ("ALTER TABLE event_log SET UNLOGGED", "event_log is no plain table"),
        (
            "ALTER TABLE event_log RENAME TO kept; CREATE VIEW event_log AS SELECT * FROM kept",
            "event_log is no plain table",
        ),
        (
            "CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql "
            "AS 'BEGIN RETURN NULL; END'",
            "function refuse_change is another one",
        ),
        ("ALTER TABLE event_log RENAME TO gone", "event_log is no plain table"),
    ],
)
def test_a_guard_that_is_missing_is_named(database: Database, statement: str, says: str) -> None:
    with database.owner.connect() as connection:

        def guards() -> list[str]:
            return check_guards(lambda tenant, asked: ask(connection, tenant, asked), TenantId(uuid4()))

        assert guards() == []
        connection.exec_driver_sql(statement)
        found = guards()
        connection.rollback()
    assert any(says in each for each in found), found
