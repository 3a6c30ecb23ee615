"""A walk over the catalogue: whatever table, function or grant comes, the wall between tenants stands."""

# Fixtures are imported, and asked for by their names; SQL is our own text.
# ruff: noqa: F401, F811, S608

from __future__ import annotations

import pytest
from sqlalchemy import Connection, text

from shared.persistence.tables import metadata
from tests.integration.databases import Database, database, run

SHARED = {"role", "alembic_version"}
THIS_TENANT = "(tenant_id = (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid)"
ACROSS_TENANTS = {
    "ix_patient_context_ack_due_at",
    "ix_outbox_next_attempt_at",
    "ix_patient_context_reassess_at",
}
"""What the scheduler reads of all tenants at once. None is unique, so none answers a guess."""
DOOR = "erase_patient(uuid,boolean,uuid)"
"""The application may call it; that it erases nothing but what is due is test_erasure.py's to show."""
RUNS_AS_OWNER = {"event_log_chain()", DOOR}

_OURS = "n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'"
_TABLES = f"""FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE {_OURS} AND c.relkind IN ('r', 'p') AND c.relname <> ALL (:shared)"""
_POLICIES = f"""FROM pg_policies p JOIN pg_namespace n ON n.nspname = p.schemaname WHERE {_OURS}"""
_FUNCTIONS = f"""FROM pg_proc f JOIN pg_namespace n ON n.oid = f.pronamespace WHERE {_OURS}"""
_CONSTRAINTS = f"""FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid
    JOIN pg_namespace n ON n.oid = c.relnamespace WHERE {_OURS} AND c.relname <> ALL (:shared)"""
_SERVING = "('mobius_app', 'mobius_worker')"

# What would be wrong: each a query for the names of what is.
WALK = {
    "a table without row-level security, or that its owner passes": f"""
        SELECT c.relname {_TABLES} AND NOT (c.relrowsecurity AND c.relforcerowsecurity)""",
    "a table whose rows belong to no tenant": f"""
        SELECT c.relname {_TABLES} AND NOT EXISTS (SELECT 1 FROM pg_attribute a WHERE a.attrelid = c.oid
            AND a.attname = 'tenant_id' AND a.attnotnull AND a.atttypid = 'uuid'::regtype)""",
    "a shared table with a tenant in it": f"""
        SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id'
        WHERE {_OURS} AND c.relkind IN ('r', 'p') AND c.relname = ANY (:shared)""",
    "a table without the tenant's policy": f"""
        SELECT c.relname {_TABLES} AND NOT EXISTS (SELECT 1 FROM pg_policies p
            WHERE p.schemaname = n.nspname AND p.tablename = c.relname AND p.policyname = 'this_tenant'
            AND p.permissive = 'PERMISSIVE' AND p.cmd = 'ALL' AND p.roles = '{{public}}'
            AND p.qual = :policy AND coalesce(p.with_check, p.qual) = :policy)""",
    "another policy than the tenant's, the scheduler's four, and the owner's list of tenants": f"""
        SELECT p.tablename || ' ' || p.policyname {_POLICIES} AND p.policyname <> 'this_tenant'
            AND NOT (p.policyname = 'every_tenant_of_owner' AND p.roles = '{{mobius_owner}}'
                AND (p.tablename, p.cmd) = ('tenant', 'SELECT'))
            AND NOT (p.policyname = 'every_tenant' AND p.roles = '{{mobius_worker}}'
                AND (p.tablename, p.cmd) IN (('outbox', 'ALL'), ('patient_context', 'SELECT'),
                    ('tenant', 'SELECT'), ('projection_walk', 'SELECT')))""",
    "a view, or what else reads with its owner's eyes": f"""
        SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE {_OURS} AND c.relkind IN ('v', 'm', 'f')""",
    "a rule that rewrites what is asked": f"""
        SELECT r.rulename FROM pg_rules r JOIN pg_namespace n ON n.nspname = r.schemaname WHERE {_OURS}""",
    "a counter that all tenants share": f"""
        SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE {_OURS} AND c.relkind = 'S'""",
    "a function that runs as its owner": f"""
        SELECT f.oid::regprocedure::text {_FUNCTIONS} AND f.prosecdef
            AND f.oid::regprocedure::text <> ALL (:as_owner)""",
    "a function that runs as its owner, on a search path of its caller's": f"""
        SELECT f.oid::regprocedure::text {_FUNCTIONS} AND f.prosecdef
            AND NOT coalesce('search_path=public, pg_temp' = ANY (f.proconfig), false)""",
    "a function that runs as its owner for whoever calls it": f"""
        SELECT f.oid::regprocedure::text {_FUNCTIONS} AND f.prosecdef AND EXISTS (SELECT 1 FROM pg_roles r
            WHERE r.rolname IN {_SERVING} AND has_function_privilege(r.oid, f.oid, 'EXECUTE')
            AND (r.rolname, f.oid::regprocedure::text) <> ('mobius_app', :door))""",
    "a function that may look at rows before the policy does": f"""
        SELECT f.oid::regprocedure::text {_FUNCTIONS} AND f.proleakproof""",
    "a function that tells by a channel, which every tenant may listen to": f"""
        SELECT f.oid::regprocedure::text {_FUNCTIONS} AND f.prosrc ~* 'notify'""",
    "a privilege that passes row-level security": f"""
        SELECT c.relname || ' ' || a.privilege_type FROM pg_class c
        JOIN pg_namespace n ON n.oid = c.relnamespace CROSS JOIN aclexplode(c.relacl) a
        WHERE {_OURS} AND (a.grantee = 0 OR (a.grantee::regrole::text IN {_SERVING}
            AND a.privilege_type IN ('TRUNCATE', 'REFERENCES', 'TRIGGER', 'MAINTAIN')))""",
    "a column that may be referred to from outside": f"""
        SELECT c.relname || '.' || t.attname FROM pg_attribute t JOIN pg_class c ON c.oid = t.attrelid
        JOIN pg_namespace n ON n.oid = c.relnamespace CROSS JOIN aclexplode(t.attacl) a
        WHERE {_OURS} AND (a.grantee = 0 OR a.privilege_type = 'REFERENCES')""",
    "a tenant that the application may set": f"""
        SELECT c.relname {_TABLES} AND EXISTS (SELECT 1 FROM pg_roles r WHERE r.rolname IN {_SERVING}
            AND has_column_privilege(r.oid, c.oid, 'tenant_id', 'UPDATE'))""",
    "something that the application owns": f"""
        SELECT c.relname FROM pg_class c WHERE c.relowner::regrole::text IN {_SERVING}
        UNION ALL SELECT f.proname FROM pg_proc f WHERE f.proowner::regrole::text IN {_SERVING}
        UNION ALL SELECT n.nspname FROM pg_namespace n, pg_roles r
            WHERE r.rolname IN {_SERVING} AND has_schema_privilege(r.oid, n.oid, 'CREATE')
        UNION ALL SELECT o.oid::text FROM pg_largeobject_metadata o""",
    "a reference that changes rows by itself, which no policy sees": f"""
        SELECT k.conname {_CONSTRAINTS} AND k.contype = 'f'
            AND (k.confdeltype, k.confupdtype) <> ('a', 'a')""",
    "a reference to a tenant's row that doesn't begin with the tenant on both sides": f"""
        SELECT k.conname {_CONSTRAINTS} AND k.contype = 'f'
            AND k.confrelid::regclass::text <> ALL (:shared) AND NOT EXISTS (
                SELECT 1 FROM pg_attribute here, pg_attribute there
                WHERE here.attrelid = k.conrelid AND here.attnum = k.conkey[1] AND here.attname = 'tenant_id'
                AND there.attrelid = k.confrelid AND there.attnum = k.confkey[1]
                AND there.attname = 'tenant_id')""",
    "a row whose tenant need not exist": f"""
        SELECT c.relname {_TABLES} AND c.relname <> 'tenant' AND NOT EXISTS (
            SELECT 1 FROM pg_constraint k JOIN pg_attribute a
            ON a.attrelid = k.conrelid AND ARRAY[a.attnum] = k.conkey AND a.attname = 'tenant_id'
            WHERE k.contype = 'f' AND k.conrelid = c.oid AND k.confrelid = 'tenant'::regclass)""",
    "a key or an index that the tenant doesn't lead": f"""
        SELECT i.indexrelid::regclass::text FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid
        JOIN pg_namespace n ON n.oid = c.relnamespace
        LEFT JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
        WHERE {_OURS} AND c.relname <> ALL (:shared) AND a.attname IS DISTINCT FROM 'tenant_id'
            AND (i.indisunique OR i.indexrelid::regclass::text <> ALL (:across))""",
    "a constraint that compares rows of different tenants": f"""
        SELECT k.conname {_CONSTRAINTS} AND k.contype = 'x'""",
    "a role that passes every policy, or may take one on that does": """
        SELECT r.rolname FROM pg_roles r WHERE r.rolname LIKE 'mobius\\_%' AND (rolsuper OR rolbypassrls
            OR rolcreaterole OR rolcreatedb OR rolreplication OR EXISTS (SELECT 1 FROM pg_auth_members m
                WHERE m.member = r.oid AND NOT (r.rolname = 'mobius_worker' AND NOT r.rolinherit
                    AND m.roleid = 'mobius_app'::regrole AND NOT pg_has_role(r.oid, m.roleid, 'USAGE'))))""",
    "a setting that a role of the database begins with": """
        SELECT s.setconfig::text FROM pg_db_role_setting s
        WHERE s.setconfig::text ~ 'app\\.|row_security|role'""",
}

BREACHES = {
    "a table without row-level security, or that its owner passes": (
        "CREATE TABLE another (tenant_id uuid NOT NULL)",
        "CREATE SCHEMA elsewhere CREATE TABLE another (tenant_id uuid NOT NULL)",
        "ALTER TABLE outbox NO FORCE ROW LEVEL SECURITY",
        "ALTER TABLE outbox DISABLE ROW LEVEL SECURITY",
    ),
    "a table whose rows belong to no tenant": (
        "CREATE TABLE another (x int)",
        "CREATE TABLE another (tenant_id uuid)",
        "CREATE TABLE another (tenant_id text NOT NULL)",
    ),
    "a shared table with a tenant in it": ("ALTER TABLE role ADD tenant_id uuid",),
    "a table without the tenant's policy": (
        "DROP POLICY this_tenant ON outbox",
        "ALTER POLICY this_tenant ON outbox USING (true)",
        "ALTER POLICY this_tenant ON outbox WITH CHECK (true)",
        "ALTER POLICY this_tenant ON outbox TO mobius_app",
    ),
    "another policy than the tenant's, the scheduler's four, and the owner's list of tenants": (
        "CREATE POLICY every_tenant ON patient_snapshot TO mobius_worker USING (true)",
        "CREATE POLICY more ON outbox TO mobius_app USING (true)",
        "ALTER POLICY every_tenant ON outbox TO public",
    ),
    "a view, or what else reads with its owner's eyes": (
        "CREATE VIEW v AS SELECT * FROM outbox",
        "CREATE MATERIALIZED VIEW v AS SELECT * FROM outbox",
    ),
    "a rule that rewrites what is asked": (
        "CREATE RULE r AS ON INSERT TO outbox DO ALSO UPDATE tenant SET name = name",
    ),
    "a counter that all tenants share": (
        "CREATE SEQUENCE s",
        "ALTER TABLE outbox ADD number int GENERATED ALWAYS AS IDENTITY",
    ),
    "a function that runs as its owner": (
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1'",
    ),
    "a function that runs as its owner, on a search path of its caller's": (
        "ALTER FUNCTION event_log_chain RESET search_path",
    ),
    "a function that runs as its owner for whoever calls it": (
        "GRANT EXECUTE ON FUNCTION event_log_chain TO public",
        "GRANT EXECUTE ON FUNCTION event_log_chain TO mobius_worker",
        "GRANT EXECUTE ON FUNCTION erase_patient TO mobius_worker",
    ),
    "a function that may look at rows before the policy does": (
        "ALTER FUNCTION event_log_canonical LEAKPROOF",
    ),
    "a function that tells by a channel, which every tenant may listen to": (
        "CREATE FUNCTION f() RETURNS void LANGUAGE sql AS $$ SELECT pg_notify('x', 'y') $$",
    ),
    "a privilege that passes row-level security": (
        "GRANT TRUNCATE ON outbox TO mobius_app",
        "GRANT REFERENCES ON outbox TO mobius_worker",
        "GRANT TRIGGER ON outbox TO mobius_app",
        "GRANT SELECT ON outbox TO public",
    ),
    "a column that may be referred to from outside": ("GRANT REFERENCES (subject) ON outbox TO mobius_app",),
    "a tenant that the application may set": (
        "GRANT UPDATE ON outbox TO mobius_app",
        "GRANT UPDATE (tenant_id) ON session TO mobius_app",
    ),
    "something that the application owns": (
        "GRANT CREATE ON SCHEMA public TO mobius_app",
        "ALTER TABLE role OWNER TO mobius_worker",
        "SELECT lo_create(0)",
    ),
    "a reference that changes rows by itself, which no policy sees": (
        "ALTER TABLE outbox ADD FOREIGN KEY (tenant_id) REFERENCES tenant ON DELETE CASCADE",
    ),
    "a reference to a tenant's row that doesn't begin with the tenant on both sides": (
        "ALTER TABLE patient_context ADD UNIQUE (tenant_id, ledger_seq, patient_context_id), "
        "ADD UNIQUE (patient_context_id); "
        "ALTER TABLE session_view ADD FOREIGN KEY (patient_context_id) "
        "REFERENCES patient_context (patient_context_id)",
    ),
    "a row whose tenant need not exist": ("ALTER TABLE outbox DROP CONSTRAINT fk_outbox_tenant_id",),
    "a key or an index that the tenant doesn't lead": (
        "CREATE INDEX ON outbox (subject)",
        "CREATE UNIQUE INDEX ON patient_context (patient_key, tenant_id)",
        "CREATE INDEX ON patient_search_term (lower(term))",
        "DROP INDEX ix_outbox_next_attempt_at; "
        "CREATE UNIQUE INDEX ix_outbox_next_attempt_at ON outbox (next_attempt_at)",
    ),
    "a constraint that compares rows of different tenants": (
        "ALTER TABLE outbox ADD EXCLUDE USING btree (subject WITH =)",
    ),
    "a role that passes every policy, or may take one on that does": (
        "ALTER ROLE mobius_app BYPASSRLS",
        "ALTER ROLE mobius_worker INHERIT",
        "GRANT mobius_owner TO mobius_app",
    ),
    "a setting that a role of the database begins with": (
        "ALTER ROLE mobius_app SET app.tenant_id = '00000000-0000-0000-0000-000000000000'",
        "ALTER ROLE mobius_app SET row_security = off",
    ),
}


def found(connection: Connection, what: str) -> list[str]:
    named = {
        "shared": sorted(SHARED),
        "policy": THIS_TENANT,
        "as_owner": sorted(RUNS_AS_OWNER),
        "across": sorted(ACROSS_TENANTS),
        "door": DOOR,
    }
    query = text(WALK[what])
    bound = {name: value for name, value in named.items() if name in query.compile().params}
    return sorted(connection.execute(query, bound).scalars())


@pytest.mark.parametrize("what", WALK)
def test_the_schema_has_no(database: Database, what: str) -> None:
    with database.superuser.connect() as connection:
        assert found(connection, what) == []


@pytest.mark.parametrize(("what", "breach"), [(what, each) for what in WALK for each in BREACHES[what]])
def test_the_walk_would_notice(database: Database, what: str, breach: str) -> None:
    with database.superuser.connect() as connection:
        for statement in breach.split("; "):
            connection.execute(text(statement))
        assert found(connection, what)
        connection.rollback()


def test_every_table_is_a_tenants_or_known_to_be_shared(database: Database) -> None:
    rows = run(database.owner, None, "SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    assert {row.tablename for row in rows} - SHARED == set(metadata.tables) - SHARED
