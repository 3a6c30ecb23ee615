"""Where checkpoints are kept: a file appears whole or not at all, and stays as it was written."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from shared.ledger.checkpoints.stores import (
    BucketStore,
    CheckpointStore,
    FolderStore,
    NotStored,
    StoreUnavailable,
)
from tests.unit.storage_emulator import storage_emulator

Open = Callable[[], CheckpointStore]


@pytest.fixture(params=["folder", "bucket", "folder of a bucket"])
def opened(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Open]:
    """Opens the same store as often as a test wants, as other processes would."""
    if request.param == "folder":
        yield lambda: FolderStore(tmp_path / "not" / "there yet")
        return
    with storage_emulator("clinic-checkpoints") as url:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", url)
        prefix = "a/folder" if request.param == "folder of a bucket" else ""
        # A proxy that this machine may have is not asked for it.
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        yield lambda: BucketStore("clinic-checkpoints", prefix, 20)


def test_what_was_written_is_read_by_others_and_listed_by_its_folder(opened: Open) -> None:
    store = opened()
    assert list(store.names("checkpoints/")) == []
    assert store.create("checkpoints/0000000001.txt", b"one")
    assert store.create("checkpoints/0000000002.txt", b"")
    assert store.create("checkpoints-of-another/1.txt", b"two")
    assert store.create("heads/a/b.gz", bytes(range(256)))
    other = opened()
    assert sorted(other.names("checkpoints/")) == ["checkpoints/0000000001.txt", "checkpoints/0000000002.txt"]
    assert list(other.names("heads/")) == ["heads/a/b.gz"]
    assert other.read("checkpoints/0000000001.txt") == b"one"
    assert other.read("checkpoints/0000000002.txt") == b""
    assert other.read("heads/a/b.gz") == bytes(range(256))


def test_nothing_is_written_twice(opened: Open) -> None:
    assert opened().create("checkpoints/1.txt", b"first")
    for content in (b"second", b"first", b""):
        assert not opened().create("checkpoints/1.txt", content)
    assert opened().read("checkpoints/1.txt") == b"first"


def test_of_many_who_write_the_same_name_at_once_one_does(opened: Open) -> None:
    stores = [opened() for _ in range(6)]
    with ThreadPoolExecutor(len(stores)) as pool:
        wrote = list(pool.map(lambda n: stores[n].create("checkpoints/1.txt", b"%d" % n), range(len(stores))))
    assert wrote.count(True) == 1
    assert opened().read("checkpoints/1.txt") == b"%d" % wrote.index(True)


def test_what_is_not_there_is_said_so(opened: Open) -> None:
    with pytest.raises(NotStored):
        opened().read("checkpoints/1.txt")


def test_a_large_file_goes_in_parts_and_comes_back_whole(opened: Open) -> None:
    content = os.urandom(1024) * 9_000
    assert opened().create("heads/a/large.gz", content)
    assert not opened().create("heads/a/large.gz", content[:-1])
    assert opened().read("heads/a/large.gz") == content


@pytest.mark.parametrize("name", ["/etc/passwd", "../beside", "checkpoints/../../beside", "", "."])
def test_no_name_leads_out_of_the_store(opened: Open, name: str) -> None:
    for deed in (lambda: opened().read(name), lambda: opened().create(name, b"")):
        with pytest.raises(ValueError, match="below the store"):
            deed()


def test_files_of_a_folder_cant_be_written_by_mistake(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    store.create("heads/a/b.gz", b"one")
    assert stat.S_IMODE((tmp_path / "heads/a/b.gz").stat().st_mode) & 0o333 == 0


def test_a_writer_that_is_broken_off_leaves_nothing_that_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: Any) -> None:
        raise KeyboardInterrupt

    store = FolderStore(tmp_path)
    monkeypatch.setattr(os, "fsync", killed)
    with pytest.raises(KeyboardInterrupt):
        store.create("checkpoints/1.txt", b"one")
    monkeypatch.undo()
    # What a process that had no time to tidy up leaves.
    (tmp_path / "checkpoints" / ".0123.draft").write_bytes(b"on")
    assert list(store.names("checkpoints/")) == []
    assert store.create("checkpoints/1.txt", b"one")
    assert list(store.names("checkpoints/")) == ["checkpoints/1.txt"]


def test_a_bucket_that_does_not_answer_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", "http://127.0.0.1:1")
    store = BucketStore("clinic-checkpoints", "", 0.05)
    for deed in (
        lambda: store.create("checkpoints/1.txt", b"one"),
        lambda: store.read("checkpoints/1.txt"),
        lambda: list(store.names("checkpoints/")),
    ):
        with pytest.raises(StoreUnavailable, match="CHECKPOINT_STORE"):
            deed()


def test_a_bucket_that_is_not_there_is_said_so(monkeypatch: pytest.MonkeyPatch) -> None:
    with storage_emulator("another") as url:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", url)
        with pytest.raises(StoreUnavailable):
            list(BucketStore("clinic-checkpoints", "", 20).names("checkpoints/"))


def test_a_folder_that_is_a_file_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(StoreUnavailable):
        FolderStore(tmp_path / "file").create("checkpoints/1.txt", b"one")
