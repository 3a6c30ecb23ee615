"""What verification says of one chain that somebody altered: the words, on chains of a few events."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

import pytest

from shared.ledger.chain import GENESIS, link_hash
from shared.ledger.checkpoints.log import ChainHead
from shared.ledger.verification.diagnosis import diagnose
from shared.ledger.verification.findings import Finding, Kind, Trouble
from shared.ledger.verification.walking import walk
from shared.model import PatientContextId, PatientKey, TenantId

TENANT, CONTEXT, OTHER = TenantId(UUID(int=1)), PatientContextId(UUID(int=2)), UUID(int=3)
USER, COLLEAGUE = str(UUID(int=4)), str(UUID(int=5))
KEY = PatientKey("p1-abcdefgh")


@dataclass(frozen=True)
class Row:
    """An event as it is stored; ``text`` is what PostgreSQL makes of it."""

    seq: int
    payload: dict[str, Any]
    event_type: str = "User.Interaction"
    actor: str | None = USER
    version: int | None = None
    created_at: str = ""
    context: UUID = CONTEXT
    prev: bytes = GENESIS
    hash: bytes = b""
    born: int = 0
    """Its number when it was written, when it is another one."""

    @property
    def text(self) -> str:
        born = self.born or self.seq
        at = self.created_at or f"2026-11-23T10:00:{born % 60:02}.000000Z"
        fields = [
            *(str(TENANT), str(self.context), self.seq, str(UUID(int=100 + born)), self.event_type, at),
            *(self.actor, None, None, self.version, self.payload),
        ]
        return json.dumps(fields, ensure_ascii=False, separators=(", ", ": "))

    def hashed(self, prev: bytes) -> Row:
        return replace(self, prev=prev, hash=link_hash(prev, self.text))


def viewed(count: int) -> list[Row]:
    """A chain as the database writes it: the second event has a version."""
    return hashed(
        Row(n, {"kind": "viewed", "surface": "mini"}, version=1 if n == 2 else None)
        for n in range(1, count + 1)
    )


def hashed(rows: Sequence[Row] | Iterator[Row], prev: bytes = GENESIS) -> list[Row]:
    done = []
    for row in rows:
        done.append(row.hashed(prev))
        prev = done[-1].hash
    return done


def troubles(
    rows: Sequence[Row],
    *,
    head: Row | None = None,
    versioned: Row | None = None,
    version: int = 1,
    checkpoint: Row | None = None,
    checkpoint_key: PatientKey = KEY,
    size: int = 100,
) -> list[Trouble]:
    """What is said of a chain that holds ``rows``, whose patient names ``head``."""
    top = head or rows[-1]
    last = versioned or next((row for row in rows if row.version), None)
    anchor = [
        *(str(CONTEXT), KEY, version if last else 0, top.seq, top.hash.hex()),
        *((last.seq, last.hash.hex()) if last else (0, None)),
    ]
    stored = sorted(rows, key=lambda row: row.seq)
    pages = [(stored[at : at + size], at + size > len(stored)) for at in range(0, len(stored) + 1, size)]

    def ask(_tenant: TenantId, statement: str) -> list[Any]:
        if "IS NULL" in statement:
            return [(None, None, 0)]
        page, _ = pages.pop(0)
        return [("\n".join(map(line, page)), json.dumps([anchor]), len(page))]

    covered = [ChainHead(CONTEXT, checkpoint_key, checkpoint.seq, checkpoint.hash)] if checkpoint else []
    return [each for chain in walk(ask, TENANT, covered, size=size) for each in diagnose(chain)]


def line(row: Row) -> str:
    version = "-" if row.version is None else row.version
    return f"{CONTEXT} {row.seq} {version} {row.prev.hex()} {row.hash.hex()} {row.text}"


def renumbered(row: Row, seq: int) -> Row:
    """The same row under another number."""
    return row if seq == row.seq else replace(row, seq=seq, born=row.seq)


def altered(rows: list[Row], seq: int, **fields: Any) -> list[Row]:
    """The same rows, of which one was altered without its hash."""
    return [replace(row, **fields) if row.seq == seq else row for row in rows]


@pytest.mark.parametrize("size", [1, 2, 3, 100])
def test_nothing_is_said_of_an_intact_chain(size: int) -> None:
    rows = viewed(6)
    assert troubles(rows, size=size) == []
    assert troubles(rows, checkpoint=rows[3], size=size) == []


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        (
            {"payload": {"kind": "opened", "surface": "mini"}},
            'payload_json.kind was altered: it was "viewed"',
        ),
        ({"payload": {"kind": "viewed"}}, "payload_json was altered: it is none of this event's"),
        ({"payload": {"kind": "viewed", "surface": "mini", "who": 1}}, "payload_json was altered"),
        ({"actor": None}, f'actor_user_id was altered: it was "{USER}"'),
        ({"actor": COLLEAGUE}, f'actor_user_id was altered: it was "{USER}"'),
        ({"version": 7}, "version was altered: it was null"),
        ({"event_type": "Access.Denied"}, 'event_type was altered: it was "User.Interaction"'),
        ({"created_at": "2026-11-23T09:00:00.000000Z"}, "created_at was altered: it is out of order"),
        ({"context": OTHER}, "one of its fields was altered"),
    ],
)
def test_an_altered_field_is_named_and_where_it_can_be_what_it_was(fields: dict[str, Any], says: str) -> None:
    rows = viewed(6)
    assert troubles(altered(rows, 4, **fields), versioned=rows[1]) == [
        Trouble(Kind.ALTERED, 4, f"event 4: {says}")
    ]


@pytest.mark.parametrize(
    ("seq", "fields", "says"),
    [
        (4, {"hash": b"\1" * 32}, "hash was altered"),
        (6, {"hash": b"\1" * 32}, "hash was altered"),
        (4, {"prev": b"\1" * 32}, "prev_hash was altered"),
        (1, {"prev": b""}, "prev_hash was altered"),
        (4, {"prev": b"\1" * 32, "hash": b"\2" * 32}, "prev_hash and hash were altered"),
    ],
)
def test_an_altered_hash_is_told_from_an_altered_row(seq: int, fields: dict[str, Any], says: str) -> None:
    rows = viewed(6)
    assert troubles(altered(rows, seq, **fields), head=rows[-1]) == [
        Trouble(Kind.ALTERED, seq, f"event {seq}: {says}")
    ]


@pytest.mark.parametrize(
    ("gone", "says"), [({1}, "event 1 is"), ({4}, "event 4 is"), ({3, 4, 5}, "events 3 to 5 are")]
)
def test_removed_events_are_named(gone: set[int], says: str) -> None:
    rows = viewed(6)
    left = [row for row in rows if row.seq not in gone]
    assert troubles(left) == [Trouble(Kind.REMOVED, min(gone), f"{says} missing")]


def test_events_that_were_numbered_anew_around_a_removed_or_an_inserted_one_are_named() -> None:
    rows = viewed(8)
    left = [*rows[:3], *(renumbered(row, row.seq - 1) for row in rows[4:])]
    assert Trouble(Kind.REMOVED, 4, "event 4 is missing; events 4 to 7 were numbered anew") in troubles(left)
    more = [*rows[:3], Row(4, {"kind": "opened"}).hashed(rows[2].hash)]
    more += [renumbered(row, row.seq + 1) for row in rows[3:]]
    assert Trouble(Kind.INSERTED, 4, "event 4 was inserted; events 5 to 9 were numbered anew") in troubles(
        more
    )


def test_events_that_changed_places_are_named() -> None:
    rows = viewed(8)
    swapped = [renumbered(row, {3: 7, 7: 3}.get(row.seq, row.seq)) for row in rows]
    assert troubles(swapped) == [Trouble(Kind.SWAPPED, 3, "events 3 and 7 changed places")]
    turned = [renumbered(row, {3: 4, 4: 5, 5: 3}.get(row.seq, row.seq)) for row in rows]
    assert {each.kind for each in troubles(turned)} == {Kind.SWAPPED}


def test_an_inserted_event_is_named() -> None:
    rows = viewed(6)
    again = Row(4, {"kind": "opened", "surface": "mini"}).hashed(rows[2].hash)
    (found,) = troubles([*rows, again], head=rows[-1])
    assert found == Trouble(Kind.INSERTED, 4, "event 4 is there more than once")
    (behind,) = troubles([*rows, Row(7, {"kind": "opened"}).hashed(rows[5].hash)], head=rows[-1])
    assert behind.kind is Kind.HEAD
    before = Row(0, {"kind": "opened"}).hashed(GENESIS)
    assert Trouble(Kind.INSERTED, 0, "event 0 was inserted: numbers begin with 1") in troubles(
        [before, *rows]
    )


def test_a_chain_that_was_cut_off_is_named_by_its_head_or_by_the_checkpoint() -> None:
    rows = viewed(6)
    (found,) = troubles(rows[:4], head=rows[-1])
    assert (found.kind, found.seq) == (Kind.TRUNCATED, 5)
    assert found.says.endswith("so events 5 to 6 are missing")
    (found,) = troubles(rows[:4], checkpoint=rows[4])
    assert found == Trouble(Kind.TRUNCATED, 5, "the chain ends at event 4; the checkpoint covers 5")


def test_a_chain_that_was_rewritten_is_named_by_the_checkpoint_only() -> None:
    rows = viewed(6)
    new = hashed([*rows[:3], replace(rows[3], actor=COLLEAGUE), *rows[4:]])
    assert troubles(new) == []
    assert troubles(new, checkpoint=rows[2]) == []
    for covered in rows[3:]:
        (found,) = troubles(new, checkpoint=covered)
        assert (found.kind, found.seq) == (Kind.REWRITTEN, covered.seq)


def test_a_beginning_that_was_rewritten_is_named_by_what_follows_it() -> None:
    rows = viewed(6)
    new = [*hashed([replace(rows[0], actor=COLLEAGUE), *rows[1:3]]), *rows[3:]]
    (found,) = troubles(new)
    assert (found.kind, found.seq) == (Kind.REWRITTEN, 3)


def test_moved_heads_are_named() -> None:
    rows = viewed(6)
    assert [(t.kind, t.seq) for t in troubles(rows, head=rows[3])] == [(Kind.HEAD, 4)]
    forged = replace(rows[5], hash=b"\1" * 32)
    assert [(t.kind, t.seq) for t in troubles(rows, head=forged)] == [(Kind.HEAD, 6)]
    assert [(t.kind, t.seq) for t in troubles(rows, versioned=rows[2])] == [(Kind.VERSION_HEAD, 3)]
    assert [t.kind for t in troubles(rows, version=2)] == [Kind.VERSION_HEAD]


def test_a_patient_that_the_checkpoint_has_under_another_key_is_named() -> None:
    rows = viewed(3)
    (found,) = troubles(rows, checkpoint=rows[2], checkpoint_key=PatientKey("p1-somebody-else"))
    assert found.kind is Kind.OTHER_PATIENT


def test_a_chain_of_which_everything_is_wrong_is_told_in_few_words() -> None:
    rows = [replace(row, hash=bytes([row.seq % 256]) * 32) for row in viewed(1_000)]
    found = troubles(rows, versioned=rows[1])
    assert 0 < len(found) < 450
    assert found[-1].says == "more is wrong between these than is said here"


def test_what_may_be_a_name_is_never_said() -> None:
    rows = viewed(6)
    for payload in ({"kind": "Jane Roe", "surface": "mini"}, {"Jane Roe": 1}, {"kind": {"Jane Roe": []}}):
        said = [
            Finding(TENANT, PatientKey("Jane Roe"), trouble.seq, trouble.kind, trouble.says).line
            for fields in ({"payload": payload}, {"event_type": "Jane.Roe"}, {"actor": "Jane Roe"})
            for trouble in troubles(altered(rows, 4, **fields))
        ]
        assert said
        assert "Jane" not in "".join(said)
