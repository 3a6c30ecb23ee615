"""Rebuilding: every document as Postgres says, while traffic goes on, and none ever back in time."""

# Fixtures are imported, and asked for by their names.
# ruff: noqa: F401

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import chdir
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from ops.cli import app
from ops.installation import Refused
from ops.projections.rebuild import Rate, begin_rebuild, rebuild
from shared.model import SubjectType
from shared.persistence import database as persistence
from shared.projections.rebuilding import Rebuilding, Rebuilt
from shared.projections.store import Contended, FirestoreDocuments, Stored, Write
from shared.projections.subjects import PostgresTruths
from tests.integration.apart import database, product
from tests.integration.product import BY_HAND, EXPIRING, GREEN, INACTIVE, Clinic
from tests.integration.projecting import (
    Busy,
    asked_for,
    document,
    inbox_path,
    patient_path,
    settle,
    settle_everything,
)

HOUR = timedelta(hours=1)
SURFACED = (EXPIRING, GREEN, INACTIVE, BY_HAND)


class Interrupted(Exception):
    """Stands for whatever ends the command in the middle."""


@pytest.fixture
def surfaced(clinic: Clinic) -> Clinic:
    """Patients to whom something happened; Firestore knows nothing of it."""
    for number in SURFACED:
        clinic.status(number)
    clinic.leave()
    return clinic


def rebuilt(clinic: Clinic, store: FirestoreDocuments | None = None, **options: Any) -> dict[Rebuilt, int]:
    walk = begin_rebuild(persistence.engine(), clinic.tenant_id, again=options.pop("again", False))
    assert walk is not None
    rate = Rate(options.pop("at_once", 1000), lambda _seconds: None)
    advance = options.pop("advance", lambda _count: None)
    return dict(rebuild(persistence.engine(), store or FirestoreDocuments(), walk, rate, advance))


def command(clinic: Clinic, *options: str) -> Result:
    env = {
        "DATABASE_URL": clinic.product.urls.owner,
        "FIRESTORE_EMULATOR_HOST": clinic.product.stack["firestore_emulator_host"],
    }
    with chdir("/"):
        asked = ["projections", *options, "--tenant", str(clinic.tenant_id)]
        return CliRunner().invoke(app, asked, env=env)


def count_of(clinic: Clinic) -> int:
    return len(SURFACED) + len(clinic.users)


def test_what_is_missing_is_written_and_what_is_right_is_left(surfaced: Clinic) -> None:
    result = command(surfaced, "rebuild")
    assert (result.exit_code, result.stdout) == (
        0, f"{count_of(surfaced)} documents written, 0 were right already.\n"
    )  # fmt: skip
    assert command(surfaced, "verify").exit_code == 0
    before = document(surfaced, patient_path(surfaced, GREEN)).get().update_time
    document(surfaced, patient_path(surfaced, BY_HAND)).update({"outcome": "x", "foreign": {"a": 1}})
    document(surfaced, inbox_path(surfaced, 0)).delete()
    # Nobody writes a document that was written just now.
    threading.Event().wait(0.25)
    assert rebuilt(surfaced) == {Rebuilt.WRITTEN: 2, Rebuilt.RIGHT: count_of(surfaced) - 2}
    assert document(surfaced, patient_path(surfaced, GREEN)).get().update_time == before
    assert command(surfaced, "verify").exit_code == 0


def test_outbox_rows_stay_with_whoever_asked(surfaced: Clinic) -> None:
    surfaced.answer("mini/ack", surfaced.says(GREEN))
    before = surfaced.outbox(surfaced.context(GREEN))
    assert before
    rebuilt(surfaced)
    assert surfaced.outbox(surfaced.context(GREEN)) == before
    assert document(surfaced, patient_path(surfaced, GREEN)).get().to_dict()["version"] == before[-1].version


def test_a_run_that_was_stopped_is_gone_on_with(surfaced: Clinic) -> None:
    pages = []

    def interrupt(count: int) -> None:
        pages.append(count)
        if len(pages) == 2:
            raise Interrupted

    with pytest.raises(Interrupted):
        rebuilt(surfaced, at_once=3, advance=interrupt)
    (walk,) = surfaced.rows("projection_walk", "purpose = 'rebuild'")
    assert (pages, walk.checked, walk.ended_at) == ([3, 1], 4, None)
    result = command(surfaced, "rebuild", "--rate", "1000")
    assert "after 4 documents" in result.stdout
    assert f"{count_of(surfaced) - 4} documents written, 0 were right" in result.stdout
    # That one came to its end, so the next begins anew.
    assert rebuilt(surfaced) == {Rebuilt.RIGHT: count_of(surfaced)}


def test_again_begins_anew(surfaced: Clinic) -> None:
    def interrupt(_count: int) -> None:
        raise Interrupted

    with pytest.raises(Interrupted):
        rebuilt(surfaced, at_once=1, advance=interrupt)
    assert sum(rebuilt(surfaced, again=True).values()) == count_of(surfaced)


def test_two_at_once_are_told_of_each_other(surfaced: Clinic) -> None:
    engine = persistence.engine()
    mine = begin_rebuild(engine, surfaced.tenant_id, again=False)
    assert mine is not None
    rebuilt(surfaced)
    with pytest.raises(Refused):
        rebuild(engine, FirestoreDocuments(), mine, Rate(1000), lambda _count: None)


def test_what_postgres_has_no_more_is_never_written_over(surfaced: Clinic) -> None:
    change = {"version_head": {"seq": 1, "hash": "ab" * 32}}
    settle_everything(surfaced)
    document(surfaced, patient_path(surfaced, GREEN)).update(change)
    before = document(surfaced, patient_path(surfaced, GREEN)).get()
    result = command(surfaced, "rebuild")
    assert result.exit_code == 1
    assert "projections recover" in result.stdout
    assert document(surfaced, patient_path(surfaced, GREEN)).get().update_time == before.update_time
    assert not asked_for(surfaced)


class Held(FirestoreDocuments):
    """Somebody holds one document in a transaction that they do not end."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self._path = path

    def write_if_unchanged(self, path: str, content: Mapping[str, Any], previous: Stored | None) -> bool:
        if path == self._path:
            raise Contended
        return super().write_if_unchanged(path, content, previous)

    def write_all_if_unchanged(self, writes: Sequence[Write]) -> bool:
        if any(each.path == self._path for each in writes):
            raise Contended
        return super().write_all_if_unchanged(writes)


def test_a_document_that_is_held_is_left_to_the_relay_and_holds_nobody_up(surfaced: Clinic) -> None:
    became = rebuilt(surfaced, Held(patient_path(surfaced, GREEN)))
    assert became == {Rebuilt.WRITTEN: count_of(surfaced) - 1, Rebuilt.LEFT: 1}
    assert asked_for(surfaced) == {surfaced.context(GREEN)}
    settle(surfaced)
    assert command(surfaced, "verify").exit_code == 0


@pytest.mark.parametrize("times", [1, 2])
def test_a_send_at_any_moment_of_a_page_is_never_written_over(surfaced: Clinic, times: int) -> None:
    settle_everything(surfaced)
    truths, busy = PostgresTruths(persistence.engine()), Busy(surfaced, GREEN, times)
    # Later, or else a document that was written just now would be left alone for that.
    rebuilding = Rebuilding(
        truths, busy, surfaced.tenant_id, SubjectType.PATIENT, now=lambda: datetime.now(UTC) + HOUR
    )
    rebuilding.page("")
    version = document(surfaced, patient_path(surfaced, GREEN)).get().to_dict()["version"]
    assert version == surfaced.context_row(GREEN).version == 1 + times


def test_while_people_send_no_document_ever_goes_back(surfaced: Clinic) -> None:
    settle_everything(surfaced)
    over, failures = threading.Event(), []
    seen: dict[str, list[int]] = {}

    def watch(changed: Any, _changes: Any, _time: Any) -> None:
        for each in changed:
            seen.setdefault(each.id, []).append(each.to_dict()["version"])

    def until_over(doing: Callable[[], object]) -> None:
        try:
            while not over.is_set():
                doing()
        except Exception as error:  # noqa: BLE001 -- told below
            failures.append(error)

    def send() -> None:
        for number in SURFACED:
            surfaced.answer("mini/ack", surfaced.says(number))

    def alter() -> None:
        # So that there is something to write: what is altered has the newest version or an earlier one.
        document(surfaced, patient_path(surfaced, GREEN)).update({"outcome": "x"})
        over.wait(0.3)

    collection = document(surfaced, f"tenants/{surfaced.tenant_id}").collection("patient_state")
    listening = collection.on_snapshot(watch)
    doings = (send, lambda: settle(surfaced), alter)
    threads = [threading.Thread(target=until_over, args=(doing,)) for doing in doings]
    for thread in threads:
        thread.start()
    written = runs = 0
    while (written < 5 or runs < 20) and runs < 2000 and not failures:
        written += rebuilt(surfaced).get(Rebuilt.WRITTEN, 0)
        runs += 1
    over.set()
    for thread in threads:
        thread.join()
    settle(surfaced)
    threading.Event().wait(0.25)
    rebuilt(surfaced)
    listening.unsubscribe()
    assert failures == []
    assert written >= 5
    assert set(seen) == {surfaced.key(number) for number in SURFACED}
    assert all(versions == sorted(versions) for versions in seen.values())
    assert max(seen[surfaced.key(GREEN)]) > 2
    settle(surfaced)
    assert command(surfaced, "verify").exit_code == 0
