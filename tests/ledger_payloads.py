"""A payload of every type of the ledger's catalogue, with a value in every field."""

from __future__ import annotations

import typing
from collections.abc import Iterator
from datetime import UTC, datetime
from enum import StrEnum
from types import NoneType
from uuid import UUID, uuid4

import msgspec

from shared.ledger.events import Payload

_PLAIN = {str: "a_code", int: 3, bool: True, datetime: datetime(2026, 11, 23, tzinfo=UTC)}


def payload_types() -> tuple[type[Payload], ...]:
    """The whole catalogue."""
    return tuple(Payload.__subclasses__())


def samples() -> Iterator[tuple[str, dict[str, object]]]:
    """Each event type with a payload as the ledger stores it: first whole, then without what may be null."""
    for payload_type in payload_types():
        hints = typing.get_type_hints(payload_type)
        fields = payload_type.__struct_fields__
        for sparse in (False, True):
            made = payload_type(**{name: _sample(hints[name], sparse=sparse) for name in fields})
            yield payload_type.event_type, msgspec.to_builtins(made)


def _sample(hint: object, *, sparse: bool) -> object:
    hint = getattr(hint, "__supertype__", hint)
    if hint in _PLAIN:
        return _PLAIN[hint]
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        return list(hint)[-1 if sparse else 0]
    if hint is UUID:
        return uuid4()
    inner = typing.get_args(hint)
    if typing.get_origin(hint) is tuple:
        return () if sparse else (_sample(inner[0], sparse=sparse),) * 2
    if NoneType in inner:
        return None if sparse else _sample(inner[0], sparse=sparse)
    raise AssertionError(f"no sample for {hint}")
