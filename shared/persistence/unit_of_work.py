"""One transaction for one tenant: explicit commit, rollback otherwise, few trips over the wire.

pg8000 needs three round trips for a statement with parameters and one for a plain one. So BEGIN, the
tenant and the patient's lock travel together as plain text, made of checked values only.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import pg8000.exceptions
from sqlalchemy import Connection, Engine, TextClause
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from shared.errors import Collided, DatabaseUnavailable, Forbidden, MobiusError, Overloaded, StillRunning
from shared.model import PatientContextId, PatientKey, TenantId
from shared.patience import left_s
from shared.persistence.database import generation_of, outage_of
from shared.stages import stage

_PATIENT_KEY = re.compile(r"[A-Za-z0-9_-]{1,64}")
_LOCK_NOT_AVAILABLE = "55P03"
_DEADLOCK = "40P01"
_UNIQUE_VIOLATION = "23505"
# Raised by our own trigger alone (tenant_is_open in the migrations).
_TENANT_HAS_LEFT = "55000"
# Shut down, starting up, too many connections, out of resources, statement or idle time-out.
_AWAY = re.compile(r"08...|57P0.|57014|53...|25P03|28...")
# After these the server ends the connection.
_ENDED = re.compile(r"57P0.|25P03")

# Of what is left of a request's deadline: within so much the server says itself what kept it, so that a
# lock is told as a lock. A transaction that nobody goes on with, as of a frozen instance, ends soon after.
_LOCK_SHARE, _STATEMENT_SHARE, _IDLE_BEYOND_S = 0.6, 0.9, 1.0

_UNCONFIRMED = (
    "The database did not confirm the change. Look again before you repeat it, or repeat it with the same "
    "Idempotency-Key."
)


class _NoAnswer(DatabaseUnavailable):
    """Nothing came in time: asking once more would take as long again."""


class UnitOfWork:
    """An open transaction. What is not committed did not happen.

    ``locked`` is the key of the patient whose lock it holds, None when it asked for none or got none.
    """

    def __init__(self, connection: Connection, locked: PatientKey | None = None) -> None:
        self._connection = connection
        self.locked = locked
        self.engine = connection.engine
        self.committed = False

    def value(self, statement: TextClause, **parameters: object) -> Any:
        """The single value that ``statement`` returns, None without a row."""
        return self._connection.execute(statement, parameters).scalar()

    def rows(self, statement: TextClause, **parameters: object) -> list[Any]:
        """All rows that ``statement`` returns."""
        return list(self._connection.execute(statement, parameters))

    def run(self, statement: TextClause, **parameters: object) -> int:
        """Runs ``statement`` and returns how many rows it touched."""
        return self._connection.execute(statement, parameters).rowcount

    def commit(self) -> None:
        """Makes everything since the beginning true, at once.

        Raises DatabaseUnavailable, with a warning to look before repeating, when the answer was lost.
        """
        # In plain text one round trip, where the driver's own commit takes three.
        try:
            with stage("commit"):
                _driver(self._connection).execute_simple("COMMIT")
        except (pg8000.exceptions.Error, OSError) as error:
            if _is_lost(error):
                self._connection.invalidate()
                raise DatabaseUnavailable(_UNCONFIRMED) from None
            raise _sentence(error) from None
        # Ends SQLAlchemy's view of the transaction; outside of one nothing goes over the wire.
        self._connection.rollback()
        self.committed = True


@contextmanager
def unit_of_work(
    engine: Engine,
    tenant_id: TenantId | None,
    *,
    lock: PatientKey | PatientContextId | None = None,
    skip_locked: bool = False,
) -> Iterator[UnitOfWork]:
    """A transaction of ``tenant_id`` (None: no tenant, so only what the scheduler may see of all).

    With ``lock``, the patient's changes are in order from here on: the lock is a statement of its own, so
    that what is read after it is what the one before left. Raises StillRunning when the lock can't be had
    in time, Overloaded when all connections are in use, DatabaseUnavailable when the database is away; all
    of them within the request's deadline, if there is one.
    With ``skip_locked`` nobody waits: ``locked`` is None when another holds it.
    """
    with _sentences(), _connected(engine, _begin(tenant_id, lock, skip_locked)) as (connection, rows):
        uow = UnitOfWork(connection, _locked(rows))
        yield uow
        if not uow.committed:
            # A reading is over: in plain text one round trip, where the pool's own rollback takes three.
            _send(connection, "ROLLBACK")


def flight(engine: Engine, tenant_id: TenantId, statement: str) -> list[Any]:
    """Runs one plain statement in a transaction of its own, in a single round trip.

    ``statement`` must be made of our own text, UUIDs and whole numbers only, and do no harm when it runs
    twice. Raises as ``unit_of_work``.
    """
    text = f"{_begin(tenant_id)}; {statement}; COMMIT"
    with _sentences(), _connected(engine, text) as (_, rows):
        return rows


def _locked(rows: list[Any]) -> PatientKey | None:
    # The first row, if there is any, says that the tenant's users stay as they are.
    return PatientKey(rows[1][0]) if len(rows) > 1 else None


def _begin(
    tenant_id: TenantId | None,
    lock: PatientKey | PatientContextId | None = None,
    skip_locked: bool = False,
) -> str:
    """What a transaction begins with, behind its bounds."""
    statement = ""
    if tenant_id is not None:
        statement += f"; SET LOCAL app.tenant_id = '{UUID(str(tenant_id))}'"
    if lock is not None:
        column = "patient_context_id" if isinstance(lock, UUID) else "patient_key"
        if not _PATIENT_KEY.fullmatch(str(lock)):
            raise ValueError("a patient key that was not checked")
        # First what keeps a tenant's users as they are: a change to their roles waits for the changes to
        # items that are under way, and those that follow see it (see tell_inboxes in the migrations).
        statement += (
            f"; SELECT pg_advisory_xact_lock_shared(hashtextextended('{UUID(str(tenant_id))}', 0))"
            f"; SELECT patient_key FROM patient_context WHERE tenant_id = '{UUID(str(tenant_id))}' "
            f"AND {column} = '{lock}' FOR NO KEY UPDATE{' SKIP LOCKED' if skip_locked else ''}"
        )
    return statement


def _bounds(engine: Engine) -> str:
    """What the server may take, where there is a deadline; elsewhere the connection's own bounds hold."""
    left = left_s()
    if left is None:
        return ""
    own = engine.get_execution_options()
    bounds = {
        "statement_timeout": min(left * _STATEMENT_SHARE, own.get("statement_timeout_s", left)),
        "lock_timeout": min(left * _LOCK_SHARE, own.get("lock_timeout_s", left)),
        "idle_in_transaction_session_timeout": left + _IDLE_BEYOND_S,
    }
    return "".join(f"; SET LOCAL {name} = {max(round(s * 1000), 1)}" for name, s in bounds.items())


@contextmanager
def _connected(engine: Engine, first: str) -> Iterator[tuple[Connection, list[Any]]]:
    if left_s() is not None:
        outage_of(engine).refuse_to_wait()
    with engine.connect() as connection:
        generation = generation_of(connection)
        # The bounds are of what is left now that there is a connection.
        try:
            rows = _send(connection, f"BEGIN{_bounds(engine)}{first}")
        except _NoAnswer:
            raise
        except DatabaseUnavailable:
            if not connection.invalidated:
                raise
            # A pooled connection may have died while it lay idle: once more, on a new one, and the others
            # that lay there are replaced when somebody takes them. This costs nothing where a ping before
            # each request would cost a round trip.
            outage_of(engine).lost(generation)
            rows = _send(connection, f"BEGIN{_bounds(engine)}{first}")
        try:
            # What is left open, the pool rolls back when the connection returns to it.
            yield connection, rows
        except MobiusError:
            raise
        except BaseException as error:
            if _is_lost(getattr(error, "orig", error)):
                connection.invalidate()
            raise


def _send(connection: Connection, text: str) -> list[Any]:
    try:
        return _driver(connection).execute_simple(text).rows or []
    except BaseException as error:
        if _is_lost(error):
            connection.invalidate()
        if isinstance(error, pg8000.exceptions.Error | OSError):
            raise _sentence(error) from None
        raise


def _driver(connection: Connection) -> Any:
    return connection.connection.driver_connection


def _is_lost(error: BaseException | None) -> bool:
    """Whether nobody knows what this connection would say next: anything but the server's own word."""
    code = _code(error)
    return code is None or _ENDED.fullmatch(code) is not None


@contextmanager
def _sentences() -> Iterator[None]:
    """Turns what the driver says into what a caller may read."""
    try:
        yield
    except PoolTimeout:
        raise Overloaded from None
    except DBAPIError as error:
        if error.orig is None:
            raise
        known = _sentence(error.orig)
        if known is error.orig:
            raise
        raise known from None
    except OSError:
        raise DatabaseUnavailable from None


def _sentence(error: BaseException) -> BaseException:
    code = _code(error)
    if code == _LOCK_NOT_AVAILABLE:
        return StillRunning()
    if code == _DEADLOCK:
        return Collided()
    if code == _TENANT_HAS_LEFT:
        return Forbidden("Your tenant has left: nothing more is taken in.")
    if code == _UNIQUE_VIOLATION and _constraint(error) == "uq_mini_submission_idempotency":
        # The same key, at the same moment, about two patients: whichever came first is still running.
        return StillRunning()
    if isinstance(error, TimeoutError) or isinstance(error.__cause__, TimeoutError):
        return _NoAnswer()
    if code is None or _AWAY.fullmatch(code):
        return DatabaseUnavailable()
    return error


def is_duplicate(error: DBAPIError) -> bool:
    """Whether a statement failed because what it would have written is there already."""
    return _code(error.orig) == _UNIQUE_VIOLATION


def _code(error: BaseException | None) -> str | None:
    details = error.args[0] if error and error.args else None
    return details.get("C") if isinstance(details, dict) else None


def _constraint(error: BaseException) -> str | None:
    details = error.args[0]
    return details.get("n") if isinstance(details, dict) else None
