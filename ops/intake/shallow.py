"""JSON no deeper than any resource needs, so that a small file can't take up memory without end."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, BinaryIO

import ijson  # type: ignore[import-untyped]  # it ships no types

from shared.web.body import deeper_than

MAX_DEPTH = 64
"""Objects and lists within each other, the file's or the line's own among them."""

TOO_DEEP = f"holds more than {MAX_DEPTH} objects and lists within each other"

_STARTS = frozenset(("start_map", "start_array"))
_ENDS = frozenset(("end_map", "end_array"))


class Shallow:
    """The values of a document that is read as a stream, without what lies too deep.

    ijson names the whole way to each value: without a limit, deep lists cost the square of their number.
    """

    def __init__(self, stream: BinaryIO, *, depth: int = 1) -> None:
        """``depth`` is where the values lie that are asked for: 1 is the document itself."""
        self._stream = stream
        self._depth = depth
        self.too_deep = False
        """Of the value that came last: whether something was left out of it."""

    def items(self, path: str) -> Iterator[Any]:
        """The values at ``path``, in ijson's terms. Raises ijson.JSONError where it is not JSON."""
        yield from ijson.items(ijson.parse(self._events()), path)

    def _events(self) -> Iterator[tuple[str, Any]]:
        depth = 0
        for event, value in ijson.basic_parse(self._stream):
            if event in _STARTS:
                depth += 1
                if depth == self._depth:
                    self.too_deep = False
                elif depth > MAX_DEPTH:
                    self.too_deep = True
            if depth <= MAX_DEPTH:
                yield event, value
            if event in _ENDS:
                depth -= 1


def is_too_deep(value: object) -> bool:
    """The same of a value that was read whole."""
    return deeper_than(value, MAX_DEPTH)
