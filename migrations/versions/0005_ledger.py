"""What Ledger needs: heads for the scheduler to sign, tenants for the owner to list, bounds to rely on.

How it runs while the old code still serves: grants and a policy more, which the old code does not ask for,
and checks that it never runs into. The checks read all events and patients once, and requests wait for that.
"""

from __future__ import annotations

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_PATIENTS = "SELECT (patient_key, ledger_seq, ledger_head) ON patient_context"
_TENANTS = "SELECT (ledger_seq, ledger_head) ON tenant"


# Far more than any event holds. As text, for what is stored may be compressed: whoever verifies, signs or
# exports reads the whole of it.
_EVENT_SIZE = "octet_length(CAST(payload_json AS text)) <= 16384"
# Whoever reads patients in the order of their ids begins behind it.
_NOT_NIL = "patient_context_id <> '00000000-0000-0000-0000-000000000000'"


def upgrade() -> None:
    """Adds it."""
    op.create_check_constraint(op.f("ck_patient_context_not_nil"), "patient_context", _NOT_NIL)
    op.create_check_constraint(op.f("ck_event_log_payload_size"), "event_log", _EVENT_SIZE)
    for heads in (_PATIENTS, _TENANTS):
        op.execute(f"GRANT {heads} TO mobius_worker")
    # Forced row-level security binds the owner too, who could not walk all tenants' chains otherwise. What
    # is a tenant's own stays behind its own setting.
    op.execute("CREATE POLICY every_tenant_of_owner ON tenant FOR SELECT TO CURRENT_USER USING (true)")


def downgrade() -> None:
    """Takes it away, on a filled database too."""
    op.execute("DROP POLICY every_tenant_of_owner ON tenant")
    op.drop_constraint(op.f("ck_event_log_payload_size"), "event_log")
    op.drop_constraint(op.f("ck_patient_context_not_nil"), "patient_context")
    for heads in (_TENANTS, _PATIENTS):
        op.execute(f"REVOKE {heads} FROM mobius_worker")
