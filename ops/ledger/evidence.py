"""What an export is made of: every event as it was hashed, and what leads from the heads to a checkpoint."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable, Iterator, Sequence
from io import TextIOWrapper
from pathlib import Path
from typing import NamedTuple, TextIO

from sqlalchemy import text

from ops.drafts import new_file
from ops.installation import Refused
from ops.ledger import verify_export
from shared.ledger.chain import CANONICAL
from shared.ledger.checkpoints import merkle
from shared.ledger.checkpoints.log import ChainHead, Checkpoint, CheckpointLog
from shared.model import PatientContextId, TenantId
from shared.persistence.unit_of_work import UnitOfWork

_PAGE = 2000

ONE_MOMENT = text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
"""SQL: whatever this transaction reads is as it was at its first question. Comes first in it."""

# A place in a chain may be there twice, or not at all, when somebody tampered: so a cursor, which gives what
# is there, and no paging by place. Twice, because no index has the tenant's own chain first.
_CURSOR = f"""
DECLARE {{name}} NO SCROLL CURSOR FOR
SELECT {CANONICAL} AS canonical, c.patient_key, e.prev_hash, e.hash
FROM public.event_log e LEFT JOIN public.patient_context c
    ON c.tenant_id = e.tenant_id AND c.patient_context_id = e.patient_context_id
WHERE e.tenant_id = :tenant AND {{which}} ORDER BY e.patient_context_id, e.seq"""  # noqa: S608 -- our own text
_OWN_CHAIN = text(_CURSOR.format(name="own_chain", which="e.patient_context_id IS NULL"))
_PATIENTS = text(_CURSOR.format(name="patients", which="e.patient_context_id IS NOT NULL"))
_ONE_PATIENT = text(_CURSOR.format(name="one_patient", which="e.patient_context_id = :patient"))
_COUNT = text("""
SELECT count(*) FROM public.event_log
WHERE tenant_id = :tenant
    AND (CAST(:patient AS uuid) IS NULL OR patient_context_id = CAST(:patient AS uuid))""")

_PIECE = r'(?:"((?:[^"\\]|\\.)*)"|(-?[0-9]+)|null)'
_CANONICAL = re.compile(r"\[" + f"{_PIECE}, " * 10 + r"(.*)\]", re.DOTALL)


class Covered(NamedTuple):
    """What a checkpoint says of a tenant, or of one patient of it, and what shows that it says so."""

    checkpoint: Checkpoint
    proof: dict[str, dict[str, object]]
    head: ChainHead | None


def find_proof(
    log: CheckpointLog, checkpoint: Checkpoint, tenant_id: TenantId, key: str | None
) -> Covered | None:
    """What leads from the tenant, or from the patient of this key, to the checkpoint; None if it has neither.

    Raises BrokenCheckpoint.
    """
    tenants = [each.line() for each in checkpoint.tenants]
    at = next((n for n, each in enumerate(checkpoint.tenants) if each.tenant_id == tenant_id), None)
    if at is None:
        return None
    proof = {"tenant": _step(tenants[at], at, [merkle.leaf_hash(line.encode()) for line in tenants])}
    if key is None:
        return Covered(checkpoint, proof, None)
    leaves: list[bytes] = []
    found: tuple[int, ChainHead] | None = None
    for head in log.heads(checkpoint, tenant_id):
        if head.patient_key == key:
            found = (len(leaves), head)
        leaves.append(merkle.leaf_hash(head.line(tenant_id).encode()))
    if found is None:
        return None
    index, head = found
    return Covered(checkpoint, proof | {"head": _step(head.line(tenant_id), index, leaves)}, head)


def write_statements(folder: Path, log: CheckpointLog, covered: Covered, tenant_id: TenantId) -> None:
    """Writes checkpoint, proof and, of a whole tenant, heads. Raises BrokenCheckpoint, OSError."""
    with _new_text(folder / verify_export.CHECKPOINT) as file:
        file.write(covered.checkpoint.note)
    with _new_text(folder / verify_export.PROOF) as file:
        file.write(json.dumps(covered.proof, separators=(",", ":")) + "\n")
    if covered.head is None:
        with _new_text(folder / verify_export.HEADS) as file:
            for head in log.heads(covered.checkpoint, tenant_id):
                file.write(head.line(tenant_id) + "\n")


def count_events(uow: UnitOfWork, tenant_id: TenantId, patient: PatientContextId | None) -> int:
    """How many events there are of the tenant, or of one patient."""
    return int(uow.value(_COUNT, tenant=tenant_id, patient=patient))


def write_events(
    folder: Path,
    uow: UnitOfWork,
    tenant_id: TenantId,
    patient: PatientContextId | None,
    on_written: Callable[[int], None],
) -> None:
    """Writes every event, chain by chain, as a row and as an AuditEvent, in bounded memory.

    What is there is written, right or wrong. ``on_written`` is told how many more are. Raises OSError.
    """
    with (
        _new_text(folder / verify_export.LEDGER) as ledger,
        _new_text(folder / verify_export.AUDIT_EVENTS) as audit,
    ):
        # A spreadsheet takes a cell that begins with = + - @ for a formula. None can be one here: ids, times,
        # hashes and numbers begin with a digit or a letter, types with a capital, payloads with a brace. Only
        # a patient's key may begin with -, and a key has no brackets, so that it calls nothing.
        rows = csv.writer(ledger, lineterminator="\n")
        ledger.write(verify_export.HEADER)
        for page in _pages(uow, tenant_id, patient):
            rows.writerows(page)
            audit.writelines(map(_audit_line, page))
            on_written(len(page))


def _new_text(path: Path) -> TextIO:
    return TextIOWrapper(new_file(path), encoding="utf-8", newline="")


def _step(line: str, index: int, leaves: Sequence[bytes]) -> dict[str, object]:
    path = [each.hex() for each in merkle.inclusion_path(leaves, index)]
    return {"line": line, "index": index, "path": path}


def _pages(
    uow: UnitOfWork, tenant_id: TenantId, patient: PatientContextId | None
) -> Iterator[list[verify_export.Event]]:
    if patient is None:
        uow.run(_OWN_CHAIN, tenant=tenant_id)
        uow.run(_PATIENTS, tenant=tenant_id)
    else:
        uow.run(_ONE_PATIENT, tenant=tenant_id, patient=patient)
    for name in ("own_chain", "patients") if patient is None else ("one_patient",):
        fetch = text(f"FETCH {_PAGE} FROM {name}")
        while rows := uow.rows(fetch):
            yield [_event(*row) for row in rows]


def _event(canonical: str, patient_key: str | None, prev_hash: bytes, own_hash: bytes) -> verify_export.Event:
    """The row as an export has it: its columns are cut out of the text that was hashed, not written anew."""
    match = _CANONICAL.fullmatch(canonical)
    if match is None:
        raise Refused("An event is not as any release of Mobius writes one: mobius ledger verify says more.")
    pieces = [match[2 * n + 1] or match[2 * n + 2] or "" for n in range(10)]
    tenant_id, patient_context_id, *others = pieces
    columns = (*others, match[21], prev_hash.hex(), own_hash.hex())
    return verify_export.Event(tenant_id, patient_context_id, patient_key or "", *columns)


def _audit_line(event: verify_export.Event) -> str:
    try:
        return verify_export.audit_line(event)
    except (ValueError, RecursionError):
        # Nothing that Mobius writes; whoever checks the export is told of it.
        return "{}\n"
