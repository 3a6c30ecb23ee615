"""A disk that is full, and a new release under traffic: a Send is whole, or told that it is not."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import pytest

from ops.schema import migrate
from tests.integration.databases import Database, new_database, run
from tests.integration.product import (
    BY_HAND,
    EXPIRING,
    INACTIVE,
    MANY,
    Clinic,
    Product,
    new_clinic,
    problem_of,
)
from tests.stack import Stack

RELEASE_BEFORE = "0006"
SLOWEST_S = 5.0
"""What a Send may take while the schema changes under it, on a busy machine."""


@pytest.fixture
def migrated(stack: Stack) -> Iterator[Database]:
    """A database of a test's own. Before the product, which makes the application's user of us."""
    with new_database(stack, "full") as made:
        yield made


@pytest.fixture
def earlier(stack: Stack) -> Iterator[Database]:
    """One with the schema of the release before."""
    with new_database(stack, "release", migrated=False) as made:
        migrate(made.urls.owner, RELEASE_BEFORE)
        yield made


@contextmanager
def clinic_in(product: Product, database: Database) -> Iterator[Clinic]:
    """A clinic in a database of its own, which the functions serve meanwhile."""
    product.urls = database.urls
    # Nobody else relays or projects what is written here.
    product.configure(DATABASE_URL=database.urls.app, PUBSUB_TOPIC="no-such-topic")
    yield new_clinic(product)
    product.configure(DATABASE_URL=product.stack["app_database_url"])


def the_disk_of(stack: Stack) -> Path:
    """Where the stack's own server keeps its files."""
    folder = stack.state_dir / "postgres"
    if not (folder / "PG_VERSION").exists() or not Path("/dev/full").exists():
        pytest.fail(
            "A full disk can't be played here: it takes the server that the stack starts itself (so unset "
            "DATABASE_URL), and Linux's /dev/full."
        )
    return folder


@contextmanager
def full_disk(stack: Stack, database: Database, clinic: Clinic, table: str) -> Iterator[None]:
    """The file of ``table``, which must be empty, lies on a device that has no room, until the end.

    What PostgreSQL meets is what it meets on a full disk, but without taking the others' disk away.
    """
    ((path,),) = clinic.sql("SELECT pg_relation_filepath(CAST(:table AS regclass))", table=table)
    file = the_disk_of(stack) / path
    assert file.stat().st_size == 0
    aside = file.with_name(f"{file.name}.aside")
    file.rename(aside)
    file.symlink_to("/dev/full")
    # A server process that has the file open would go on with it.
    _end_connections(database)
    try:
        yield
    finally:
        file.unlink()
        aside.replace(file)
        _end_connections(database)


def _end_connections(database: Database) -> None:
    run(
        database.superuser,
        None,
        """SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
           WHERE datname = current_database() AND usename = 'mobius_app'""",
    )


def test_a_full_disk_is_told_and_leaves_nothing_half_done(
    stack: Stack, migrated: Database, product: Product
) -> None:
    with clinic_in(product, migrated) as clinic:
        clinic.status(BY_HAND)
        before, row = clinic.counts(), clinic.context_row(BY_HAND)
        key = {"Idempotency-Key": "key-1"}
        with full_disk(stack, migrated, clinic, "mini_submission"):
            answer = clinic.post("mini/ack", clinic.says(BY_HAND), headers=key)
            problem_of(answer, 503)
            assert int(answer.headers["Retry-After"]) > 0
            assert clinic.counts() == before
            assert clinic.context_row(BY_HAND) == row
            # What needs no room there goes on.
            clinic.status(BY_HAND)
        clinic.answer("mini/ack", clinic.says(BY_HAND), headers=key)
        assert clinic.count("mini_submission") == 1
        assert clinic.chain_holds(BY_HAND)


def test_a_new_schema_under_traffic_breaks_no_send_and_holds_none_up(
    earlier: Database, product: Product
) -> None:
    """The code that serves meanwhile is of either release: a Send names no column that the old one lacks."""
    with clinic_in(product, earlier) as clinic:
        patients = (BY_HAND, EXPIRING, INACTIVE, MANY)
        for number in patients:
            clinic.status(number)
        done, took, told = threading.Event(), list[float](), list[int]()

        def send_on(number: int) -> None:
            while not done.is_set():
                began = time.monotonic()
                sent = clinic.says(number)
                headers = {"Idempotency-Key": str(uuid4())}
                told.append(clinic.post("mini/ack", sent, headers=headers).status_code)
                took.append(time.monotonic() - began)

        senders = [threading.Thread(target=send_on, args=(number,)) for number in patients]
        for sender in senders:
            sender.start()
        while len(told) < len(patients):
            time.sleep(0.01)
        early = len(told)
        migrate(earlier.urls.owner)
        middle = len(told)
        while len(told) < middle + 2 * len(patients):
            time.sleep(0.01)
        done.set()
        for sender in senders:
            sender.join()
        assert set(told) == {200}
        assert middle > early
        assert max(took) < SLOWEST_S
        assert clinic.count("mini_submission") == len(told)
        assert clinic.count("outbox") >= len(told)
        assert all(clinic.chain_holds(number) for number in patients)
