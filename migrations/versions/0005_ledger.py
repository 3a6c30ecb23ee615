"""What Ledger needs: the scheduler sees every chain's head, to sign it; the owner sees every tenant's id.

How it runs while the old code still serves: grants and a policy more; the old code asks for neither.
"""

from __future__ import annotations

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_PATIENTS = "SELECT (patient_key, ledger_seq, ledger_head) ON patient_context"
_TENANTS = "SELECT (ledger_seq, ledger_head) ON tenant"


def upgrade() -> None:
    """Adds it."""
    for heads in (_PATIENTS, _TENANTS):
        op.execute(f"GRANT {heads} TO mobius_worker")
    # Forced row-level security binds the owner too, who could not walk all tenants' chains otherwise. What
    # is a tenant's own stays behind its own setting.
    op.execute("CREATE POLICY every_tenant_of_owner ON tenant FOR SELECT TO CURRENT_USER USING (true)")


def downgrade() -> None:
    """Takes it away, on a filled database too."""
    op.execute("DROP POLICY every_tenant_of_owner ON tenant")
    for heads in (_TENANTS, _PATIENTS):
        op.execute(f"REVOKE {heads} FROM mobius_worker")
