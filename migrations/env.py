"""Alembic's entry: runs the migrations over the connection that ``ops.schema`` opened."""

from __future__ import annotations

from alembic import context
from sqlalchemy import text

from shared.persistence.tables import metadata

_LOCK = 7_046_029_254  # any fixed number: two migrations at once would wait for each other


def run_migrations() -> None:
    """Runs in one transaction, alone, and gives up rather than hold traffic behind a lock."""
    connection = context.config.attributes["connection"]
    context.configure(connection=connection, target_metadata=metadata, transaction_per_migration=False)
    with context.begin_transaction():
        # While it waits for a lock, every request that comes later waits behind it.
        connection.execute(text("SET LOCAL lock_timeout = '3s'"))
        connection.execute(text("SET LOCAL statement_timeout = '15min'"))
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
        context.run_migrations()


run_migrations()
