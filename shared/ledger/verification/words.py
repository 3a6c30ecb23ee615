"""Whether notes, explanations and the words of responses are still what their events have a digest of."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterator
from typing import NamedTuple
from uuid import UUID

from shared.ledger.digests import shown_digest
from shared.ledger.verification.findings import Finding, Kind
from shared.ledger.verification.pages import Ask
from shared.model import PatientContextId, PatientKey, TenantId

TextDigest = Callable[[TenantId, UUID, str], str]
"""What the ledger has of what a person wrote in one record, of this id."""

ERASED = "[erased]"
"""What stands for words that were erased; an event of the chain says so."""

_AT_ONCE = 2_000
_FIRST = UUID(int=0)


class _Words(NamedTuple):
    """A kind of words: whose event has their digest, and which record, found by its key, has them."""

    name: str
    event_type: str
    table: str
    key: str
    column: str
    digest: str


_WRITTEN = (
    _Words("the note of a Send", "User.Acknowledged", "mini_submission", "mini_submission_id", "note_text",
           "note_digest"),
    _Words("the explanation of broken glass", "Glass.Broken", "break_glass", "break_glass_id", "explanation",
           "explanation_digest"),
)  # fmt: skip
_SHOWN = _Words(
    "what a response says", "System.Response", "system_response", "system_response_id", "tasking_summary",
    "shown_digest",
)  # fmt: skip

# Event by event, along the chains' index; a payload may hold anything by now, so its id is looked at first.
# An event without a digest is of an earlier release.
_PAGE = """SELECT e.patient_context_id, e.seq, c.patient_key, r.{key}, r.{column}, {more},
    e.payload_json ->> '{digest}',
    r.{column} = '{erased}' AND EXISTS (SELECT 1 FROM public.event_log x WHERE x.tenant_id = '{tenant}'
        AND x.patient_context_id = e.patient_context_id AND x.seq > e.seq AND x.event_type = 'Patient.Erased')
FROM public.event_log e
JOIN public.{table} r ON r.tenant_id = '{tenant}' AND r.{key} = CASE
    WHEN e.payload_json ->> '{key}' ~ '^[0-9a-f]{{8}}(-[0-9a-f]{{4}}){{3}}-[0-9a-f]{{12}}$'
    THEN CAST(e.payload_json ->> '{key}' AS uuid) END
LEFT JOIN public.patient_context c ON c.tenant_id = '{tenant}' AND c.patient_context_id = e.patient_context_id
WHERE e.tenant_id = '{tenant}' AND e.event_type = '{event_type}' AND e.payload_json ->> '{digest}' IS NOT NULL
    AND {chains} AND (e.patient_context_id, e.seq) > ('{context}', {seq:d})
ORDER BY e.patient_context_id, e.seq LIMIT {at_once}"""


def check_words(
    ask: Ask, tenant_id: TenantId, text_digest: TextDigest, *, only: PatientContextId | None = None
) -> Iterator[Finding]:
    """Words that were altered since their event, of a tenant or of ``only`` one patient."""
    for words in (*_WRITTEN, _SHOWN):
        for seq, key, record_id, text, more, digest, is_erased in _records(ask, tenant_id, words, only):
            if is_erased:
                continue
            now = (
                shown_digest(text, more) if words is _SHOWN else text_digest(tenant_id, record_id, text or "")
            )
            if not hmac.compare_digest(now.encode(), digest.encode()):
                says = f"{words.name}, which event {seq} tells of, was altered since"
                yield Finding(tenant_id, PatientKey(key or ""), seq, Kind.RECORD, says)


_Record = tuple[int, str | None, UUID, str, str, str, bool]


def _records(
    ask: Ask, tenant_id: TenantId, words: _Words, only: PatientContextId | None
) -> Iterator[_Record]:
    context, seq = _FIRST, 0
    while True:
        statement = _PAGE.format(
            tenant=tenant_id,
            more="r.rationale::text" if words is _SHOWN else "''",
            chains="true" if only is None else f"e.patient_context_id = '{only}'",
            context=context,
            seq=seq,
            erased=ERASED,
            at_once=_AT_ONCE,
            **words._asdict(),
        )
        rows = ask(tenant_id, statement)
        for row in rows:
            yield tuple(row[1:])
        if len(rows) < _AT_ONCE:
            return
        context, seq = rows[-1][0], rows[-1][1]
