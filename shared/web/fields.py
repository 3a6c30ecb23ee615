"""Turns what a caller sent into a request, or names every field that is wrong.

Messages are made from the types alone, so no value that was sent can get into one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import Enum
from functools import lru_cache
from types import NoneType, UnionType
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin
from uuid import UUID

import msgspec
from msgspec import NODEFAULT, Struct, ValidationError
from msgspec.structs import FieldInfo

from shared.errors import FieldError, InvalidFields
from shared.web.messages import Request

Q = TypeVar("Q", bound=Request)

IDEMPOTENCY_KEY = "Idempotency-Key"
IDEMPOTENCY_KEY_PATTERN = r'[A-Za-z0-9._:-]{1,255}|"(?:[ !#-\[\]-~]|\\["\\]){1,255}"'
_IDEMPOTENCY_KEY = re.compile(IDEMPOTENCY_KEY_PATTERN)
_IDEMPOTENCY_KEY_ERROR = FieldError(
    IDEMPOTENCY_KEY,
    "must be 1 to 255 characters out of A-Z a-z 0-9 . _ : -, or a quoted string of that length",
)


def read_fields(
    request_type: type[Q], raw: Mapping[str, object], *, from_query: bool
) -> tuple[Q, list[FieldError]]:
    """The request, and what is wrong with it; with an empty list the request holds what its types say.

    In a query everything is a string, so ``"8"`` is a number there and nowhere else.
    """
    values, errors = _read_struct(request_type, raw, "", strict=not from_query)
    # A field that was wrong is None for the rules between fields, and is complained about only once.
    request = request_type(**values)
    named = {error.field for error in errors}
    errors.extend(problem for problem in request.problems(named) if problem.field not in named)
    return request, errors


def read_idempotency_key(header: str | None) -> tuple[str | None, list[FieldError]]:
    """The key without its quotes, so that ``"a"`` and ``a`` are the same one, and what is wrong with it."""
    if header is None:
        return None, []
    if not _IDEMPOTENCY_KEY.fullmatch(header):
        return None, [_IDEMPOTENCY_KEY_ERROR]
    if header.startswith('"'):
        return re.sub(r'\\(["\\])', r"\1", header[1:-1]), []
    return header, []


def refuse(errors: list[FieldError]) -> None:
    """Raises InvalidFields when there are errors."""
    if errors:
        raise InvalidFields(*errors)


def describe(field_type: Any) -> str:
    """What a value of this type must be, to finish the sentence "must be ..."."""
    field_type = without_none(field_type)
    if get_origin(field_type) is Annotated:
        for meta in field_type.__metadata__:
            if isinstance(meta, msgspec.Meta) and meta.description:
                return meta.description
    field_type = getattr(field_type, "__supertype__", field_type)
    if field_type is bool:
        return "true or false"
    if isinstance(field_type, type):
        if issubclass(field_type, Enum):
            return "one of " + ", ".join(str(member.value) for member in field_type)
        if issubclass(field_type, UUID):
            return "a UUID"
        if issubclass(field_type, Struct):
            return "an object with " + " and ".join(field_type.__struct_fields__)
    return "of the type that the API's description says"


def without_none(field_type: Any) -> Any:
    """The type itself of ``type | None``."""
    if get_origin(field_type) in (Union, UnionType):
        kinds = [kind for kind in get_args(field_type) if kind is not NoneType]
        return kinds[0] if len(kinds) == 1 else field_type
    return field_type


def is_struct(field_type: Any) -> bool:
    """Whether the type is a nested object."""
    return isinstance(field_type, type) and issubclass(field_type, Struct)


@lru_cache(maxsize=64)
def _fields(struct: type[Struct]) -> tuple[FieldInfo, ...]:
    # Reading annotations is slow; the types never change.
    return msgspec.structs.fields(struct)


def _read_struct(
    struct: type[Struct], raw: Mapping[str, object], prefix: str, *, strict: bool
) -> tuple[dict[str, Any], list[FieldError]]:
    values: dict[str, Any] = {}
    errors: list[FieldError] = []
    for field in _fields(struct):
        name = prefix + field.name
        given = raw.get(field.name)
        nested = without_none(field.type)
        values[field.name] = None
        if given is None:
            # Null and absent are the same: some clients send every field they know.
            if field.required:
                errors.append(FieldError(name, "is required"))
            elif field.default is not NODEFAULT:
                values[field.name] = field.default
        elif is_struct(nested) and isinstance(given, Mapping):
            inner, wrong = _read_struct(nested, given, f"{name}.", strict=strict)
            errors.extend(wrong)
            values[field.name] = nested(**inner)
        else:
            try:
                values[field.name] = msgspec.convert(given, nested, strict=strict)
            except ValidationError:
                errors.append(FieldError(name, f"must be {describe(field.type)}"))
    return values, errors
