"""The installation that a command works on: the local stack of this folder, or the environment's database."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import typer
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from ops.state_folder import CHECKPOINTS, LEDGER_SIGNING_KEY, LOCAL_DRIFT_CYCLE_S
from shared.errors import MobiusError
from shared.ledger.checkpoints.configured import checkpoint_log
from shared.ledger.checkpoints.log import CheckpointLog
from shared.model import TenantId
from shared.persistence.database import make_engine
from shared.settings import LOCAL_TIMEOUT_S, Settings, SettingsError, read_settings

Json = Mapping[str, Any]

# Long work of one person: nobody waits behind it, unlike behind a request.
_PATIENT = {"DATABASE_STATEMENT_TIMEOUT_S": "600", "DATABASE_LOCK_TIMEOUT_S": "30", "DATABASE_POOL_SIZE": "4"}

StateDirOption = Annotated[
    Path | None,
    typer.Option(
        help="Where the local stack to work on keeps its stack.json; .local unless DATABASE_URL is set."
    ),
]
TenantOption = Annotated[
    str | None,
    typer.Option(
        help="The tenant's id, or with a local stack its name; may be left out if there is only one."
    ),
]
DEFAULT_STATE_DIR: Path | None = None
_USUAL_STATE_DIR = Path(".local")


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
    except DBAPIError as error:
        # Its own words may quote what it was about.
        details = error.orig.args[0] if error.orig is not None and error.orig.args else None
        code = details.get("C") if isinstance(details, dict) else None
        typer.echo(f"mobius: The database refused it (SQLSTATE {code or 'unknown'}).", err=True)
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

    @cached_property
    def checkpoints(self) -> CheckpointLog | None:
        """The log of signed checkpoints; None where none is configured, or no key to check it with."""
        return checkpoint_log(self.settings)

    @property
    def tenants(self) -> tuple[TenantId, ...]:
        """The tenants that are known by name: those of the local stack."""
        return tuple(TenantId(UUID(each["tenant_id"])) for each in self._tenants)

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


def find_installation(state_dir: Path | None) -> Installation:
    """The stack that runs in ``state_dir``; without one the environment's database, or the stack in .local.

    Raises Refused when there is none, or when it could be both, SettingsError for a wrong environment.
    """
    folder = state_dir or _USUAL_STATE_DIR
    named = os.environ.get("DATABASE_URL") or os.environ.get("CLOUD_SQL_INSTANCE")
    if named and state_dir is None:
        if (folder / "stack.json").exists():
            raise Refused(
                f"The environment names a database, and a stack runs in {folder}: say --state-dir "
                f"{folder} to work on the stack, or stop it."
            )
        return Installation(read_settings({**_PATIENT, **os.environ}), ())
    stack = running_stack(folder)
    secret = _master_secret(folder)
    settings = read_settings(
        {
            **_PATIENT,
            "GOOGLE_CLOUD_PROJECT": stack["project_id"],
            "DATABASE_URL": stack["database_url"],
            "MOBIUS_MASTER_SECRET": secret,
            "FIRESTORE_EMULATOR_HOST": stack["firestore_emulator_host"],
            "PUBSUB_EMULATOR_HOST": stack["pubsub_emulator_host"],
            "DRIFT_CYCLE_S": os.environ.get("DRIFT_CYCLE_S", LOCAL_DRIFT_CYCLE_S),
            **_ledger(folder),
        }
    )
    return Installation(settings, tuple(stack["tenants"]))


def running_stack(state_dir: Path | None) -> Json:
    """What the stack of a folder says about itself. Raises Refused when none runs there."""
    folder = state_dir or _USUAL_STATE_DIR
    try:
        stack: Json = json.loads((folder / "stack.json").read_text(encoding="utf-8"))
        host, _, port = stack["firestore_emulator_host"].rpartition(":")
        # A stack that was killed may have left its description behind.
        socket.create_connection((host, int(port)), timeout=LOCAL_TIMEOUT_S).close()
    except OSError:
        raise Refused(
            f"No stack runs in {folder}: start one with make run, name its --state-dir, or set DATABASE_URL."
        ) from None
    return stack


def _ledger(folder: Path) -> Mapping[str, str]:
    """The stack's checkpoints and their key; nothing when an earlier release started it."""
    try:
        key = (folder / LEDGER_SIGNING_KEY).read_text(encoding="utf-8")
    except OSError:
        return {}
    return {"LEDGER_SIGNING_KEY": key, "CHECKPOINT_STORE": str((folder / CHECKPOINTS).absolute())}


def _master_secret(folder: Path) -> str:
    try:
        return (folder / "master-secret").read_text(encoding="utf-8")
    except OSError:
        raise Refused(
            f"The stack's master-secret in {folder} can't be read: run this as its owner."
        ) from None
