"""Takes everything of a tenant out of Firestore, after it has left."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from shared.model import TenantId

_AT_ONCE = 300


class NotRemoved(Exception):
    """Firestore did not do it, or not all; says nothing of what is there."""


class TenantDocuments:
    """The documents of a project's tenants, of any kind; each call may take ``timeout_s``.

    Raises NotRemoved without credentials.
    """

    def __init__(self, project_id: str, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        # Late: its import is a third of a second.
        from google.auth.exceptions import GoogleAuthError
        from google.cloud import firestore

        try:
            self._client: Any = firestore.Client(project=project_id)
        except GoogleAuthError as error:
            raise NotRemoved from error

    def remove(self, tenant_id: TenantId, on_removed: Callable[[int], None]) -> int:
        """Deletes documents of the tenant until a listing finds none any more; returns how many.

        ``on_removed`` is told how many more are gone. Raises NotRemoved when Firestore is away, or somebody
        holds a document: what is gone stays gone.
        """
        from google.api_core.exceptions import GoogleAPIError
        from google.auth.exceptions import GoogleAuthError

        removed = 0
        try:
            while count := self._remove_some(tenant_id):
                removed += count
                on_removed(count)
        except (GoogleAPIError, GoogleAuthError, OSError) as error:
            raise NotRemoved from error
        return removed

    def _remove_some(self, tenant_id: TenantId) -> int:
        """Deletes at most so many of each kind."""
        removed = 0
        for collection in self._client.document(f"tenants/{tenant_id}").collections(timeout=self._timeout_s):
            # Their names alone: what is in them is not for us.
            found = list(collection.select(["__name__"]).limit(_AT_ONCE).stream(timeout=self._timeout_s))
            batch = self._client.batch()
            for document in found:
                batch.delete(document.reference)
            if found:
                batch.commit(timeout=self._timeout_s)
            removed += len(found)
        return removed
