"""What makes a call likely to get somewhere: names that the stack itself has told.

Requests out of thin air name nobody, and all that they meet is the first refusal. So most of what names
something is taken from an earlier answer, with what was said beside it: a response with its own patient.
"""

from __future__ import annotations

import random
import re
import threading
from collections import deque
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from shared.web.registry import ENDPOINTS

Names = Mapping[str, Any]

_NAMING = re.compile(r"[a-z_]*_(?:id|key)|cursor")
# Every answer repeats these.
_REPEATED = frozenset({"session_id", "tenant_id"})
_TOLD = frozenset(
    name for each in ENDPOINTS for name in each.request.__struct_fields__ if _NAMING.fullmatch(name)
)
# Where a request asks for it under another name than the answer tells it.
_TOLD_AS = {"next_cursor": "cursor"}
# What is told later is truer: an open item may be resolved meanwhile.
_KEPT = 20
# What the rules between fields want: a field that would be one too many is None.
_USUAL: Mapping[str, object] = {
    "note": None,
    "note_text": "Called the payer.",
    "override_tasking": "review",
    "detection": None,
}


class Asked(NamedTuple):
    """The fields that an operation takes, and those that it can't do without."""

    names: frozenset[str]
    required: frozenset[str]


class Known:
    """What one user knows from the start, and what the answers told them. Threads share it."""

    def __init__(self, seeds: Sequence[Names]) -> None:
        self._seeds = seeds
        self._lock = threading.Lock()
        self._told: dict[frozenset[str], deque[Names]] = {}

    def learn(self, asked: Mapping[str, Any], answer: object) -> None:
        """Takes up all names in an answer, those together that were told together or asked for with them."""
        with self._lock:
            for names in _groups(answer, _names(asked)):
                self._told.setdefault(frozenset(names), deque(maxlen=_KEPT)).append(names)

    def choose(self, chance: random.Random, required: Collection[str]) -> Names:
        """Names that go together, with those that are required if any were told."""
        seed = chance.choice(self._seeds)
        with self._lock:
            wanted = {name for name in required if any(name in names for names in self._told)}
            fitting = sorted((names for names in self._told if wanted <= names), key=sorted)
            # Without anything that must be told, the patients known from the start are as good.
            if not fitting or (wanted <= seed.keys() and chance.random() < 0.5):
                return seed
            # What was told with the most beside it is from the place where it belongs.
            kind = max(fitting, key=len) if chance.random() < 0.5 else chance.choice(fitting)
            return {**seed, **chance.choice(self._told[kind])}


def mix_in(fields: dict[str, Any], asked: Asked, known: Names, chance: random.Random) -> None:
    """Makes a request that may name anything one that mostly names what there is, in the usual way."""
    for name in sorted(asked.names):
        if name in known and chance.random() < 0.85:
            fields[name] = known[name]
        elif _NAMING.fullmatch(name) and name not in asked.required and chance.random() < 0.85:
            # A name out of thin air is nobody's.
            fields.pop(name, None)
        if name in _USUAL and chance.random() < 0.7:
            fields[name] = _USUAL[name]
        if fields.get(name) is None:
            fields.pop(name, None)


def _groups(node: object, above: Names) -> Iterator[Names]:
    if isinstance(node, list):
        for each in node:
            yield from _groups(each, above)
    if isinstance(node, dict):
        here = {**above, **_names(node)}
        below = [names for each in node.values() for names in _groups(each, here)]
        yield from below or ([here] if here != above else [])


def _names(node: Mapping[str, Any]) -> dict[str, str]:
    told = ((_TOLD_AS.get(name, name), value) for name, value in node.items())
    return {name: value for name, value in told if name in _TOLD - _REPEATED and isinstance(value, str)}
