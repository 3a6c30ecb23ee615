"""Whether the head that a document holds is in its patient's chain, or known to have been lost from it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import NamedTuple
from uuid import UUID

import msgspec

from shared.ledger.events import VersionRaised
from shared.model import LedgerHead
from shared.projections.documents import Document

_MOST = 2**63


class NamedHead(NamedTuple):
    """What a document names as its patient's last event: its number, and its hash in hex.

    Where it holds something that can be no head, the number is 0, which no event has, and the hash is that of
    what it holds.
    """

    seq: int
    hash: str


def named_head(stored: Document | None) -> NamedHead | None:
    """The head that a document names; None for one that names none."""
    if not stored or (says := stored.get("version_head")) is None:
        return None
    try:
        head = msgspec.convert(says, LedgerHead)
        digest = bytes.fromhex(head.hash).hex()
    except (msgspec.ValidationError, ValueError):
        return _no_head(says)
    return NamedHead(head.seq, digest) if 0 < head.seq < _MOST else _no_head(says)


def heads_known(stored: Mapping[UUID, Document | None]) -> str:
    """SQL: whether the head that the document of the context ``c`` names is known. None is: nothing is lost.

    Known is a row of the chain, and what an event of the chain says was lost when the database was restored.
    """
    heads = ((subject, named_head(document)) for subject, document in stored.items())
    rows = ", ".join(
        f"('{subject}'::uuid, {head.seq:d}::bigint, '{head.hash}')" for subject, head in heads if head
    )
    if not rows:
        return "true"
    return f"""NOT EXISTS (SELECT 1 FROM (VALUES {rows}) AS h(subject, seq, hash)
        WHERE h.subject = c.patient_context_id AND NOT EXISTS (SELECT 1 FROM event_log e
            WHERE e.tenant_id = c.tenant_id AND e.patient_context_id = c.patient_context_id
            AND e.seq = h.seq AND e.hash = decode(h.hash, 'hex'))
        AND NOT EXISTS (SELECT 1 FROM event_log e
            WHERE e.tenant_id = c.tenant_id AND e.patient_context_id = c.patient_context_id
            AND e.event_type = '{VersionRaised.event_type}'
            AND e.payload_json ->> 'lost_seq' = h.seq::text AND e.payload_json ->> 'lost_hash' = h.hash))"""


def _no_head(says: object) -> NamedHead:
    # Of what has no JSON its kind alone: an address in memory would be another one each time.
    plain = json.dumps(says, sort_keys=True, default=lambda value: type(value).__name__)
    return NamedHead(0, hashlib.sha256(plain.encode(errors="backslashreplace")).hexdigest())
