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


class Write(NamedTuple):
    """What a document is to hold, whole, if it is still ``previous`` (None: if there is none)."""

    path: str
    content: Mapping[str, Any]
    previous: Stored | None


class FirestoreDocuments:
    """The Firestore of the settings' project, or the one that ``client`` speaks to, with its own time-out."""

    def __init__(self, client: Any = None, timeout_s: float | None = None) -> None:
        self._given = client
        self._given_timeout_s = timeout_s

    @property
    def client(self) -> Any:
        """The library's client."""
        return self._given or _client()

    @property
    def timeout_s(self) -> float:
        """How long one call may take."""
        return self._given_timeout_s or settings().outside_timeout_s

    def read(self, path: str) -> Stored | None:
        """Reads one document within the outside time-out."""
        found = self.client.document(path).get(timeout=self.timeout_s, retry=None)
        return Stored(found.to_dict(), found.update_time) if found.exists else None

    def read_many(self, paths: Sequence[str]) -> list[Stored | None]:
        """Reads them within the outside time-out."""
        references = [self.client.document(path) for path in paths]
        answers = self.client.get_all(references, timeout=self.timeout_s, retry=None)
        found = {
            each.reference.path: Stored(each.to_dict(), each.update_time) for each in answers if each.exists
        }
        return [found.get(path) for path in paths]

    def write_if_unchanged(self, path: str, content: Mapping[str, Any], previous: Stored | None) -> bool:
        """Writes under a precondition within the outside time-out."""
        from google.api_core.exceptions import (
            Aborted,
            AlreadyExists,
            Cancelled,
            DeadlineExceeded,
            FailedPrecondition,
            NotFound,
        )

        reference, timeout_s = self.client.document(path), self.timeout_s
        try:
            if previous is None:
                reference.create(content, timeout=timeout_s, retry=None)
            else:
                unchanged = self.client.write_option(last_update_time=previous.update_time)
                whole = _whole(content, previous)
                reference.update(whole, option=unchanged, timeout=timeout_s, retry=None)
        except (AlreadyExists, FailedPrecondition, NotFound):
            return False
        except (Aborted, DeadlineExceeded, Cancelled) as error:
            # Whoever may read a document can hold it, in a transaction that they do not end. A server that
            # sees our deadline pass before we do says "cancelled".
            raise Contended from error
        return True

    def write_all_if_unchanged(self, writes: Sequence[Write]) -> bool:
        """Writes all of them in one commit, or none; False when one is not its ``previous`` any more.

        At most 500. Raises Contended.
        """
        from google.api_core.exceptions import (
            Aborted,
            AlreadyExists,
            Cancelled,
            DeadlineExceeded,
            FailedPrecondition,
            NotFound,
        )

        batch = self.client.batch()
        for path, content, previous in writes:
            reference = self.client.document(path)
            if previous is None:
                batch.create(reference, content)
            else:
                unchanged = self.client.write_option(last_update_time=previous.update_time)
                batch.update(reference, _whole(content, previous), option=unchanged)
        try:
            batch.commit(timeout=self.timeout_s, retry=None)
        except (AlreadyExists, FailedPrecondition, NotFound):
            return False
        except (Aborted, DeadlineExceeded, Cancelled) as error:
            raise Contended from error
        return True


def _whole(content: Mapping[str, Any], previous: Stored) -> dict[str, Any]:
    """What an update has to name, which keeps what it does not."""
    return {**content, **{_path(key): _deleted() for key in previous.content.keys() - content.keys()}}


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
