"""The installation that a command works on: the local stack of this folder, or the environment's database."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import typer
from sqlalchemy import Engine

from shared.errors import MobiusError
from shared.model import TenantId
from shared.persistence.database import make_engine
from shared.settings import Settings, SettingsError, read_settings

Json = Mapping[str, Any]

# Long work of one person: nobody waits behind it, unlike behind a request.
_PATIENT = {"DATABASE_STATEMENT_TIMEOUT_S": "600", "DATABASE_LOCK_TIMEOUT_S": "30", "DATABASE_POOL_SIZE": "4"}

StateDirOption = Annotated[
    Path, typer.Option(help="Where the running local stack keeps its stack.json; not used with DATABASE_URL.")
]
TenantOption = Annotated[
    str | None,
    typer.Option(
        help="The tenant's id, or with a local stack its name; may be left out if there is only one."
    ),
]
DEFAULT_STATE_DIR = Path(".local")


class Refused(Exception):
    """A command can't do what it was asked; the message says why and how to mend it."""


@contextmanager
def refusals() -> Iterator[None]:
    """Turns what a command may not do, or can't reach, into a sentence and an exit status of 1."""
    try:
        yield
    except (Refused, SettingsError, MobiusError) as error:
        typer.echo(f"mobius: {error}", err=True)
        raise typer.Exit(1) from None


class Installation:
    """A database and its secrets, through the eyes of an operator (the owner's role)."""

    def __init__(self, settings: Settings, tenants: tuple[Json, ...]) -> None:
        self.settings = settings
        self._tenants = tenants

    @cached_property
    def engine(self) -> Engine:
        """An engine with time for long work; row-level security holds here too."""
        return make_engine(self.settings)

    def tenant(self, asked: str | None) -> TenantId:
        """The tenant that ``asked`` means. Raises Refused when it is none, or could be several."""
        if asked is None and len(self._tenants) == 1:
            return TenantId(UUID(self._tenants[0]["tenant_id"]))
        for each in self._tenants:
            if asked in (each["tenant_id"], each["name"]):
                return TenantId(UUID(each["tenant_id"]))
        names = ", ".join(f"{each['name']} ({each['tenant_id']})" for each in self._tenants)
        if asked is None:
            raise Refused(f"Say which tenant with --tenant: {names or 'its id'}.")
        try:
            return TenantId(UUID(asked))
        except ValueError:
            raise Refused(f"There is no such tenant: give --tenant {names or 'its id'}.") from None


def find_installation(state_dir: Path) -> Installation:
    """The environment's database when it names one, else that of the stack that runs in ``state_dir``.

    Raises Refused when there is neither, SettingsError for a wrong environment.
    """
    if os.environ.get("DATABASE_URL") or os.environ.get("CLOUD_SQL_INSTANCE"):
        return Installation(read_settings({**_PATIENT, **os.environ}), ())
    try:
        stack = json.loads((state_dir / "stack.json").read_text(encoding="utf-8"))
        secret = (state_dir / "master-secret").read_text(encoding="utf-8")
    except OSError:
        raise Refused(
            f"No stack runs in {state_dir}: start one with make run, name its --state-dir, or set "
            "DATABASE_URL."
        ) from None
    settings = read_settings(
        {
            **_PATIENT,
            "GOOGLE_CLOUD_PROJECT": stack["project_id"],
            "DATABASE_URL": stack["database_url"],
            "MOBIUS_MASTER_SECRET": secret,
            "FIRESTORE_EMULATOR_HOST": stack["firestore_emulator_host"],
            "PUBSUB_EMULATOR_HOST": stack["pubsub_emulator_host"],
        }
    )
    return Installation(settings, tuple(stack["tenants"]))
