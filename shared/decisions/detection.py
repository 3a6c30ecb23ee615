"""The record detection agent's pure part: from where an external id may be taken.

Turning an id into a ``patient_key`` needs the tenant's secret and is ``shared.security``'s business.
"""

from __future__ import annotations

from shared.decisions.policy import Policy


def is_allowed_source(policy: Policy, source_system: str) -> bool:
    """Whether the policy accepts patients that this source system names; exact, and ``*`` is no name."""
    return source_system in policy.allowlist.source_systems
