"""The log of checkpoints: whoever can write its files, but not sign, can't make it say anything else."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.ledger.checkpoints.log import (
    BrokenCheckpoint,
    ChainHead,
    CheckpointLog,
    TenantRoot,
    checkpoint_name,
    heads_name,
    tenants_name,
)
from shared.ledger.checkpoints.merkle import leaf_hash, root_of
from shared.ledger.checkpoints.notes import Signer
from shared.ledger.checkpoints.statements import BadStatement, Statement
from shared.ledger.checkpoints.stores import NotStored
from shared.model import PatientContextId, PatientKey, TenantId

SIGNER = Signer("clinic/ledger", bytes(range(32)))
TENANTS = tuple(TenantId(UUID(int=number)) for number in (1, 2))


class Files(dict[str, bytes]):
    """A store whose files anybody may change."""

    def names(self, prefix: str) -> Iterator[str]:
        return iter([name for name in self if name.startswith(prefix)])

    def read(self, name: str) -> bytes:
        if name not in self:
            raise NotStored
        return self[name]

    def create(self, name: str, content: bytes) -> bool:
        return self.setdefault(name, content) is content


def heads(tenant_id: TenantId, seq: int) -> tuple[ChainHead, ...]:
    patient = PatientContextId(UUID(int=seq))
    return (
        ChainHead(None, None, seq, bytes([seq]) * 32),
        ChainHead(patient, PatientKey(f"p1-{seq:06}"), 3, leaf_hash(tenant_id.bytes)),
    )


def sign(files: Files, number: int, previous: Statement | None) -> Statement:
    """Adds a checkpoint of two tenants with two chains each."""
    roots = []
    for tenant_id in TENANTS:
        lines = [head.line(tenant_id).encode() for head in heads(tenant_id, number)]
        root = TenantRoot(tenant_id, 2, number + 3, root_of(map(leaf_hash, lines)))
        files[heads_name(root)] = gzip.compress(b"".join(line + b"\n" for line in lines))
        roots.append(root)
    lines = [root.line().encode() for root in roots]
    statement = Statement(
        origin=SIGNER.verifier.name,
        tenants=len(roots),
        root=root_of(map(leaf_hash, lines)),
        number=number,
        created_at=datetime(2026, 11, 23, 19, 4, 11, 120000, UTC),
        events=sum(root.events for root in roots),
        previous=previous.digest if previous else None,
    )
    files[tenants_name(statement.root)] = b"".join(line + b"\n" for line in lines)
    files[checkpoint_name(number)] = SIGNER.sign(statement.text).encode()
    return statement


@pytest.fixture
def files() -> Files:
    """Three checkpoints."""
    made, previous = Files(), None
    for number in (1, 2, 3):
        previous = sign(made, number, previous)
    return made


def log_of(files: Files) -> CheckpointLog:
    return CheckpointLog(files, [SIGNER.verifier])


def read_all(files: Files) -> None:
    """Everything that anybody would read of the newest checkpoint."""
    log = log_of(files)
    newest = log.newest()
    assert newest is not None
    for tenant_id in TENANTS:
        tuple(log.heads(newest, tenant_id))


def test_the_newest_is_given_with_its_tenants_and_their_heads(files: Files) -> None:
    log = log_of(files)
    newest = log.newest()
    assert newest is not None
    assert newest == log.latest()
    assert (newest.number, newest.events) == (3, 12)
    assert [each.tenant_id for each in newest.tenants] == list(TENANTS)
    for tenant_id in TENANTS:
        assert tuple(log.heads(newest, tenant_id)) == heads(tenant_id, 3)
    assert list(log.heads(newest, TenantId(UUID(int=9)))) == []


def test_without_a_checkpoint_there_is_none() -> None:
    assert log_of(Files()).newest() is None
    assert log_of(Files()).latest() is None


@pytest.mark.parametrize("number", [1, 2])
def test_none_can_be_left_out(files: Files, number: int) -> None:
    del files[checkpoint_name(number)]
    for read in (log_of(files).newest, log_of(files).latest):
        with pytest.raises(BrokenCheckpoint, match=f"Checkpoint {number} is missing"):
            read()


def test_none_can_be_replaced_by_another_that_was_signed(files: Files) -> None:
    another = Files()
    sign(another, 1, None)
    other_second = SIGNER.sign(
        Statement.parse(files[checkpoint_name(2)].decode().partition("\n\n")[0] + "\n")
        ._replace(events=9)
        .text
    )
    files[checkpoint_name(2)] = other_second.encode()
    for read in (log_of(files).newest, log_of(files).latest):
        with pytest.raises(BrokenCheckpoint, match="does not follow"):
            read()


def test_none_can_stand_under_another_number(files: Files) -> None:
    files[checkpoint_name(3)] = files[checkpoint_name(2)]
    with pytest.raises(BrokenCheckpoint, match="another one's"):
        log_of(files).newest()


def test_a_statement_in_another_name_is_none_of_this_log(files: Files) -> None:
    text = files[checkpoint_name(3)].decode().partition("\n\n")[0] + "\n"
    files[checkpoint_name(3)] = SIGNER.sign(text.replace("clinic/ledger", "another/ledger")).encode()
    with pytest.raises(BrokenCheckpoint):
        log_of(files).newest()


@pytest.mark.parametrize("name", ["checkpoints/0000000004.txt.bak", "checkpoints/4.txt", "checkpoints/a/b"])
def test_a_file_that_is_none_is_not_overlooked(files: Files, name: str) -> None:
    files[name] = b""
    with pytest.raises(BrokenCheckpoint, match="a file that is none"):
        log_of(files).latest()


@given(st.data())
def test_any_file_of_the_newest_that_is_changed_in_any_way_is_refused(data: st.DataObject) -> None:
    files = Files()
    newest = sign(files, 2, sign(files, 1, None))
    needed = sorted(
        {name for name in files if name.startswith("checkpoints/")}
        | {tenants_name(newest.root)}
        | {heads_name(TenantRoot.parse(line)) for line in files[tenants_name(newest.root)].splitlines()}
    )
    read_all(files)
    name = data.draw(st.sampled_from(needed))
    packed = name.endswith(".gz")
    content = gzip.decompress(files[name]) if packed else files[name]
    at = data.draw(st.integers(0, len(content) - 1))
    changed = data.draw(
        st.sampled_from(
            [
                content[:at] + bytes([content[at] ^ (1 << at % 8)]) + content[at + 1 :],
                content[:at] + content[at + 1 :],
                content[:at] + b"\n" + content[at:],
                content + content,
                content + b"\n",
                content[:at],
                b"",
                None,
            ]
        )
    )
    if changed is None:
        del files[name]
    else:
        files[name] = gzip.compress(changed) if packed else changed
    # That the newest is gone can't be seen from what is left: keeping it is the business of the bucket's
    # retention, and of auditors, who know the number that they saw last.
    if changed is None and name == checkpoint_name(2):
        return
    with pytest.raises(BrokenCheckpoint):
        read_all(files)


@pytest.mark.parametrize(
    "content",
    [b"", b"\x1f\x8b", b"text", gzip.compress(b"x" * 50_000_000), gzip.compress(b"")[:-4]],
    ids=["nothing", "only a beginning", "text", "a bomb", "a cut end"],
)
def test_heads_that_cant_be_unpacked_are_refused_without_reading_them_whole(
    files: Files, content: bytes
) -> None:
    log = log_of(files)
    newest = log.newest()
    assert newest is not None
    files[heads_name(newest.tenants[0])] = content
    with pytest.raises(BrokenCheckpoint, match="heads"):
        next(log.heads(newest, TENANTS[0]))
    assert tuple(log.heads(newest, TENANTS[1])) == heads(TENANTS[1], 3)


@given(
    st.integers(0, 10**6),
    st.binary(min_size=32, max_size=32),
    st.integers(1, 10**9),
    st.datetimes(datetime(1000, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001 -- hypothesis wants it bare
    st.integers(1, 10**18),
    st.none() | st.binary(min_size=32, max_size=32),
)
def test_a_statement_is_read_as_it_was_written(
    tenants: int, root: bytes, number: int, at: datetime, events: int, previous: bytes | None
) -> None:
    statement = Statement("clinic/ledger", tenants, root, number, at, events, previous)
    assert Statement.parse(statement.text) == statement


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("number 3", "number 03"),
        ("number 3", "number 0"),
        ("events 12", "events 12 "),
        ("time 2026-11", "time 2026-13"),
        ("time 2026", "time \uff12\uff10\uff12\uff16"),
        ("previous ", "previous none\nprevious "),
        ("=\nnumber", "\nnumber"),
        ("clinic/ledger\n", "\n"),
        ("Z\n", "z\n"),
    ],
)
def test_a_text_that_is_written_in_another_way_is_no_checkpoint(files: Files, old: str, new: str) -> None:
    text = files[checkpoint_name(3)].decode().partition("\n\n")[0] + "\n"
    assert old in text
    with pytest.raises(BadStatement):
        Statement.parse(text.replace(old, new))
