"""Streams resources out of files: NDJSON line by line, a Bundle entry by entry, plain or gzipped.

What is held at a time is one resource, however long the file. What can't be read is told with its place; the
lines after it go on, of a broken document nothing does.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any, BinaryIO

import ijson  # type: ignore[import-untyped]  # it ships no types
import msgspec

from ops.intake.shallow import TOO_DEEP, Shallow, is_too_deep
from ops.intake.sources import LINE_LIMIT, Form, Source, opened, peek_type

_DECODER = msgspec.json.Decoder(dict[str, Any], float_hook=Decimal)
_BUNDLE = "Bundle"
_BUNDLES_WITHIN = 2

NO_RESOURCE = "entry without a resource"
DELETION = "deletion"


class Place(msgspec.Struct, frozen=True):
    """Where something stands: lines and entries are counted from 1, entries inside entries with a dot."""

    source: int
    line: int | None = None
    entry: str | None = None

    @property
    def bundle(self) -> str | None:
        """The bundle that it is in: one of this file, or of this line."""
        return None if self.entry is None else f"{self.source}:{self.line or ''}"

    def __str__(self) -> str:
        line = f"line {self.line}" if self.line is not None else ""
        entry = f"entry {self.entry}" if self.entry is not None else ""
        return ", ".join(part for part in (line, entry) if part)


class Found(msgspec.Struct, frozen=True):
    """A resource of a wanted type."""

    place: Place
    resource_type: str
    full_url: str | None
    content: dict[str, Any]


class Passed(msgspec.Struct, frozen=True):
    """A resource of another type, an entry that holds none (``NO_RESOURCE``), or a ``DELETION``."""

    what: str


class Broken(msgspec.Struct, frozen=True):
    """What is no resource at all."""

    place: Place
    reason: str


Read = Found | Passed | Broken


def read(source: Source, wanted: frozenset[str], advance: Callable[[int], None]) -> Iterator[Read]:
    """Everything in a file, in its order. ``advance`` is told how many bytes of the file are done.

    Raises Refused when the file is gone.
    """
    place = Place(source.number)
    try:
        with opened(source) as (stream, raw):
            if source.form is Form.LINES:
                yield from _lines(stream, place, wanted, lambda: advance(raw.tell()))
            else:
                yield from _document(source, stream, place, wanted, lambda: advance(raw.tell()))
    except (EOFError, OSError, zlib.error):
        yield Broken(place, "the compressed file is damaged, the rest of it was not read")


def _lines(
    stream: BinaryIO, place: Place, wanted: frozenset[str], advance: Callable[[], None]
) -> Iterator[Read]:
    number = 0
    while line := stream.readline(LINE_LIMIT):
        number += 1
        here = Place(place.source, number)
        if len(line) == LINE_LIMIT and not line.endswith(b"\n"):
            while line and not line.endswith(b"\n"):
                line = stream.readline(LINE_LIMIT)
            yield Broken(here, f"is longer than {LINE_LIMIT // 1024**2} MiB")
        elif line := line.strip():
            yield from _line(line, here, wanted)
        advance()


def _line(line: bytes, place: Place, wanted: frozenset[str]) -> Iterator[Read]:
    try:
        found = peek_type(line)
        if found is not None and found != _BUNDLE and found not in wanted:
            yield Passed(found)
            return
        content = _DECODER.decode(line)
    except (ValueError, RecursionError):
        yield Broken(place, "is not a JSON object")
        return
    if is_too_deep(content):
        yield Broken(place, TOO_DEEP)
    elif found == _BUNDLE:
        entries = content.get("entry")
        for number, entry in enumerate(entries if isinstance(entries, list) else (), 1):
            yield from _entry(entry, Place(place.source, place.line, str(number)), wanted)
    else:
        yield _resource(content, place, None, wanted)


def _document(
    source: Source, stream: BinaryIO, place: Place, wanted: frozenset[str], advance: Callable[[], None]
) -> Iterator[Read]:
    number = 0
    try:
        if source.form is Form.RESOURCE:
            shallow = Shallow(stream)
            for content in shallow.items(""):
                yield Broken(place, TOO_DEEP) if shallow.too_deep else _resource(content, place, None, wanted)
        else:
            # The bundle, its list of entries, an entry.
            shallow = Shallow(stream, depth=3)
            for number, entry in enumerate(shallow.items("entry.item"), 1):
                here = Place(place.source, None, str(number))
                if shallow.too_deep:
                    yield Broken(here, TOO_DEEP)
                else:
                    yield from _entry(entry, here, wanted)
                advance()
    except ijson.JSONError:
        where = Place(place.source, None, str(number + 1)) if source.form is Form.BUNDLE else place
        yield Broken(where, "is not valid JSON, the rest of the file was not read")
    advance()


def _entry(entry: Any, place: Place, wanted: frozenset[str], depth: int = 0) -> Iterator[Read]:
    if not isinstance(entry, dict):
        yield Broken(place, "is not a JSON object")
        return
    content, request = entry.get("resource"), entry.get("request")
    if isinstance(request, dict) and request.get("method") == "DELETE":
        yield Passed(DELETION)
    elif content is None:
        yield Passed(NO_RESOURCE)
    elif isinstance(content, dict) and content.get("resourceType") == _BUNDLE and depth < _BUNDLES_WITHIN:
        entries = content.get("entry")
        for number, inner in enumerate(entries if isinstance(entries, list) else (), 1):
            where = Place(place.source, place.line, f"{place.entry}.{number}")
            yield from _entry(inner, where, wanted, depth + 1)
    else:
        full_url = entry.get("fullUrl")
        yield _resource(content, place, full_url if isinstance(full_url, str) else None, wanted)


def _resource(content: Any, place: Place, full_url: str | None, wanted: frozenset[str]) -> Read:
    if not isinstance(content, dict):
        return Broken(place, "is not a JSON object")
    found = content.get("resourceType")
    if not isinstance(found, str):
        return Broken(place, "has no resourceType")
    return Found(place, found, full_url, content) if found in wanted else Passed(found)
