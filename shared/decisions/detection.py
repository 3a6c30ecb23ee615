"""The record detection agent's pure part: whether what a page shows is a patient of this tenant.

Turning an id into a ``patient_key`` needs the tenant's secret and is ``shared.security``'s business.
"""

from __future__ import annotations

from shared.decisions.finding import Finding
from shared.decisions.policy import PageAdapter, Policy
from shared.model import Frozen, PatientKey


class Sighting(Frozen, frozen=True):
    """What a page gave away: the key of what it shows, and how that was read.

    ``source_system`` None: the key itself was given, no external id was read. ``page_signature`` is a page
    adapter's id as the client says it, which nobody has checked.
    """

    patient_key: PatientKey | None
    source_system: str | None
    page_signature: str | None


def detect_record(sighting: Sighting, policy: Policy) -> Finding[PatientKey | None, str]:
    """The patient on the page, or None, with the sentence that says why.

    A key that was given counts as it is. One that was made of an external id counts if the policy accepts
    its source system, and if the adapter that read it, where the policy has that adapter, reads that source
    system. An adapter that the policy doesn't have is no reason to refuse: clients are updated later than
    policies. No sentence holds what a client typed.
    """
    if sighting.patient_key is None:
        return Finding(None, ("Nobody is on the page.",))
    if sighting.source_system is None:
        return Finding(sighting.patient_key, ("The patient was named by their key.",))
    if not is_allowed_source(policy, sighting.source_system):
        return Finding(None, ("The policy doesn't accept patients of this source system.",))
    adapter = _adapter(sighting.page_signature, policy)
    if adapter is not None and adapter.source_system != sighting.source_system:
        read = f"The page adapter {adapter.id} reads {adapter.source_system}, not {sighting.source_system}."
        return Finding(None, (read,))
    accepted = f"The policy accepts patients of {sighting.source_system}."
    by = (f"The page adapter {adapter.id} read this one.",) if adapter is not None else ()
    return Finding(sighting.patient_key, (accepted, *by))


def is_allowed_source(policy: Policy, source_system: str) -> bool:
    """Whether the policy accepts patients that this source system names; exact, and ``*`` is no name."""
    return source_system in policy.allowlist.source_systems


def known_adapter(page_signature: str | None, policy: Policy) -> str | None:
    """The adapter's id if the policy has it: only that may be stored, never what a client typed."""
    adapter = _adapter(page_signature, policy)
    return adapter.id if adapter is not None else None


def _adapter(page_signature: str | None, policy: Policy) -> PageAdapter | None:
    return next((each for each in policy.allowlist.page_adapters if each.id == page_signature), None)
