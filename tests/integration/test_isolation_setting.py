"""A tenant is set for one transaction: whatever ends it, the pooled connection goes on without.

Through the real unit of work and the real engine, with one connection: whoever comes next has the same.
"""

# The fixture is imported, and asked for by its name; SQL is our own text.
# ruff: noqa: F401, F811

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from uuid import uuid4

import pg8000.exceptions
import pytest
from sqlalchemy import Engine, event, text
from sqlalchemy.exc import DBAPIError

from shared.errors import DatabaseUnavailable, StillRunning
from shared.model import TenantId
from shared.persistence import database as connections
from shared.persistence.unit_of_work import UnitOfWork, flight, unit_of_work
from tests.integration.databases import Clinic, Database, application_engine, database
from tests.integration.product import BY_HAND, Product
from tests.integration.product import Clinic as ProductClinic
from tests.stack import eventually

SEEN = text("SELECT coalesce(current_setting('app.tenant_id', true), ''), count(*) FROM patient_context")
BACKEND = text("SELECT pg_backend_pid()")
SLEEP = text("SELECT pg_sleep(30)")


@pytest.fixture(scope="module")
def mine(database: Database) -> Clinic:
    return database.clinic()


@pytest.fixture(scope="module")
def theirs(database: Database) -> Clinic:
    return database.clinic()


@pytest.fixture
def engine(database: Database) -> Iterator[Engine]:
    made = application_engine(database, 1)
    yield made
    made.dispose()


def tenant(clinic: Clinic) -> TenantId:
    return TenantId(clinic.tenant_id)


def committed(uow: UnitOfWork, _superuser: Engine) -> None:
    uow.commit()


def left(_uow: UnitOfWork, _superuser: Engine) -> None:
    return


def raised(_uow: UnitOfWork, _superuser: Engine) -> None:
    raise ZeroDivisionError


def refused(uow: UnitOfWork, _superuser: Engine) -> None:
    uow.value(text("SELECT 1 / (count(*) - count(*)) FROM patient_context"))


def caught_and_left(uow: UnitOfWork, _superuser: Engine) -> None:
    with pytest.raises(Exception, match="division by zero"):
        uow.value(text("SELECT 1 / 0"))


def caught_and_committed(uow: UnitOfWork, superuser: Engine) -> None:
    caught_and_left(uow, superuser)
    uow.commit()


def timed_out(uow: UnitOfWork, _superuser: Engine) -> None:
    uow.run(text("SET LOCAL statement_timeout = 50"))
    uow.value(SLEEP)


def waited_for_a_lock(uow: UnitOfWork, superuser: Engine) -> None:
    uow.run(text("SET LOCAL lock_timeout = 50"))
    with superuser.begin() as other:
        other.execute(text("LOCK TABLE session_view"))
        uow.run(text("DELETE FROM session_view"))


def from_outside(function: str) -> Callable[[UnitOfWork, Engine], None]:
    def end(uow: UnitOfWork, superuser: Engine) -> None:
        process = uow.value(BACKEND)
        asleep = text("SELECT wait_event = 'PgSleep' FROM pg_stat_activity WHERE pid = :pid")

        def act() -> None:
            with superuser.connect() as other:
                eventually(lambda: other.execute(asleep, {"pid": process}).scalar(), within_s=10)
                other.execute(text(f"SELECT {function}(:pid)"), {"pid": process})

        with ThreadPoolExecutor(1) as thread:
            acting = thread.submit(act)
            try:
                uow.value(SLEEP)
            finally:
                acting.result()

    return end


def killed_while_idle(uow: UnitOfWork, superuser: Engine) -> None:
    process = uow.value(BACKEND)
    with superuser.connect() as other:
        other.execute(text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": process})
    uow.commit()


def saved_and_rolled_back(uow: UnitOfWork, _superuser: Engine) -> None:
    before = uow.rows(SEEN)
    uow.run(text("SAVEPOINT here"))
    uow.run(text(f"SET LOCAL app.tenant_id = '{uuid4()}'"))
    assert uow.rows(SEEN) != before
    uow.run(text("ROLLBACK TO SAVEPOINT here"))
    assert uow.rows(SEEN) == before
    uow.run(text("RELEASE SAVEPOINT here"))
    uow.commit()


def saved_and_released(uow: UnitOfWork, _superuser: Engine) -> None:
    uow.run(text("SAVEPOINT here"))
    uow.run(text(f"SET LOCAL app.tenant_id = '{uuid4()}'"))
    uow.run(text("RELEASE SAVEPOINT here"))
    uow.commit()


End = Callable[[UnitOfWork, Engine], None]

ENDS: dict[str, tuple[End, type[Exception] | None]] = {
    "a commit": (committed, None),
    "a rollback": (left, None),
    "an error of our own": (raised, ZeroDivisionError),
    "an error of a statement": (refused, DBAPIError),
    "an error of a statement that somebody caught": (caught_and_left, None),
    "a commit of what an error has spoilt": (caught_and_committed, DatabaseUnavailable),
    "a statement that took too long": (timed_out, DatabaseUnavailable),
    "a lock that was not to be had": (waited_for_a_lock, StillRunning),
    "a statement that was cancelled": (from_outside("pg_cancel_backend"), DatabaseUnavailable),
    "a connection that was cut in a statement": (from_outside("pg_terminate_backend"), DatabaseUnavailable),
    "a connection that was cut before the commit": (killed_while_idle, DatabaseUnavailable),
    "a savepoint that was rolled back to": (saved_and_rolled_back, None),
    "a savepoint with another tenant in it": (saved_and_released, None),
}


@pytest.mark.parametrize("name", ENDS)
def test_the_tenant_does_not_survive(
    database: Database, engine: Engine, mine: Clinic, theirs: Clinic, name: str
) -> None:
    end, error = ENDS[name]
    with (
        pytest.raises(error) if error else nullcontext(),
        unit_of_work(engine, tenant(mine)) as uow,
    ):
        assert uow.rows(SEEN) == [(str(mine.tenant_id), 2)]
        end(uow, database.superuser)
    nothing_is_left(engine, theirs)


def nothing_is_left(engine: Engine, next_one: Clinic) -> None:
    with engine.connect() as connection:
        assert connection.execute(SEEN).all() == [("", 0)]
    with unit_of_work(engine, None) as uow:
        assert uow.rows(SEEN) == [("", 0)]
    with unit_of_work(engine, tenant(next_one)) as uow:
        assert uow.rows(SEEN) == [(str(next_one.tenant_id), 2)]
    assert flight(engine, tenant(next_one), "SELECT count(*) FROM patient_context") == [[2]]


@pytest.mark.parametrize(
    ("statement", "error"),
    [
        ("SELECT 1 / 0", pg8000.exceptions.DatabaseError),
        ("SET LOCAL statement_timeout = 50; SELECT pg_sleep(9)", DatabaseUnavailable),
    ],
)
def test_the_tenant_does_not_survive_a_statement_in_a_transaction_of_its_own(
    engine: Engine, mine: Clinic, theirs: Clinic, statement: str, error: type[Exception]
) -> None:
    with unit_of_work(engine, None) as uow:
        process = uow.value(BACKEND)
    with pytest.raises(error):
        flight(engine, tenant(mine), statement)
    nothing_is_left(engine, theirs)
    with unit_of_work(engine, None) as uow:
        assert uow.value(BACKEND) == process


def test_what_follows_a_commit_in_the_same_unit_has_no_tenant(engine: Engine, mine: Clinic) -> None:
    with unit_of_work(engine, tenant(mine)) as uow:
        uow.commit()
        assert uow.rows(SEEN) == [("", 0)]


def test_tenants_in_turn_on_few_connections_see_each_its_own(
    database: Database, mine: Clinic, theirs: Clinic
) -> None:
    engine = application_engine(database, 2)

    def look(turn: int) -> bool:
        clinic = (mine, theirs)[turn % 2]
        with unit_of_work(engine, tenant(clinic)) as uow:
            if turn % 5 == 0:
                caught_and_left(uow, engine)
                return True
            if turn % 3 == 0:
                uow.commit()
                return uow.rows(SEEN) == [("", 0)]
            return uow.rows(SEEN) == [(str(clinic.tenant_id), 2)]

    with ThreadPoolExecutor(6) as threads:
        assert all(threads.map(look, range(300)))
    engine.dispose()


# What a request leaves on its connection ------------------------------------------------------------------


def test_requests_leave_nothing_on_their_connection(product: Product, clinic: ProductClinic) -> None:
    product.configure(DATABASE_POOL_SIZE="1")
    session = {"session_id": "s-1"}
    clinic.status(BY_HAND)
    clinic.answer("mini/ack", clinic.says(BY_HAND))
    clinic.answer("mini/patient/search", {**session, "q": "a"})
    clinic.answer("sidecar/state", clinic.names(BY_HAND))
    clinic.answer("sidecar/inbox", session)
    clinic.answer("sidecar/history", clinic.names(BY_HAND))
    assert (
        clinic.post("mini/ack", {**clinic.says(BY_HAND), "patient_key": "p1_nobody_here"}).status_code == 404
    )
    with connections.engine().connect() as connection:
        left_over = """SELECT coalesce(current_setting('app.tenant_id', true), ''), current_user::text,
            (SELECT count(*) FROM pg_prepared_statements), (SELECT count(*) FROM pg_cursors),
            (SELECT count(*) FROM pg_listening_channels()),
            (SELECT count(*) FROM pg_locks WHERE pid = pg_backend_pid() AND locktype = 'advisory')"""
        # The one cursor or statement that may be is this very question.
        (row,) = connection.execute(text(left_over)).all()
    assert tuple(row[:2]) == ("", "mobius_app")
    assert sum(row[2:]) == 0
