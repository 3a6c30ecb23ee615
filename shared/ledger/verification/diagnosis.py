"""Names what is wrong with one chain: pure, of what walking found.

Nothing here decides *whether* a chain is intact: that is ``is_intact``, a few plain comparisons. What it says
of a broken one is the likeliest reading of what is left; that something is said is certain.
"""

from __future__ import annotations

from collections.abc import Iterator

from shared.ledger.chain import GENESIS, Head, Link, link_hash
from shared.ledger.verification.altered import altered_field, renumbered
from shared.ledger.verification.findings import Kind, Trouble
from shared.ledger.verification.walking import Chain, Run

_FEW = 20
_NEAR = (-1, 1, -2, 2, -3, 3)
_NOTHING = Head(0, b"")


def is_intact(chain: Chain) -> bool:
    """Whether it is one run of events, up to where its patient (or tenant) and the checkpoint have it."""
    return _is_whole(chain) and _agrees(chain) and _is_covered(chain)


def diagnose(chain: Chain, *, tries: bool = True) -> list[Trouble]:
    """Everything that is wrong with the chain; empty if and only if it is intact.

    Without ``tries``, it does not try out what an altered field may have been.
    """
    if is_intact(chain):
        return []
    found = list(_of_events(chain, tries)) + list(_of_end(chain))
    # What follows from a chain that is not as it was would only repeat it.
    found += list(_of_version(chain)) if not found else []
    found += list(_of_checkpoint(chain, bool(found)))
    if not found:
        found = [Trouble(Kind.ALTERED, 0, "the chain does not hold")]
    if chain.cut:
        found.append(Trouble(Kind.ALTERED, 0, "more is wrong between these than is said here"))
    return found


def _is_whole(chain: Chain) -> bool:
    """Whether it is one run from the beginning to the head that its patient names."""
    if chain.anchor is None or chain.cut:
        return False
    if not chain.runs:
        return chain.anchor.ledger == _NOTHING
    (first, last) = chain.runs[0]
    return (
        len(chain.runs) == 1
        and chain.runs[0].is_right
        and (first.seq, first.prev_hash) == (1, GENESIS)
        and Head(last.seq, last.hash) == chain.anchor.ledger
    )


def _agrees(chain: Chain) -> bool:
    """Whether the patient's version is the one of its last event that has one; the tenant has none."""
    anchor = chain.anchor
    if anchor is None or anchor.version is None:
        return anchor is not None
    return anchor.version_head == chain.versioned and anchor.version == chain.version


def _is_covered(chain: Chain) -> bool:
    covered, anchor = chain.covered, chain.anchor
    if covered is None:
        return True
    return chain.holds and anchor is not None and anchor.patient_key == covered.patient_key


def _of_events(chain: Chain, tries: bool) -> Iterator[Trouble]:
    runs = chain.runs
    if not runs:
        return
    moved = _moved(runs)
    yield from _of_moved(moved, max(run.last.seq for run in runs))
    first = runs[0].first
    if first.seq > 1:
        yield Trouble(Kind.REMOVED, 1, f"{_events(1, first.seq - 1)} missing")
    elif first.seq < 1 and first.seq not in moved:
        yield Trouble(Kind.INSERTED, first.seq, f"event {first.seq} was inserted: numbers begin with 1")
    elif first.prev_hash != GENESIS and runs[0].is_right:
        yield Trouble(Kind.REWRITTEN, 1, "event 1 follows another one: it was replaced, or its prev_hash was")
    for index, run in enumerate(runs):
        if not run.is_right and run.first.seq not in moved:
            yield _of_row(chain, index, tries)
        if index:
            yield from _of_break(runs, index, moved)


def _moved(runs: tuple[Run, ...]) -> dict[int, int]:
    """The wrong rows that only bear another number than when they were written, with that number."""
    wrong = [run.first for run in runs if not run.is_right]
    numbers = [link.seq for link in wrong] if len(wrong) <= _FEW else []
    followed = {run.last.hash: run.last.seq + 1 for run in runs}
    moved = {}
    for link in wrong:
        likely = [*numbers, *(link.seq + step for step in _NEAR)]
        if link.prev_hash in followed:
            likely.append(followed[link.prev_hash])
        number = renumbered(link, likely)
        if number is not None:
            moved[link.seq] = number
    return moved


def _of_moved(moved: dict[int, int], longest: int) -> Iterator[Trouble]:
    shifted = []
    for seq, number in sorted(moved.items()):
        if moved.get(number) == seq:
            if seq < number:
                yield Trouble(Kind.SWAPPED, seq, f"events {seq} and {number} changed places")
        else:
            shifted.append((seq, number))
    if set(moved) == set(moved.values()):
        for seq, number in shifted:
            yield Trouble(Kind.SWAPPED, seq, f"event {seq} stood at {number} when it was written")
    elif len(shifted) == 1 and shifted[0][1] <= longest:
        seq, number = shifted[0]
        yield Trouble(Kind.ALTERED, seq, f"event {seq}: seq was altered: it was {number}")
    elif shifted:
        seq, number = shifted[0]
        last, gap = shifted[-1][0], number - seq
        also = f"; {_events(seq, last, 'was', 'were')} numbered anew" if last > seq else ""
        if gap > 0:
            yield Trouble(Kind.REMOVED, seq, f"{_events(seq, number - 1)} missing{also}")
        else:
            yield Trouble(Kind.INSERTED, number, f"{_events(number, seq - 1, 'was', 'were')} inserted{also}")


def _of_row(chain: Chain, index: int, tries: bool) -> Trouble:
    """A row that does not give its own hash."""
    runs, link = chain.runs, chain.runs[index].first
    before = runs[index - 1].last if index else None
    after = runs[index + 1].first if index + 1 < len(runs) else None
    prev = before.hash if before else GENESIS
    following = after.prev_hash if after else chain.anchor.ledger.hash if chain.anchor else None
    if link_hash(prev, link.text) == link.hash:
        return Trouble(Kind.ALTERED, link.seq, f"event {link.seq}: prev_hash was altered")
    if link.computed == following:
        return Trouble(Kind.ALTERED, link.seq, f"event {link.seq}: hash was altered")
    if link_hash(prev, link.text) == following:
        return Trouble(Kind.ALTERED, link.seq, f"event {link.seq}: prev_hash and hash were altered")
    if link.prev_hash == prev or link.hash == following:
        says = altered_field(link, before, after, tries=tries)
        return Trouble(Kind.ALTERED, link.seq, f"event {link.seq}: {says}")
    return Trouble(Kind.INSERTED, link.seq, f"event {link.seq} is not of this chain, or was replaced whole")


def _of_break(runs: tuple[Run, ...], index: int, moved: dict[int, int]) -> Iterator[Trouble]:
    """What lies between two runs."""
    before, here = runs[index - 1], runs[index]
    last, first = before.last, here.first
    if first.seq == last.seq:
        yield Trouble(Kind.INSERTED, first.seq, f"event {first.seq} is there more than once")
    elif first.seq < last.seq:
        yield Trouble(Kind.INSERTED, 0, "an event without a number was inserted, or lost its own")
    elif first.seq > last.seq + 1 and last.seq >= 0:
        # Numbers that were given anew are told already.
        if not (set(moved) - set(moved.values())):
            yield Trouble(Kind.REMOVED, last.seq + 1, f"{_events(last.seq + 1, first.seq - 1)} missing")
    elif before.is_right and here.is_right and not _follows(runs, index):
        yield Trouble(
            Kind.REWRITTEN, last.seq,
            f"event {first.seq} follows another event {last.seq} than the one that is there: that one was "
            f"altered and hashed again, and maybe more before it",
        )  # fmt: skip


def _follows(runs: tuple[Run, ...], index: int) -> bool:
    """Whether a run follows one that ends with the number before it, where there are several."""
    first = runs[index].first
    return any(_precedes(run.last, first) for run in runs[:index])


def _precedes(last: Link, first: Link) -> bool:
    return last.seq == first.seq - 1 and last.hash == first.prev_hash


def _of_end(chain: Chain) -> Iterator[Trouble]:
    anchor, runs = chain.anchor, chain.runs
    if anchor is None:
        if runs:
            whose = "tenant" if chain.context is None else "patient"
            yield Trouble(Kind.INSERTED, 0, f"{chain.events} events are there of a {whose} that is not")
        return
    if not runs:
        if anchor.ledger != _NOTHING:
            yield Trouble(Kind.TRUNCATED, 1, f"no event is left; the head is event {anchor.ledger.seq}")
        return
    last, head = max((run.last for run in runs), key=lambda link: link.seq), anchor.ledger
    if head.seq > last.seq:
        yield Trouble(
            Kind.TRUNCATED, last.seq + 1,
            f"the chain ends at event {last.seq}; the head is event {head.seq}, so "
            f"{_events(last.seq + 1, head.seq)} missing",
        )  # fmt: skip
    elif head.seq < last.seq:
        yield Trouble(
            Kind.HEAD, head.seq,
            f"the head is event {head.seq}; the chain ends at event {last.seq}, so the head was moved back, "
            "or events were inserted behind it",
        )  # fmt: skip
    elif head.hash not in {run.last.hash for run in runs if run.last.seq == head.seq} and runs[-1].is_right:
        yield Trouble(
            Kind.HEAD, head.seq,
            f"the head is another event {head.seq} than the last: it was moved, or that event was altered "
            "and hashed again",
        )  # fmt: skip


def _of_version(chain: Chain) -> Iterator[Trouble]:
    anchor = chain.anchor
    if anchor is None or _agrees(chain):
        return
    if anchor.version_head != chain.versioned:
        yield Trouble(
            Kind.VERSION_HEAD, anchor.version_head.seq,
            f"the version's head is event {anchor.version_head.seq}, "
            f"the last event with a version is {chain.versioned.seq}"
            + (" with another hash" if anchor.version_head.seq == chain.versioned.seq else ""),
        )  # fmt: skip
    if anchor.version != chain.version:
        yield Trouble(
            Kind.VERSION_HEAD, chain.versioned.seq,
            f"the patient's version is {anchor.version}, the one of the last event with a version "
            f"{chain.version}",
        )  # fmt: skip


def _of_checkpoint(chain: Chain, is_broken: bool) -> Iterator[Trouble]:
    covered, anchor = chain.covered, chain.anchor
    if covered is None or _is_covered(chain):
        return
    last = chain.runs[-1].last.seq if chain.runs else 0
    if not chain.runs:
        says = f"no event is left of {covered.seq} that the checkpoint covers"
        yield Trouble(Kind.TRUNCATED, 1, says)
    elif not chain.holds and covered.seq > last:
        yield Trouble(
            Kind.TRUNCATED, last + 1,
            f"the chain ends at event {last}; the checkpoint covers {covered.seq}",
        )  # fmt: skip
    elif not chain.holds and not (is_broken and _is_hole(chain, covered.seq)):
        yield Trouble(
            Kind.REWRITTEN, covered.seq,
            f"it is not the chain that the checkpoint covers: rewritten from event {covered.seq} on at the "
            "latest",
        )  # fmt: skip
    if anchor is not None and anchor.patient_key != covered.patient_key:
        yield Trouble(Kind.OTHER_PATIENT, 0, "the checkpoint has another patient's key for this chain")


def _is_hole(chain: Chain, seq: int) -> bool:
    """Whether the event of that number is missing, which was told."""
    return not any(run.first.seq <= seq <= run.last.seq for run in chain.runs)


def _events(first: int, last: int, one: str = "is", many: str = "are") -> str:
    return f"event {first} {one}" if first == last else f"events {first} to {last} {many}"
