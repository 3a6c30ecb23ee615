"""Whatever the application tries with another tenant's keys goes as if the other tenant were not there.

Every key and every reference of the catalogue is tried with another tenant's values, and the very same again
in a world where that tenant never was: what the application is told must not differ by a word.
"""

# Fixtures are imported, and asked for by their names; SQL is our own text.
# ruff: noqa: F401, F811, S608

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec
import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from shared.persistence.tables import metadata
from tests.integration.databases import FOREIGN_KEY, UNIQUE, Clinic, Database, database, run

TABLES = sorted(set(metadata.tables) - {"role"})
OPERATORS = {"app_user", "policy_config", "tenant"}
"""Tables that the application only reads: here the owner tries."""
NUMBERED_BY_TRIGGER = ("uq_event_log_chain", "fk_event_log_tenant_id_patient_context_id")
"""Nobody's values get this far: the chain's trigger numbers an event, and looks for its patient first."""

Row = dict[str, Any]


class Reference(NamedTuple):
    """A foreign key but for the tenant: from which columns to which of another table."""

    name: str
    here: list[str]
    table: str
    there: list[str]


class Key(NamedTuple):
    """A unique index; ``over_all`` makes another one like it, over all tenants."""

    name: str
    columns: list[str]
    over_all: str


class Attempt(NamedTuple):
    """A role's statement, with its values as JSON."""

    role: str
    statement: str
    values: dict[str, str]


class Told(NamedTuple):
    """What the application learns: how it ended (nothing: well), and every word that was said about it."""

    code: str
    words: str


class Pair(NamedTuple):
    """Who guesses, and about whom: a row of each in every table, no key of the one the other's."""

    database: Database
    mine: Clinic
    theirs: Clinic
    my_rows: dict[str, Row]
    their_rows: dict[str, Row]

    def copy(self, table: str) -> Row:
        """Their row as mine: every key in it is one that they have."""
        return {**self.their_rows[table], "tenant_id": str(self.mine.tenant_id)}

    def own(self, table: str) -> Row:
        """The same, but whatever it refers to is mine: a row that I may well have."""
        referring = {name for each in references(self.database, table) for name in each.here}
        return self.copy(table) | {name: self.my_rows[table][name] for name in referring}

    def to_theirs(self, reference: Reference) -> Row:
        """The columns of a reference, to their row."""
        target = self.their_rows[reference.table]
        return {here: target[there] for here, there in zip(reference.here, reference.there, strict=True)}

    def insertion(self, table: str, row: Row, more: str = "") -> Attempt:
        names = ", ".join(sorted(writable(self.database, role_for(table), table, "INSERT")))
        statement = f"""INSERT INTO {table} ({names})
            SELECT {names} FROM jsonb_populate_record(null::{table}, CAST(:row AS jsonb)) {more}"""
        return Attempt(role_for(table), statement, {"row": encode(row)})

    def change(self, table: str, changed: Row) -> Attempt:
        names = ", ".join(sorted(changed))
        statement = f"""UPDATE {table} t SET ({names}) = (
                SELECT {names} FROM jsonb_populate_record(null::{table}, CAST(:row AS jsonb)))
            WHERE to_jsonb(t) = CAST(:old AS jsonb)"""
        values = {"row": encode(changed), "old": encode(self.my_rows[table])}
        return Attempt(role_for(table), statement, values)

    def told(self, attempt: Attempt, *, are_there: bool = True, breach: str = "SELECT") -> Told:
        """What is told to who tries as my tenant, in a transaction that is rolled back."""
        with self.database.superuser.connect() as connection:
            connection.execute(text(breach))
            if not are_there:
                remove(connection, self.theirs)
            connection.execute(text(f"SET LOCAL ROLE {attempt.role}"))
            connection.execute(text(f"SET LOCAL app.tenant_id = '{self.mine.tenant_id}'"))
            try:
                rows = connection.execute(text(attempt.statement), attempt.values).rowcount
                # What is checked at the end only would be checked now.
                connection.execute(text("SET CONSTRAINTS ALL IMMEDIATE"))
            except DBAPIError as error:
                said = getattr(error.orig, "args", ({},))[0]
                return Told(said["C"], " ".join(said.get(part, "") for part in "MDHWnt"))
            return Told("", f"{rows} rows")

    def same(self, attempt: Attempt) -> Told:
        """What it is told, whether or not they are there, and without a value of theirs."""
        there = self.told(attempt)
        assert there == self.told(attempt, are_there=False)
        mine, theirs = (
            {value for row in rows.values() for value in row.values() if isinstance(value, str)}
            for rows in (self.my_rows, self.their_rows)
        )
        # A plain word is one of the vocabulary's: it may be a table's name, too.
        assert not [value for value in theirs - mine if not value.isalpha() and value in there.words]
        return there


def remove(connection: Connection, clinic: Clinic) -> None:
    """Has a tenant never been there, until the transaction is rolled back."""
    connection.execute(text("SET LOCAL session_replication_role = replica"))  # no trigger, no reference
    for table in TABLES:
        connection.execute(text(f"DELETE FROM {table} WHERE tenant_id = :t"), {"t": clinic.tenant_id})
    connection.execute(text("SET LOCAL session_replication_role = origin"))


def encode(row: Row) -> str:
    return msgspec.json.encode(row).decode()


def row_of(database: Database, table: str, clinic: Clinic) -> Row:
    query = f"SELECT to_jsonb(t)::text FROM {table} t WHERE tenant_id = :t ORDER BY 1 LIMIT 1"
    ((found,),) = run(database.superuser, None, query, t=clinic.tenant_id)
    row: Row = msgspec.json.decode(found)
    return row


def references(database: Database, table: str) -> list[Reference]:
    """Every reference from a table to a tenant's row, but the one to the tenant."""
    query = """
        SELECT k.conname, array_agg(CAST(here.attname AS text) ORDER BY a.n), k.confrelid::regclass::text,
            array_agg(CAST(there.attname AS text) ORDER BY a.n)
        FROM pg_constraint k CROSS JOIN LATERAL unnest(k.conkey, k.confkey) WITH ORDINALITY AS a(h, t, n)
        JOIN pg_attribute here ON here.attrelid = k.conrelid AND here.attnum = a.h
        JOIN pg_attribute there ON there.attrelid = k.confrelid AND there.attnum = a.t
        WHERE k.contype = 'f' AND k.conrelid = CAST(:t AS regclass) AND k.confrelid <> 'role'::regclass
            AND here.attname <> 'tenant_id'
        GROUP BY k.conname, k.confrelid ORDER BY k.conname"""
    return [Reference(*row) for row in run(database.superuser, None, query, t=table)]


def keys(database: Database, table: str) -> list[Key]:
    """Every unique index of a table, but one of tenants alone."""
    query = """
        SELECT i.indexrelid::regclass::text, array_agg(CAST(a.attname AS text)),
            pg_get_indexdef(i.indexrelid)
        FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)
        WHERE i.indisunique AND i.indrelid = CAST(:t AS regclass) AND a.attname <> 'tenant_id'
        GROUP BY i.indexrelid ORDER BY 1"""
    found = run(database.superuser, None, query, t=table)
    return [
        Key(name, columns, definition.replace(f" {name} ", " ").replace("(tenant_id, ", "("))
        for name, columns, definition in found
    ]


def over_all(table: str, reference: Reference) -> str:
    """Makes of a reference one to any tenant's row."""
    here, there = ", ".join(reference.here), ", ".join(reference.there)
    return f"""DO $$ BEGIN
        CREATE UNIQUE INDEX breach ON {reference.table} ({there});
        ALTER TABLE {table} DROP CONSTRAINT {reference.name},
            ADD FOREIGN KEY ({here}) REFERENCES {reference.table} ({there});
        END $$"""


def role_for(table: str) -> str:
    return "mobius_owner" if table in OPERATORS else "mobius_app"


def writable(database: Database, role: str, table: str, privilege: str) -> set[str]:
    """The columns that a role may insert into or update."""
    query = """SELECT attname FROM pg_attribute WHERE attrelid = CAST(:t AS regclass) AND attnum > 0
        AND has_column_privilege(:role, attrelid, attnum, :privilege)"""
    found = run(database.superuser, None, query, role=role, t=table, privilege=privilege)
    return {row.attname for row in found}


@pytest.fixture(scope="module")
def pair(database: Database) -> Pair:
    mine = database.clinic()
    theirs = database.clinic(Clinic(word="their_own", number=2, digest=b"\2", settled_as="dismissed"))
    rows = [{table: row_of(database, table, whose) for table in TABLES} for whose in (mine, theirs)]
    return Pair(database, mine, theirs, *rows)


@pytest.mark.parametrize("table", TABLES)
def test_who_tries_is_who_may(database: Database, table: str) -> None:
    assert bool(writable(database, "mobius_app", table, "INSERT")) is (table not in OPERATORS)


@pytest.mark.parametrize("table", TABLES)
def test_a_key_that_another_tenant_has_is_free(pair: Pair, table: str) -> None:
    own = pair.same(pair.insertion(table, pair.own(table)))
    # A view of a session has no key but what it refers to: of my own, it is the view that I have.
    assert own.code == {"session_view": UNIQUE, "tenant": UNIQUE}.get(table, ""), own


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("more", ["", "ON CONFLICT DO NOTHING"])
def test_a_copy_of_another_tenants_row_says_nothing_about_it(pair: Pair, table: str, more: str) -> None:
    copied = pair.same(pair.insertion(table, pair.copy(table), more))
    assert copied.code in ("", FOREIGN_KEY) or table == "tenant"


@pytest.mark.parametrize("table", TABLES)
def test_a_reference_to_another_tenants_row_is_one_to_none(pair: Pair, table: str) -> None:
    for reference in references(pair.database, table):
        row = pair.own(table) | pair.to_theirs(reference)
        assert pair.same(pair.insertion(table, row)).code == FOREIGN_KEY, reference


@pytest.mark.parametrize("table", TABLES)
def test_a_row_cannot_be_changed_to_refer_to_another_tenants(pair: Pair, table: str) -> None:
    changeable = writable(pair.database, "mobius_app", table, "UPDATE")
    for reference in references(pair.database, table):
        if changed := {k: v for k, v in pair.to_theirs(reference).items() if k in changeable}:
            assert pair.same(pair.change(table, changed)).code == FOREIGN_KEY, reference
    for key in keys(pair.database, table):
        if changed := {k: v for k, v in pair.own(table).items() if k in changeable & set(key.columns)}:
            assert pair.same(pair.change(table, changed)).code == "", key


# --- That these would notice


@pytest.mark.parametrize("table", TABLES)
def test_a_key_over_all_tenants_would_be_noticed(pair: Pair, table: str) -> None:
    for key in keys(pair.database, table):
        if key.name in NUMBERED_BY_TRIGGER:
            continue
        attempts = [pair.insertion(table, row) for row in (pair.own(table), pair.copy(table))]
        differs = [
            pair.told(each, breach=key.over_all) != pair.told(each, are_there=False, breach=key.over_all)
            for each in attempts
        ]
        assert any(differs), key


@pytest.mark.parametrize("table", TABLES)
def test_a_reference_over_all_tenants_would_be_noticed(pair: Pair, table: str) -> None:
    for reference in references(pair.database, table):
        if reference.name in NUMBERED_BY_TRIGGER:
            continue
        attempt = pair.insertion(table, pair.own(table) | pair.to_theirs(reference))
        breach = over_all(table, reference)
        there = pair.told(attempt, breach=breach)
        assert there != pair.told(attempt, are_there=False, breach=breach), reference
