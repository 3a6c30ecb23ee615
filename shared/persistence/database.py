"""The connection to PostgreSQL: one engine for each process, made at the first request."""

from __future__ import annotations

import socket
from functools import lru_cache
from typing import Any

from sqlalchemy import URL, Engine, create_engine, event, make_url

from shared.errors import DatabaseUnavailable
from shared.settings import Settings, settings


def driver_url(url: URL | str) -> URL:
    """``url`` for pg8000, whatever driver its author had in mind."""
    return make_url(url).set(drivername="postgresql+pg8000")


APP_ROLE = "mobius_app"
"""The role that a request has; the scheduler takes it on for the work of one tenant."""


def make_engine(config: Settings, *, role: str | None = None) -> Engine:
    """An engine whose connections carry the time-outs of ``config``; connects to nothing yet.

    With ``role``, its connections take that role on, which the user of ``config`` must be a member of.
    """
    options: dict[str, Any] = {
        "pool_size": config.pool_size,
        "max_overflow": 0,
        "pool_timeout": config.pool_timeout_s,
        # The newest connection first: what a burst opened closes again on the server's side.
        "pool_use_lifo": True,
        # A driver's error would otherwise hold what was bound: notes, names.
        "hide_parameters": True,
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
    if config.cloud_sql_instance is None:
        # The socket gives up only after the server had its chance to say why.
        connect_args = {"timeout": config.statement_timeout_s + 1, "startup_params": startup}
        made = create_engine(driver_url(config.database_url or ""), connect_args=connect_args, **options)
    else:
        made = create_engine("postgresql+pg8000://", creator=_cloud_sql(config, startup), **options)
    event.listen(made, "connect", _send_at_once)
    return made


def _send_at_once(connection: Any, _record: object) -> None:
    """Has the system send what the driver writes without waiting for more.

    A Send's statement is longer than the driver's buffer of 8 KiB, so it goes out in two parts, and Nagle's
    algorithm holds the second back until the server acknowledges the first, which it puts off by 40 ms.
    """
    sock = connection._usock
    if sock.family != socket.AF_UNIX:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


@lru_cache(maxsize=1)
def engine() -> Engine:
    """The engine of this process."""
    return make_engine(settings())


@lru_cache(maxsize=1)
def app_engine() -> Engine:
    """The engine of a process that is not the application, for what it does as the application."""
    return make_engine(settings(), role=APP_ROLE)


def _cloud_sql(config: Settings, startup: dict[str, str]) -> Any:
    # Imported and made inside the first request, and only where there is an instance: at import the
    # connector has hung instances, and it costs half a second.
    def connect() -> Any:
        try:
            return _connector().connect(
                config.cloud_sql_instance,
                "pg8000",
                user=config.database_user,
                db=config.database_name,
                enable_iam_auth=True,
                timeout=config.statement_timeout_s + 1,
                startup_params=startup,
            )
        except Exception:  # noqa: BLE001 -- the connector raises what its HTTP client and Google's API do
            raise DatabaseUnavailable from None

    return connect


@lru_cache(maxsize=1)
def _connector() -> Any:
    from google.cloud.sql.connector import Connector

    return Connector(refresh_strategy="lazy")
