"""How a document differs from what Postgres says: by the names of our fields, never by what is in them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple
from uuid import UUID

from shared.model import SubjectType
from shared.projections.documents import Document

FOREIGN = "a field that is not ours"
_WRITTEN_AT = "updated_at"


class Drift(StrEnum):
    """In what way a document is not what Postgres says.

    ``unknown_head``: it names an event that is not in the chain; ``orphan``: it is of nobody whom Postgres
    has.
    """

    MISSING = "missing"
    DIFFERS = "differs"
    UNKNOWN_HEAD = "unknown_head"
    ORPHAN = "orphan"

    @property
    def is_repairable(self) -> bool:
        """Whether writing the document again mends it without any document going back in time."""
        return self in (Drift.MISSING, Drift.DIFFERS)


class Difference(NamedTuple):
    """One document that is not as it should be.

    ``name`` is the document's own, ``fields`` are dotted names of ours. An orphan has no ``subject``, and no
    ``subject_type`` if it is of a kind that is not compared.
    """

    subject_type: SubjectType | None
    subject: UUID | None
    name: str
    drift: Drift
    fields: tuple[str, ...] = ()


def differing_fields(stored: Document, built: Document) -> tuple[str, ...]:
    """The fields in which a stored document is not the ``built`` one; when it was written does not count."""
    here = {name: value for name, value in stored.items() if name != _WRITTEN_AT}
    written_at = () if isinstance(stored.get(_WRITTEN_AT), datetime) else (_WRITTEN_AT,)
    return (*_differing(here, built, ""), *written_at)


def _differing(stored: Mapping[str, Any], built: Mapping[str, Any], prefix: str) -> Iterator[str]:
    for name, value in built.items():
        there = stored.get(name)
        if isinstance(value, Mapping) and isinstance(there, Mapping):
            yield from _differing(there, value, f"{prefix}{name}.")
        elif name not in stored or not _same(there, value):
            yield f"{prefix}{name}"
    if stored.keys() - built.keys():
        yield FOREIGN


def _same(stored: object, built: object) -> bool:
    if isinstance(built, datetime):
        # Firestore's own class of times.
        return isinstance(stored, datetime) and stored == built
    if isinstance(built, Mapping):
        return (
            isinstance(stored, Mapping)
            and stored.keys() == built.keys()
            and all(_same(stored[name], value) for name, value in built.items())
        )
    if isinstance(built, Sequence) and not isinstance(built, str):
        return (
            isinstance(stored, Sequence)
            and not isinstance(stored, str)
            and len(stored) == len(built)
            and all(map(_same, stored, built))
        )
    # To Python 1, 1.0 and True are equal; to who reads the document they are not.
    return type(stored) is type(built) and stored == built
