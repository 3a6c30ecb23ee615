"""``mobius ledger verify``: whether anything in the ledger was altered, and what."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import typer
from sqlalchemy import text

from ops.installation import (
    DEFAULT_STATE_DIR,
    Installation,
    Refused,
    StateDirOption,
    find_installation,
    refusals,
    running_stack,
)
from ops.ledger.verifying import (
    Report,
    Sources,
    verify_guards,
    verify_missing,
    verify_patient,
    verify_tenant,
)
from ops.transaction import transaction
from shared.decisions.moments import moment_text
from shared.ledger.checkpoints.log import BrokenCheckpoint, Checkpoint
from shared.ledger.verification.documents import DocumentHeads
from shared.ledger.verification.findings import Finding, Kind
from shared.ledger.verification.pages import Advance, Ask
from shared.model import PatientContextId, PatientKey, TenantId
from shared.persistence.unit_of_work import flight
from shared.security.patient_keys import text_digest

_SHOWN = 50
_KEY = re.compile(r"[A-Za-z0-9_-]{8,64}")
# No tenant's: for what is asked of the whole database.
_NOBODY = TenantId(UUID(int=0))

_TENANTS = text("SELECT tenant_id FROM public.tenant ORDER BY tenant_id")
_IS_OWNER = text("""SELECT pg_has_role(relowner, 'USAGE') FROM pg_class
    WHERE oid = CAST('public.event_log' AS regclass)""")
_PATIENT = text("""SELECT patient_context_id FROM public.patient_context
    WHERE tenant_id = :tenant AND patient_key = :patient_key""")
_EXPECTED = text("""SELECT coalesce((SELECT sum(ledger_seq) FROM public.patient_context
        WHERE tenant_id = :tenant), 0) + coalesce((SELECT ledger_seq FROM public.tenant
        WHERE tenant_id = :tenant), 0)""")


def verify(
    tenant: Annotated[
        str | None,
        typer.Option(help="Only this tenant: its id, or with a local stack its name; all of them otherwise."),
    ] = None,
    patient: Annotated[
        str | None, typer.Option(metavar="PATIENT_KEY", help="Only this patient's chain, of --tenant.")
    ] = None,
    without_firestore: Annotated[
        bool, typer.Option("--without-firestore", help="Leaves the documents in Firestore out.")
    ] = False,
    show_all: Annotated[
        bool, typer.Option("--all", help=f"Lists everything that is wrong, not only the first {_SHOWN}.")
    ] = False,
    state_dir: StateDirOption = DEFAULT_STATE_DIR,
) -> None:
    """Walks every chain of the ledger and says whether anything was altered, and what.

    Each hash is computed anew, and compared are the heads that the database keeps, the newest signed
    checkpoint, the documents in Firestore and the records that events tell of. Ends with 0 when nothing was
    altered, 1 otherwise.
    """
    with refusals():
        installation = find_installation(state_dir)
        asked = _tenants(installation, tenant, needs_one=patient is not None)
        found = None if patient is None else _patient(installation, asked[0], patient)
        report = Report()
        checkpoint, missing = _checkpoint(installation, report)
        with ExitStack() as stack:
            documents = (
                None if without_firestore else stack.enter_context(_documents(installation, state_dir))
            )
            sources = Sources(
                ask=_ask(installation),
                text_digest=partial(text_digest, installation.settings.master_secret),
                checkpoint=checkpoint,
                heads=installation.checkpoints.heads if installation.checkpoints else _no_heads,
                documents=documents,
                advance=stack.enter_context(_progress(installation, asked)) if patient is None else _quiet,
            )
            verify_guards(sources, asked[0] if asked else _NOBODY, report)
            if patient is not None:
                key = PatientKey(patient)
                verify_patient(sources, asked[0], key, found, report)
                if found is None and not report.chains and not report.found:
                    raise Refused("This tenant has no patient of that key: look at --tenant.")
            else:
                for tenant_id in asked:
                    verify_tenant(sources, tenant_id, report)
                if tenant is None:
                    verify_missing(sources, frozenset(asked), report)
        for line in _lines(report, _SHOWN if not show_all else len(report.findings)):
            typer.echo(line)
        for line in (
            *_told_of_checkpoint(report, checkpoint, missing),
            *_told_of_documents(report, documents),
        ):
            typer.echo(line)
    if report.found:
        raise typer.Exit(1)


def _tenants(installation: Installation, asked: str | None, *, needs_one: bool) -> tuple[TenantId, ...]:
    """The tenants that were asked for. Raises Refused for one that is not there, and for another database."""
    with transaction(installation.engine, _NOBODY) as uow:
        if not uow.value(_IS_OWNER):
            raise Refused("The database's user may not do this: give DATABASE_URL the owner's, mobius_owner.")
        known = tuple(TenantId(row.tenant_id) for row in uow.rows(_TENANTS))
    if asked is None and not needs_one:
        return known
    chosen = installation.tenant(asked if asked is not None or len(known) != 1 else str(known[0]))
    if chosen not in known and not _is_signed(installation, chosen):
        raise Refused("There is no such tenant: look at --tenant.")
    return (chosen,)


def _is_signed(installation: Installation, tenant_id: TenantId) -> bool:
    """Whether the newest checkpoint has a tenant, which is then gone."""
    try:
        checkpoint = installation.checkpoints.newest() if installation.checkpoints else None
    except BrokenCheckpoint:
        return False
    return checkpoint is not None and checkpoint.tenant(tenant_id) is not None


def _patient(installation: Installation, tenant_id: TenantId, key: str) -> PatientContextId | None:
    if not _KEY.fullmatch(key):
        raise Refused("That is no patient's key: it has 8 to 64 letters, digits, '_' and '-'.")
    with transaction(installation.engine, tenant_id) as uow:
        found = uow.value(_PATIENT, tenant=tenant_id, patient_key=key)
    return None if found is None else PatientContextId(found)


def _checkpoint(installation: Installation, report: Report) -> tuple[Checkpoint | None, str]:
    """The newest checkpoint, before anything is walked, or why there is none."""
    if installation.checkpoints is None:
        return None, "No checkpoint is configured: set CHECKPOINT_STORE and a key to check them with"
    try:
        newest = installation.checkpoints.newest()
    except BrokenCheckpoint as error:
        report.add(Finding(None, None, 0, Kind.CHECKPOINT, str(error)))
        return None, "The checkpoints do not hold"
    return (
        newest,
        "There is no checkpoint yet: the scheduler signs one regularly, mobius ledger checkpoint now",
    )


def _no_heads(_checkpoint: Checkpoint, _tenant_id: TenantId) -> Iterator[Any]:
    return iter(())


def _ask(installation: Installation) -> Ask:
    return lambda tenant_id, statement: flight(installation.engine, tenant_id, statement)


@contextmanager
def _documents(installation: Installation, state_dir: Path | None) -> Iterator[DocumentHeads]:
    # Late: its import is a third of a second.
    from google.api_core.exceptions import GoogleAPICallError
    from google.auth.exceptions import DefaultCredentialsError
    from google.cloud import firestore

    from shared.projections.heads import FirestoreHeads

    try:
        with _emulator(installation, state_dir):
            client = firestore.Client(project=installation.settings.project_id)
        yield FirestoreHeads(client, installation.settings.bulk_timeout_s)
    except (GoogleAPICallError, DefaultCredentialsError):
        raise Refused("Firestore can't be read: say --without-firestore to leave it out.") from None


@contextmanager
def _emulator(installation: Installation, state_dir: Path | None) -> Iterator[None]:
    """Has Firestore's library find the local stack's emulator, which it looks for in the environment only."""
    name = "FIRESTORE_EMULATOR_HOST"
    before = os.environ.get(name)
    if installation.tenants:
        os.environ[name] = running_stack(state_dir)["firestore_emulator_host"]
    try:
        yield
    finally:
        if before is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = before


@contextmanager
def _progress(installation: Installation, tenants: tuple[TenantId, ...]) -> Iterator[Advance]:
    """Shows whoever watches a terminal how many events were walked, and how fast; nobody else."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        ProgressColumn,
        Task,
        TextColumn,
        TimeRemainingColumn,
    )
    from rich.text import Text

    class Speed(ProgressColumn):
        def render(self, task: Task) -> Text:
            return Text(f"{task.speed or 0:,.0f} events/s")

    console = Console(stderr=True)
    if not console.is_terminal:
        yield _quiet
        return
    total = 0
    for tenant_id in tenants:
        with transaction(installation.engine, tenant_id) as uow:
            total += int(uow.value(_EXPECTED, tenant=tenant_id))
    columns = (TextColumn("Walking"), BarColumn(), MofNCompleteColumn(), Speed(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("events", total=total)
        yield lambda count: bar.advance(task, count)


def _quiet(_count: int) -> None:
    """Shows nothing."""


def _lines(report: Report, most: int) -> Iterator[str]:
    for finding in sorted(report.findings, key=lambda finding: finding.order)[:most]:
        yield finding.line
    if (more := report.found - min(most, len(report.findings))) > 0:
        how = "" if most >= len(report.findings) else "; see all of it with --all"
        yield f"and {more:,} more{how}"
    chains = f"{report.chains:,} chain{'s' * (report.chains != 1)}"
    tenants = f"{report.tenants:,} tenant{'s' * (report.tenants != 1)}"
    where = f"{chains} of {tenants}" if report.tenants else chains
    if report.found:
        yield f"{report.events:,} events, NOT INTACT: {report.found:,} found in {where}"
    else:
        yield f"{report.events:,} events, chain intact: {where}"


def _told_of_checkpoint(report: Report, checkpoint: Checkpoint | None, missing: str) -> Iterator[str]:
    later = "what was rewritten with right hashes and heads by the database's owner can't be told"
    if checkpoint is None:
        yield f"{missing}. Without one, {later}."
        return
    covers = (
        f"Checkpoint {checkpoint.number} ({moment_text(checkpoint.created_at)}) covers {report.covered:,}"
    )
    after = report.events - report.covered
    if report.found or after < 0:
        yield f"{covers} of these events."
    elif after:
        yield f"{covers} of these events. Of the {after:,} after it, {later}."
    else:
        yield f"{covers} of these events, all of them."


def _told_of_documents(report: Report, documents: DocumentHeads | None) -> Iterator[str]:
    if documents is None:
        yield "Firestore was not looked at."
    else:
        counted = "document in Firestore was" if report.documents == 1 else "documents in Firestore were"
        yield f"{report.documents:,} {counted} compared."
