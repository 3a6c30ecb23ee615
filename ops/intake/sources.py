"""The files of an intake: what form each has, found out before anything is done."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum, auto
from pathlib import Path
from typing import BinaryIO, cast

import ijson  # type: ignore[import-untyped]  # it ships no types
import msgspec

from ops.installation import Refused
from ops.intake.shallow import Shallow

LINE_LIMIT = 16 * 1024 * 1024
"""No line of NDJSON is read that is longer, in bytes: it would be held in memory whole."""

_GZIP = b"\x1f\x8b"
_BOM = b"\xef\xbb\xbf"
_OTHER_BYTES = {
    b"<": "is XML: only FHIR's JSON is read, so export or convert it as JSON",
    b"PK": "is an archive: unpack it and name the files in it",
    b"[": "is a JSON array: put the resources into a FHIR Bundle, or one on each line",
    b"\xfe\xff": "is UTF-16: FHIR's JSON is UTF-8, so convert it",
    b"\xff\xfe": "is UTF-16: FHIR's JSON is UTF-8, so convert it",
}


class Form(Enum):
    """How resources lie in a file."""

    LINES = auto()
    BUNDLE = auto()
    RESOURCE = auto()


class Source(msgspec.Struct, frozen=True):
    """A file that can be read. ``number`` is its place among the files, ``size`` what it takes on disk."""

    number: int
    path: Path
    form: Form
    size: int

    @property
    def name(self) -> str:
        """The file as it was named."""
        return str(self.path)


class _Typed(msgspec.Struct):
    resourceType: str | None = None  # noqa: N815 -- FHIR's spelling


def find_sources(paths: list[Path]) -> tuple[Source, ...]:
    """The files, each once, in the order in which they were named.

    Raises Refused for the first that can't be one, with the reason and how to mend it.
    """
    return tuple(_find_source(number, path) for number, path in enumerate(dict.fromkeys(paths)))


def peek_type(line: bytes) -> str | None:
    """The resource type of one line, None without one. Raises ValueError when it isn't a JSON object."""
    try:
        return _PEEK.decode(line).resourceType
    except (msgspec.MsgspecError, RecursionError) as error:
        raise ValueError from error


_PEEK = msgspec.json.Decoder(_Typed)


@contextmanager
def opened(source: Source) -> Iterator[tuple[BinaryIO, BinaryIO]]:
    """The file's text and, to see how far it is read, the file on disk. Raises Refused if it is gone."""
    with _opened(source.path) as (stream, raw):
        yield stream, raw


@contextmanager
def _opened(path: Path) -> Iterator[tuple[BinaryIO, BinaryIO]]:
    try:
        raw = path.open("rb")
    except OSError as error:
        raise Refused(f"{path} can't be read: {(error.strerror or 'no reason given').lower()}.") from None
    with raw:
        packed = raw.read(2) == _GZIP
        raw.seek(0)
        stream = cast("BinaryIO", gzip.GzipFile(fileobj=raw)) if packed else raw
        _rewind(stream)
        yield stream, raw


def _rewind(stream: BinaryIO) -> None:
    stream.seek(0)
    if stream.read(len(_BOM)) != _BOM:
        stream.seek(0)


def _find_source(number: int, path: Path) -> Source:
    if path.is_dir():
        raise Refused(f"{path} is a directory: name the files in it, such as {path}/*.ndjson.")
    if not path.exists():
        raise Refused(f"{path} does not exist: look at its name, and at the folder you are in.")
    if not path.is_file():
        raise Refused(f"{path} is not a file on disk, and each is read twice: save it to one.")
    try:
        with _opened(path) as (stream, _):
            return Source(number, path, _form(path, stream), path.stat().st_size)
    except (EOFError, OSError, zlib.error):
        # All are what gzip says; a file of this machine that can be opened can be read.
        raise Refused(f"{path} is damaged: it can't be unpacked. Fetch it again.") from None


def _form(path: Path, stream: BinaryIO) -> Form:
    first = next((line for line in _lines(stream) if line), b"")
    if not first:
        raise Refused(f"{path} is empty: nothing was exported into it, so leave it out.")
    for start, mending in _OTHER_BYTES.items():
        if first.startswith(start):
            raise Refused(f"{path} {mending}.")
    if not first.startswith(b"{"):
        raise Refused(f"{path} is not JSON: give it a FHIR Bundle or NDJSON, one resource on each line.")
    named_lines = {".ndjson", ".jsonl"}.intersection(path.suffixes)
    try:
        found = peek_type(first)
    except ValueError:
        # Not a whole object: one that is written over many lines, or a broken line.
        if named_lines and first != b"{":
            return Form.LINES
    else:
        only_line = not any(_lines(stream))
        if named_lines or (found and not (found == "Bundle" and only_line)):
            return Form.LINES
    _rewind(stream)
    return _document_form(path, stream)


def _document_form(path: Path, stream: BinaryIO) -> Form:
    try:
        found = next(Shallow(stream).items("resourceType"), None)
    except ijson.JSONError:
        raise Refused(
            f"{path} is not valid JSON: it may be cut off, or not what its name says. Export it again."
        ) from None
    if not isinstance(found, str):
        raise Refused(f"{path} is JSON, but not FHIR: it has no resourceType.")
    return Form.BUNDLE if found == "Bundle" else Form.RESOURCE


def _lines(stream: BinaryIO) -> Iterator[bytes]:
    """The beginnings of the lines; what is longer than the limit comes in pieces."""
    while line := stream.readline(LINE_LIMIT):
        yield line.strip()
