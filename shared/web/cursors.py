"""Where a page of a list ends, as a text that a client hands back without understanding it."""

from __future__ import annotations

import base64
import binascii
from typing import TypeVar

import msgspec

from shared.errors import FieldError, InvalidFields

T = TypeVar("T")


def encode_cursor(place: object) -> str:
    """The place as URL-safe text."""
    return base64.urlsafe_b64encode(msgspec.json.encode(place)).rstrip(b"=").decode()


def decode_cursor(cursor: str | None, kind: type[T]) -> T | None:
    """The place of a ``kind`` in a cursor of ours. Raises InvalidFields for any other text."""
    if cursor is None:
        return None
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        return msgspec.json.decode(base64.b64decode(padded, altchars=b"-_", validate=True), type=kind)
    except (binascii.Error, ValueError, OverflowError):
        raise InvalidFields(FieldError("cursor", "must be the next_cursor of an earlier answer")) from None
