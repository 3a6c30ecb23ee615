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

# By how much an event may come after the words that it tells of, in the transaction that wrote both.
_WRITTEN_BEFORE = "interval '1 minute'"
_AT_ONCE = 2_000
_FIRST = UUID(int=0)


class _Words(NamedTuple):
    """A kind of words: whose event has their digest, and which record, found by its key, has them."""

    name: str
    table: str
    key: str
    column: str
    digest: str
    more: str = "''"


_SHOWN = "System.Response"
_KINDS = {
    "User.Acknowledged": _Words(
        "the note of a Send", "mini_submission", "mini_submission_id", "note_text", "note_digest"
    ),
    "Glass.Broken": _Words(
        "the explanation of broken glass", "break_glass", "break_glass_id", "explanation",
        "explanation_digest",
    ),
    _SHOWN: _Words(
        "what a response says", "system_response", "system_response_id", "tasking_summary", "shown_digest",
        "r.rationale::text",
    ),
}  # fmt: skip

# A payload may hold anything by now, so its id is looked at first.
_RECORD = """SELECT r.{key} AS id, r.{column} AS words, {more} AS more,
        e.payload_json ->> '{digest}' AS digest
    FROM public.{table} r WHERE e.event_type = '{event_type}' AND r.tenant_id = e.tenant_id AND r.{key} = CASE
        WHEN e.payload_json ->> '{key}' ~ '^[0-9a-f]{{8}}(-[0-9a-f]{{4}}){{3}}-[0-9a-f]{{12}}$'
        THEN CAST(e.payload_json ->> '{key}' AS uuid) END"""
# Event by event, once for all kinds, along the chains' index, whatever the planner thinks of the tables. An
# event without a digest is of an earlier release.
_PAGE = f"""SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off;
SELECT e.patient_context_id, e.seq, e.event_type, c.patient_key, r.*,
    r.words = '{ERASED}' AND EXISTS (SELECT 1 FROM public.event_log x WHERE x.tenant_id = '{{tenant}}'
        AND x.patient_context_id = e.patient_context_id AND x.seq > e.seq AND x.event_type = 'Patient.Erased'
        AND x.payload_json ->> 'texts_until' ~ '^[0-9T:.-]+Z$'
        AND (x.payload_json ->> 'texts_until') COLLATE "C" >= pg_catalog.to_char(
            pg_catalog.timezone('UTC', e.created_at - {_WRITTEN_BEFORE}), 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'))
FROM public.event_log e
CROSS JOIN LATERAL ({{records}}) r
LEFT JOIN public.patient_context c
    ON c.tenant_id = '{{tenant}}' AND c.patient_context_id = e.patient_context_id
WHERE e.tenant_id = '{{tenant}}' AND e.event_type IN ({{types}}) AND r.digest IS NOT NULL
    AND {{chains}} AND (e.patient_context_id, e.seq) > ('{{context}}', {{seq:d}})
ORDER BY e.patient_context_id, e.seq LIMIT {_AT_ONCE}"""


def check_words(
    ask: Ask, tenant_id: TenantId, text_digest: TextDigest, *, only: PatientContextId | None = None
) -> Iterator[Finding]:
    """Words that were altered since their event, of a tenant or of ``only`` one patient."""
    for told in _records(ask, tenant_id, only):
        if told.is_erased:
            continue
        now = _digest(tenant_id, told, text_digest)
        if not hmac.compare_digest(now.encode(), told.digest.encode()):
            says = f"{_KINDS[told.event_type].name}, which event {told.seq} tells of, was altered since"
            yield Finding(tenant_id, PatientKey(told.key or ""), told.seq, Kind.RECORD, says)


def _digest(tenant_id: TenantId, told: _Told, text_digest: TextDigest) -> str:
    """The digest of the words as they are; none of what can't be read, which nobody wrote."""
    try:
        if told.event_type == _SHOWN:
            return shown_digest(told.words, told.more)
        return text_digest(tenant_id, told.record_id, told.words or "")
    except (ValueError, RecursionError, OverflowError):
        return ""


class _Told(NamedTuple):
    context: UUID
    seq: int
    event_type: str
    key: str | None
    record_id: UUID
    words: str
    more: str
    digest: str
    is_erased: bool


def _records(ask: Ask, tenant_id: TenantId, only: PatientContextId | None) -> Iterator[_Told]:
    records = " UNION ALL ".join(
        _RECORD.format(event_type=event_type, **kind._asdict()) for event_type, kind in _KINDS.items()
    )
    context, seq = _FIRST, 0
    while True:
        statement = _PAGE.format(
            tenant=tenant_id,
            records=records,
            types=", ".join(f"'{event_type}'" for event_type in _KINDS),
            chains="true" if only is None else f"e.patient_context_id = '{only}'",
            context=context,
            seq=seq,
        )
        page = [_Told(*row) for row in ask(tenant_id, statement)]
        yield from page
        if len(page) < _AT_ONCE:
            return
        context, seq = page[-1].context, page[-1].seq
