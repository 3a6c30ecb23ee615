"""``mobius ledger export``: a tenant's or a patient's ledger as files that prove themselves to an auditor."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer
from sqlalchemy import text

from ops.drafts import draft_of, empty_folder, stoppable
from ops.installation import (
    DEFAULT_STATE_DIR,
    Installation,
    Refused,
    StateDirOption,
    TenantOption,
    find_installation,
    refusals,
)
from ops.ledger import verify_export
from ops.ledger.asking import find_patient, progress
from ops.ledger.evidence import ONE_MOMENT, Covered, count_events, find_proof, write_events, write_statements
from ops.transaction import tell_ledger, transaction
from shared.ledger.checkpoints.log import BrokenCheckpoint, CheckpointLog
from shared.ledger.events import LedgerRead
from shared.model import LedgerReading, PatientContextId, TenantId

_SHOWN_AFTER = 1000

_TENANT = text("SELECT 1 FROM tenant WHERE tenant_id = :tenant")


def export(
    to: Annotated[
        Path,
        typer.Option("--to", metavar="FOLDER", help="Where to: a folder that is empty, or not there yet."),
    ],
    patient: Annotated[
        str | None,
        typer.Option(metavar="PATIENT_KEY", help="One patient's events; all of the tenant without it."),
    ] = None,
    tenant: TenantOption = None,
    state_dir: StateDirOption = DEFAULT_STATE_DIR,
) -> None:
    """Writes a tenant's or a patient's events as CSV and as FHIR AuditEvents, with what proves them.

    An auditor checks it with verify_export.py and the verifier key, without Mobius: docs/ledger.md. So does
    this command. The ledger notes that you export. Ends with 1 also when the ledger is not what was signed;
    the export is there then, and shows it.
    """
    with refusals(), stoppable():
        folder = empty_folder(to)
        installation = find_installation(state_dir)
        tenant_id = installation.tenant(tenant)
        log = installation.checkpoints
        if log is None:
            raise Refused(
                "This installation has no checkpoints to prove an export with: set CHECKPOINT_STORE and "
                "LEDGER_PUBLIC_KEYS."
            )
        try:
            covered = _covered(installation, log, tenant_id, patient)
            said, wrong = _export(installation, log, covered, tenant_id, folder)
        except BrokenCheckpoint as error:
            raise Refused(f"Nothing is exported, for the checkpoints don't hold. {error}") from None
        except OSError as error:
            raise Refused(
                f"{to} can't be written: {(error.strerror or 'no reason given').lower()}."
            ) from None
        if wrong is not None:
            raise Refused(
                f"The export is in {to}, and it shows that the ledger is not what was signed. {wrong}"
            )
        typer.echo(said)
        typer.echo(f"It is in {to}. Whoever doubts it: python verify_export.py {to} --key VERIFIER_KEY")


def _covered(installation: Installation, log: CheckpointLog, tenant_id: TenantId, key: str | None) -> Covered:
    """What the newest checkpoint says of whom the export is about. Raises Refused when that is nothing."""
    with transaction(installation.engine, tenant_id) as uow:
        known = uow.value(_TENANT, tenant=tenant_id)
    checkpoint = log.newest()
    covered = None if checkpoint is None else find_proof(log, checkpoint, tenant_id, key)
    if not known and covered is not None:
        raise Refused(
            "The checkpoint has this tenant, and the database does not any more: somebody removed it."
        )
    if not known:
        raise Refused("There is no such tenant: look at --tenant.")
    if covered is not None:
        # Also when the database knows nothing of the patient any more: then the export shows that.
        return covered
    if key is not None:
        find_patient(installation.engine, tenant_id, key)
    what = "There is no checkpoint yet" if checkpoint is None else "No checkpoint has this yet"
    raise Refused(f"{what}, so nothing could be proven: make one with mobius ledger checkpoint.")


def _export(
    installation: Installation, log: CheckpointLog, covered: Covered, tenant_id: TenantId, folder: Path
) -> tuple[str, str | None]:
    """Writes the export and checks it; what it proves, and what is wrong with the ledger, if anything is."""
    patient = covered.head.patient_context_id if covered.head else None
    with draft_of(folder) as draft:
        with transaction(installation.engine, tenant_id) as uow:
            uow.run(ONE_MOMENT)
            count = count_events(uow, tenant_id, patient)
            # First, in a transaction of its own: whatever is written from here on was told of.
            _tell(installation, tenant_id, patient, count)
            with progress(count) as advance:
                write_events(draft, uow, tenant_id, patient, advance)
        write_statements(draft, log, covered, tenant_id)
        with progress(count) as advance:
            return _check(draft, covered, advance)


def _tell(
    installation: Installation, tenant_id: TenantId, patient: PatientContextId | None, count: int
) -> None:
    with transaction(installation.engine, tenant_id) as uow:
        read = LedgerRead(kind=LedgerReading.EXPORT, patient_context_id=patient, event_count=count)
        tell_ledger(uow, tenant_id, read)
        uow.commit()


def _check(draft: Path, covered: Covered, advance: Callable[[int], None]) -> tuple[str, str | None]:
    """As the auditor will, but for the signature, which was checked when the checkpoint was read."""
    rows = 0

    def on_row(_size: int) -> None:
        nonlocal rows
        rows += 1
        if rows % _SHOWN_AFTER == 0:
            advance(_SHOWN_AFTER)

    signed = covered.checkpoint.note.rpartition("\n\n")[0] + "\n"
    try:
        return verify_export.check(draft, signed, on_row), None
    except verify_export.Refused as refusal:
        return "", str(refusal)
