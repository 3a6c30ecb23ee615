"""What Nothing lost needs: parked outbox rows, and how far a walk over the projections has come.

How it runs while the old code still serves: a nullable column and a table more; the old relay goes on to
publish a parked row as it does any other.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_THIS_TENANT = "tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid"


def upgrade() -> None:
    """Adds it."""
    op.add_column("outbox", sa.Column("parked_at", sa.DateTime(timezone=True), nullable=True))
    op.execute("GRANT UPDATE (parked_at) ON outbox TO mobius_app")
    op.execute("GRANT SELECT (parked_at), UPDATE (parked_at) ON outbox TO mobius_worker")
    op.create_table(
        "projection_walk",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("stage", sa.Text(), nullable=False),
        sa.Column("place", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("began_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("looked_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("checked", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("differing", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("unrepairable", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("unrepairable_before", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.CheckConstraint("purpose IN ('check', 'rebuild')", name=op.f("ck_projection_walk_purpose")),
        sa.CheckConstraint("stage IN ('patient', 'user', 'orphan')", name=op.f("ck_projection_walk_stage")),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenant.tenant_id"], name=op.f("fk_projection_walk_tenant_id")
        ),
        sa.PrimaryKeyConstraint("tenant_id", "purpose", name=op.f("pk_projection_walk")),
    )
    op.execute("ALTER TABLE projection_walk ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE projection_walk FORCE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY this_tenant ON projection_walk USING ({_THIS_TENANT})")
    op.execute("GRANT SELECT, INSERT ON projection_walk TO mobius_app")
    op.execute(
        "GRANT UPDATE (stage, place, began_at, looked_at, ended_at, checked, differing, unrepairable, "
        "unrepairable_before) "
        "ON projection_walk TO mobius_app"
    )
    op.execute("GRANT SELECT ON projection_walk TO mobius_worker")
    op.execute("GRANT SELECT (created_at) ON tenant TO mobius_worker")
    op.execute("CREATE POLICY every_tenant ON projection_walk FOR SELECT TO mobius_worker USING (true)")


def downgrade() -> None:
    """Takes it away, on a filled database too: what was parked is due again."""
    op.execute("REVOKE SELECT (created_at) ON tenant FROM mobius_worker")
    op.drop_table("projection_walk")
    op.drop_column("outbox", "parked_at")
