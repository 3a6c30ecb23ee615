"""Which documents there are in Firestore, whoever's: their names, read in pages."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from shared.projections.store import FirestoreDocuments


class DocumentNames(Protocol):
    """Where the names of documents are read."""

    def tenants(self) -> Iterator[str]:
        """The tenants that have any document, by the names of their folders."""

    def kinds(self, tenant: str) -> list[str]:
        """The kinds of documents that there are of a tenant, in order."""

    def page(self, tenant: str, kind: str, after: str, limit: int) -> list[str]:
        """The next names of a tenant's documents of a kind behind ``after``, in order."""


class FirestoreNames:
    """The names in the Firestore that ``documents`` are in."""

    def __init__(self, documents: FirestoreDocuments) -> None:
        self._documents = documents

    def tenants(self) -> Iterator[str]:
        """Their folders hold documents and are none themselves, which only this listing shows."""
        listed = self._documents.client.collection("tenants").list_documents(
            timeout=self._documents.timeout_s, retry=None
        )
        for each in listed:
            yield each.id

    def kinds(self, tenant: str) -> list[str]:
        """One call for each hundred or so."""
        found = self._documents.client.document(f"tenants/{tenant}").collections(
            timeout=self._documents.timeout_s, retry=None
        )
        return sorted(each.id for each in found)

    def page(self, tenant: str, kind: str, after: str, limit: int) -> list[str]:
        """One query; each name costs as much as reading a document."""
        collection = self._documents.client.collection(f"tenants/{tenant}/{kind}")
        query = collection.select(["__name__"]).order_by("__name__").limit(limit)
        if after:
            query = query.start_after({"__name__": collection.document(after)})
        return [each.id for each in query.stream(timeout=self._documents.timeout_s, retry=None)]
