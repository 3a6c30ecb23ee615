"""What the commands about projections have in common: the tenants, Firestore, the progress, being stopped."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from sqlalchemy import text

from ops.drafts import stoppable
from ops.installation import Installation, Refused, refusals, running_stack
from ops.transaction import transaction
from shared.errors import MobiusError
from shared.model import TenantId
from shared.projections.store import FirestoreDocuments

TenantOption = Annotated[
    str | None,
    typer.Option(help="Only this tenant: its id, or with a local stack its name; all of them otherwise."),
]
Advance = Callable[[int], None]

NOT_OURS = "a name that is not ours"
AGAIN = "Run the same command again: it goes on from there."

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
# No tenant's: for what is asked of the whole database.
_NOBODY = TenantId(UUID(int=0))
_IS_OWNER = text("""SELECT pg_has_role(relowner, 'USAGE') FROM pg_class
    WHERE oid = CAST('public.outbox' AS regclass)""")
_TENANTS = text("SELECT tenant_id FROM tenant ORDER BY tenant_id")
_CLOSED = text("SELECT closed_at IS NOT NULL FROM tenant WHERE tenant_id = :tenant")
_EXPECTED = text("""SELECT (SELECT count(*) FROM patient_context WHERE tenant_id = :tenant AND version > 0)
    + (SELECT count(*) FROM app_user WHERE tenant_id = :tenant)""")


def all_tenants(installation: Installation) -> tuple[TenantId, ...]:
    """Every tenant of the database. Raises Refused for a user who does not see them, and another database."""
    with transaction(installation.engine, _NOBODY) as uow:
        if not uow.value(_IS_OWNER):
            raise Refused("The database's user may not do this: give DATABASE_URL the owner's, mobius_owner.")
        return tuple(TenantId(row.tenant_id) for row in uow.rows(_TENANTS))


def chosen_tenants(installation: Installation, asked: str | None) -> tuple[TenantId, ...]:
    """The tenants that were asked for. Raises Refused for one that is not there."""
    known = all_tenants(installation)
    if asked is None:
        return known
    chosen = installation.tenant(asked)
    if chosen not in known:
        raise Refused("There is no tenant of this id: see mobius tenants list.")
    return (chosen,)


def has_left(installation: Installation, tenant_id: TenantId) -> bool:
    """Whether the tenant has left, so that there should be no document of it any more."""
    with transaction(installation.engine, tenant_id) as uow:
        return bool(uow.value(_CLOSED, tenant=tenant_id))


def expected(installation: Installation, tenants: tuple[TenantId, ...]) -> int:
    """How many documents these tenants should have."""
    count = 0
    for tenant_id in tenants:
        with transaction(installation.engine, tenant_id) as uow:
            count += int(uow.value(_EXPECTED, tenant=tenant_id))
    return count


def firestore_of(installation: Installation, state_dir: Path | None) -> FirestoreDocuments:
    """The installation's Firestore: the local stack's emulator, or the project's."""
    # Late: its import is a third of a second.
    from google.cloud import firestore

    if installation.tenants:
        # Firestore's library looks for the emulator in the environment only.
        os.environ["FIRESTORE_EMULATOR_HOST"] = running_stack(state_dir)["firestore_emulator_host"]
    client = firestore.Client(project=installation.settings.project_id)
    return FirestoreDocuments(client, installation.settings.bulk_timeout_s)


def shown_name(name: str) -> str:
    """A document's name if it can be one of ours; another may be anything."""
    return name if _NAME.fullmatch(name) else NOT_OURS


@contextmanager
def progress(what: str, total: int | None) -> Iterator[Advance]:
    """Shows whoever watches a terminal how far it is; nobody else."""
    console = Console(stderr=True)
    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(what, total=total)
        yield lambda count: bar.advance(task, count)


@contextmanager
def interruptible(again: str = AGAIN) -> Iterator[None]:
    """As ``refusals``; where a command could not go on, it says how it does."""
    from google.api_core.exceptions import GoogleAPIError
    from google.auth.exceptions import GoogleAuthError

    with refusals(), stoppable():
        try:
            yield
        except (GoogleAPIError, GoogleAuthError):
            raise Refused(f"Firestore did not answer: is it reachable? {again}") from None
        except MobiusError as error:
            raise Refused(f"{error} {again}") from None
        except KeyboardInterrupt:
            raise Refused(f"Interrupted. {again}") from None
