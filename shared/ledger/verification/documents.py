"""Whether what Firestore's documents name as their last event is one of the patient's chain.

Documents are read first and the chain after: an event was there before a document named it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import NamedTuple, Protocol

import msgspec

from shared.ledger.chain import Head
from shared.ledger.verification.findings import Finding, Kind, Trouble
from shared.ledger.verification.pages import Ask
from shared.model import PatientKey, TenantId

_AT_ONCE = 1_000
_KEY = re.compile(r"[A-Za-z0-9_-]{1,64}")

# The texts travel in hex: they come from a document, which could say anything.
_LOOK = """SELECT d.n, c.patient_context_id IS NOT NULL, c.ledger_seq, e.n IS NOT NULL, e.same, e.version
FROM pg_catalog.jsonb_to_recordset(
    pg_catalog.convert_from(pg_catalog.decode('{documents}', 'hex'), 'UTF8')::jsonb)
    AS d(n int, key text, seq bigint, hash text)
LEFT JOIN public.patient_context c ON c.tenant_id = '{tenant}' AND c.patient_key = d.key
LEFT JOIN LATERAL (SELECT 1 AS n, e.hash = pg_catalog.decode(d.hash, 'hex') AS same, e.version
    FROM public.event_log e WHERE e.tenant_id = '{tenant}'
        AND e.patient_context_id = c.patient_context_id AND e.seq = d.seq
    ORDER BY same DESC NULLS LAST LIMIT 1) e ON true
ORDER BY d.n"""


class DocumentHead(NamedTuple):
    """What a patient's document says of its place in the chain; ``name`` is the document's.

    ``head`` None: it names none, or nothing that could be one. ``version`` None: likewise.
    """

    name: str
    version: int | None
    head: Head | None


class DocumentHeads(Protocol):
    """Where documents are read."""

    def heads(self, tenant_id: TenantId, patient_key: PatientKey | None) -> Iterator[DocumentHead]:
        """Those of a tenant, in pages; or of one patient."""


def check_documents(
    ask: Ask, tenant_id: TenantId, documents: Iterable[DocumentHead]
) -> Iterator[list[Finding]]:
    """What is wrong with each document; nothing for one that names an event of its patient's chain."""
    waiting = iter(documents)
    while some := list(islice(waiting, _AT_ONCE)):
        rows = {row[0]: _Seen(*row[1:]) for row in ask(tenant_id, _statement(tenant_id, some))}
        for number, document in enumerate(some):
            troubles = _troubles(document, rows.get(number, _Seen(False, None, False, None, None)))
            yield [Finding(tenant_id, PatientKey(document.name), *_in_place(each)) for each in troubles]


class _Seen(NamedTuple):
    is_patient: bool
    ledger_seq: int | None
    is_there: bool
    same: bool | None
    version: int | None


def _statement(tenant_id: TenantId, documents: list[DocumentHead]) -> str:
    asked = [
        {
            "n": number,
            "key": document.name,
            "seq": document.head and document.head.seq,
            "hash": document.head and document.head.hash.hex(),
        }
        for number, document in enumerate(documents)
        if _KEY.fullmatch(document.name)
    ]
    return _LOOK.format(tenant=tenant_id, documents=msgspec.json.encode(asked).hex())


def _troubles(document: DocumentHead, seen: _Seen) -> Iterator[Trouble]:
    version, head = document.version, document.head
    if not seen.is_patient:
        yield Trouble(Kind.DOCUMENT, 0, "Firestore has a document of a patient who does not exist")
    elif head is None:
        # A patient to whom nothing has happened yet has neither.
        if version != 0:
            yield Trouble(Kind.DOCUMENT, 0, "its document in Firestore names no event")
    elif not seen.is_there:
        last = seen.ledger_seq or 0
        kind = Kind.TRUNCATED if head.seq > last else Kind.REMOVED
        also = f"; the head is event {last}" if head.seq > last else ""
        yield Trouble(kind, head.seq, f"event {head.seq}, which its document names, is not there{also}")
    elif not seen.same:
        yield Trouble(
            Kind.REWRITTEN, head.seq,
            f"its document names another event {head.seq}: the chain was rewritten from there on at the "
            "latest, or the document was",
        )  # fmt: skip
    elif seen.version != version:
        yield Trouble(
            Kind.DOCUMENT, head.seq, f"its document has another version than event {head.seq}, which it names"
        )


def _in_place(trouble: Trouble) -> tuple[int, Kind, str]:
    return trouble.seq, trouble.kind, trouble.says
