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

_VERSIONS = f"""SELECT coalesce(p.version, e.version), p.document, e.digest
FROM (SELECT p.version, {POLICY}::text AS document FROM public.policy_config p
    WHERE p.tenant_id = '{{tenant}}') p
FULL JOIN (SELECT DISTINCT ON (1) (e.payload_json ->> 'version')::numeric AS version,
        e.payload_json ->> 'digest' AS digest
    FROM public.event_log e WHERE e.tenant_id = '{{tenant}}' AND e.patient_context_id IS NULL
    AND e.event_type = 'Policy.Published' AND pg_catalog.jsonb_typeof(e.payload_json -> 'version') = 'number'
    ORDER BY 1, e.seq) e ON e.version = p.version
ORDER BY 1"""  # noqa: S608 -- our own text


def check_policies(ask: Ask, tenant_id: TenantId) -> Iterator[Finding]:
    """Versions that were altered since they were published, taken away, or never published."""
    for version, document, digest in ask(tenant_id, _VERSIONS.format(tenant=tenant_id)):
        if document is None:
            says = f"version {version} of the policy, which was published, is not there"
        elif digest is None and version > 1:
            says = f"version {version} of the policy was never published"
        elif digest is not None and _digest(document) != digest:
            says = f"version {version} of the policy was altered since it was published"
        else:
            # The first one of a tenant of an earlier release has no event.
            continue
        yield Finding(tenant_id, None, 0, Kind.RECORD, says)


def _digest(document: str) -> str | None:
    """None: it can't be read as a policy any more."""
    try:
        return policy_digest(decode_policy(msgspec.json.decode(document)))
    except (PolicyError, msgspec.MsgspecError, RecursionError):
        return None
