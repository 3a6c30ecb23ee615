"""What an event holds instead of words: a digest, by which words that were altered later are found out."""

from __future__ import annotations

import hashlib
import json


def shown_digest(tasking_summary: str, rationale: bytes | str) -> str:
    """SHA-256 of what a response says in words: its task line and its rationale, which is JSON.

    The same before it is written and after it was read: the database keeps JSON's meaning, neither the order
    of its members nor the form of its numbers.
    """
    words = [tasking_summary, json.loads(rationale, parse_int=float)]
    canonical = json.dumps(words, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).hexdigest()
