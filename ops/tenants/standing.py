"""The tenants as they are: their names, how much there is of them, and whether they have left."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Engine, text

from ops.installation import Refused
from ops.transaction import transaction
from shared.model import TenantId
from shared.persistence.pending import all_tenants
from shared.persistence.unit_of_work import UnitOfWork

# A chain's length is how many events it has: nothing is ever deleted from it.
_STANDING = text("""
SELECT t.name, t.closed_at,
    (SELECT max(e.created_at) FROM event_log e WHERE e.tenant_id = t.tenant_id
        AND e.patient_context_id IS NULL AND e.event_type = 'Tenant.Erased') AS erased_at,
    coalesce((SELECT p.retention_rules_json @> '{"legal_hold": true}' FROM policy_config p
        WHERE p.tenant_id = t.tenant_id ORDER BY p.version DESC LIMIT 1), false) AS is_held,
    (SELECT count(*) FROM app_user u WHERE u.tenant_id = t.tenant_id) AS users,
    (SELECT count(*) FROM patient_context c WHERE c.tenant_id = t.tenant_id) AS patients,
    t.ledger_seq + (SELECT coalesce(sum(c.ledger_seq), 0) FROM patient_context c
        WHERE c.tenant_id = t.tenant_id) AS events
FROM tenant t WHERE t.tenant_id = :tenant""")


class Standing(NamedTuple):
    """One tenant. ``closed_at``: when it left; ``erased_at``: when nothing of it was left any more.

    ``is_held``: whether a legal hold keeps everything.
    """

    tenant_id: TenantId
    name: str
    closed_at: datetime | None
    erased_at: datetime | None
    is_held: bool
    users: int
    patients: int
    events: int


def read_standing(uow: UnitOfWork, tenant_id: TenantId) -> Standing:
    """How a tenant stands. Raises Refused when there is none of that id."""
    rows = uow.rows(_STANDING, tenant=tenant_id)
    if not rows:
        raise Refused(f"There is no tenant {tenant_id}: see mobius tenants list.")
    return Standing(
        tenant_id=tenant_id,
        name=rows[0].name,
        closed_at=rows[0].closed_at,
        erased_at=rows[0].erased_at,
        is_held=rows[0].is_held,
        users=rows[0].users,
        patients=rows[0].patients,
        events=int(rows[0].events),
    )


def every_tenant(engine: Engine) -> tuple[Standing, ...]:
    """All tenants by name, as the owner sees them."""
    standings = []
    for tenant_id in all_tenants(engine):
        with transaction(engine, tenant_id) as uow:
            standings.append(read_standing(uow, tenant_id))
    return tuple(sorted(standings, key=lambda each: (each.name.casefold(), each.tenant_id)))
