"""The way to Cloud SQL: Google's own connector, told of an instance that accepts a connection and is silent.

What the connector would ask Google (where the instance is, its certificates) is all that is made up.
"""

from __future__ import annotations

import base64
import socket
import ssl
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import google.auth.credentials
import pytest
from google.cloud.sql.connector import Connector
from google.cloud.sql.connector import connector as connecting
from sqlalchemy import Engine

from shared.errors import DatabaseUnavailable
from shared.model import TenantId
from shared.patience import deadline
from shared.persistence import database
from shared.persistence.unit_of_work import flight
from shared.settings import read_settings

DEADLINE_S = 1.0
SLOWNESS_S = 5.0
"""What a busy machine may add. Without a time-out all would wait for as long as the system does: minutes."""


class Instance:
    """Where the instance is."""

    database_version = "POSTGRES_18"

    def __init__(self, conn_name: object) -> None:
        self.conn_name = conn_name

    def get_preferred_ips(self, _kind: object) -> list[str]:
        return ["127.0.0.1"]

    async def create_ssl_context(self, _iam: object) -> ssl.SSLContext:
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return context


class Known:
    """The connector's memory of the instance."""

    closed = False

    def __init__(self, conn_name: object) -> None:
        self._conn_name = conn_name
        self.sockets: list[object] = []

    async def connect_info(self) -> Instance:
        return Instance(self._conn_name)

    async def force_refresh(self) -> None:
        return

    async def close(self) -> None:
        return


class Nobody(google.auth.credentials.Credentials):
    """Credentials that are asked for nothing."""

    def refresh(self, _request: object) -> None:
        self.token = "none"


@pytest.fixture
def silent(monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    """An engine of the deployed kind, whose instance says nothing."""
    usual = socket.getdefaulttimeout()
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setattr(connecting, "SERVER_PROXY_PORT", server.getsockname()[1])
        monkeypatch.setattr(Connector, "_get_or_create_cache", lambda _self, name, _iam: Known(name))
        monkeypatch.setattr("google.auth.default", lambda *_, **__: (Nobody(), "project"))
        database._connector.cache_clear()
        engine = database.make_engine(
            read_settings(
                {
                    "GOOGLE_CLOUD_PROJECT": "project",
                    "CLOUD_SQL_INSTANCE": "project:region:instance",
                    "DATABASE_STATEMENT_TIMEOUT_S": "2",
                    "MOBIUS_MASTER_SECRET": base64.b64encode(bytes(32)).decode(),
                }
            )
        )
        yield engine
        database._connector.cache_clear()
        socket.setdefaulttimeout(usual)


def test_an_instance_that_is_silent_is_given_up_in_time_by_all(silent: Engine) -> None:
    def ask(_number: int) -> float:
        began = time.monotonic()
        with deadline(DEADLINE_S), pytest.raises(DatabaseUnavailable):
            flight(silent, TenantId(uuid4()), "SELECT 1")
        return time.monotonic() - began

    with ThreadPoolExecutor(4) as pool:
        took = list(pool.map(ask, range(4)))
    # It was really asked, and waited for.
    assert DEADLINE_S * 0.9 < max(took) < DEADLINE_S + SLOWNESS_S
