"""``mobius ledger verify`` on the running stack: with Firestore's documents, and while everybody works."""

# SQL is our own text; chance is no secret.
# ruff: noqa: S311

from __future__ import annotations

import random
import threading
import time
from datetime import UTC, datetime
from functools import partial

import pytest
from google.cloud import firestore
from sqlalchemy import create_engine
from typer.testing import CliRunner, Result

from ops import cli
from ops.ledger.verifying import Report, Sources, verify_tenant
from shared import settings
from shared.ledger.checkpoints.log import ChainHead, Checkpoint, TenantRoot
from shared.model import PatientContextId, PatientKey
from shared.persistence.database import driver_url
from shared.persistence.unit_of_work import flight
from shared.projections.heads import FirestoreHeads
from shared.security.patient_keys import text_digest
from tests.integration.product import Clinic
from tests.stack import Stack, eventually


def verify(stack: Stack, clinic: Clinic, *options: str) -> Result:
    command = ("ledger", "verify", "--state-dir", str(stack.state_dir), "--tenant", str(clinic.tenant_id))
    return CliRunner().invoke(cli.app, [*command, *options])


def send(clinic: Clinic, number: int) -> None:
    """Somebody looks at a patient and presses Send."""
    clinic.status(number)
    clinic.answer("mini/ack", clinic.says(number))


@pytest.fixture
def client(clinic: Clinic) -> firestore.Client:
    return firestore.Client(project=clinic.product.stack["project_id"])


def test_documents_in_firestore_are_compared_and_a_forged_one_is_named(
    stack: Stack, clinic: Clinic, client: firestore.Client
) -> None:
    for number in (0, 2, 11):
        send(clinic, number)
    key, path = clinic.key(2), f"tenants/{clinic.tenant_id}/patient_state"
    assert eventually(lambda: not clinic.count("outbox"), within_s=20)
    result = verify(stack, clinic)
    assert result.exit_code == 0, result.output
    assert "events, chain intact: " in result.output
    assert "\n3 documents in Firestore were compared.\n" in result.output

    reference = client.document(f"{path}/{key}")
    said = reference.get().to_dict()["version_head"]
    for forged, says in (
        ({**said, "hash": "ab" * 32}, f"its document names another event {said['seq']}"),
        ({**said, "seq": 4711}, "event 4711, which its document names, is not there"),
        ({**said, "seq": str(said["seq"])}, "its document in Firestore names no event"),
        ("Jane Roe", "its document in Firestore names no event"),
    ):
        reference.update({"version_head": forged})
        result = verify(stack, clinic, "--patient", key)
        assert (result.exit_code, "Jane" in result.output) == (1, False), result.output
        assert f"patient {key}: {says}" in result.output
    reference.update({"version_head": said})
    stranger = client.document(f"{path}/Jane Roe 'OR' 1")
    stranger.set({"version": 1, "version_head": None})
    result = verify(stack, clinic)
    assert "a patient whose key is none of ours: Firestore has a document of a patient who " in result.output
    assert "Jane" not in result.output
    stranger.delete()
    assert verify(stack, clinic).exit_code == 0


def test_nothing_is_reported_while_everybody_works(clinic: Clinic, client: firestore.Client) -> None:
    stop, failed = threading.Event(), []
    engine = create_engine(driver_url(clinic.product.urls.owner))

    def work(number: int) -> None:
        chance = random.Random(number)
        try:
            while not stop.is_set():
                patient = chance.randrange(4)
                if chance.random() < 0.3:
                    clinic.answer("mini/patient/search", {"q": "1"})
                send(clinic, patient)
        except BaseException as error:  # noqa: BLE001 -- told by the test
            failed.append(error)

    def walk(page: int) -> Report:
        # Read before, as a checkpoint is.
        checkpoint, heads = signed_now(clinic)
        sources = Sources(
            ask=lambda tenant_id, statement: flight(engine, tenant_id, statement),
            text_digest=partial(text_digest, settings.settings().master_secret),
            checkpoint=checkpoint,
            heads=lambda *_: iter(heads),
            documents=FirestoreHeads(client, 30),
            page=page,
        )
        report = Report()
        verify_tenant(sources, clinic.tenant_id, report)
        return report

    workers = [threading.Thread(target=work, args=(number,)) for number in range(3)]
    for worker in workers:
        worker.start()
    try:
        reports = [walk(page) for page in (1, 5_000, 3, 5_000, 1, 5_000, 10, 5_000)]
        # On a busy machine little was written meanwhile.
        until = time.monotonic() + 60
        while reports[-1].events <= reports[0].events + 20 and not failed and time.monotonic() < until:
            reports.append(walk(5_000))
    finally:
        stop.set()
        for worker in workers:
            worker.join()
        engine.dispose()
    assert failed == []
    assert [finding.line for report in reports for finding in report.findings] == []
    assert reports[-1].events > reports[0].events + 20
    assert reports[-1].documents > 0


def signed_now(clinic: Clinic) -> tuple[Checkpoint, list[ChainHead]]:
    """What a checkpoint would say at this moment."""
    rows = clinic.sql(
        """SELECT null AS context, null AS key, ledger_seq, ledger_head FROM tenant WHERE tenant_id = :tenant
        UNION ALL SELECT patient_context_id, patient_key, ledger_seq, ledger_head FROM patient_context
        WHERE tenant_id = :tenant"""
    )
    heads = [
        ChainHead(row[0] and PatientContextId(row[0]), row[1] and PatientKey(row[1]), row[2], row[3])
        for row in sorted(rows, key=lambda row: str(row[0] or ""))
        if row[2]
    ]
    root = TenantRoot(clinic.tenant_id, len(heads), sum(head.seq for head in heads), b"")
    return Checkpoint(
        number=1, created_at=datetime.now(UTC), events=root.events, root=b"", tenants=(root,), note=""
    ), heads
