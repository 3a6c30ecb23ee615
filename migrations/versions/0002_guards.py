"""What no model can say: the ledger's chain, append-only triggers, row-level security and grants.

How it runs while the old code still serves: it is part of the first schema; nothing serves yet.
"""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_TENANT_TABLES = (
    "tenant",
    "app_user",
    "application",
    "policy_config",
    "patient_identity_ref",
    "patient_context",
    "invocation",
    "session",
    "session_view",
    "patient_snapshot",
    "patient_search_term",
    "patient_signal",
    "system_response",
    "response_outcome",
    "mini_submission",
    "assignment",
    "event_log",
    "outbox",
)

_APPEND_ONLY = ("system_response", "response_outcome", "mini_submission", "event_log", "patient_snapshot")

# The text that a row's hash is made of. Anything that can be altered is in it, and so is the chain it
# belongs to, so that a row can't be moved to another one.
_CANONICAL = """
CREATE FUNCTION event_log_canonical(e event_log) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT jsonb_build_array(
        e.tenant_id, e.patient_context_id, e.seq, e.event_id, e.event_type,
        to_char(e.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
        e.actor_user_id, e.invocation_id, e.correlation_id, e.version, e.payload_json
    )::text
$$
"""

# Runs as the owner: only this function may move a chain's head. The row lock puts the events of one
# chain in order; the clock is read under it, so that times never run backwards along a chain.
_CHAIN = """
CREATE FUNCTION event_log_chain() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    head bytea;
BEGIN
    IF NEW.patient_context_id IS NULL THEN
        SELECT ledger_seq + 1, ledger_head INTO NEW.seq, head FROM tenant
        WHERE tenant_id = NEW.tenant_id FOR NO KEY UPDATE;
    ELSE
        SELECT ledger_seq + 1, ledger_head INTO NEW.seq, head FROM patient_context
        WHERE tenant_id = NEW.tenant_id AND patient_context_id = NEW.patient_context_id
        FOR NO KEY UPDATE;
    END IF;
    IF NEW.seq IS NULL THEN
        RAISE EXCEPTION 'the chain of this event does not exist in this tenant'
            USING ERRCODE = 'foreign_key_violation';
    END IF;
    NEW.created_at := clock_timestamp();
    NEW.prev_hash := coalesce(head, decode(repeat('00', 32), 'hex'));
    NEW.hash := sha256(NEW.prev_hash || convert_to(event_log_canonical(NEW), 'UTF8'));
    IF NEW.patient_context_id IS NULL THEN
        UPDATE tenant SET ledger_seq = NEW.seq, ledger_head = NEW.hash WHERE tenant_id = NEW.tenant_id;
    ELSE
        UPDATE patient_context
        SET ledger_seq = NEW.seq, ledger_head = NEW.hash,
            version_seq = CASE WHEN NEW.version IS NULL THEN version_seq ELSE NEW.seq END,
            version_head = CASE WHEN NEW.version IS NULL THEN version_head ELSE NEW.hash END
        WHERE tenant_id = NEW.tenant_id AND patient_context_id = NEW.patient_context_id;
    END IF;
    RETURN NEW;
END
$$
"""

_REFUSE = """
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only: % is refused', TG_TABLE_NAME, TG_OP
        USING ERRCODE = 'insufficient_privilege';
END
$$
"""

_THIS_TENANT = "tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid"

# Everything that a request may do. What is not here (tenants, users, roles, policies) is the
# operators' business, as the owner.
_APP_GRANTS = (
    "GRANT SELECT ON ALL TABLES IN SCHEMA public TO mobius_app",
    """GRANT INSERT ON application, invocation, session, session_view, patient_identity_ref,
       patient_snapshot, patient_search_term, patient_signal, system_response, response_outcome,
       mini_submission, assignment, event_log, outbox TO mobius_app""",
    # Not the chain's columns: a new context's chain is empty.
    """GRANT INSERT (tenant_id, created_at, patient_context_id, patient_key, patient_identity_ref_id,
       last_updated_at, version, ack_due_at) ON patient_context TO mobius_app""",
    "GRANT UPDATE (last_login_at) ON app_user TO mobius_app",
    """GRANT UPDATE (patient_identity_ref_id, last_updated_at, version, ack_due_at)
       ON patient_context TO mobius_app""",
    """GRANT UPDATE (application_id, page_signature, ui_variant_id, patient_context_id, last_seen_at, status)
       ON invocation TO mobius_app""",
    "GRANT UPDATE (ended_at, end_reason) ON session TO mobius_app",
    "GRANT UPDATE (status, detail_json, observed_at) ON patient_signal TO mobius_app",
    "GRANT UPDATE (claimed_by, status, resolved_at, resolved_by_submission) ON assignment TO mobius_app",
    "GRANT UPDATE (forced, attempts, next_attempt_at) ON outbox TO mobius_app",
    "GRANT DELETE ON outbox, session_view TO mobius_app",
)

# The scheduler sees ids and due times over all tenants; the work itself then runs with a tenant set.
_WORKER_GRANTS = (
    """GRANT SELECT (tenant_id, outbox_id, created_at, subject_type, subject, version, forced, attempts,
       next_attempt_at), UPDATE (attempts, next_attempt_at) ON outbox TO mobius_worker""",
    "GRANT SELECT (tenant_id, patient_context_id, ack_due_at) ON patient_context TO mobius_worker",
    "GRANT SELECT (tenant_id) ON tenant TO mobius_worker",
    "CREATE POLICY every_tenant ON outbox TO mobius_worker USING (true)",
    "CREATE POLICY every_tenant ON patient_context FOR SELECT TO mobius_worker USING (true)",
    "CREATE POLICY every_tenant ON tenant FOR SELECT TO mobius_worker USING (true)",
)


def upgrade() -> None:
    """Adds the guards."""
    op.execute(_CANONICAL)
    op.execute(_CHAIN)
    # Or else the application could put it on a temporary table of its own, whose row type it may cast to
    # event_log by a function of its own, which would then run as the owner.
    op.execute("REVOKE EXECUTE ON FUNCTION event_log_chain() FROM PUBLIC")
    op.execute(_REFUSE)
    op.execute(
        "CREATE TRIGGER event_log_chain BEFORE INSERT ON event_log "
        "FOR EACH ROW EXECUTE FUNCTION event_log_chain()"
    )
    for table in _APPEND_ONLY:
        op.execute(
            f"CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
        )
    for table in _TENANT_TABLES:
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        # The owner too: a backfill sets its tenant like everybody else.
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY this_tenant ON {table} USING ({_THIS_TENANT})")
    for statement in (*_APP_GRANTS, *_WORKER_GRANTS):
        op.execute(statement)


def downgrade() -> None:
    """Takes the guards away, on a filled database too."""
    op.execute("REVOKE ALL ON ALL TABLES IN SCHEMA public FROM mobius_app, mobius_worker")
    op.execute("DROP POLICY every_tenant ON patient_context")
    op.execute("DROP POLICY every_tenant ON outbox")
    op.execute("DROP POLICY every_tenant ON tenant")
    for table in _TENANT_TABLES:
        op.execute(f"DROP POLICY this_tenant ON {table}")
        op.execute(f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY")
    for table in _APPEND_ONLY:
        op.execute(f"DROP TRIGGER refuse_change ON {table}")
    op.execute("DROP TRIGGER event_log_chain ON event_log")
    op.execute("DROP FUNCTION refuse_change()")
    op.execute("DROP FUNCTION event_log_chain()")
    op.execute("DROP FUNCTION event_log_canonical(event_log)")
