"""The ledger's chains as they are stored: their events as the text that is hashed, and the rule of the hash.

One chain for each patient context, and one of the tenant's own for events without a patient. The hash is
computed here: the database, whose owner may have altered something, only lends the text.
"""

from __future__ import annotations

import hashlib
from typing import NamedTuple

from shared.model import PatientContextId

GENESIS = bytes(32)
"""What the first event of a chain has for the hash of the one before it."""

# Written out rather than asked of the database's own event_log_canonical, which its owner could replace; and
# every name with its schema, so that nothing stands in for what PostgreSQL ships.
CANONICAL = """pg_catalog.jsonb_build_array(
    e.tenant_id, e.patient_context_id, e.seq, e.event_id, e.event_type,
    pg_catalog.to_char(pg_catalog.timezone('UTC', e.created_at), 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
    e.actor_user_id, e.invocation_id, e.correlation_id, e.version, e.payload_json)::pg_catalog.text"""
"""SQL: the canonical text of the event_log row ``e``, as the chain's trigger hashed it (migration 0002)."""


class Link(NamedTuple):
    """One event as it is stored; ``chain`` None: it is of the tenant's own chain."""

    chain: PatientContextId | None
    seq: int
    text: str
    prev_hash: bytes
    hash: bytes

    @property
    def computed(self) -> bytes:
        """The hash that the stored row should have, by its own text and the hash that it names before it."""
        return link_hash(self.prev_hash, self.text)


class Head(NamedTuple):
    """Where a chain ends: its last event's number and hash."""

    seq: int
    hash: bytes


def link_hash(prev_hash: bytes, text: str) -> bytes:
    """An event's hash: SHA-256 over the hash before it and its canonical text."""
    return hashlib.sha256(prev_hash + text.encode()).digest()
