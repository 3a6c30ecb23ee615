"""``mobius policy``: what holds, what another document would do, and publishing it."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from sqlalchemy import Engine

from ops.installation import (
    DEFAULT_STATE_DIR,
    Refused,
    StateDirOption,
    TenantOption,
    find_installation,
    refusals,
)
from ops.policy.differences import differences
from ops.policy.document import read_policy, told, write_policy
from ops.policy.preview import Impact, counted
from ops.policy.publication import RATE, Published, base_of, enqueue_patients, publish, says_the_same
from ops.policy.references import reference_problems
from ops.policy.store import count_patients, every_patient, newest_version, read_known, stored_policy
from ops.readable import Screen
from ops.transaction import transaction
from shared.errors import MobiusError
from shared.model import ErasureScope, TenantId
from shared.persistence.erasure import Erasable, due_under
from shared.persistence.unit_of_work import UnitOfWork

app = typer.Typer(
    help="A tenant's policy as a YAML document: check it, see what it would do, publish it.",
    no_args_is_help=True,
)

FileArgument = Annotated[Path, typer.Argument(metavar="FILE", help="The policy as a YAML document.")]
VersionOption = Annotated[
    int | None, typer.Option(min=1, max=2_147_483_647, help="An older version instead of the newest.")
]

_NO_POLICY = "This tenant has no policy yet: publish its first, for example from ops/default_policy.yaml."


@app.command("validate")
def validate_document(
    file: FileArgument, tenant: TenantOption = None, state_dir: StateDirOption = DEFAULT_STATE_DIR
) -> None:
    """Says everything that is wrong with a document; with a tenant also which roles and users it lacks."""
    with refusals():
        policy = read_policy(file)
        try:
            engine, tenant_id = _asked(tenant, state_dir)
            with transaction(engine, tenant_id) as uow:
                newest_version(uow, tenant_id)  # is there such a tenant?
                known = read_known(uow, tenant_id)
        except (Refused, MobiusError) as error:
            if tenant is not None:
                raise
            typer.echo(f"{file} is a valid policy. Its roles and users were not looked up: {error}")
            return
        if problems := reference_problems(policy, known):
            raise Refused(told(f"{file} names what this tenant doesn't have; nothing was changed.", problems))
        typer.echo(f"{file} is a valid policy, and this tenant has every role and user that it names.")


@app.command("show")
def show_policy(
    tenant: TenantOption = None, version: VersionOption = None, state_dir: StateDirOption = DEFAULT_STATE_DIR
) -> None:
    """Prints the policy that holds, or an older version, as a document to edit."""
    with refusals():
        engine, tenant_id = _asked(tenant, state_dir)
        with transaction(engine, tenant_id) as uow:
            newest = _newest(uow, tenant_id)
            if version is not None and version > newest:
                raise Refused(f"There is no version {version}: the newest is {newest}.")
            policy = stored_policy(uow, tenant_id, version or newest)
        heading = f"Version {policy.version} of the policy of tenant {tenant_id}."
        if policy.version != newest:
            heading += f"\nThe newest is {newest}: to publish this one again, set version to {newest}."
        typer.echo(write_policy(policy, heading), nl=False)


@app.command("diff")
def diff_policy(
    file: FileArgument, tenant: TenantOption = None, state_dir: StateDirOption = DEFAULT_STATE_DIR
) -> None:
    """Says, place by place, what a document would change of the policy that holds."""
    with refusals():
        document = read_policy(file)
        engine, tenant_id = _asked(tenant, state_dir)
        with transaction(engine, tenant_id) as uow:
            newest = _newest(uow, tenant_id)
            found = differences(stored_policy(uow, tenant_id, newest), document)
        screen = Screen()
        screen.print(f"Version {newest} → {file}:" if found else f"No difference to version {newest}.")
        for difference in found:
            screen.print(difference.as_text())


@app.command("preview")
def preview_policy(
    file: FileArgument, tenant: TenantOption = None, state_dir: StateDirOption = DEFAULT_STATE_DIR
) -> None:
    """Says what publishing a document would do to today's patients. Changes nothing."""
    with refusals():
        document = read_policy(file)
        engine, tenant_id = _asked(tenant, state_dir)
        with transaction(engine, tenant_id) as uow:
            base = base_of(uow, tenant_id, document)
            patients = count_patients(uow, tenant_id)
        impact = Impact(base, document)
        with _progress("Deciding", patients) as advance:
            for batch in every_patient(engine, tenant_id):
                for facts in batch:
                    impact.add(facts)
                advance(len(batch))
        screen = Screen()
        for part in _told_impact(impact):
            screen.print(part)
        if document.retention.legal_hold != (base is not None and base.retention.legal_hold):
            begins = document.retention.legal_hold
            screen.print(
                "A legal hold begins: nothing is erased any more." if begins else "The legal hold ends."
            )
        if document.retention.erases:
            screen.print(_told_erasures(due_under(engine, tenant_id, document.retention)))
        if base is not None and says_the_same(base, document):
            screen.print(f"Nothing to publish: this is what version {base.version} says.")
        else:
            screen.print(f"To publish it: mobius policy publish {_options(file, tenant, state_dir)}")


@app.command("publish")
def publish_policy(
    file: FileArgument, tenant: TenantOption = None, state_dir: StateDirOption = DEFAULT_STATE_DIR
) -> None:
    """Makes a document the tenant's next version, and has the patients follow whom it changes."""
    with refusals():
        document = read_policy(file)
        engine, tenant_id = _asked(tenant, state_dir)
        published = publish(engine, tenant_id, document)
        typer.echo(_told_publication(published, file))
        try:
            enqueued = _enqueue(engine, tenant_id, published.version)
        except (MobiusError, KeyboardInterrupt):
            raise Refused(
                f"Version {published.version} is published, but not every patient is enqueued yet. Run the "
                "same command again: it enqueues the rest."
            ) from None
        typer.echo(_told_queue(enqueued, published.documents))


def _enqueue(engine: Engine, tenant_id: TenantId, version: int) -> int:
    with transaction(engine, tenant_id) as uow:
        patients = count_patients(uow, tenant_id)
    with _progress("Enqueueing", patients) as advance:
        return enqueue_patients(engine, tenant_id, version, advance)


def _newest(uow: UnitOfWork, tenant_id: TenantId) -> int:
    """The version that holds. Raises Refused when nothing was published yet."""
    newest = newest_version(uow, tenant_id)
    if not newest:
        raise Refused(_NO_POLICY)
    return newest


def _asked(tenant: str | None, state_dir: Path | None) -> tuple[Engine, TenantId]:
    installation = find_installation(state_dir)
    return installation.engine, installation.tenant(tenant)


@contextmanager
def _progress(what: str, total: int) -> Iterator[Callable[[int], None]]:
    """A bar on a terminal, beside the output; elsewhere nothing."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(what, total=total)
        yield lambda count: bar.advance(task, count)


def _told_impact(impact: Impact) -> Iterator[Table | str]:
    indicators = Table("now", "then", "patients")
    for before, after, count in impact.changes:
        indicators.add_row(before or "no policy", after if after is not before else "the same", f"{count:,}")
    yield indicators
    yield (
        f"{counted(impact.needs_ack_newly, 'patient needs', 'patients need')} an acknowledgement newly, "
        f"{counted(impact.needs_ack_no_longer, 'patient', 'patients')} no longer."
    )
    yield (
        f"{counted(impact.surfaced, 'patient was', 'patients were')} surfaced so far; of them "
        f"{counted(impact.new_responses, 'gets a new response', 'get a new response')}."
    )
    if impact.assignments:
        items = Table("whose", "reason", "assignments", title="If nobody acknowledges these")
        for (whose, reason), count in sorted(impact.assignments.items()):
            items.add_row(whose, reason, f"{count:,}")
        yield items
    yield f"In short: {impact.sentence}."


def _told_erasures(due: Iterable[Erasable]) -> str:
    scopes = Counter(each.scope for each in due)
    if not scopes:
        return "Retention: nothing is due to be erased yet."
    patients = counted(scopes[ErasureScope.ALL], "patient is", "patients are")
    texts = counted(scopes[ErasureScope.TEXTS], "other", "others")
    return (
        f"Retention: {patients} erased for good at the next round, and what was written about {texts}. "
        "Nothing brings it back."
    )


def _told_publication(published: Published, file: Path) -> str:
    if not published.is_new:
        return f"Version {published.version} says this already: nothing was published."
    return (
        f"Published version {published.version} (digest {published.digest}).\n"
        f"Before you edit {file} again, set its version to {published.version}."
    )


def _told_queue(enqueued: int, documents: int) -> str:
    parts = []
    if enqueued:
        parts.append(counted(enqueued, "patient is decided anew", "patients are decided anew"))
    if documents:
        parts.append(counted(documents, "document is written anew", "documents are written anew"))
    if not parts:
        return "No patient has to follow."
    seconds = -(-max(enqueued, documents) // RATE)
    return f"{', '.join(parts)}: {RATE} a second, done in {counted(seconds, 'second', 'seconds')}."


def _options(file: Path, tenant: str | None, state_dir: Path | None) -> str:
    words = [str(file)]
    if tenant is not None:
        words += ["--tenant", tenant]
    if state_dir is not None:
        words += ["--state-dir", str(state_dir)]
    return shlex.join(words)
