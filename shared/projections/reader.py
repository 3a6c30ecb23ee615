"""Looks at a patient's document while Postgres is being read, and never makes anybody wait long."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import lru_cache

from shared.model import PatientKey, TenantId
from shared.projections.documents import patient_state_path
from shared.projections.store import FirestoreDocuments

_AT_ONCE = 16
_PATIENCE_S = 0.5  # after Postgres has answered: only one word of the answer depends on it


class ProjectionUnreadable(Exception):
    """Firestore did not answer, or not in time."""


def look_at_version(tenant_id: TenantId, patient_key: PatientKey) -> Callable[[], int | None]:
    """Begins to read the document and returns a function that waits for its version.

    None: there is no document. The function raises ProjectionUnreadable.
    """
    path = patient_state_path(tenant_id, patient_key)
    looking: Future[int | None] = _threads().submit(_version, path)

    def wait() -> int | None:
        try:
            return looking.result(_PATIENCE_S)
        except (
            Exception
        ) as error:  # whatever a client library or a clock says: the answer does not depend on it
            looking.cancel()
            raise ProjectionUnreadable from error

    return wait


def _version(path: str) -> int | None:
    stored = FirestoreDocuments().read(path)
    return None if stored is None else int(stored.content["version"])


@lru_cache(maxsize=1)
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="projection-reader")
