"""What Phase 1 needs beside the first schema: patients to decide anew, stale tabs, users whose role changes.

How it runs while the old code still serves: a nullable column, indexes and a trigger that only adds outbox
rows; the old code knows none of them. The indexes are small (open tabs, sessions, patients that wait), and
building them holds back writes to their tables for that long.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

# A user whose role or status changes gains or loses the role's items at once, whoever changes it and however;
# so do those who see that user's claims, for a claim of somebody who can't see the item any more is void.
_TELL_INBOXES = """
CREATE FUNCTION tell_inboxes() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO outbox (tenant_id, outbox_id, subject_type, subject, version)
    SELECT NEW.tenant_id, gen_random_uuid(), 'user', u.user_id,
        CAST(CAST(pg_current_xact_id() AS text) AS bigint)
    FROM app_user u
    WHERE u.tenant_id = NEW.tenant_id AND (u.user_id = NEW.user_id OR (u.status = 'active' AND EXISTS (
        SELECT 1 FROM assignment a WHERE a.tenant_id = NEW.tenant_id AND a.status = 'open'
        AND a.claimed_by = NEW.user_id AND a.assigned_to_role = u.role)))
    ON CONFLICT (tenant_id, subject_type, subject, version) DO NOTHING;
    RETURN NULL;
END
$$
"""

# Before any row is locked: a transaction that makes an item for a role reads who has that role. It holds
# this lock shared, so a user who joins meanwhile is either seen by it or sees the item.
_HOLD_ITEMS = """
CREATE FUNCTION hold_items() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(
        hashtextextended(lower(nullif(current_setting('app.tenant_id', true), '')), 0));
    RETURN NULL;
END
$$
"""


def upgrade() -> None:
    """Adds them."""
    op.add_column("patient_context", sa.Column("reassess_at", sa.DateTime(timezone=True), nullable=True))
    op.create_index(
        op.f("ix_patient_context_reassess_at"),
        "patient_context",
        ["reassess_at"],
        postgresql_where=sa.text("reassess_at IS NOT NULL"),
    )
    op.create_index(
        op.f("ix_invocation_tenant_id_last_seen_at"),
        "invocation",
        ["tenant_id", "last_seen_at"],
        postgresql_where=sa.text("status = 'open'"),
    )
    op.create_index(op.f("ix_session_tenant_id_invocation_id"), "session", ["tenant_id", "invocation_id"])
    op.create_index(
        "ix_session_client",
        "session",
        ["tenant_id", "user_id", "client_session_hash", sa.text("started_at DESC")],
    )
    op.create_index(
        op.f("ix_assignment_tenant_id_claimed_by"),
        "assignment",
        ["tenant_id", "claimed_by"],
        postgresql_where=sa.text("status = 'open'"),
    )
    op.execute("GRANT UPDATE (reassess_at) ON patient_context TO mobius_app")
    op.execute("GRANT UPDATE (outbox_id) ON outbox TO mobius_app")
    op.execute("GRANT SELECT (reassess_at) ON patient_context TO mobius_worker")
    op.execute(_HOLD_ITEMS)
    op.execute(
        "CREATE TRIGGER hold_items BEFORE INSERT OR UPDATE OF role, status ON app_user "
        "FOR EACH STATEMENT EXECUTE FUNCTION hold_items()"
    )
    op.execute(_TELL_INBOXES)
    op.execute(
        "CREATE TRIGGER tell_inboxes AFTER INSERT OR UPDATE OF role, status ON app_user "
        "FOR EACH ROW EXECUTE FUNCTION tell_inboxes()"
    )


def downgrade() -> None:
    """Takes them away, on a filled database too."""
    op.execute("DROP TRIGGER tell_inboxes ON app_user")
    op.execute("DROP FUNCTION tell_inboxes()")
    op.execute("DROP TRIGGER hold_items ON app_user")
    op.execute("DROP FUNCTION hold_items()")
    op.execute("REVOKE UPDATE (outbox_id) ON outbox FROM mobius_app")
    op.drop_index(op.f("ix_assignment_tenant_id_claimed_by"), "assignment")
    op.drop_index("ix_session_client", "session")
    op.drop_index(op.f("ix_session_tenant_id_invocation_id"), "session")
    op.drop_index(op.f("ix_invocation_tenant_id_last_seen_at"), "invocation")
    op.drop_index(op.f("ix_patient_context_reassess_at"), "patient_context")
    op.drop_column("patient_context", "reassess_at")
