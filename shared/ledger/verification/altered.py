"""Which field of an event was altered, and what stood there: found by trying what gives the row's hash again.

Most fields hold one of a few values, or one that a neighboring event has too. Pure.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum
from typing import Any

import msgspec

from shared import model
from shared.ledger.chain import Link, link_hash
from shared.ledger.events import Payload

FIELDS = (
    "tenant_id",
    "patient_context_id",
    "seq",
    "event_id",
    "event_type",
    "created_at",
    "actor_user_id",
    "invocation_id",
    "correlation_id",
    "version",
    "payload_json",
)
"""The canonical text's, in its order."""

_SEQ, _TYPE, _AT, _VERSION, _PAYLOAD = 2, 4, 5, 9, 10
_OFTEN_THE_SAME = (6, 7, 8)
_CATALOGUE = {each.event_type: each for each in Payload.__subclasses__()}
_ENUMERATED = sorted(
    {
        str(value)
        for kind in vars(model).values()
        if isinstance(kind, type) and issubclass(kind, StrEnum)
        for value in kind
    }
)
_PAYLOAD_VALUES: tuple[Any, ...] = (True, False, None, *range(100), *_ENUMERATED)


def renumbered(link: Link, numbers: Iterable[int]) -> int | None:
    """The number that the event had when it was written, if it is another one, of those that may be."""
    fields = _parsed(link.text)
    if fields is None:
        return None
    for number in numbers:
        if number != link.seq and _gives(link, _with(fields, _SEQ, number)):
            return number
    return None


def altered_field(link: Link, before: Link | None, after: Link | None, *, tries: bool = True) -> str:
    """Names the field, as a clause, and what stood there if that is known; never what stands there now.

    ``before`` and ``after`` are events that stand beside it. Without ``tries`` it only looks which rule a
    field breaks: some milliseconds less.
    """
    fields = _parsed(link.text)
    if fields is None:
        return "created_at or payload_json holds what no event can hold"
    neighbors = [each for each in map(_parsed, (n.text for n in (before, after) if n)) if each]
    for name, was, candidate in _candidates(fields, neighbors) if tries else ():
        if _gives(link, candidate):
            return f"{name} was altered" + ("" if was is _UNSAID else f": it was {json.dumps(was)}")
    return _by_rule(fields, before and _parsed(before.text), after and _parsed(after.text))


_UNSAID = object()


def _candidates(fields: list[Any], neighbors: Sequence[list[Any]]) -> Iterator[tuple[str, object, list[Any]]]:
    """What the event may have been: the altered field, its earlier value, and all fields."""
    for kind in _CATALOGUE:
        yield FIELDS[_TYPE], kind, _with(fields, _TYPE, kind)
    for index in _OFTEN_THE_SAME:
        for value in (None, *(each[index] for each in neighbors)):
            yield FIELDS[index], value, _with(fields, index, value)
    known = [each[_VERSION] for each in (fields, *neighbors) if isinstance(each[_VERSION], int)]
    for version in (None, 1, *(v + step for v in known for step in (-2, -1, 0, 1, 2))):
        yield FIELDS[_VERSION], version, _with(fields, _VERSION, version)
    payload = fields[_PAYLOAD]
    if not isinstance(payload, dict):
        return
    for key in payload:
        # A key that nobody knows could be anything; it is found out, but not said.
        name = f"payload_json.{key}" if key in _payload_fields(fields[_TYPE]) else "payload_json"
        for value in _PAYLOAD_VALUES:
            yield name, value, _with(fields, _PAYLOAD, {**payload, key: value})
        rest = {k: v for k, v in payload.items() if k != key}
        yield "payload_json", _UNSAID, _with(fields, _PAYLOAD, rest)


def _by_rule(fields: list[Any], before: list[Any] | None, after: list[Any] | None) -> str:
    """Names the field that breaks a rule, without knowing what stood there."""
    kind = _CATALOGUE.get(fields[_TYPE]) if isinstance(fields[_TYPE], str) else None
    if kind is None:
        return "event_type was altered: there is no such event"
    try:
        msgspec.convert(fields[_PAYLOAD], kind)
    except msgspec.ValidationError:
        return "payload_json was altered: it is none of this event's"
    at = fields[_AT]
    if (before and not _in_order(before[_AT], at)) or (after and not _in_order(at, after[_AT])):
        return "created_at was altered: it is out of order"
    return "one of its fields was altered"


def _in_order(one: object, other: object) -> bool:
    return isinstance(one, str) and isinstance(other, str) and one <= other


def _payload_fields(event_type: object) -> tuple[str, ...]:
    kind = _CATALOGUE.get(event_type) if isinstance(event_type, str) else None
    return () if kind is None else kind.__struct_fields__


def _gives(link: Link, fields: list[Any]) -> bool:
    return link_hash(link.prev_hash, _written(fields)) == link.hash


def _parsed(text: str) -> list[Any] | None:
    """The fields of a canonical text; None for what can't be written again as it was."""
    try:
        fields = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(fields, list) or len(fields) != len(FIELDS) or _written(fields) != text:
        return None
    return fields


def _written(fields: list[Any]) -> str:
    # As PostgreSQL writes jsonb.
    return json.dumps(fields, ensure_ascii=False, separators=(", ", ": "))


def _with(fields: list[Any], index: int, value: object) -> list[Any]:
    return [*fields[:index], value, *fields[index + 1 :]]
