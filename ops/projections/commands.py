"""``mobius projections verify | rebuild | recover``."""

from __future__ import annotations

import json
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from ops.installation import DEFAULT_STATE_DIR, Refused, StateDirOption, find_installation
from ops.policy.preview import counted
from ops.projections.asking import (
    TenantOption,
    all_tenants,
    chosen_tenants,
    expected,
    firestore_of,
    has_left,
    interruptible,
    progress,
    shown_name,
)
from ops.projections.lost_report import Lost, LostReport
from ops.projections.rebuild import Rate, begin_rebuild
from ops.projections.rebuild import rebuild as rebuild_tenant
from ops.projections.recovery import Recovery
from ops.projections.telling import (
    told_of_rebuild,
    told_of_recovery,
    told_of_verification,
    verification_json,
)
from ops.projections.verifying import SHOWN, Verification
from shared.model import TenantId
from shared.projections.names import FirestoreNames
from shared.projections.orphans import folders_of_nobody
from shared.projections.rebuilding import Rebuilt

app = typer.Typer(
    help="The documents in Firestore: whether they say what Postgres says, and what mends them.",
    no_args_is_help=True,
)

RATE = 500


@app.command()
def verify(
    tenant: TenantOption = None,
    repair: Annotated[
        bool, typer.Option("--repair", help="Has written again what is missing or differs.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Answers with one JSON object.")] = False,
    state_dir: StateDirOption = DEFAULT_STATE_DIR,
) -> None:
    """Compares every document with Postgres and says which differ and in which field, never what they hold.

    What is on its way is no difference. Ends with 0 when all is as Postgres says, 1 otherwise.
    """
    with interruptible("Run the same command again."):
        installation = find_installation(state_dir)
        tenants = chosen_tenants(installation, tenant)
        verification = Verification(installation, firestore_of(installation, state_dir), repair=repair)
        with progress("Comparing documents", expected(installation, tenants)) as advance:
            for tenant_id in tenants:
                verification.compare(tenant_id, advance)
            if tenant is None:
                verification.look_for_nobodys(partial(all_tenants, installation))
        if as_json:
            typer.echo(json.dumps(verification_json(verification)))
        else:
            for line in told_of_verification(verification, repair=repair):
                typer.echo(line)
    if verification.counts:
        raise typer.Exit(1)


@app.command()
def rebuild(
    tenant: TenantOption = None,
    rate: Annotated[int, typer.Option(min=1, max=100_000, help="At most so many documents a second.")] = RATE,
    again: Annotated[
        bool, typer.Option("--again", help="Begins anew where an earlier run was stopped.")
    ] = False,
    state_dir: StateDirOption = DEFAULT_STATE_DIR,
) -> None:
    """Writes every document anew from Postgres unless it is exactly right, while traffic goes on.

    Stopped, it goes on from there the next time.
    """
    with interruptible():
        installation = find_installation(state_dir)
        tenants = chosen_tenants(installation, tenant)
        documents, pace = firestore_of(installation, state_dir), Rate(rate)
        became: Counter[Rebuilt] = Counter()
        with progress("Rebuilding documents", expected(installation, tenants)) as advance:
            for tenant_id in tenants:
                if has_left(installation, tenant_id):
                    continue
                walk = begin_rebuild(installation.engine, tenant_id, again=again)
                if walk is None:
                    continue
                if not walk.is_new:
                    typer.echo(
                        f"Tenant {tenant_id}: going on where an earlier run was stopped, after "
                        f"{counted(walk.checked, 'document', 'documents')}; --again begins anew."
                    )
                    advance(walk.checked)
                became += rebuild_tenant(installation.engine, documents, walk, pace, advance)
        for line in told_of_rebuild(became):
            typer.echo(line)
    if became[Rebuilt.LOST_HEAD]:
        raise typer.Exit(1)


@app.command()
def recover(
    tenant: TenantOption = None,
    report: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Where what was lost is written to, a CSV file; it is added to."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Says what it would do, and does nothing.")
    ] = False,
    state_dir: StateDirOption = DEFAULT_STATE_DIR,
) -> None:
    """After the database was restored to an earlier point: makes every document say what it says now.

    Reports what the documents tell and the database has no more, puts those patients' versions above what the
    screens have seen, removes documents of nobody, and has written again what differs.
    """
    with interruptible():
        if (report is None) == (not dry_run):
            raise Refused("Say either --report FILE, or --dry-run to see first what would be done.")
        installation = find_installation(state_dir)
        known = all_tenants(installation)
        documents = firestore_of(installation, state_dir)
        folders = folders_of_nobody(FirestoreNames(documents), partial(all_tenants, installation))
        chosen = known if tenant is None else (installation.tenant(tenant),)
        if tenant is not None and chosen[0] not in known and str(chosen[0]) not in folders:
            raise Refused("There is no such tenant, nor a document of one: look at --tenant.")
        if report is None:
            did = _recover(installation, documents, None, chosen, known)
        else:
            with LostReport(report) as lines:
                did = _recover(installation, documents, lines, chosen, known)
        for line in told_of_recovery(did, report):
            typer.echo(line)
        if tenant is None and folders:
            typer.echo(
                f"Left alone: documents of {counted(len(folders), 'tenant', 'tenants')} that the database "
                "does not have. If it is the right database, name each with --tenant: "
                + ", ".join(map(shown_name, folders[:SHOWN]))
            )
        if report is not None:
            again = Verification(installation, documents, repair=True)
            with progress("Comparing documents", expected(installation, chosen)) as advance:
                for tenant_id in chosen:
                    if tenant_id in known and not has_left(installation, tenant_id):
                        again.compare_subjects(tenant_id, advance)
            typer.echo(
                f"{counted(again.asked_again, 'other document', 'other documents')} that differed will be "
                "written again. See mobius projections verify in a minute."
            )


def _recover(
    installation: Any, documents: Any, lines: LostReport | None, chosen: tuple[TenantId, ...],
    known: tuple[TenantId, ...],
) -> Counter[Lost]:  # fmt: skip
    recovery = Recovery(installation.engine, documents, lines)
    present = tuple(tenant_id for tenant_id in chosen if tenant_id in known)
    with progress("Looking at documents", expected(installation, present)) as advance:
        for tenant_id in chosen:
            if tenant_id not in known or has_left(installation, tenant_id):
                recovery.remove_all(str(tenant_id))
            else:
                recovery.recover(tenant_id, advance)
    return recovery.did
