"""What the owner of a database can write over the ledger: the SQL of it, and values for each column."""

# SQL is our own text.
# ruff: noqa: S608

from __future__ import annotations

import random
from typing import Any

from sqlalchemy import Connection, text

from shared.ledger.chain import CANONICAL
from shared.ledger.verification.documents import DocumentHead
from tests.integration.small_ledger import Chain, Ledger, stored_document

TABLES = ("event_log", "patient_context", "tenant", "system_response", "mini_submission", "response_outcome")

# All that would refuse it, out of the way; nobody commits that.
DOORS = (
    *(f"ALTER TABLE {table} DISABLE TRIGGER USER, NO FORCE ROW LEVEL SECURITY" for table in TABLES),
    """DO $$ DECLARE c record; BEGIN
        FOR c IN SELECT n.conrelid::regclass AS on_table, n.conname FROM pg_constraint n
            WHERE n.connamespace = 'public'::regnamespace AND n.contype <> 't'
            ORDER BY array_position('{f,p,u,x,c,n}'::text[], n.contype::text)
        LOOP
            EXECUTE format('ALTER TABLE %s DROP CONSTRAINT IF EXISTS %I', c.on_table, c.conname);
        END LOOP;
    END $$""",
    f"""CREATE FUNCTION pg_temp.rehash(this_tenant uuid, chain uuid, first bigint) RETURNS void
    LANGUAGE plpgsql AS $$
    DECLARE
        found record;
        prev bytea := coalesce((SELECT e.hash FROM event_log e WHERE e.tenant_id = this_tenant
            AND e.patient_context_id IS NOT DISTINCT FROM chain AND e.seq = first - 1),
            decode(repeat('00', 32), 'hex'));
    BEGIN
        FOR found IN SELECT e.event_id, {CANONICAL} AS canonical FROM event_log e
            WHERE e.tenant_id = this_tenant AND e.patient_context_id IS NOT DISTINCT FROM chain
                AND e.seq >= first ORDER BY e.seq
        LOOP
            UPDATE event_log e
            SET prev_hash = prev, hash = sha256(prev || convert_to(found.canonical, 'UTF8'))
            WHERE e.event_id = found.event_id RETURNING e.hash INTO prev;
        END LOOP;
    END
    $$""",
)
PATIENTS_HEADS = """
    UPDATE patient_context c SET ledger_seq = coalesce(l.seq, 0), ledger_head = l.hash,
        version_seq = coalesce(v.seq, 0), version_head = v.hash, version = coalesce(v.version, 0)
    FROM (SELECT 1) one LEFT JOIN LATERAL (SELECT e.seq, e.hash FROM event_log e WHERE e.tenant_id = :tenant
            AND e.patient_context_id = :context ORDER BY e.seq DESC LIMIT 1) l ON true
        LEFT JOIN LATERAL (SELECT e.seq, e.hash, e.version FROM event_log e WHERE e.tenant_id = :tenant
            AND e.patient_context_id = :context AND e.version IS NOT NULL ORDER BY e.seq DESC LIMIT 1) v
            ON true
    WHERE c.tenant_id = :tenant AND c.patient_context_id = :context"""
TENANTS_HEADS = """
    UPDATE tenant t SET ledger_seq = coalesce(l.seq, 0), ledger_head = l.hash
    FROM (SELECT 1) one LEFT JOIN LATERAL (SELECT e.seq, e.hash FROM event_log e WHERE e.tenant_id = :tenant
        AND e.patient_context_id IS NULL ORDER BY e.seq DESC LIMIT 1) l ON true
    WHERE t.tenant_id = :tenant"""
COPY = """
    INSERT INTO event_log (tenant_id, created_at, event_id, event_type, patient_context_id, invocation_id,
        actor_user_id, payload_json, correlation_id, version, seq, prev_hash, hash)
    SELECT tenant_id, created_at, gen_random_uuid(), 'User.Interaction', patient_context_id, invocation_id,
        actor_user_id, '{"kind": "opened", "surface": "mini"}', correlation_id, NULL, :place, prev_hash, hash
    FROM event_log WHERE """
FORGET = (
    """DELETE FROM mini_submission m WHERE m.tenant_id = :tenant AND NOT EXISTS (SELECT 1 FROM event_log e
        WHERE e.payload_json ->> 'mini_submission_id' = m.mini_submission_id::text)""",
    """DELETE FROM response_outcome o WHERE o.tenant_id = :tenant AND NOT EXISTS (SELECT 1 FROM event_log e
        WHERE e.event_type = 'Outcome.Computed'
        AND e.payload_json ->> 'system_response_id' = o.system_response_id::text)""",
    """DELETE FROM system_response r WHERE r.tenant_id = :tenant AND NOT EXISTS (SELECT 1 FROM event_log e
        WHERE e.event_type = 'System.Response'
        AND e.payload_json ->> 'system_response_id' = r.system_response_id::text)""",
)

ANYTHING = "sha256('forged')"
FIELDS = {
    "tenant_id": (":other_tenant", "gen_random_uuid()", "NULL"),
    "patient_context_id": (":other_context", "gen_random_uuid()", "NULL"),
    "seq": ("0", "-1", "seq + 1", "seq + 100", "NULL"),
    "event_id": ("gen_random_uuid()", "NULL"),
    "event_type": ("'Access.Denied'", "'System.Response'", "'Jane.Roe'", "'not an event'"),
    "created_at": (
        *("created_at - interval '1 microsecond'", "created_at - interval '3 years'", "'infinity'"),
        *("'-infinity'", "to_timestamp(to_char(created_at, 'YYYY-MM-DD HH24:MI:SS.US') || ' BC', "
          "'YYYY-MM-DD HH24:MI:SS.US BC')", "NULL"),
    ),
    "actor_user_id": ("gen_random_uuid()", "NULL"),
    "invocation_id": ("gen_random_uuid()", "NULL"),
    "correlation_id": ("gen_random_uuid()", "NULL"),
    "version": ("coalesce(version, 0) + 1", "NULL", "0"),
    "payload_json": (
        *("payload_json || '{\"surface\": \"sidecar\"}'", "'{}'", "'null'", "'[[[1e99]]]'", "NULL"),
        "payload_json || jsonb_build_object('surface', repeat('x', 2000000))",
    ),
    "prev_hash": (ANYTHING, "''", "NULL"),
    "hash": (ANYTHING, "''", "NULL"),
}  # fmt: skip
HEAD_FIELDS = {
    "ledger_seq": ("ledger_seq - 1", "ledger_seq + 1", "0"),
    "ledger_head": (ANYTHING, "NULL", "''"),
}
PATIENT_FIELDS = {
    **HEAD_FIELDS,
    "version_seq": ("version_seq - 1", "version_seq + 1", "0"),
    "version_head": (ANYTHING, "NULL"),
    "version": ("version + 1", "0"),
    "patient_key": ("'p1-somebody-else'", "'Jane Roe'"),
    "patient_context_id": ("gen_random_uuid()",),
    "tenant_id": (":other_tenant",),
}
RECORD_FIELDS = {
    "system_response": {
        "proceed_indicator": "'grey'", "execution_mode": "'agentic'", "task_count": "task_count + 1",
        "needs_ack": "NOT needs_ack", "policy_version": "policy_version + 1", "surface_type": "'sidecar'",
        "facts_digest": "'forged'", "computed_at": "computed_at - interval '2 days'",
        "patient_context_id": "gen_random_uuid()", "system_response_id": "gen_random_uuid()",
    },
    "mini_submission": {
        "override_proceed": "'yellow'", "override_tasking": "'act'", "confirmed": "NOT confirmed",
        "superseded": "NOT superseded", "user_id": "gen_random_uuid()",
        "submitted_at": "submitted_at + interval '2 days'", "system_response_id": "gen_random_uuid()",
    },
    "response_outcome": {
        "outcome": "'dismissed'", "user_id": "NULL", "computed_at": "computed_at - interval '1 day'",
    },
}  # fmt: skip


class Hand:
    """The owner's hand in an open transaction, with chance to choose where it goes."""

    def __init__(self, connection: Connection, ledger: Ledger, chance: random.Random) -> None:
        self.connection = connection
        self.ledger = ledger
        self.chance = chance

    def forge(self, chain: Chain) -> None:
        if chain.key is not None:
            made = stored_document(self.ledger, chain, self.connection)
            self.ledger.documents[chain.tenant_id][chain.key] = made

    def document(self, chain: Chain) -> DocumentHead | None:
        return None if chain.key is None else self.ledger.documents[chain.tenant_id][chain.key]

    def chain(self) -> Chain:
        return self.chance.choice(self.ledger.chains)

    def patient(self) -> Chain:
        return self.chance.choice([chain for chain in self.ledger.chains if chain.context is not None])

    def other(self, chain: Chain) -> Chain:
        """Another chain of the same tenant."""
        return self.chance.choice(
            [c for c in self.ledger.chains if c.tenant_id == chain.tenant_id and c.context != chain.context]
        )

    def other_tenant(self, chain: Chain) -> Chain:
        return self.chance.choice([c for c in self.ledger.chains if c.tenant_id != chain.tenant_id])

    def place(self, chain: Chain) -> int:
        return self.chance.randint(1, chain.length)

    def run(self, statement: str, chain: Chain, **values: Any) -> int:
        return self.connection.execute(text(statement), self.values(chain, values)).rowcount

    def rows(self, statement: str, chain: Chain) -> Any:
        return self.connection.execute(text(statement), self.values(chain, {}))

    def values(self, chain: Chain, values: dict[str, Any]) -> dict[str, Any]:
        return {"tenant": chain.tenant_id, "context": chain.context, **values}
