"""A database's ledger with a log of checkpoints of its own, and what its owner may do to it."""

# SQL is our own text.
# ruff: noqa: S608

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from shared.ledger.chain import CANONICAL, GENESIS, link_hash
from shared.ledger.checkpoints.growth import Fault
from shared.ledger.checkpoints.log import CheckpointLog
from shared.ledger.checkpoints.making import Made, make_checkpoint
from shared.ledger.checkpoints.notes import Signer
from shared.ledger.checkpoints.stores import FolderStore
from shared.model import TenantId
from tests.integration.databases import Clinic, Database, as_tenant, run

SIGNER = Signer("clinic/ledger", bytes(range(32)))
APPEND = """
    INSERT INTO event_log (tenant_id, patient_context_id, event_id, event_type, payload_json)
    SELECT :tenant, :patient, gen_random_uuid(), 'User.Interaction', '{"kind": "opened"}'
    FROM generate_series(1, :times)"""


PATIENT = "tenant_id = :tenant_id AND patient_context_id = :patient"


class Ledger:
    """A database's ledger, and a log of checkpoints for it in a folder of the test's own."""

    def __init__(self, database: Database, folder: Path) -> None:
        self.database = database
        self.folder = folder
        self.log = CheckpointLog(FolderStore(folder), [SIGNER.verifier])

    def sign(self, signer: Signer = SIGNER, log: CheckpointLog | None = None) -> Made:
        return make_checkpoint(log or self.log, signer, heads=self.database.worker, events=self.database.app)

    def append(self, clinic: Clinic, patient: UUID | None, times: int = 1) -> None:
        run(
            self.database.app, clinic.tenant_id, APPEND, tenant=clinic.tenant_id, patient=patient, times=times
        )

    def heads(self, clinic: Clinic) -> dict[UUID | None, tuple[int, bytes]]:
        """As the database has them now."""
        patients = run(self.database.owner, clinic.tenant_id, "SELECT * FROM patient_context")
        own = run(
            self.database.owner,
            clinic.tenant_id,
            "SELECT * FROM tenant WHERE tenant_id = :t",
            t=clinic.tenant_id,
        )
        found = {row.patient_context_id: (row.ledger_seq, row.ledger_head) for row in patients}
        return {None: (own[0].ledger_seq, own[0].ledger_head), **found}

    def signed(self, clinic: Clinic) -> dict[UUID | None, tuple[int, bytes]]:
        """As the newest checkpoint has them."""
        newest = self.log.newest()
        assert newest is not None
        heads = self.log.heads(newest, TenantId(clinic.tenant_id))
        return {head.patient_context_id: (head.seq, head.hash) for head in heads}

    def files(self, folder: str) -> list[str]:
        return sorted(self.log.store.names(f"{folder}/"))


def told(made: Made, *clinics: Clinic) -> dict[UUID, Any]:
    """What was said of these clinics: other tests have altered others here."""
    ids = {each.tenant_id for each in clinics}
    return {
        each.tenant_id: each.error.kind if isinstance(each.error, Fault) else each.error
        for each in made.refused
        if each.tenant_id in ids
    }


@pytest.fixture
def ledger(database: Database, tmp_path: Path) -> Ledger:
    return Ledger(database, tmp_path / "checkpoints")


@contextmanager
def altering(ledger: Ledger, clinic: Clinic) -> Iterator[Callable[..., Any]]:
    """Runs statements without any of the triggers and constraints that stand in the way."""
    with as_tenant(ledger.database.superuser, clinic.tenant_id) as connection:
        connection.execute(text("SET LOCAL session_replication_role = replica"))
        yield lambda sql, **values: connection.execute(
            text(sql), {**clinic.ids, "patient": clinic.patient_id, **values}
        )


def rehash(
    sql: Callable[..., Any], chain: str = f"{PATIENT}", row: str = f"patient_context SET {{}} WHERE {PATIENT}"
) -> None:
    """Gives a chain right hashes throughout, and its head."""
    before = GENESIS
    for seq, canonical in list(
        sql(f"SELECT e.seq, {CANONICAL} FROM event_log e WHERE {chain} ORDER BY e.seq")
    ):
        own = link_hash(before, canonical)
        sql(f"UPDATE event_log SET prev_hash = :before, hash = :own WHERE {chain} AND seq = :seq",
            before=before, own=own, seq=seq)  # fmt: skip
        before = own
    sql(f"UPDATE {row.format('ledger_head = :head')}", head=before)
