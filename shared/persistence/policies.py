"""The tenants' policies, decoded once for each version and kept: a version never changes."""

from __future__ import annotations

import msgspec
from sqlalchemy import Engine, text

from shared.decisions.policy import Policy, decode_policy
from shared.model import TenantId
from shared.persistence.unit_of_work import UnitOfWork, unit_of_work

_KEPT = 1024
_known: dict[tuple[Engine, TenantId, int], Policy] = {}

POLICY = """json_build_object('version', p.version, 'allowlist', p.allowlist_rules_json,
    'ui_variants', p.ui_variants_json, 'timeouts', p.timeout_rules_json,
    'notifications', p.notification_rules_json, 'decisions', p.decision_rules_json,
    'retention', p.retention_rules_json)"""
"""SQL: the row ``p`` of policy_config as the document that ``decode_policy`` reads."""

_READ = text(f"""SELECT {POLICY}::text
    FROM policy_config p WHERE p.tenant_id = :tenant AND p.version = :version""")


def policy_in(uow: UnitOfWork, tenant_id: TenantId, version: int) -> Policy:
    """Policy ``version`` of a tenant, read in ``uow`` when it is not known yet.

    Raises LookupError when the tenant has no such version.
    """
    key = (uow.engine, tenant_id, version)
    if key not in _known:
        found = uow.value(_READ, tenant=tenant_id, version=version)
        if found is None:
            raise LookupError("the tenant has no policy of that version")
        if len(_known) >= _KEPT:
            _known.clear()
        _known[key] = decode_policy(msgspec.json.decode(found))
    return _known[key]


def policy_of(engine: Engine, tenant_id: TenantId, version: int) -> Policy:
    """As ``policy_in``, in a transaction of its own when it has to be read."""
    known = _known.get((engine, tenant_id, version))
    if known is not None:
        return known
    with unit_of_work(engine, tenant_id) as uow:
        return policy_in(uow, tenant_id, version)
