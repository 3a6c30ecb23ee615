"""The connection to PostgreSQL: one engine for each process, made at the first request."""

from __future__ import annotations

import logging
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import Any
from weakref import WeakKeyDictionary

import pg8000.exceptions
from sqlalchemy import URL, Engine, QueuePool, create_engine, event, make_url
from sqlalchemy.exc import DisconnectionError

from shared.errors import DatabaseUnavailable
from shared.patience import at_most, left_s
from shared.persistence.outage import Outage
from shared.persistence.sockets import TimelySocket, connected_socket, in_time
from shared.settings import Settings, settings

_GENERATION = "generation"
_outages: WeakKeyDictionary[Engine, Outage] = WeakKeyDictionary()


def driver_url(url: URL | str) -> URL:
    """``url`` for pg8000, whatever driver its author had in mind."""
    return make_url(url).set(drivername="postgresql+pg8000")


APP_ROLE = "mobius_app"
"""The role that a request has; the scheduler takes it on for the work of one tenant."""


_DIALS_AT_ONCE = 100
"""As many as the largest pool."""

_POOL_SHARE = 0.5
"""Of what is left of a request's deadline: who gets a connection can still do something with it."""


class _Pool(QueuePool):
    """Lets nobody wait for a connection until the request's deadline."""

    @property
    def _timeout(self) -> float:
        # Where the pool looks each time that it waits.
        left = left_s()
        return self._longest_s if left is None else min(self._longest_s, left * _POOL_SHARE)

    @_timeout.setter
    def _timeout(self, longest_s: float) -> None:
        self._longest_s = longest_s

    def recreate(self) -> QueuePool:
        """As the base has it, but for its waits."""
        made = super().recreate()
        made._timeout = self._longest_s
        return made


# Of each connection that it finds dead it would write a traceback; what it means the request says itself.
for _logger in (f"{_Pool.__module__}.{_Pool.__qualname__}", "sqlalchemy.pool"):
    logging.getLogger(_logger).setLevel(logging.CRITICAL)


def make_engine(config: Settings, *, role: str | None = None) -> Engine:
    """An engine whose connections carry the time-outs of ``config``; connects to nothing yet.

    With ``role``, its connections take that role on, which the user of ``config`` must be a member of.
    """
    options: dict[str, Any] = {
        "poolclass": _Pool,
        "pool_size": config.pool_size,
        "max_overflow": 0,
        "pool_timeout": config.pool_timeout_s,
        # The newest connection first: what a burst opened closes again on the server's side.
        "pool_use_lifo": True,
        # A driver's error would otherwise hold what was bound: notes, names.
        "hide_parameters": True,
        # So that a request's deadline only ever shortens them.
        "execution_options": {
            "statement_timeout_s": config.statement_timeout_s,
            "lock_timeout_s": config.lock_timeout_s,
        },
    }
    startup = {
        "statement_timeout": str(round(config.statement_timeout_s * 1000)),
        "lock_timeout": str(round(config.lock_timeout_s * 1000)),
        "idle_in_transaction_session_timeout": "30000",
        "timezone": "UTC",
        # Whatever somebody may have made the role's own settings say.
        "row_security": "on",
        "search_path": "public",
    }
    if role is not None:
        startup["role"] = role
    # A socket gives up only after the server had its chance to say why.
    longest_s = config.statement_timeout_s + 1
    outage = Outage()
    if config.cloud_sql_instance is None:
        made = create_engine(
            driver_url(config.database_url or ""), connect_args={"startup_params": startup}, **options
        )
        event.listen(made, "do_connect", _connecting(longest_s, outage))
    else:
        made = create_engine(
            "postgresql+pg8000://", creator=_cloud_sql(config, startup, longest_s, outage), **options
        )
    _watch(made, longest_s, outage)
    _outages[made] = outage
    return made


def outage_of(made: Engine) -> Outage:
    """What is known of the silence of the database of an engine that was made here."""
    return _outages.setdefault(made, Outage())


def generation_of(connection: Any) -> int:
    """Which generation a pooled connection is of."""
    return int(connection.info.get(_GENERATION, 0))


def _connecting(longest_s: float, outage: Outage) -> Any:
    def connect(dialect: Any, _record: object, args: list[Any], named: dict[str, Any]) -> Any:
        if named.get("host") is None:
            return None  # a Unix socket: the driver's own way
        began, sock = time.monotonic(), None
        try:
            sock = connected_socket(named["host"], named.get("port", 5432), longest_s, outage)
            # As the dialect does it, but that its function takes no socket.
            return dialect.loaded_dbapi.Connection(*args, **named, sock=sock)
        except BaseException as error:
            if sock is not None:
                sock.close()
            if isinstance(error, TimeoutError):
                outage.waited_in_vain(began)
            if isinstance(error, OSError):
                raise pg8000.exceptions.InterfaceError("no connection") from error
            raise

    return connect


def _watch(made: Engine, longest_s: float, outage: Outage) -> None:
    def connected(connection: Any, record: Any) -> None:
        record.info[_GENERATION] = outage.generation
        sock = connection._usock
        if not isinstance(sock, TimelySocket):
            # One that TLS is spoken over, or a Unix socket.
            connection._sock = in_time(sock, longest_s, outage)
        if sock.family != socket.AF_UNIX:
            # A Send's statement is longer than the driver's buffer of 8 KiB, so it goes out in two parts, and
            # Nagle's algorithm holds the second back until the server acknowledges the first, which it puts
            # off by 40 ms.
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def taken(_connection: Any, record: Any, _proxy: object) -> None:
        if record.info[_GENERATION] != outage.generation:
            # From before a loss. Raising this has the pool make a new one in its place.
            raise DisconnectionError

    def failed(context: Any) -> None:
        # The pool would compare times of day, which jump.
        context.invalidate_pool_on_disconnect = False

    event.listen(made, "connect", connected)
    event.listen(made, "checkout", taken)
    event.listen(made, "handle_error", failed)


@lru_cache(maxsize=1)
def engine() -> Engine:
    """The engine of this process."""
    return make_engine(settings())


@lru_cache(maxsize=1)
def app_engine() -> Engine:
    """The engine of a process that is not the application, for what it does as the application."""
    return make_engine(settings(), role=APP_ROLE)


def _cloud_sql(config: Settings, startup: dict[str, str], longest_s: float, outage: Outage) -> Any:
    # Imported and made inside the first request, and only where there is an instance: at import the
    # connector has hung instances, and it costs half a second.
    def connect() -> Any:
        began = time.monotonic()
        try:
            # On a thread of its own: the connector connects without a time-out.
            return _dialing().submit(dial, longest_s).result(at_most(longest_s))
        except Exception as error:  # noqa: BLE001 -- the connector raises what its HTTP client and Google's API do
            if isinstance(error, TimeoutError):
                outage.waited_in_vain(began)
            raise DatabaseUnavailable from None

    def dial(timeout_s: float) -> Any:
        return _connector(timeout_s).connect(
            config.cloud_sql_instance,
            "pg8000",
            user=config.database_user,
            db=config.database_name,
            enable_iam_auth=True,
            timeout=timeout_s,
            startup_params=startup,
        )

    return connect


@lru_cache(maxsize=1)
def _dialing() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(_DIALS_AT_ONCE, thread_name_prefix="cloud-sql")


@lru_cache(maxsize=1)
def _connector(timeout_s: float) -> Any:
    from google.cloud.sql.connector import Connector

    # Its sockets get no time-out of their own, and it opens them one after another: one that hangs would keep
    # all others waiting for as long as the system does, which is minutes.
    socket.setdefaulttimeout(timeout_s)
    return Connector(refresh_strategy="lazy")
