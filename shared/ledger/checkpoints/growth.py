"""What a tenant's chains have become since a checkpoint: nothing gone, nothing rewritten, all of it linked.

The heads are read in pages, each as it is at that moment, without one snapshot over all of them. That is
enough: no chain says anything about another one, and each of these heads was its chain's end when it was
read. What came before it is then there for good, and can be read afterwards.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Engine, text

from shared.ledger.chain import CANONICAL, GENESIS, link_hash
from shared.ledger.checkpoints.log import HEAD_LINE, ChainHead
from shared.model import PatientContextId, TenantId
from shared.persistence.unit_of_work import unit_of_work

# So few that a database that has to fetch each row from its disk still answers within a usual time-out.
_HEADS_AT_ONCE = 2_000
_EVENTS_AT_ONCE = 1_000

# Written as lines by the database, which is far quicker than row by row; each is looked at here.
_OWN_HEAD = text("""SELECT pg_catalog.format('["%s",null,null,%s,"%s"]',
        t.tenant_id, t.ledger_seq, pg_catalog.encode(t.ledger_head, 'hex'))
    FROM public.tenant t WHERE t.tenant_id = :tenant""")
_HEADS = text(f"""SELECT pg_catalog.count(*),
        (pg_catalog.array_agg(p.patient_context_id ORDER BY p.patient_context_id DESC))[1],
        pg_catalog.string_agg(p.line, E'\\n' ORDER BY p.patient_context_id) FROM (
    SELECT c.patient_context_id, pg_catalog.format('["%s","%s","%s",%s,"%s"]', c.tenant_id,
        c.patient_context_id, c.patient_key, c.ledger_seq, pg_catalog.encode(c.ledger_head, 'hex')) AS line
    FROM public.patient_context c WHERE c.tenant_id = :tenant AND c.patient_context_id > :after
    ORDER BY c.patient_context_id LIMIT {_HEADS_AT_ONCE}) p""")
_NO_EVENTS = b',0,""]'

# A year before Christ reads like the one after it, and a payload that large was put there to exhaust whoever
# reads it: neither is an event that we wrote.
_READABLE = """e.created_at >= '0001-01-01 00:00:00+00'
        AND pg_catalog.pg_column_size(e.payload_json) <= 100000"""
_OWN_EVENTS = text(f"""SELECT 1 AS place, e.seq, {CANONICAL} AS text, e.prev_hash, e.hash
    FROM public.event_log e WHERE e.tenant_id = :tenant AND e.patient_context_id IS NULL
    AND e.seq > :after AND e.seq <= :until AND {_READABLE} ORDER BY e.seq""")
# Chain by chain along the index, whatever the planner thinks of the number of chains.
_EVENTS = text(f"""SELECT w.place, x.* FROM ROWS FROM (pg_catalog.unnest(CAST(:contexts AS uuid[])),
        pg_catalog.unnest(CAST(:after AS bigint[])), pg_catalog.unnest(CAST(:until AS bigint[])))
        WITH ORDINALITY AS w(context, after, until, place)
    CROSS JOIN LATERAL (SELECT e.seq, {CANONICAL} AS text, e.prev_hash, e.hash FROM public.event_log e
        WHERE e.tenant_id = :tenant AND e.patient_context_id = w.context
        AND e.seq > w.after AND e.seq <= w.until AND {_READABLE}
        ORDER BY e.seq LIMIT w.until - w.after) x
    ORDER BY w.place, x.seq""")


class FaultKind(StrEnum):
    """In what the chains contradict the last checkpoint, or themselves."""

    GONE = "gone"
    SHORTER = "shorter"
    REWRITTEN = "rewritten"
    OTHER_PATIENT = "other_patient"
    NOT_LINKED = "not_linked"
    NO_HEAD = "no_head"


class Fault(Exception):
    """A tenant's chains are not what they were. None: its own chain, or what is no chain at all."""

    def __init__(self, kind: FaultKind, patient_context_id: PatientContextId | None) -> None:
        super().__init__(kind.value)
        self.kind = kind
        self.patient_context_id = patient_context_id


class Stretch(NamedTuple):
    """The events of a chain after a known one, ``after`` with its hash, up to ``until`` with its own."""

    chain: PatientContextId | None
    after: int
    after_hash: bytes
    until: int
    until_hash: bytes


class _Piece(NamedTuple):
    """As much of a stretch as is read at once."""

    stretch: Stretch
    after: int
    until: int


def read_head_lines(engine: Engine, tenant_id: TenantId) -> Iterator[bytes]:
    """The lines of a tenant's heads as they are now: the tenant's own first, then by patient.

    As a role that sees them with the tenant set. Raises Fault for what can be no line of it.
    """
    prefix = f'["{tenant_id}",'.encode()
    last = b""
    for line in _all_lines(engine, tenant_id):
        if line.endswith(_NO_EVENTS):
            continue
        if not line.startswith(prefix) or line <= last or not HEAD_LINE.fullmatch(line):
            raise Fault(FaultKind.NO_HEAD, None)
        # The tenant's own comes first, but as text it is behind the others.
        last = b"" if line.startswith(b"null", len(prefix)) else line
        yield line


def grown(before: Iterable[bytes], now: Iterable[bytes]) -> Iterator[Stretch]:
    """Compares the lines of heads, those of the checkpoint with today's; gives what is new, to be walked.

    Raises Fault where a chain is gone, shorter, another one or another patient's.
    """
    earlier = iter(before)
    line = next(earlier, None)
    for line_now in now:
        if line_now == line:
            line = next(earlier, None)
            continue
        head, then = ChainHead.parse(line_now), None if line is None else ChainHead.parse(line)
        if then is not None and _place(then) < _place(head):
            raise Fault(FaultKind.GONE, then.patient_context_id)
        if then is None or _place(then) > _place(head):
            yield Stretch(head.patient_context_id, 0, GENESIS, head.seq, head.hash)
            continue
        if then.patient_key != head.patient_key:
            raise Fault(FaultKind.OTHER_PATIENT, head.patient_context_id)
        if head.seq <= then.seq:
            kind = FaultKind.SHORTER if head.seq < then.seq else FaultKind.REWRITTEN
            raise Fault(kind, head.patient_context_id)
        yield Stretch(head.patient_context_id, then.seq, then.hash, head.seq, head.hash)
        line = next(earlier, None)
    if line is not None:
        raise Fault(FaultKind.GONE, ChainHead.parse(line).patient_context_id)


def walk(engine: Engine, tenant_id: TenantId, stretches: Iterable[Stretch]) -> Iterator[int]:
    """Reads every event of the stretches, as the application; gives how many were read each time.

    Raises Fault where they do not lead from the one head to the other.
    """
    before = GENESIS
    for batch in _batches(stretches):
        events = iter(_events(engine, tenant_id, batch))
        for place, (stretch, after, until) in enumerate(batch, start=1):
            if after == stretch.after:
                before = stretch.after_hash
            for seq in range(after + 1, until + 1):
                event = next(events, None)
                if (
                    event is None
                    or (event.place, event.seq, event.prev_hash) != (place, seq, before)
                    or link_hash(before, event.text) != event.hash
                ):
                    raise Fault(FaultKind.NOT_LINKED, stretch.chain)
                before = event.hash
            if until == stretch.until and before != stretch.until_hash:
                raise Fault(FaultKind.NOT_LINKED, stretch.chain)
        yield sum(piece.until - piece.after for piece in batch)


def _all_lines(engine: Engine, tenant_id: TenantId) -> Iterator[bytes]:
    with unit_of_work(engine, tenant_id) as uow:
        own = uow.value(_OWN_HEAD, tenant=tenant_id)
    if own is not None:
        yield own.encode()
    after = UUID(int=0)
    while True:
        with unit_of_work(engine, tenant_id) as uow:
            count, last, page = uow.rows(_HEADS, tenant=tenant_id, after=after)[0]
        if not count:
            return
        yield from page.encode().split(b"\n")
        after = last


def _place(head: ChainHead) -> bytes:
    """Where a head stands among the others."""
    return b"" if head.patient_context_id is None else head.patient_context_id.bytes


def _batches(stretches: Iterable[Stretch]) -> Iterator[list[_Piece]]:
    """Cuts the stretches into what is read at once; the tenant's own chain is read by itself."""
    batch: list[_Piece] = []
    room = _EVENTS_AT_ONCE
    for stretch in stretches:
        after = stretch.after
        while after < stretch.until:
            if batch and (not room or batch[-1].stretch.chain is None is not stretch.chain):
                yield batch
                batch, room = [], _EVENTS_AT_ONCE
            until = min(stretch.until, after + room)
            batch.append(_Piece(stretch, after, until))
            after, room = until, room - (until - after)
    if batch:
        yield batch


def _events(engine: Engine, tenant_id: TenantId, batch: Sequence[_Piece]) -> list[Any]:
    with unit_of_work(engine, tenant_id) as uow:
        if batch[0].stretch.chain is None:
            return uow.rows(_OWN_EVENTS, tenant=tenant_id, after=batch[0].after, until=batch[-1].until)
        return uow.rows(
            _EVENTS,
            tenant=tenant_id,
            contexts=[piece.stretch.chain for piece in batch],
            after=[piece.after for piece in batch],
            until=[piece.until for piece in batch],
        )
