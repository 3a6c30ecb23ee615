"""``mobius intake``: brings patients in from the outside."""

from __future__ import annotations

from contextlib import ExitStack
from datetime import UTC, date, datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated
from uuid import uuid4

import typer
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from ops.installation import (
    DEFAULT_STATE_DIR,
    Installation,
    Refused,
    StateDirOption,
    TenantOption,
    find_installation,
    refusals,
)
from shared.decisions.policy import Policy
from shared.errors import MobiusError
from shared.model import CorrelationId, TenantId
from shared.persistence.policies import policy_in
from shared.persistence.unit_of_work import unit_of_work
from shared.web.logging import describe_error

if TYPE_CHECKING:
    from ops.intake.run import Advance

SOME_REFUSED = 2
"""The exit status when something in the files is broken; everything else is in."""

_LATEST_VERSION = text("SELECT max(version) FROM policy_config WHERE tenant_id = :tenant")
_HAS_LEFT = text("SELECT closed_at IS NOT NULL FROM tenant WHERE tenant_id = :tenant")
_STEP = 1024 * 1024

app = typer.Typer(help="Bring patients and what is known about their money in from the outside.")


@app.callback()
def intake() -> None:
    """Bring patients and what is known about their money in from the outside."""


@app.command()
def fhir(
    files: Annotated[
        list[Path],
        typer.Argument(metavar="FILE", help="FHIR R4 Bundles or bulk-export NDJSON, plain or gzipped."),
    ],
    tenant: TenantOption = None,
    source_system: Annotated[
        str | None,
        typer.Option(
            help="Where the files are from: one of the policy's source_systems; may be left out if there is "
            "only one."
        ),
    ] = None,
    identifier_system: Annotated[
        str | None,
        typer.Option(
            metavar="URI",
            help="The system of the Patient.identifier by which your pages name a patient, or resource-id. "
            "Without it: the one of type MR, else the first that no state gave, else the resource's id.",
        ),
    ] = None,
    as_of: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="The day to derive signals for; today (UTC) otherwise."),
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option(
            help="Writes what was refused and left out to this file, as NDJSON, without a value of theirs."
        ),
    ] = None,
    state_dir: StateDirOption = DEFAULT_STATE_DIR,
) -> None:
    """Take in Patients, coverages, eligibility, claims, appointments and accounts from FHIR R4 files.

    Running it again changes nothing. Ends with 0 when everything went in, 1 when it could not run, 2 when
    something was broken: that is told, and the rest is in.
    """
    with refusals(), ExitStack() as stack:
        from ops.intake.sources import find_sources

        sources = find_sources(files)
        installation = find_installation(state_dir)
        tenant_id = installation.tenant(tenant)
        policy = _policy(installation, tenant_id)
        source = _source_system(policy, source_system)
        # Only now: the FHIR library's models take a while, which nobody should wait for to read a refusal.
        from ops.intake.identity import Naming
        from ops.intake.report import Report
        from ops.intake.run import Intake, take_in
        from ops.intake.store import Scope

        told = Report(sources, _open_report(report, stack))
        now = datetime.now(UTC)
        work = Intake(
            engine=installation.engine,
            scope=Scope(
                tenant_id=tenant_id,
                source_system=source,
                session_idle_s=policy.timeouts.session_idle_s,
                correlation_id=CorrelationId(uuid4()),
                now=now,
            ),
            naming=Naming(
                master=installation.settings.master_secret,
                tenant_id=tenant_id,
                source_system=source,
                asked=identifier_system,
            ),
            as_of=_day(as_of, now),
        )
        try:
            take_in(work, sources, told, _progress(2 * sum(each.size for each in sources), stack))
        except DBAPIError:
            # Its text may quote what it refused.
            raise Refused(
                "The database refused a row, which is a fault of Mobius: please report it. What was taken in "
                "before is in."
            ) from None
        except (Refused, MobiusError):
            raise
        except Exception as error:  # noqa: BLE001 -- whatever it is, its text may quote a patient
            raise Refused(
                f"The intake failed, which is a fault of Mobius: please report it with this line. What was "
                f"taken in before is in.\n{describe_error(error)}"
            ) from None
    for line in told.summary():
        typer.echo(line)
    if told.refused:
        raise typer.Exit(SOME_REFUSED)


def _policy(installation: Installation, tenant_id: TenantId) -> Policy:
    """The tenant's policy in force. Raises Refused when there is no such tenant, or nothing published."""
    with unit_of_work(installation.engine, tenant_id) as uow:
        if uow.value(_HAS_LEFT, tenant=tenant_id):
            raise Refused("This tenant has left: nothing more comes in.")
        version = uow.value(_LATEST_VERSION, tenant=tenant_id)
        if version is None:
            raise Refused("There is no such tenant, or it has no policy yet: look at --tenant.")
        return policy_in(uow, tenant_id, version)


def _source_system(policy: Policy, asked: str | None) -> str:
    allowed = policy.allowlist.source_systems
    if asked is None and len(allowed) == 1:
        return allowed[0]
    if asked in allowed:
        return asked
    names = ", ".join(allowed) or "none yet, so publish a policy that names one"
    raise Refused(f"Say with --source-system where the files are from. The policy allows: {names}.")


def _day(as_of: datetime | None, now: datetime) -> date:
    return (as_of or now).date()


def _open_report(path: Path | None, stack: ExitStack) -> IO[bytes] | None:
    if path is None:
        return None
    try:
        return stack.enter_context(path.open("wb"))
    except OSError as error:
        why = (error.strerror or "no reason given").lower()
        raise Refused(f"{path} can't be written: {why}. Name another file with --report.") from None


def _progress(total: int, stack: ExitStack) -> Advance:
    """Shows how far it is to whoever watches a terminal; nobody else."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    if not console.is_terminal:
        return lambda _done: None
    columns = (TextColumn("Reading twice"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    progress = stack.enter_context(Progress(*columns, console=console, transient=True))
    task = progress.add_task("intake", total=total)
    shown = 0

    def advance(done: int) -> None:
        nonlocal shown
        if done - shown >= _STEP:
            shown = done
            progress.update(task, completed=done)

    return advance
