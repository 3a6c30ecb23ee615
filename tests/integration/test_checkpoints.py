"""Checkpoints: what is signed is what is there, and what contradicts the last one is told of, not signed."""

# Fixtures are imported, and asked for by their names; SQL is our own text.
# ruff: noqa: F401, F811, S608

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from typer.testing import CliRunner

from ops import cli
from shared.ledger.checkpoints import growth
from shared.ledger.checkpoints.growth import FaultKind
from shared.ledger.checkpoints.log import BrokenCheckpoint, CheckpointLog
from shared.ledger.checkpoints.notes import Signer, Verifier
from shared.ledger.checkpoints.stores import FolderStore
from shared.model import TenantId
from tests.integration.databases import Clinic, Database, clinic, database, neighbour, new_database
from tests.integration.ledgers import PATIENT, SIGNER, Ledger, altering, ledger, told
from tests.integration.product import Product, at_once
from tests.stack import Stack

# --- What is signed


def test_a_checkpoint_has_every_chain_as_it_is(ledger: Ledger, clinic: Clinic, neighbour: Clinic) -> None:
    ledger.append(clinic, clinic.patient_id, 3)
    ledger.append(neighbour, None)
    made = ledger.sign()
    assert (made.number, told(made, clinic, neighbour)) == (1, {})
    for each in (clinic, neighbour):
        assert ledger.signed(each) == {c: head for c, head in ledger.heads(each).items() if head[0]}
    newest = ledger.log.newest()
    assert newest is not None
    assert newest.note.startswith(f"clinic/ledger\n{len(newest.tenants)}\n")
    assert newest.events == made.events == sum(each.events for each in newest.tenants)
    own, patient = ledger.log.heads(newest, TenantId(clinic.tenant_id))
    assert (own.patient_key, patient.patient_key, patient.seq) == (None, "ehr-patient-1", 4)


def test_where_nothing_moved_nothing_is_signed_and_what_did_not_move_is_not_written_again(
    ledger: Ledger, clinic: Clinic, neighbour: Clinic
) -> None:
    ledger.sign()
    before = ledger.files("heads")
    assert ledger.sign().number is None
    assert (ledger.files("heads"), len(ledger.files("checkpoints"))) == (before, 1)
    ledger.append(clinic, clinic.patient_id)
    assert ledger.sign().number == 2
    (new,) = set(ledger.files("heads")) - set(before)
    assert new.startswith(f"heads/{clinic.tenant_id}/")
    assert ledger.signed(clinic)[clinic.patient_id] == ledger.heads(clinic)[clinic.patient_id]


def test_chains_longer_than_what_is_read_at_once_are_walked_to_their_end(
    ledger: Ledger, clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(growth, "_EVENTS_AT_ONCE", 4)
    for patient, times in ((None, 9), (clinic.patient_id, 10), (clinic.other_patient_id, 1)):
        ledger.append(clinic, patient, times)
    assert told(ledger.sign(), clinic) == {}
    ledger.append(clinic, clinic.patient_id, 11)
    with altering(ledger, clinic) as sql:
        sql("UPDATE event_log SET payload_json = '{}' WHERE patient_context_id = :patient AND seq = 17")
    assert told(ledger.sign(), clinic) == {clinic.tenant_id: FaultKind.NOT_LINKED}


def test_checkpoints_of_an_earlier_key_and_of_the_one_after_it_are_one_log(
    ledger: Ledger, clinic: Clinic
) -> None:
    newer = Signer("clinic/ledger", bytes(32))
    ledger.sign()
    ledger.append(clinic, None)
    both = CheckpointLog(ledger.log.store, [newer.verifier, SIGNER.verifier])
    assert ledger.sign(newer, both).number == 2
    assert both.newest() == both.latest()
    with pytest.raises(BrokenCheckpoint, match="Checkpoint 2 does not hold"):
        ledger.log.newest()
    with pytest.raises(BrokenCheckpoint, match="Checkpoint 1 does not hold"):
        CheckpointLog(ledger.log.store, [newer.verifier]).newest()


# --- At once, and halfway


def test_of_two_at_the_same_moment_one_counts_and_none_fails(ledger: Ledger, clinic: Clinic) -> None:
    for number in (1, 2, 3):
        ledger.append(clinic, clinic.patient_id)
        made = at_once([ledger.sign] * 3)
        assert number in {each.number for each in made}
        assert {each.number for each in made} <= {number, None}
        newest = ledger.log.newest()
        assert newest is not None
        assert newest.number == number


def test_while_traffic_goes_on_nothing_is_told_of_what_is_intact(ledger: Ledger, clinic: Clinic) -> None:
    done = threading.Event()

    def traffic() -> None:
        while not done.is_set():
            for patient in (clinic.patient_id, None, clinic.other_patient_id):
                ledger.append(clinic, patient, 2)

    threads = [threading.Thread(target=traffic) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        assert [told(ledger.sign(), clinic) for _ in range(12)] == [{}] * 12
    finally:
        done.set()
        for thread in threads:
            thread.join()
    ledger.sign()
    assert ledger.signed(clinic) == ledger.heads(clinic)


class Interrupted(FolderStore):
    """Fails where the checkpoint itself would be written, as a process does that is killed there."""

    def create(self, name: str, content: bytes) -> bool:
        if name.startswith("checkpoints/"):
            raise OSError
        return super().create(name, content)


def test_what_was_broken_off_halfway_is_done_by_the_next(ledger: Ledger, clinic: Clinic) -> None:
    with pytest.raises(OSError):  # noqa: PT011 -- our own
        ledger.sign(log=CheckpointLog(Interrupted(ledger.folder), [SIGNER.verifier]))
    assert ledger.log.newest() is None
    assert ledger.sign().number == 1
    assert ledger.log.newest() is not None


def test_a_planted_file_is_not_taken_for_a_checkpoints(ledger: Ledger, clinic: Clinic) -> None:
    elsewhere = Ledger(ledger.database, ledger.folder.with_name("elsewhere"))
    elsewhere.sign()
    (name,) = [each for each in elsewhere.files("heads") if str(clinic.tenant_id) in each]
    ledger.log.store.create(name, b"not packed at all")
    refused = told(ledger.sign(), clinic)[clinic.tenant_id]
    assert isinstance(refused, BrokenCheckpoint)


# --- As the scheduler and people have it


@pytest.fixture
def fresh(stack: Stack) -> Iterator[Database]:
    """A database in which nobody has altered anything."""
    with new_database(stack, "signed") as made:
        yield made


def test_the_scheduler_signs_and_shows_by_its_answer_what_it_could_not(
    fresh: Database, product: Product, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def call() -> tuple[int, list[str]]:
        capsys.readouterr()
        answer = product.client("scheduler/checkpoint").post("/", json={})
        lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        for line in lines:
            assert "ehr-" not in json.dumps(line)
        return answer.status_code, [line["code"] for line in lines]

    clinic = fresh.clinic()
    product.configure(DATABASE_URL=fresh.urls.worker)
    assert call() == (503, ["checkpoint_not_configured", "checkpoint_failed"])
    product.configure(LEDGER_SIGNING_KEY=base64.b64encode(bytes(32)).decode(), CHECKPOINT_STORE=str(tmp_path))
    assert call() == (200, ["checkpoint_made"])
    assert call() == (200, [])
    ledger = Ledger(fresh, tmp_path)
    with altering(ledger, clinic) as sql:
        # A patient key that ends its line and begins another.
        sql("ALTER TABLE patient_context DROP CONSTRAINT ck_patient_context_patient_key")
        sql(f"""UPDATE patient_context SET patient_key = E'a",1,"{"0" * 64}"]\\n["x' WHERE {PATIENT}""")
    assert call() == (503, ["checkpoint_contradicted", "checkpoint_failed"])
    note = tmp_path / "checkpoints" / "0000000001.txt"
    note.unlink()
    note.write_text("forged")
    assert call() == (503, ["checkpoint_log_broken", "checkpoint_failed"])


def test_an_operator_signs_at_once_and_gives_auditors_the_key(stack: Stack) -> None:
    def mobius(*arguments: str) -> Any:
        return CliRunner().invoke(cli.app, ["ledger", *arguments, "--state-dir", str(stack.state_dir)])

    said = mobius("key")
    assert said.exit_code == 0, said.output
    verifier = Verifier.parse(said.stdout.strip())
    mobius("checkpoint")
    log = CheckpointLog(FolderStore(stack.state_dir / "checkpoints"), [verifier])
    newest = log.newest()
    if newest is not None:  # no other test may have written anything yet
        assert newest.note.startswith("mobius-local/ledger\n")


def test_only_the_schedulers_process_is_given_the_key(stack: Stack) -> None:
    secret = (stack.state_dir / "ledger-signing-key").read_text()
    assert (stack.state_dir / "ledger-signing-key").stat().st_mode & 0o777 == 0o600
    holders = {
        part
        for part in ("api", "projector", "scheduler")
        if secret in psutil.Process(stack.description["pids"][part]).environ().values()
    }
    assert holders == {"scheduler"}
