"""``mobius watch``: the way of a Send, seen from its far end in a terminal."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from sqlalchemy import Engine, text

from ops.installation import (
    DEFAULT_STATE_DIR,
    Refused,
    StateDirOption,
    TenantOption,
    find_installation,
    refusals,
    running_stack,
)
from shared.model import PatientKey, TenantId
from shared.persistence.unit_of_work import unit_of_work
from shared.projections.documents import patient_state_path

_LOOK_AFTER_S = 1.0
_HAS_PATIENT = text(
    "SELECT true FROM patient_context WHERE tenant_id = :tenant AND patient_key = :patient_key"
)

Json = Mapping[str, Any]


def watch(
    patient_key: Annotated[str, typer.Argument(help="The patient's key, as search and stack.json give it.")],
    state_dir: StateDirOption = DEFAULT_STATE_DIR,
    tenant: TenantOption = None,
) -> None:
    """Prints each change of a patient's document, and how long after the Send it came, until Ctrl-C."""
    with refusals():
        stack = running_stack(state_dir)
        installation = find_installation(state_dir)
        asked = installation.tenants if tenant is None else (installation.tenant(tenant),)
        tenant_id = find_tenant(installation.engine, asked, patient_key)
        try:
            _watch_until_interrupted(stack, patient_state_path(tenant_id, PatientKey(patient_key)))
        except KeyboardInterrupt:
            return


def find_tenant(engine: Engine, asked: Iterable[TenantId], patient_key: str) -> TenantId:
    """The tenant of those ``asked`` that has the patient. Raises Refused when none has."""
    for tenant_id in asked:
        with unit_of_work(engine, tenant_id) as uow:
            if uow.value(_HAS_PATIENT, tenant=tenant_id, patient_key=patient_key):
                return tenant_id
    raise Refused("No tenant of the running stack has a patient with this key; search and intake give keys.")


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
