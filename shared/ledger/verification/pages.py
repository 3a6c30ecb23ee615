"""Reads a tenant's events page by page, in the order of their chains, and where the chains of a page end.

Chains grow while they are read, and nothing may be reported on intact ones. So each page is one statement,
which sees one moment: its events, and where the chains that end in it end. What is left of a page's last
chain is read with the next page, and so is where that chain ends by then.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from shared.ledger.chain import CANONICAL, Head
from shared.model import PatientContextId, PatientKey, TenantId

Ask = Callable[[TenantId, str], list[Any]]
"""Runs one plain statement with the tenant set and returns its rows; it sees one moment of the database."""

Advance = Callable[[int], None]
"""Is told how many more events were walked."""

PAGE = 5_000
"""How many events are read at once."""

OWN = "-"
"""What stands for a patient in the lines of a tenant's own chain."""

_LARGEST = 100_000  # bytes as stored: far more than an event's payload can be, far less than memory

# A year before Christ reads like the one after in the canonical text, so that no text stands for it here; nor
# for a payload that could only have been put there to exhaust whoever reads it. Neither gives the row's hash.
_LINE = f"""pg_catalog.concat_ws(' ', coalesce(e.patient_context_id::text, '{OWN}'), coalesce(e.seq, 0),
    coalesce(e.version::text, '-'), coalesce(pg_catalog.encode(e.prev_hash, 'hex'), ''),
    coalesce(pg_catalog.encode(e.hash, 'hex'), ''), CASE WHEN e.created_at >= '0001-01-01 00:00:00+00'
        AND pg_catalog.pg_column_size(e.payload_json) <= {_LARGEST} THEN {CANONICAL} ELSE '' END)"""

# Along the indexes, whatever the planner thinks of the tables: or each page could cost a walk over all. With
# ties: two rows of one number, which only the owner can have made, must not part at the end of a page.
_PAGE = """SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off; WITH page AS MATERIALIZED (
    SELECT e.patient_context_id AS chain, e.seq, {line} AS line FROM public.event_log e
    WHERE e.tenant_id = '{tenant}' AND {events}
    ORDER BY e.patient_context_id, e.seq FETCH FIRST {size} ROWS WITH TIES)
SELECT (SELECT pg_catalog.string_agg(p.line, E'\\n' ORDER BY p.chain, p.seq) FROM page p),
    (SELECT {anchors}), (SELECT pg_catalog.count(*) FROM page)"""
_OWN_ANCHOR = """pg_catalog.jsonb_agg(pg_catalog.jsonb_build_array(null, null, null, t.ledger_seq,
        pg_catalog.encode(t.ledger_head, 'hex'), 0, null))::text
    FROM public.tenant t WHERE t.tenant_id = '{tenant}'"""
# Patients without an event are of no interest, and there may be millions of them.
_ANCHORS = """pg_catalog.jsonb_agg(pg_catalog.jsonb_build_array(c.patient_context_id, c.patient_key,
        c.version, c.ledger_seq, pg_catalog.encode(c.ledger_head, 'hex'), c.version_seq,
        pg_catalog.encode(c.version_head, 'hex')) ORDER BY c.patient_context_id)::text
    FROM public.patient_context c WHERE c.tenant_id = '{tenant}' AND c.patient_context_id >= '{first}'
    AND c.patient_context_id <= coalesce((SELECT p.chain FROM page p
        WHERE (SELECT pg_catalog.count(*) FROM page) >= {size} ORDER BY p.chain DESC LIMIT 1), '{last}')
    AND (c.ledger_seq <> 0 OR c.version_seq <> 0 OR c.version <> 0 OR c.ledger_head IS NOT NULL
        OR c.version_head IS NOT NULL OR c.patient_context_id IN (SELECT p.chain FROM page p)
        OR c.patient_context_id = '{first}')"""
_FIRST, _LAST = UUID(int=0), UUID(int=2**128 - 1)


class Anchor(NamedTuple):
    """What ``patient_context`` or ``tenant`` says of a chain. ``version`` None: it is the tenant's own."""

    patient_key: PatientKey | None
    version: int | None
    ledger: Head
    version_head: Head


class Page(NamedTuple):
    """Some events as lines, by chain and number, and the anchors of the chains among which they are.

    A page that is not the last may end within a chain.
    """

    lines: list[str]
    anchors: list[tuple[str, Anchor]]
    is_last: bool


def own_pages(ask: Ask, tenant_id: TenantId, advance: Advance, size: int) -> Iterator[Page]:
    """The tenant's own chain."""
    after = ""
    while True:
        page = _read(ask, tenant_id, "e.patient_context_id IS NULL" + after, _OWN_ANCHOR, size=size)
        advance(len(page.lines))
        yield page
        if page.is_last:
            return
        after = f" AND e.seq > {int(page.lines[-1].split(' ', 2)[1])}"


def patients_pages(
    ask: Ask, tenant_id: TenantId, only: PatientContextId | None, advance: Advance, size: int
) -> Iterator[Page]:
    """The chains of all patients of a tenant, or of ``only`` one."""
    chains = "e.patient_context_id IS NOT NULL" if only is None else f"e.patient_context_id = '{only}'"
    after, first = "", only or _FIRST
    while True:
        page = _read(ask, tenant_id, chains + after, _ANCHORS, size=size, first=first, last=only or _LAST)
        advance(len(page.lines))
        yield page
        if page.is_last:
            return
        # The last chain may go on, and ends by then where it ends by then.
        name, seq, _ = page.lines[-1].split(" ", 2)
        first = UUID(name)
        after = f" AND (e.patient_context_id, e.seq) > ('{first}', {int(seq)})"


def _read(ask: Ask, tenant_id: TenantId, events: str, anchors: str, *, size: int, **bounds: UUID) -> Page:
    statement = _PAGE.format(
        tenant=tenant_id,
        line=_LINE,
        events=events,
        anchors=anchors.format(tenant=tenant_id, size=size, **bounds),
        size=size,
    )
    ((lines, told, count),) = ask(tenant_id, statement)
    anchors_found = msgspec.json.decode(told or "[]", type=list[_Told])
    return Page(lines.split("\n") if lines else [], list(map(_anchor, anchors_found)), count < size)


_Told = tuple[str | None, str | None, int | None, int | None, str | None, int | None, str | None]


def _anchor(told: _Told) -> tuple[str, Anchor]:
    name, key, version, seq, head, version_seq, version_head = told
    patient_key = None if key is None else PatientKey(key)
    return name or OWN, Anchor(patient_key, version, _head(seq, head), _head(version_seq, version_head))


def _head(seq: int | None, digest: str | None) -> Head:
    return Head(seq or 0, bytes.fromhex(digest or ""))
