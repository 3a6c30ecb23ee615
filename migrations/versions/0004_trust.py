"""What Trust needs: broken glass, policies that nobody rewrites, heads that are rows, revoked sign-ins.

How it runs while the old code still serves: a new table, stricter triggers and a check that the old code
never runs into, a column more that sets off a trigger, a grant more. The check reads all patients once, and
requests wait for that. Inbox documents that were written before say nothing of revoked sign-ins and of roles
that may use no surface: have every one written again once the new projector runs.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_APPEND_ONLY = ("break_glass", "policy_config")
_THIS_TENANT = "tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid"


# A row whose insertion comes to nothing (ON CONFLICT DO NOTHING) would have moved the head all the same: the
# chain's own trigger runs before. At the commit a head that moved must be a row.
_HEAD_IS_A_ROW = """
CREATE FUNCTION head_is_a_row() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    found boolean;
BEGIN
    IF TG_TABLE_NAME = 'tenant' THEN
        found := EXISTS (SELECT 1 FROM public.event_log e WHERE e.tenant_id = NEW.tenant_id
            AND e.patient_context_id IS NULL AND e.seq = NEW.ledger_seq AND e.hash = NEW.ledger_head);
    ELSE
        found := EXISTS (SELECT 1 FROM public.event_log e WHERE e.tenant_id = NEW.tenant_id
            AND e.patient_context_id = NEW.patient_context_id AND e.seq = NEW.ledger_seq
            AND e.hash = NEW.ledger_head);
    END IF;
    IF NOT found THEN
        RAISE EXCEPTION 'the head of a chain must be an event of it'
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NULL;
END
$$
"""


_HEAD_TRIGGER = (
    "CREATE CONSTRAINT TRIGGER head_is_a_row AFTER UPDATE OF ledger_seq, ledger_head ON {table} "
    "DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION head_is_a_row()"
)


def upgrade() -> None:
    """Adds it."""
    # Locks are taken in the order in which requests take theirs: patient, user, tenant.
    op.create_check_constraint(
        op.f("ck_patient_context_patient_key"), "patient_context", r"patient_key ~ '^[A-Za-z0-9_-]{8,64}$'"
    )
    op.execute(_HEAD_IS_A_ROW)
    op.execute(_HEAD_TRIGGER.format(table="patient_context"))
    _tell_inboxes_of("role, status, tokens_valid_after")
    op.execute(_HEAD_TRIGGER.format(table="tenant"))
    op.create_table(
        "break_glass",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("break_glass_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("user_role", sa.Text(), nullable=False),
        sa.Column("patient_context_id", sa.Uuid(), nullable=False),
        sa.Column("surface_type", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("explanation", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "surface_type IN ('mini', 'sidecar', 'system')", name=op.f("ck_break_glass_surface_type")
        ),
        sa.CheckConstraint(
            "reason IN ('emergency', 'covering', 'patient_request', 'supervision', 'other')",
            name=op.f("ck_break_glass_reason"),
        ),
        sa.CheckConstraint("explanation ~ '\\S'", name=op.f("ck_break_glass_explanation")),
        sa.CheckConstraint("expires_at > created_at", name=op.f("ck_break_glass_expires_at")),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.tenant_id"], name=op.f("fk_break_glass_tenant_id")),
        sa.ForeignKeyConstraint(["user_role"], ["role.name"], name=op.f("fk_break_glass_user_role")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "user_id"],
            ["app_user.tenant_id", "app_user.user_id"],
            name=op.f("fk_break_glass_tenant_id_user_id"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "patient_context_id"],
            ["patient_context.tenant_id", "patient_context.patient_context_id"],
            name=op.f("fk_break_glass_tenant_id_patient_context_id"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "break_glass_id", name=op.f("pk_break_glass")),
    )
    op.create_index(
        op.f("ix_break_glass_tenant_id_user_id_patient_context_id_expires_at"),
        "break_glass",
        ["tenant_id", "user_id", "patient_context_id", "expires_at"],
    )
    op.create_index(
        op.f("ix_break_glass_tenant_id_created_at_break_glass_id"),
        "break_glass",
        ["tenant_id", "created_at", "break_glass_id"],
    )
    op.execute("ALTER TABLE break_glass ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE break_glass FORCE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY this_tenant ON break_glass USING ({_THIS_TENANT})")
    op.execute("GRANT SELECT, INSERT ON break_glass TO mobius_app")
    for table in _APPEND_ONLY:
        op.execute(
            f"CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
        )
    # Items of somebody who is disabled are handed over.
    op.execute("GRANT UPDATE (assigned_to_user, assigned_to_role) ON assignment TO mobius_app")


def downgrade() -> None:
    """Takes it away, on a filled database too."""
    for table in ("tenant", "patient_context"):
        op.execute(f"DROP TRIGGER head_is_a_row ON {table}")
    op.execute("DROP FUNCTION head_is_a_row()")
    op.drop_constraint(op.f("ck_patient_context_patient_key"), "patient_context")
    _tell_inboxes_of("role, status")
    op.execute("REVOKE UPDATE (assigned_to_user, assigned_to_role) ON assignment FROM mobius_app")
    op.execute("DROP TRIGGER refuse_change ON policy_config")
    op.drop_table("break_glass")


def _tell_inboxes_of(columns: str) -> None:
    """Has a user's inbox document follow these columns of the user."""
    # Replaced in place: readers, who are everybody, don't wait for it.
    op.execute(
        f"CREATE OR REPLACE TRIGGER tell_inboxes AFTER INSERT OR UPDATE OF {columns} ON app_user "
        "FOR EACH ROW EXECUTE FUNCTION tell_inboxes()"
    )
