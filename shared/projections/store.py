"""Firestore: read a document, and write it only if nobody else has since.

Compare-and-set by the document's update time rather than a transaction: parallel transactions on one
document fail in the emulator, and contend in the service.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple, Protocol

from shared.settings import settings


class Stored(NamedTuple):
    """A document as it was read."""

    content: Mapping[str, Any]
    update_time: datetime


class Contended(Exception):
    """Somebody else held the document for as long as a write may take; nothing is known to be written."""


class DocumentStore(Protocol):
    """Where projections are kept."""

    def read(self, path: str) -> Stored | None:
        """The document at ``path``, None when there is none."""

    def read_many(self, paths: Sequence[str]) -> list[Stored | None]:
        """The documents at ``paths``, in their order, in one call."""

    def write_if_unchanged(self, path: str, content: Mapping[str, Any], previous: Stored | None) -> bool:
        """Replaces or makes the document, whole; False when it is not ``previous`` any more.

        Raises Contended.
        """


class FirestoreDocuments:
    """The Firestore of the settings' project."""

    def read(self, path: str) -> Stored | None:
        """Reads one document within the outside time-out."""
        found = _client().document(path).get(timeout=settings().outside_timeout_s, retry=None)
        return Stored(found.to_dict(), found.update_time) if found.exists else None

    def read_many(self, paths: Sequence[str]) -> list[Stored | None]:
        """Reads them within the outside time-out."""
        references = [_client().document(path) for path in paths]
        answers = _client().get_all(references, timeout=settings().outside_timeout_s, retry=None)
        found = {
            each.reference.path: Stored(each.to_dict(), each.update_time) for each in answers if each.exists
        }
        return [found.get(path) for path in paths]

    def write_if_unchanged(self, path: str, content: Mapping[str, Any], previous: Stored | None) -> bool:
        """Writes under a precondition within the outside time-out."""
        from google.api_core.exceptions import (
            Aborted,
            AlreadyExists,
            DeadlineExceeded,
            FailedPrecondition,
            NotFound,
        )

        reference, timeout_s = _client().document(path), settings().outside_timeout_s
        try:
            if previous is None:
                reference.create(content, timeout=timeout_s, retry=None)
            else:
                # An update keeps what it does not name.
                foreign = {_path(key): _deleted() for key in previous.content.keys() - content.keys()}
                unchanged = _client().write_option(last_update_time=previous.update_time)
                reference.update({**content, **foreign}, option=unchanged, timeout=timeout_s, retry=None)
        except (AlreadyExists, FailedPrecondition, NotFound):
            return False
        except (Aborted, DeadlineExceeded) as error:
            # Whoever may read a document can hold it, in a transaction that they do not end.
            raise Contended from error
        return True


def _path(key: str) -> str:
    from google.cloud.firestore_v1.field_path import FieldPath

    return str(FieldPath(key).to_api_repr())


def _deleted() -> Any:
    from google.cloud.firestore import DELETE_FIELD

    return DELETE_FIELD


@lru_cache(maxsize=1)
def _client() -> Any:
    # Late: its import is a third of a second.
    from google.cloud import firestore

    return firestore.Client(project=settings().project_id)
