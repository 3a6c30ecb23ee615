"""``mobius ledger checkpoint``: signs at once what the scheduler signs every hour."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack

import typer

from ops.installation import DEFAULT_STATE_DIR, Refused, StateDirOption, find_installation, refusals
from shared.ledger.checkpoints.configured import ledger_signer
from shared.ledger.checkpoints.growth import Fault, FaultKind
from shared.ledger.checkpoints.log import BrokenCheckpoint
from shared.ledger.checkpoints.making import Made, make_checkpoint
from shared.ledger.checkpoints.making import Refused as Contradicted
from shared.persistence.pending import all_tenants
from shared.web.logging import describe_error

_SAID = {
    FaultKind.GONE: "it is gone",
    FaultKind.SHORTER: "it has lost events",
    FaultKind.REWRITTEN: "its last signed event is another one",
    FaultKind.OTHER_PATIENT: "its patient key is another one",
    FaultKind.NOT_LINKED: "its new events do not lead from the signed one to its head",
    FaultKind.NO_HEAD: "what should be its head is none",
}


def checkpoint(state_dir: StateDirOption = DEFAULT_STATE_DIR) -> None:
    """Signs how all chains of the ledger stand, once what is new was read and found linked to what was."""
    with refusals(), ExitStack() as stack:
        installation = find_installation(state_dir)
        log, signer = installation.checkpoints, ledger_signer(installation.settings)
        if log is None or signer is None:
            raise Refused("No checkpoint can be made here: set LEDGER_SIGNING_KEY and CHECKPOINT_STORE.")
        if not all_tenants(installation.engine):
            raise Refused("The database's user sees no tenant: give DATABASE_URL the owner's, mobius_owner.")
        try:
            made = make_checkpoint(
                log, signer, heads=installation.engine, events=installation.engine, on_walked=_progress(stack)
            )
        except BrokenCheckpoint as error:
            raise Refused(f"{error} Nothing was signed.") from None
        stack.close()
        typer.echo(_summary(made))
        if made.refused:
            raise Refused(
                "Some tenants stand in it as they were before, for their chains could not be signed:\n"
                + "\n".join(map(_reason, made.refused))
            )


def _summary(made: Made) -> str:
    if made.number is None:
        return "Nothing new was signed."
    return f"Checkpoint {made.number} is signed: {made.events:,} events."


def _reason(refused: Contradicted) -> str:
    error, whose = refused.error, f"  tenant {refused.tenant_id}"
    if isinstance(error, Fault):
        chain = f"patient context {error.patient_context_id}" if error.patient_context_id else "its own chain"
        return f"{whose}, {chain}: {_SAID[error.kind]}"
    return f"{whose}: {error if isinstance(error, BrokenCheckpoint) else describe_error(error)}"


def _progress(stack: ExitStack) -> Callable[[int], None]:
    """Shows how many events were read to whoever watches a terminal; nobody else."""
    from rich.console import Console
    from rich.progress import MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    if not console.is_terminal:
        return lambda _count: None
    columns = (SpinnerColumn(), TextColumn("Reading new events"), MofNCompleteColumn(), TimeElapsedColumn())
    progress = stack.enter_context(Progress(*columns, console=console, transient=True))
    task = progress.add_task("events", total=None)
    return lambda count: progress.advance(task, count)
