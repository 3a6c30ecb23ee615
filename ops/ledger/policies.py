"""Whether each version of a tenant's policy is still the one that was published, by its event's digest."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from ops.policy.document import policy_digest
from shared.decisions.policy import PolicyError, decode_policy
from shared.ledger.verification.findings import Finding, Kind
from shared.ledger.verification.pages import Ask
from shared.model import TenantId
from shared.persistence.policies import POLICY

_VERSIONS = f"""SELECT p.version, {POLICY}::text, (SELECT e.payload_json ->> 'digest' FROM public.event_log e
    WHERE e.tenant_id = '{{tenant}}' AND e.patient_context_id IS NULL AND e.event_type = 'Policy.Published'
    AND e.payload_json ->> 'version' = p.version::text ORDER BY e.seq LIMIT 1)
FROM public.policy_config p WHERE p.tenant_id = '{{tenant}}' ORDER BY p.version"""  # noqa: S608 -- our own text


def check_policies(ask: Ask, tenant_id: TenantId) -> Iterator[Finding]:
    """Versions that were altered since they were published."""
    for version, document, digest in ask(tenant_id, _VERSIONS.format(tenant=tenant_id)):
        if digest is not None and _digest(document) != digest:
            says = f"version {version} of the policy was altered since it was published"
            yield Finding(tenant_id, None, 0, Kind.RECORD, says)


def _digest(document: str) -> str | None:
    """None: it can't be read as a policy any more."""
    try:
        return policy_digest(decode_policy(msgspec.json.decode(document)))
    except (PolicyError, msgspec.MsgspecError):
        return None
