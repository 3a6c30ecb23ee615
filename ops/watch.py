"""``mobius watch``: the way of a Send, seen from its far end in a terminal."""

from __future__ import annotations

import json
import logging
import os
import socket
import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import typer

from shared.model import PatientKey, TenantId
from shared.projections.documents import patient_state_path

_LOOK_AFTER_S = 1.0

Json = Mapping[str, Any]


class NothingToWatch(Exception):
    """No stack runs, or it has no such patient; the message says which."""


def watch(
    patient_key: Annotated[str, typer.Argument(help="The patient's key, as search and stack.json give it.")],
    state_dir: Annotated[Path, typer.Option(help="Where the running stack keeps its stack.json.")] = Path(
        ".local"
    ),
    tenant: Annotated[
        str | None, typer.Option(help="The tenant's id or name; found by the patient's key when absent.")
    ] = None,
) -> None:
    """Prints each change of a patient's document, and how long after the Send it came, until Ctrl-C."""
    try:
        stack = _running_stack(state_dir)
        tenant_id = find_tenant(stack, patient_key, tenant)
        _watch_until_interrupted(stack, patient_state_path(tenant_id, PatientKey(patient_key)))
    except NothingToWatch as error:
        typer.echo(f"mobius: {error}", err=True)
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        return


def find_tenant(stack: Json, patient_key: str, tenant: str | None) -> TenantId:
    """The tenant that has the patient, looked for in ``tenant`` alone (an id or a name) when given.

    Raises NothingToWatch when there is no such tenant, or no such patient in it.
    """
    asked = [each for each in stack["tenants"] if tenant in (None, each["tenant_id"], each["name"])]
    if not asked:
        raise NothingToWatch(f"The running stack has no tenant {tenant}.")
    for each in asked:
        if any(patient["patient_key"] == patient_key for patient in each["patients"]):
            return TenantId(UUID(each["tenant_id"]))
    where = f"Tenant {tenant}" if tenant else "The running stack"
    raise NothingToWatch(f"{where} has no patient with this key; stack.json and search give the keys.")


def change_line(document: Json, now: datetime) -> str:
    """One version of a patient's document in a line, without what identifies the patient.

    The time is counted from the Send, or from the system response when that is the younger of the two.
    """
    response, submission = document["latest_system_response"], document["last_mini_submission"]
    parts = [f"version {document['version']}"]
    if response:
        parts += [response["proceed_indicator"], response["tasking_summary"]]
    parts.append(document["outcome"] or ("needs acknowledgement" if document["flags"]["needs_ack"] else "-"))
    if submission:
        parts.append(f"{submission['user_display_name']}: {_asserted(submission)}")
    since = [
        (moment, what)
        for moment, what in (
            (response and response["computed_at"], "the response"),
            (submission and submission["submitted_at"], "the Send"),
        )
        if moment
    ]
    if since:
        moment, what = max(since)
        parts.append(f"{(now - moment).total_seconds() * 1000:.0f} ms after {what}")
    return "  ".join(parts)


def _asserted(submission: Json) -> str:
    values = [
        f"{name} {submission[f'override_{name}']}"
        for name in ("proceed", "tasking")
        if submission[f"override_{name}"]
    ]
    return ", ".join(values) + (" (confirmed)" if submission["confirmed"] else " (overridden)")


def _running_stack(state_dir: Path) -> Json:
    none = NothingToWatch(f"No stack runs in {state_dir}: start one with make run, or name its --state-dir.")
    try:
        stack: Json = json.loads((state_dir / "stack.json").read_text(encoding="utf-8"))
        host, _, port = stack["firestore_emulator_host"].rpartition(":")
        # A stack that was killed may have left its description behind.
        socket.create_connection((host, int(port)), timeout=2).close()
    except OSError:
        raise none from None
    return stack


def _watch_until_interrupted(stack: Json, path: str) -> None:
    # When the emulator goes away the client logs what it tried; the listener is simply made again.
    logging.getLogger("google").setLevel(logging.CRITICAL)
    os.environ["FIRESTORE_EMULATOR_HOST"] = stack["firestore_emulator_host"]
    # Late: its import takes a third of a second, which the other commands need not pay.
    from google.cloud import firestore

    document = firestore.Client(project=stack["project_id"]).document(path)
    show = _printer()
    while True:
        listener = document.on_snapshot(show)
        try:
            while listener.is_active:
                threading.Event().wait(_LOOK_AFTER_S)
        finally:
            listener.unsubscribe()
        threading.Event().wait(_LOOK_AFTER_S)


def _printer() -> Callable[[list[Any], Any, Any], None]:
    shown: list[str | None] = []

    def show(snapshots: list[Any], _changes: Any, _read_time: Any) -> None:
        found = next((snapshot for snapshot in snapshots if snapshot.exists), None)
        update = found and str(found.update_time)
        if shown[-1:] == [update]:
            return  # the same again, after a reconnection
        shown[:] = [update]
        if found is None:
            typer.echo("no document: nothing was surfaced for this patient yet")
        else:
            typer.echo(change_line(found.to_dict(), datetime.now(UTC)))

    return show
