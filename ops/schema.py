"""Makes a database ready: its roles (bootstrap), then its schema (Alembic)."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import URL, Connection, NullPool, create_engine, make_url, text
from sqlalchemy.exc import DBAPIError

from shared.persistence.database import driver_url
from shared.settings import SettingsError

OWNER, APP, WORKER = "mobius_owner", "mobius_app", "mobius_worker"
_MIGRATIONS = Path(__file__).parent.parent / "migrations"


@dataclass(frozen=True)
class DatabaseUrls:
    """One database through the eyes of its three roles."""

    owner: str
    app: str
    worker: str


def prepare_database(admin_url: str, database: str = "mobius") -> DatabaseUrls:
    """Makes roles and database where they are missing and migrates to the newest schema; safe to repeat.

    ``admin_url`` belongs to a user who may create roles and databases. Raises SettingsError, in a
    sentence, without a password and when the server can't be reached or lets nobody in.
    """
    admin = make_url(admin_url)
    if not admin.password:
        raise SettingsError("DATABASE_URL needs a password: those of the roles are derived from it.")
    passwords = {role: _password(admin, role) for role in (OWNER, APP, WORKER)}
    try:
        with _connected(admin, autocommit=True) as connection:
            _bootstrap(connection, passwords, database)
    except DBAPIError:
        raise SettingsError(
            "The database server of DATABASE_URL can't be reached, or its user may not create roles and "
            "databases: check the address, that the server runs, and the user's rights."
        ) from None

    def url(role: str) -> str:
        own = admin.set(database=database, username=role, password=passwords[role])
        return own.set(drivername="postgresql").render_as_string(hide_password=False)

    urls = DatabaseUrls(owner=url(OWNER), app=url(APP), worker=url(WORKER))
    migrate(urls.owner)
    return urls


def migrate(owner_url: str, revision: str = "head") -> None:
    """Migrates up (or down) to ``revision`` as the owner, in one transaction."""
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    with _connected(make_url(owner_url)) as connection:
        config.attributes["connection"] = connection
        down = revision == "base" or revision.startswith("-")
        (command.downgrade if down else command.upgrade)(config, revision)
        connection.commit()


def _bootstrap(connection: Connection, passwords: dict[str, str], database: str) -> None:
    # Beside Alembic: roles belong to the server, not to a schema version. No superuser among them. The
    # worker sees ids and due times of all tenants; a tenant's own rows only as the application, by an
    # explicit SET ROLE (NOINHERIT).
    for role, password in passwords.items():
        inherit = "NOINHERIT" if role == WORKER else "INHERIT"
        known = connection.scalar(text("SELECT true FROM pg_roles WHERE rolname = :r"), {"r": role})
        if known is None:
            connection.execute(text(f"CREATE ROLE {role} LOGIN {inherit} PASSWORD '{password}'"))
        else:
            connection.execute(text(f"ALTER ROLE {role} PASSWORD '{password}'"))
    connection.execute(text(f"GRANT {APP} TO {WORKER}"))
    connection.execute(text(f"GRANT {OWNER} TO CURRENT_USER"))
    if connection.scalar(text("SELECT true FROM pg_database WHERE datname = :d"), {"d": database}) is None:
        connection.execute(text(f'CREATE DATABASE "{database}" OWNER {OWNER} TEMPLATE template0'))
    connection.execute(text(f'REVOKE ALL ON DATABASE "{database}" FROM PUBLIC'))
    connection.execute(text(f'GRANT CONNECT, TEMPORARY ON DATABASE "{database}" TO {OWNER}'))
    # Who serves requests needs no tables of its own, and an earlier release granted them.
    connection.execute(text(f'REVOKE ALL ON DATABASE "{database}" FROM {APP}, {WORKER}'))
    connection.execute(text(f'GRANT CONNECT ON DATABASE "{database}" TO {APP}, {WORKER}'))


def _password(admin: URL, role: str) -> str:
    # Derived, so that every start and every stack on this server arrives at the same one.
    return hmac.new(str(admin.password).encode(), role.encode(), hashlib.sha256).hexdigest()


@contextmanager
def _connected(url: URL, *, autocommit: bool = False) -> Iterator[Connection]:
    options = {"isolation_level": "AUTOCOMMIT"} if autocommit else {}
    engine = create_engine(driver_url(url), poolclass=NullPool, hide_parameters=True, **options)
    with engine.connect() as connection:
        yield connection
