"""What a checkpoint says, as the text that is signed: a transparency log's checkpoint, four lines longer."""

from __future__ import annotations

import base64
import hashlib
import re
from datetime import UTC, datetime
from typing import NamedTuple

_BASE64 = r"[A-Za-z0-9+/]{43}="
_TIME = "%Y-%m-%dT%H:%M:%S.%fZ"
_TEXT = re.compile(
    rf"""([^\s+]+)
(0|[1-9][0-9]{{0,18}})
({_BASE64})
number ([1-9][0-9]{{0,9}})
time ([0-9-]{{10}}T[0-9:.]{{15}}Z)
events ([1-9][0-9]{{0,18}})
previous (none|{_BASE64})
"""
)


class BadStatement(Exception):
    """A text that is no checkpoint; the message is a sentence."""


class Statement(NamedTuple):
    """The signed words of a checkpoint. ``previous``: the digest of the one before it, None for the first."""

    origin: str
    tenants: int
    root: bytes
    number: int
    created_at: datetime
    events: int
    previous: bytes | None

    @property
    def text(self) -> str:
        """What is signed."""
        lines = (
            self.origin,
            str(self.tenants),
            _base64(self.root),
            f"number {self.number}",
            f"time {self.created_at.astimezone(UTC).strftime(_TIME)}",
            f"events {self.events}",
            f"previous {'none' if self.previous is None else _base64(self.previous)}",
        )
        return "".join(f"{line}\n" for line in lines)

    @property
    def digest(self) -> bytes:
        """What the next one names as the one before it."""
        return hashlib.sha256(self.text.encode()).digest()

    @classmethod
    def parse(cls, text: str) -> Statement:
        """Reads what ``text`` writes, and nothing else. Raises BadStatement."""
        match = _TEXT.fullmatch(text)
        try:
            if match is None:
                raise ValueError
            origin, tenants, root, number, time, events, previous = match.groups()
            statement = cls(
                origin=origin,
                tenants=int(tenants),
                root=base64.b64decode(root),
                number=int(number),
                created_at=datetime.strptime(time, _TIME).replace(tzinfo=UTC),
                events=int(events),
                previous=None if previous == "none" else base64.b64decode(previous),
            )
        except ValueError:
            raise BadStatement("It is signed, but its text is no checkpoint.") from None
        # There is one way to write each: two texts must never mean the same.
        if statement.text != text:
            raise BadStatement("It is signed, but its text is no checkpoint.")
        return statement


def _base64(value: bytes) -> str:
    return base64.b64encode(value).decode()
