"""What comes in from outside as nobody meant it: any value, a damaged text, a nest without an end."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import strategies as st

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(
        [
            "",
            "null",
            "0",
            "\x00",
            "\U0001f600",
            2**63,
            2**64,
            -1,
            1e308,
            "2026-02-30",
            "0001-01-01T00:00:00+14:00",
            "9" * 5000,
        ]
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
# A document with some bytes replaced by others.
edits = st.lists(
    st.tuples(
        st.integers(0, 3000), st.integers(0, 6), st.binary(max_size=4) | st.sampled_from([b'"', b"}", b"["])
    ),
    max_size=4,
)
# Around the depth where Python gives up, and far beyond.
depths = pytest.mark.parametrize("depth", [10, 900, 990, 995, 1000, 5000])


def edited(text: bytes, changes: list[tuple[int, int, bytes]]) -> bytes:
    for place, length, piece in changes:
        place %= len(text) + 1
        text = text[:place] + piece + text[place + length :]
    return text


def nested(depth: int) -> bytes:
    return b'{"a":' * depth + b"1" + b"}" * depth


def places(node: Any) -> Iterator[tuple[Any, Any]]:
    """Every place in a document whose content may be another: its container and its key there."""
    for key in node if isinstance(node, dict) else range(len(node)):
        yield node, key
        if isinstance(node[key], dict | list):
            yield from places(node[key])


def replaced_somewhere(document: Any, data: st.DataObject, with_what: st.SearchStrategy[Any] = values) -> Any:
    """The document with up to two of its places holding something else."""
    document = copy.deepcopy(document)
    for _ in range(data.draw(st.integers(0, 2))):
        container, key = data.draw(st.sampled_from(list(places(document))))
        # A copy: some are drawn from a list, and the next place may lie in this one.
        container[key] = copy.deepcopy(data.draw(with_what))
    return document
