"""What a restored database has no more, as documents still tell it: a CSV file of ids and enumerations."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from uuid import UUID

from ops.installation import Refused
from ops.projections.asking import shown_name
from shared.model import AssertedProceed, AssertedTasking
from shared.projections.chain_heads import named_head
from shared.projections.documents import Document

COLUMNS = (
    *("what", "tenant_id", "document", "lost_version", "lost_seq", "lost_hash"),
    *("restored_version", "version_now", "mini_submission_id", "submission_is_lost", "submitted_by"),
    *("submitted_at", "override_proceed", "override_tasking", "confirmed"),
)
_LONGEST_LINE = 4_096


class LostReport:
    """A report that grows line by line, each on the disk before anything is done about it.

    A line that an earlier run wrote last is not written again: it was killed before it could go on.
    """

    def __init__(self, path: Path) -> None:
        header = _line(dict.fromkeys(COLUMNS) | {name: name for name in COLUMNS})
        try:
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
            beginning = os.pread(self._file, len(header), 0)
            if beginning and beginning != header:
                os.close(self._file)
                raise Refused(f"{path} is there and is another file: name another one with --report.")
            if not beginning:
                os.write(self._file, header)
            self._last = self._mend()
        except OSError as error:
            why = (error.strerror or "no reason given").lower()
            raise Refused(f"{path} can't be written: {why}.") from None

    def __enter__(self) -> Self:
        """Closed at the end."""
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        os.close(self._file)

    def add(self, values: Mapping[str, object]) -> None:
        """Writes one line, and returns when it is on the disk. Raises Refused when it can't be."""
        line = _line(values)
        if line == self._last:
            return
        try:
            if os.write(self._file, line) != len(line):
                raise Refused("The disk is full: nothing was done about the line that did not fit.")
            os.fsync(self._file)
        except OSError as error:
            raise Refused(f"The report can't be written: {(error.strerror or '').lower()}.") from None
        self._last = line

    def _mend(self) -> bytes:
        """The last whole line; one that was cut off is closed."""
        size = os.fstat(self._file).st_size
        tail = os.pread(self._file, _LONGEST_LINE, max(0, size - _LONGEST_LINE))
        if not tail.endswith(b"\n"):
            os.write(self._file, b"\n")
            return b""
        return tail[:-1].rpartition(b"\n")[2] + b"\n"


class Lost(StrEnum):
    """What was lost: events that a patient's document still tells of, or whom a document is about.

    ``access``: that a user was shut out, or signed in before a sign-in was revoked.
    """

    EVENTS = "events"
    PATIENT = "patient"
    USER = "user"
    TENANT = "tenant"
    ACCESS = "access"


def told_of(content: Document) -> dict[str, object]:
    """What a document tells of its version and its last Send.

    Only what can be nothing but an id, an enumeration, a number or a time.
    """
    version, head = content.get("version"), named_head(content)
    told: dict[str, object] = {
        "lost_version": version if type(version) is int else None,
        "lost_seq": head and head.seq,
        "lost_hash": head and head.hash,
    }
    submission = content.get("last_mini_submission")
    if isinstance(submission, Mapping):
        at, confirmed = submission.get("submitted_at"), submission.get("confirmed")
        told |= {
            "mini_submission_id": _id(submission.get("mini_submission_id")),
            "submitted_by": _id(submission.get("user_id")),
            "submitted_at": at.isoformat() if isinstance(at, datetime) else None,
            "override_proceed": _one_of(AssertedProceed, submission.get("override_proceed")),
            "override_tasking": _one_of(AssertedTasking, submission.get("override_tasking")),
            "confirmed": confirmed if isinstance(confirmed, bool) else None,
        }
    return told


def _line(values: Mapping[str, object]) -> bytes:
    plain: dict[str, Any] = {**values}
    if plain.get("document") not in (None, "document"):
        plain["document"] = shown_name(str(plain["document"]))
    line = io.StringIO()
    csv.DictWriter(line, COLUMNS, lineterminator="\n").writerow(
        {name: "" if plain.get(name) is None else plain[name] for name in COLUMNS}
    )
    return line.getvalue().encode()


def _id(value: object) -> str | None:
    try:
        return str(UUID(value)) if isinstance(value, str) else None
    except ValueError:
        return None


def _one_of(kind: type[StrEnum], value: object) -> str | None:
    return value if isinstance(value, str) and value in [each.value for each in kind] else None
