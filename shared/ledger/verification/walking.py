"""Walks chains: every hash computed again, every number and link looked at, in memory that does not grow."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from typing import Generic, NamedTuple, TypeVar
from uuid import UUID

from shared.ledger.chain import Head, Link
from shared.ledger.checkpoints.log import ChainHead
from shared.ledger.verification.pages import OWN, PAGE, Advance, Anchor, Ask, Page, own_pages, patients_pages
from shared.model import PatientContextId, TenantId

T = TypeVar("T")

MOST_RUNS = 200
"""How many runs of a broken chain are kept, to say what is wrong with it; and always the last."""

_NO_HEAD = Head(0, b"")


class Run(NamedTuple):
    """Events that follow each other as they should, from one to another; a wrong row is a run of its own."""

    first: Link
    last: Link

    @property
    def is_right(self) -> bool:
        """Whether its rows give their own hashes."""
        return self.first is not self.last or self.first.computed == self.first.hash


class Chain(NamedTuple):
    """A chain as it was found: one run from the beginning to its anchor's head, if it is intact.

    ``anchor`` None: the patient (or tenant) isn't there. ``cut``: it has more runs, before the last.
    ``versioned`` is its last event with a version, ``version`` that version. ``covered`` is what the
    checkpoint has of it, ``holds`` whether the event is there with the hash that the checkpoint names.
    """

    context: PatientContextId | None
    anchor: Anchor | None
    runs: tuple[Run, ...]
    cut: bool
    events: int
    versioned: Head
    version: int
    covered: ChainHead | None
    holds: bool


def walk(
    ask: Ask,
    tenant_id: TenantId,
    covered: Iterable[ChainHead],
    *,
    only: PatientContextId | None = None,
    advance: Advance = lambda _: None,
    size: int = PAGE,
) -> Iterator[Chain]:
    """Every chain of a tenant that has events, or should: its own first, then by patient; or ``only`` one.

    ``covered`` are the heads of a checkpoint that was read before, in the same order.
    """
    heads = _Ahead((_name(head), head) for head in covered)
    if only is None:
        yield from _walk(own_pages(ask, tenant_id, advance, size), heads)
    yield from _walk(patients_pages(ask, tenant_id, only, advance, size), heads)
    yield from (_gone(head) for _, head in heads.before(None))


class _Ahead(Generic[T]):
    """What is known of chains, with their names, taken in the order in which chains are walked."""

    def __init__(self, known: Iterable[tuple[str, T]]) -> None:
        self._known = iter(known)
        self._next = next(self._known, None)

    def of(self, name: str) -> T | None:
        """Takes what is known of this chain, once what comes before it was taken."""
        if self._next is None or self._next[0] != name:
            return None
        (_, known), self._next = self._next, next(self._known, None)
        return known

    def before(self, name: str | None) -> Iterator[tuple[str, T]]:
        """Takes what comes before this chain; without one, all that is left."""
        while self._next is not None and (name is None or _place(self._next[0]) < _place(name)):
            yield self._next
            self._next = next(self._known, None)


class _Walked:
    """One chain while it is walked."""

    def __init__(self, name: str, covered: ChainHead | None) -> None:
        self.name = name
        self._covered = covered
        self._covered_seq, self._covered_hash = "", ""
        if covered is not None:
            self._covered_seq, self._covered_hash = str(covered.seq), covered.hash.hex()
        self._holds = False
        self._events = 0
        self._runs: list[Run] = []
        self._cut = False
        self._first, self._last = "", ""
        # What the next row has to follow; a wrong row is followed by none.
        self._tail: str | None = None
        self._number = 0
        self._versioned = ("0", "", "0")

    def take(self, line: str) -> None:
        _, seq, version, prev, digest, text = line.split(" ", 5)
        self._events += 1
        number = int(seq)
        right = hashlib.sha256(bytes.fromhex(prev) + text.encode()).hexdigest() == digest
        if not (right and prev == self._tail and number == self._number + 1):
            self._end_run()
            self._first = line
        self._last = line
        self._tail = digest if right else None
        self._number = number
        if version != "-":
            self._versioned = (seq, digest, version)
        if seq == self._covered_seq and digest == self._covered_hash:
            self._holds = True

    def ended(self, anchor: Anchor | None) -> Chain:
        self._end_run()
        seq, digest, version = self._versioned
        return Chain(
            context=None if self.name == OWN else PatientContextId(UUID(self.name)),
            anchor=anchor,
            runs=tuple(self._runs),
            cut=self._cut,
            events=self._events,
            versioned=Head(int(seq), bytes.fromhex(digest)),
            version=int(version),
            covered=self._covered,
            holds=self._holds,
        )

    def _end_run(self) -> None:
        if not self._first:
            return
        first = _link(self._first)
        if len(self._runs) > MOST_RUNS:
            self._cut = True
            self._runs.pop()
        self._runs.append(Run(first, first if self._last is self._first else _link(self._last)))


def _walk(pages: Iterable[Page], heads: _Ahead[ChainHead]) -> Iterator[Chain]:
    walked: _Walked | None = None
    for page in pages:
        anchors = _Ahead(page.anchors)
        for line in page.lines:
            name = line[: line.index(" ")]
            if walked is None or name != walked.name:
                if walked is not None:
                    yield walked.ended(anchors.of(walked.name))
                yield from _without_events(anchors, heads, name)
                walked = _Walked(name, heads.of(name))
            walked.take(line)
        if page.is_last:
            if walked is not None:
                yield walked.ended(anchors.of(walked.name))
            yield from _without_events(anchors, heads, None)


def _without_events(anchors: _Ahead[Anchor], heads: _Ahead[ChainHead], before: str | None) -> Iterator[Chain]:
    """Chains that have no event, though their patient or the checkpoint says so, up to ``before``."""
    for name, anchor in anchors.before(before):
        yield from (_gone(head) for _, head in heads.before(name))
        yield _Walked(name, heads.of(name)).ended(anchor)
    if before is not None:
        yield from (_gone(head) for _, head in heads.before(before))


def _link(line: str) -> Link:
    name, seq, _, prev, digest, text = line.split(" ", 5)
    chain = None if name == OWN else PatientContextId(UUID(name))
    return Link(chain, int(seq), text, bytes.fromhex(prev), bytes.fromhex(digest))


def _gone(head: ChainHead) -> Chain:
    return Chain(head.patient_context_id, None, (), False, 0, _NO_HEAD, 0, head, False)


def _name(head: ChainHead) -> str:
    return OWN if head.patient_context_id is None else str(head.patient_context_id)


def _place(name: str) -> tuple[bool, str]:
    # A tenant's own chain comes first; UUIDs in lower case are in the order of their bytes.
    return name != OWN, name
