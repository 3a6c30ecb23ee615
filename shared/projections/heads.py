"""What the documents in Firestore name as the last event of their patient's chain, read in pages."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from shared.ledger.chain import Head
from shared.ledger.verification.documents import DocumentHead
from shared.model import LedgerHead, PatientKey, TenantId
from shared.projections.documents import patient_state_path

_AT_ONCE = 1_000
_FIELDS = ("version", "version_head")
_HASH_LENGTH = 32


class FirestoreHeads:
    """The documents of the Firestore that ``client`` speaks to; each page may take ``timeout_s``."""

    def __init__(self, client: Any, timeout_s: float) -> None:
        self._client = client
        self._timeout_s = timeout_s

    def heads(self, tenant_id: TenantId, patient_key: PatientKey | None) -> Iterator[DocumentHead]:
        """Those of a tenant in the order of their names; or the one of ``patient_key``, if there is one."""
        if patient_key is not None:
            path = patient_state_path(tenant_id, patient_key)
            found = self._client.document(path).get(list(_FIELDS), timeout=self._timeout_s)
            if found.exists:
                yield document_head(found.id, found.to_dict())
            return
        collection = self._client.collection(f"tenants/{tenant_id}/patient_state")
        pages = collection.select(_FIELDS).order_by("__name__").limit(_AT_ONCE)
        page = pages
        while some := list(page.stream(timeout=self._timeout_s)):
            for each in some:
                yield document_head(each.id, each.to_dict())
            page = pages.start_after(some[-1])


def document_head(name: str, content: Any) -> DocumentHead:
    """What a document says of its place, whatever it holds."""
    version = content.get("version")
    # True is a number to Python.
    number = version if isinstance(version, int) and not isinstance(version, bool) else None
    try:
        head = msgspec.convert(content.get("version_head"), LedgerHead)
        digest = bytes.fromhex(head.hash)
    except (msgspec.ValidationError, ValueError):
        return DocumentHead(name, number, None)
    return DocumentHead(name, number, Head(head.seq, digest) if len(digest) == _HASH_LENGTH else None)
