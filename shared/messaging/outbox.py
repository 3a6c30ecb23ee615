"""Asks for projections that no change asked for: after Firestore lost something, or for a new user."""

from __future__ import annotations

from sqlalchemy import text

from shared.model import TenantId
from shared.persistence.unit_of_work import UnitOfWork

# Forced: the document is written even if it looks right. A row that is still waiting is asked for anew,
# under a new id, so that a projector that read it before can't confirm it away.
_ASK = text("""
INSERT INTO outbox (tenant_id, outbox_id, subject_type, subject, version, forced)
SELECT c.tenant_id, gen_random_uuid(), 'patient', c.patient_context_id, c.version, true
FROM patient_context c WHERE c.tenant_id = :tenant AND c.version > 0
UNION ALL
SELECT u.tenant_id, gen_random_uuid(), 'user', u.user_id,
    CAST(CAST(pg_current_xact_id() AS text) AS bigint), true
FROM app_user u WHERE u.tenant_id = :tenant
ON CONFLICT (tenant_id, subject_type, subject, version)
DO UPDATE SET outbox_id = excluded.outbox_id, forced = true, attempts = 0, next_attempt_at = now()
""")


def ask_for_everything(uow: UnitOfWork, tenant_id: TenantId) -> int:
    """Puts every projection of a tenant back into the outbox; returns how many. The caller commits."""
    return uow.run(_ASK, tenant=tenant_id)
