"""Finds everything that is wrong with a document, where msgspec alone stops at the first mistake.

The types say what is right; this walks them beside the document. Who edits a policy by hand sees every
mistake at once, each with its path, the reason and what would be allowed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from enum import Enum
from functools import cache
from types import UnionType
from typing import Annotated, Any, NamedTuple, Union, get_args, get_origin

import msgspec


class Problem(NamedTuple):
    """One mistake: where it is, why it is one and, for closed sets, what is allowed instead."""

    path: str
    reason: str
    allowed: tuple[str, ...] = ()

    def __str__(self) -> str:
        allowed = f" (allowed: {', '.join(self.allowed)})" if self.allowed else ""
        return f"{self.path or 'document'}: {self.reason}{allowed}"

    def below(self, path: str) -> Problem:
        """The same mistake, seen from further up in the document."""
        return self._replace(path=_join(path, self.path))


class Check(NamedTuple):
    """Goes beside a field's type in ``Annotated``: finds what is wrong with a value of the right type."""

    find: Callable[[Any], Problem | None]


class Checked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A part of a document whose fields must also agree with each other."""

    def contradictions(self) -> Iterator[Problem]:
        """Yields what is wrong between fields that are each right, with paths relative to this part."""
        yield from ()


def find_problems(value: object, kind: Any, path: str = "") -> Iterator[Problem]:
    """Yields every mistake of ``value`` as a ``kind``; if there is none, ``msgspec.convert`` will take it.

    ``kind`` is a struct, ``dict[str, ...]``, ``tuple[..., ...]``, ``... | None`` or anything that msgspec
    converts.
    """
    if get_origin(kind) in (Union, UnionType) and type(None) in get_args(kind):
        if value is not None:
            yield from find_problems(value, get_args(kind)[0], path)
    elif isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        yield from _struct_problems(value, kind, path)
    elif get_origin(kind) is dict:
        key_kind, item_kind = get_args(kind)
        yield from _dict_problems(value, key_kind, item_kind, path)
    elif get_origin(kind) is tuple:
        yield from _tuple_problems(value, get_args(kind)[0], path)
    else:
        yield from _leaf_problems(value, kind, path)


def path_to(part: str, key: str) -> str:
    """The path of a key in a part. Dotted keys are quoted: ``signals['claim.denied']`` is unambiguous."""
    return _join(part, key if re.fullmatch(r"\w+", key) else f"[{key!r}]")


def _join(path: str, rest: str) -> str:
    return f"{path}{rest}" if not path or not rest or rest.startswith("[") else f"{path}.{rest}"


@cache  # resolving annotations is most of the work, and the types never change
def _fields(kind: type[msgspec.Struct]) -> Mapping[str, msgspec.structs.FieldInfo]:
    return {field.name: field for field in msgspec.structs.fields(kind)}


def _struct_problems(value: object, kind: type[msgspec.Struct], path: str) -> Iterator[Problem]:
    if not isinstance(value, Mapping):
        yield Problem(path, "must be a mapping of names to values")
        return
    fields = _fields(kind)
    found = False
    for key in value:
        if key not in fields:
            found = True
            yield Problem(path_to(path, str(key)), "is not a field here", tuple(fields))
    for name, field in fields.items():
        if name in value:
            for problem in find_problems(value[name], field.type, _join(path, name)):
                found = True
                yield problem
        elif field.required:
            found = True
            yield Problem(_join(path, name), "is missing")
    if not found and issubclass(kind, Checked):
        for problem in msgspec.convert(value, kind).contradictions():
            yield problem.below(path)


def _dict_problems(value: object, key_kind: Any, item_kind: Any, path: str) -> Iterator[Problem]:
    if not isinstance(value, Mapping):
        yield Problem(path, "must be a mapping of names to values")
        return
    for key, item in value.items():
        at = path_to(path, str(key))
        yield from _leaf_problems(key, key_kind, at)
        yield from find_problems(item, item_kind, at)


def _tuple_problems(value: object, item_kind: Any, path: str) -> Iterator[Problem]:
    if not isinstance(value, list | tuple):
        yield Problem(path, "must be a list")
        return
    for index, item in enumerate(value):
        yield from find_problems(item, item_kind, f"{path}[{index}]")


def _leaf_problems(value: object, kind: Any, path: str) -> Iterator[Problem]:
    plain, notes = (get_args(kind)[0], get_args(kind)[1:]) if get_origin(kind) is Annotated else (kind, ())
    try:
        converted = msgspec.convert(value, kind)
    except msgspec.ValidationError as refusal:
        # A description written for people says more than "expected `str` matching regex".
        described = [n.description for n in notes if isinstance(n, msgspec.Meta) and n.description]
        reason = f"must be {described[0]}" if described else str(refusal).split(" - at ")[0]
        if plain is bool:
            reason = "must be true or false"
        elif allowed := _allowed(plain, notes):
            yield Problem(path, "is not an allowed value", allowed)
            return
        yield Problem(path, reason)
        return
    for note in notes:
        if isinstance(note, Check) and (problem := note.find(converted)):
            yield problem.below(path) if problem.path else problem._replace(path=path)


def _allowed(kind: Any, notes: tuple[Any, ...]) -> tuple[str, ...]:
    """The members of a closed set that the checks beside it let through; nothing for other kinds."""
    if not (isinstance(kind, type) and issubclass(kind, Enum)):
        return ()
    checks = [note for note in notes if isinstance(note, Check)]
    return tuple(str(m.value) for m in kind if not any(check.find(m) for check in checks))
