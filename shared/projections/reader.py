"""Looks at a patient's document while Postgres is being read, and never makes anybody wait long."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import lru_cache

from shared.model import PatientKey, TenantId
from shared.patience import Rest, at_most
from shared.projections.documents import patient_state_path
from shared.projections.store import FirestoreDocuments

_AT_ONCE = 16
_PATIENCE_S = 0.5  # after Postgres has answered: only one word of the answer depends on it
_REST_S = 5.0


class ProjectionUnreadable(Exception):
    """Firestore did not answer in time, or is not asked: it failed a moment ago, or has much to do."""


def look_at_version(tenant_id: TenantId, patient_key: PatientKey) -> Callable[[], int | None]:
    """Begins to read the document and returns a function that waits for its version.

    None: there is no document. The function raises ProjectionUnreadable. While Firestore is away nobody waits
    but one now and then; nor does anybody wait for others that look.
    """
    looking: Future[int | None] | None = None
    if _rest().is_my_turn() and _free().acquire(blocking=False):
        looking = _threads().submit(_version, patient_state_path(tenant_id, patient_key))

    def wait() -> int | None:
        if looking is None:
            raise ProjectionUnreadable
        try:
            return looking.result(at_most(_PATIENCE_S))
        except (
            Exception
        ) as error:  # whatever a client library or a clock says: the answer does not depend on it
            raise ProjectionUnreadable from error

    return wait


def _version(path: str) -> int | None:
    try:
        stored = FirestoreDocuments().read(path)
    except Exception:
        _rest().begin()
        raise
    finally:
        _free().release()
    _rest().end()
    return None if stored is None else int(stored.content["version"])


@lru_cache(maxsize=1)
def _rest() -> Rest:
    return Rest(_REST_S)


@lru_cache(maxsize=1)
def _free() -> threading.Semaphore:
    return threading.BoundedSemaphore(_AT_ONCE)


@lru_cache(maxsize=1)
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="projection-reader")
