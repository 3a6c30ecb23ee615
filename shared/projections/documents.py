"""The projection documents, out of what Postgres says: pure, the same rows make the same document.

Top-level keys are fixed and null when absent, so that an update replaces each whole.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from shared.decisions.display import is_permitted, variant_for_all, visible_to_all
from shared.decisions.policy import Policy
from shared.model import PatientKey, PatientState, SystemResponse, TenantId, UserId
from shared.persistence.readings import Inbox

Document = Mapping[str, Any]

INBOX_LENGTH = 50
"""How many open assignments an inbox document lists; ``open_count`` stays exact beyond."""

_RESPONSE = (
    "system_response_id",
    "computed_at",
    "proceed_indicator",
    "execution_mode",
    "tasking_summary",
    "rationale",
    "needs_ack",
)
_LISTED = ("assignment_id", "patient_key", "reason_code", "created_at", "status", "claimed_by")


def patient_state_path(tenant_id: TenantId, patient_key: PatientKey) -> str:
    """Where a patient's document is."""
    return f"tenants/{tenant_id}/patient_state/{patient_key}"


def user_inbox_path(tenant_id: TenantId, user_id: UserId) -> str:
    """Where a user's inbox document is."""
    return f"tenants/{tenant_id}/user_inbox/{user_id}"


def patient_state_document(state: PatientState, policy: Policy) -> Document:
    """A patient as every role of the tenant may see it, without ``updated_at`` (plan 3.1)."""
    return {
        "patient_key": state.patient_key,
        "version": state.version,
        "version_head": _plain(state.version_head),
        "snapshot": _plain(visible_to_all(state.snapshot, policy)) if state.snapshot else None,
        "latest_system_response": _response(state.response, policy),
        "last_mini_submission": _plain(state.submission),
        "outcome": state.outcome and str(state.outcome.value),
        "flags": {"needs_ack": state.needs_ack, "open_assignment_count": len(state.open_assignments)},
    }


def lets_in(policy: Policy, role: str) -> bool:
    """Whether the policy lets a role use any surface at all: Mini or Sidecar."""
    allowed = policy.allowlist
    return is_permitted(allowed.roles, role) or is_permitted(allowed.permissions.sidecar, role)


def user_inbox_document(*, active: bool, tokens_valid_after: datetime | None, inbox: Inbox) -> Document:
    """A user's open assignments, the oldest first, without ``updated_at`` (plan 3.2).

    Firestore's rules let nobody read anything whose inbox is not ``active``, or who signed in before
    ``tokens_valid_after``.
    """
    return {
        "active": active,
        "tokens_valid_after": tokens_valid_after,
        "open_assignments": [_some(item, _LISTED) for item in inbox.assignments] if active else [],
        "open_count": inbox.open_count if active else 0,
    }


def already_says(stored: Document, built: Document) -> bool:
    """Whether ``stored`` is of the same version and head as ``built``.

    Never for an inbox. It has no version, and equal content does not mean that nothing happened: leaving
    it untouched would let a slower projector, which read an older truth, write that one over it.
    """
    return "version" in built and all(stored.get(key) == built[key] for key in ("version", "version_head"))


def stamped(document: Document, at: datetime) -> dict[str, Any]:
    """The document as it is written."""
    return {**document, "updated_at": at}


def _response(response: SystemResponse | None, policy: Policy) -> dict[str, Any] | None:
    plain = _some(response, _RESPONSE)
    if plain is not None and not variant_for_all(policy).show_mode:
        plain["execution_mode"] = None
    return plain


def _some(value: msgspec.Struct | None, names: tuple[str, ...]) -> dict[str, Any] | None:
    plain = _plain(value)
    return None if plain is None else {name: plain[name] for name in names}


def _plain(value: msgspec.Struct | None) -> Any:
    # Times stay times: Firestore has its own.
    return None if value is None else msgspec.to_builtins(value, builtin_types=(datetime,))
