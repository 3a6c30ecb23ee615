"""``mobius tenants``: who is here, everything that is kept of one, and how one leaves."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from ops.drafts import draft_of, empty_folder, stoppable
from ops.installation import (
    DEFAULT_STATE_DIR,
    Installation,
    Refused,
    StateDirOption,
    TenantOption,
    find_installation,
    refusals,
    running_stack,
)
from ops.policy.preview import counted
from ops.readable import Screen, Terminal
from ops.tenants.erase import Gone, Leaving, Step
from ops.tenants.export import LEFT_OUT, write_export
from ops.tenants.standing import Standing, every_tenant
from ops.users.accounts import Accounts
from ops.users.identities import Identities, find_identities
from ops.users.staff import StoredStaff
from shared.decisions.moments import moment_text
from shared.errors import MobiusError
from shared.projections.removal import NotRemoved, TenantDocuments

app = typer.Typer(
    help="The tenants: who is here, everything that is kept of one, and how one leaves.",
    no_args_is_help=True,
)

_PIPED_WIDTH = 240
_AGAIN = "Run the same command again: it does the rest, and nothing twice."


@app.command("list")
def list_tenants(state_dir: StateDirOption = DEFAULT_STATE_DIR) -> None:
    """Shows every tenant, how much there is of it, and whether it has left."""
    with refusals():
        tenants = every_tenant(find_installation(state_dir).engine)
        if not tenants:
            raise Refused(
                "There is no tenant, or the database's user may see none: give DATABASE_URL the owner's, "
                "mobius_owner."
            )
        table = Table("tenant", "name", "users", "patients", "events", "standing")
        table.columns[0].no_wrap = True
        for each in tenants:
            held = "legal hold" if each.is_held else ""
            table.add_row(
                str(each.tenant_id), each.name, f"{each.users:,}", f"{each.patients:,}", f"{each.events:,}",
                ", ".join(word for word in (_left(each), held) if word),
            )  # fmt: skip
        console = Terminal(highlight=False)
        Screen(console if console.is_terminal else Terminal(highlight=False, width=_PIPED_WIDTH)).print(table)


def _left(standing: Standing) -> str:
    if standing.erased_at is not None:
        return f"erased {moment_text(standing.erased_at)}"
    if standing.closed_at is not None:
        return f"closed {moment_text(standing.closed_at)}, not erased yet: run mobius tenants erase again"
    return ""


@app.command("export")
def export_tenant(
    to: Annotated[
        Path,
        typer.Option("--to", metavar="FOLDER", help="Where to: a folder that is empty, or not there yet."),
    ],
    tenant: TenantOption = None,
    state_dir: StateDirOption = DEFAULT_STATE_DIR,
) -> None:
    """Writes everything that is kept of a tenant, names and notes included: one NDJSON file for each table.

    Only you can read the folder. The ledger notes that you export.
    """
    with refusals(), stoppable():
        folder = empty_folder(to)
        installation = find_installation(state_dir)
        tenant_id = installation.tenant(tenant)
        try:
            with draft_of(folder) as draft, _progress("Writing rows", None) as advance:
                manifest = write_export(installation.engine, tenant_id, draft, advance)
        except OSError as error:
            why = (error.strerror or "no reason given").lower()
            raise Refused(f"{to} can't be written: {why}.") from None
        except KeyboardInterrupt:
            raise Refused("Interrupted: nothing was left behind. The ledger says that you began.") from None
        rows = counted(sum(each.rows for each in manifest.tables.values()), "row", "rows")
        typer.echo(
            f"{to} has {rows} of {len(manifest.tables)} tables; manifest.json says what each file holds. "
            f"Left out, as work in progress: {', '.join(LEFT_OUT)}."
        )
        typer.echo("They hold names and notes in plain text: encrypt the folder before you hand it on.")
        typer.echo("What proves the ledger to an auditor is another export: mobius ledger export.")


@app.command("erase")
def erase_tenant(
    confirm: Annotated[
        str, typer.Option(metavar="NAME", help="The tenant's name, so that it is no other one's.")
    ],
    tenant: TenantOption = None,
    state_dir: StateDirOption = DEFAULT_STATE_DIR,
) -> None:
    """Has a tenant leave: nobody signs in any more, and what tells of its patients and users goes for good.

    The ledger's chains stay. Nothing of it can be taken back: mobius tenants export comes first.
    """
    with _resumable():
        installation = find_installation(state_dir)
        tenant_id = installation.tenant(tenant)
        identities = find_identities(installation.settings)
        staff = StoredStaff(installation.engine, tenant_id)
        accounts = Accounts(staff, identities, installation.settings.master_secret)
        documents = _documents(installation, state_dir)
        leaving = Leaving(installation.engine, staff, accounts, documents, _shown)
        # The functions give Firestore so long for a write; twice, for what was sent just before.
        gone = leaving.erase(confirm, last_write_s=2 * installation.settings.outside_timeout_s)
        for line in _told(gone, identities):
            typer.echo(line)


def _told(gone: Gone, identities: Identities | None) -> Iterator[str]:
    if not gone.is_new:
        yield "It was erased already, and nothing came back."
        return
    yield (
        f"Erased: what told of {counted(gone.patients, 'patient', 'patients')}, the names of "
        f"{counted(gone.users, 'user', 'users')}, {counted(gone.documents, 'document', 'documents')} in "
        "Firestore."
    )
    if identities is None:
        yield "This stack has no identity provider: there were no identities to delete."
    elif gone.foreign_identities:
        foreign = counted(gone.foreign_identities, "identity", "identities")
        yield f"Left alone in {identities.name}: {foreign} of other tenants."
    yield "The ledger's chains stay: see mobius ledger verify. What backups have is gone when they are."


def _documents(installation: Installation, state_dir: Path | None) -> TenantDocuments:
    if installation.tenants:
        os.environ["FIRESTORE_EMULATOR_HOST"] = running_stack(state_dir)["firestore_emulator_host"]
    return TenantDocuments(installation.settings.project_id, installation.settings.bulk_timeout_s)


@contextmanager
def _shown(step: Step, total: int | None) -> Iterator[Callable[[int], None]]:
    with _progress(step.value, total) as advance:
        yield advance


@contextmanager
def _progress(what: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """A bar on a terminal, beside the output; elsewhere nothing."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(what, total=total)
        yield lambda count: bar.advance(task, count)


@contextmanager
def _resumable() -> Iterator[None]:
    """As ``refusals``; where a command could not go on, it says how it does."""
    with refusals(), stoppable():
        try:
            yield
        except NotRemoved:
            raise Refused(f"Firestore did not delete every document: is it reachable? {_AGAIN}") from None
        except MobiusError as error:
            raise Refused(f"{error} {_AGAIN}") from None
        except KeyboardInterrupt:
            raise Refused(f"Interrupted. {_AGAIN}") from None
