"""Everything that is kept of a tenant as files: one of NDJSON for each table, and what is in them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from sqlalchemy import Engine, Table, text

from ops.drafts import new_file
from ops.tenants.standing import read_standing
from ops.transaction import tell_ledger, transaction
from shared.ledger.events import TenantExported
from shared.model import TenantId
from shared.persistence.tables import metadata
from shared.persistence.unit_of_work import UnitOfWork

MANIFEST = "manifest.json"
LEFT_OUT = ("outbox", "session_view", "projection_walk")
"""What only says which work is still to be done, or which looks a session was told of already."""

_AT_ONCE = 2000
_ONE_MOMENT = text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
_REVISION = text("SELECT version_num FROM alembic_version")
_NEXT = text(f"FETCH {_AT_ONCE} FROM exported")
_DONE = text("CLOSE exported")

TABLES = tuple(
    table
    for table in sorted(metadata.tables.values(), key=lambda each: each.name)
    if "tenant_id" in table.columns and table.name not in LEFT_OUT
)
"""Every table that holds rows of a tenant, but those that are left out."""


class ExportedTable(msgspec.Struct, frozen=True):
    """One file of an export."""

    file: str
    rows: int
    sha256: str


class Manifest(msgspec.Struct, frozen=True):
    """What an export holds, and of which moment."""

    tenant_id: TenantId
    name: str
    exported_at: datetime
    schema_revision: str
    tables: dict[str, ExportedTable]
    left_out: tuple[str, ...] = LEFT_OUT


def write_export(
    engine: Engine, tenant_id: TenantId, folder: Path, advance: Callable[[int], None]
) -> Manifest:
    """Writes everything that is kept of a tenant, as it is at one moment, into ``folder``, in bounded memory.

    The ledger is told before the first row is written. ``advance`` is told how many more rows are. Raises
    Refused for a tenant that is none, OSError where it can't be written.
    """
    with transaction(engine, tenant_id) as uow:
        uow.run(_ONE_MOMENT)
        standing = read_standing(uow, tenant_id)
        revision = str(uow.value(_REVISION))
        with transaction(engine, tenant_id) as telling:
            told = TenantExported(patient_count=standing.patients, event_count=standing.events)
            tell_ledger(telling, tenant_id, told)
            telling.commit()
        exported_at = datetime.now(UTC)
        tables = {table.name: _write_table(uow, table, folder, advance) for table in TABLES}
    manifest = Manifest(
        tenant_id=tenant_id,
        name=standing.name,
        exported_at=exported_at,
        schema_revision=revision,
        tables=tables,
    )
    with new_file(folder / MANIFEST) as file:
        file.write(msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n")
    return manifest


def _write_table(
    uow: UnitOfWork, table: Table, folder: Path, advance: Callable[[int], None]
) -> ExportedTable:
    name, rows, digest = f"{table.name}.ndjson", 0, hashlib.sha256()
    with new_file(folder / name) as file:
        for page in _pages(uow, table):
            lines = "".join(f"{line}\n" for line in page).encode()
            file.write(lines)
            digest.update(lines)
            rows += len(page)
            advance(len(page))
    return ExportedTable(file=name, rows=rows, sha256=digest.hexdigest())


def _pages(uow: UnitOfWork, table: Table) -> Iterator[list[str]]:
    """The tenant's rows as JSON by key; row-level security lets no other tenant's through."""
    key = ", ".join(f"r.{column.name}" for column in table.primary_key.columns)
    query = (
        f"SELECT CAST(row_to_json(r) AS text) FROM {table.name} r "  # noqa: S608 -- our own names
        f"WHERE r.tenant_id = CAST(current_setting('app.tenant_id') AS uuid) ORDER BY {key}"
    )
    uow.run(text(f"DECLARE exported NO SCROLL CURSOR FOR {query}"))
    while rows := uow.rows(_NEXT):
        yield [row[0] for row in rows]
    uow.run(_DONE)
