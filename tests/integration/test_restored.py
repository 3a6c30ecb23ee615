"""A database that was restored to an earlier point: no version falls behind what the screens have seen."""

# Fixtures are imported, and asked for by their names.
# ruff: noqa: F401, F811

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Mapping
from contextlib import chdir
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from typer.testing import CliRunner, Result

from ops.cli import app
from ops.installation import Refused
from ops.projections.lost_report import COLUMNS, LostReport
from ops.projections.recovery import ABOVE, Recovery
from ops.schema import DatabaseUrls, prepare_database
from shared.ledger.checkpoints.growth import Fault, FaultKind
from shared.ledger.checkpoints.making import make_checkpoint
from shared.persistence import database as persistence
from shared.projections.projector import Projected
from shared.projections.store import FirestoreDocuments
from tests.integration.apart import database, product
from tests.integration.databases import Database, _on_server, _pooled
from tests.integration.ledgers import SIGNER, CheckpointLog, FolderStore
from tests.integration.product import (
    BY_HAND,
    EXPIRING,
    GREEN,
    INACTIVE,
    MANY,
    Clinic,
    Product,
    _owner,
    forget,
)
from tests.integration.projecting import document, inbox_path, patient_path, settle, settle_everything

SURFACED = (EXPIRING, GREEN, INACTIVE, BY_HAND)


class Backups:
    """Copies of the product's database, and the way back to one."""

    def __init__(self, product: Product, database: Database) -> None:
        self._admin = database.admin
        self._first = database.urls
        self._product = product
        self._name = database.name
        self.made: list[str] = []

    def make(self) -> None:
        name = f"{self._name}_b{len(self.made)}"
        self.made.append(name)
        forget()
        # Nobody may be connected to what is copied, not even by a connection that lies idle.
        connected = f"FROM pg_stat_activity WHERE datname = '{self._name}'"
        _on_server(
            self._admin,
            f"SELECT count(pg_terminate_backend(pid, 10000)) {connected}",
            f"CREATE DATABASE {name} TEMPLATE {self._name}",
        )

    def restore(self) -> None:
        self._name = self.made[-1]
        self._point_at(prepare_database(self._admin, self._name))

    def _point_at(self, urls: DatabaseUrls) -> None:
        self._product.urls = urls
        self._product.stack["app_database_url"] = urls.app
        self._product.configure(DATABASE_URL=urls.app)

    def drop(self) -> None:
        self._point_at(self._first)
        forget()
        for name in self.made:
            _on_server(self._admin, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


@pytest.fixture
def backups(product: Product, database: Database) -> Iterator[Backups]:
    made = Backups(product, database)
    yield made
    made.drop()


class Killed(Exception):
    """Stands for whatever ends the command in the middle."""


class KilledAfter(LostReport):
    """The run ends at once after so many lines, before anything was done about the last."""

    def __init__(self, path: Path, lines: int) -> None:
        super().__init__(path)
        self._lines = lines

    def add(self, values: Mapping[str, object]) -> None:
        super().add(values)
        self._lines -= 1
        if self._lines == 0:
            raise Killed


def mobius(clinic: Clinic, *command: str) -> Result:
    env = {
        "DATABASE_URL": clinic.product.urls.owner,
        "FIRESTORE_EMULATOR_HOST": clinic.product.stack["firestore_emulator_host"],
    }
    with chdir("/"):  # where no stack runs: the environment names the database
        return CliRunner().invoke(app, [*command, "--tenant", str(clinic.tenant_id)], env=env)


def projections(clinic: Clinic, *command: str) -> Result:
    return mobius(clinic, "projections", *command)


def raised(clinic: Clinic, number: int) -> list[dict[str, Any]]:
    assert clinic.chain_holds(number)
    return [each.payload_json for each in clinic.chain(number) if each.event_type == "Version.Raised"]


def versions_of(clinic: Clinic) -> dict[str, int]:
    collection = document(clinic, f"tenants/{clinic.tenant_id}").collection("patient_state")
    return {each.id: each.to_dict()["version"] for each in collection.stream()}


@pytest.fixture
def restored(clinic: Clinic, backups: Backups) -> Clinic:
    """What happened after the backup is lost, but for what the documents and the screens still say of it."""
    for number in SURFACED:
        clinic.status(number)
    settle_everything(clinic)
    backups.make()
    # Two Sends on one patient, the first ever on another, a new user; nothing about the others.
    for number in (GREEN, GREEN, MANY):
        clinic.status(number)
        clinic.answer("mini/ack", clinic.says(number, override_proceed="yellow"))
    clinic.sql(
        """INSERT INTO app_user (tenant_id, user_id, role, display_name)
           SELECT tenant_id, gen_random_uuid(), role, 'Somebody New' FROM app_user
           WHERE tenant_id = :tenant LIMIT 1"""
    )
    assert settle(clinic) == {Projected.WRITTEN}
    gone = document(clinic, patient_path(clinic, GREEN)).get().to_dict()
    document(clinic, f"tenants/{clinic.tenant_id}/patient_state/gone-1").set(gone)
    backups.restore()
    clinic.leave()
    return clinic


def test_recovery_makes_every_document_right_and_no_version_goes_back(
    restored: Clinic, tmp_path: Path
) -> None:
    clinic, report = restored, tmp_path / "lost.csv"
    before, seen = versions_of(clinic), []
    assert projections(clinic, "verify").exit_code == 1
    # Somebody goes on: it is taken in, but their screen stays as it was, and the projector says why.
    clinic.answer("mini/ack", clinic.says(GREEN))
    assert settle(clinic) == {Projected.HEAD_UNKNOWN}
    assert versions_of(clinic) == before

    dry = projections(clinic, "recover", "--dry-run")
    assert dry.exit_code == 0, dry.output
    assert dry.stdout.splitlines()[:2] == [
        "2 patients lost events: each version would be put above what was lost.",
        "2 documents of nobody would be removed.",
    ]
    assert (versions_of(clinic), raised(clinic, GREEN)) == (before, [])

    # Killed after each line in turn, it goes on where it was.
    for lines in (1, 2, 1):
        with KilledAfter(report, lines) as killed, pytest.raises(Killed):
            Recovery(persistence.engine(), FirestoreDocuments(), killed).recover(
                clinic.tenant_id, lambda _count: None
            )
    listening = (
        document(clinic, f"tenants/{clinic.tenant_id}")
        .collection("patient_state")
        .on_snapshot(lambda documents, *_: seen.append({d.id: d.to_dict()["version"] for d in documents}))
    )
    result = projections(clinic, "recover", "--report", str(report))
    assert result.exit_code == 0, result.output
    assert settle(clinic) == {Projected.WRITTEN}
    assert projections(clinic, "verify").stdout.endswith("all as Postgres says\n")
    listening.unsubscribe()

    after = versions_of(clinic)
    assert after.keys() == before.keys() - {"gone-1"}
    for number in (GREEN, MANY):
        key = clinic.key(number)
        assert after[key] == clinic.context_row(number).version > before[key]
        (payload,) = raised(clinic, number)
        assert payload["lost_version"] == before[key]
        assert payload["version"] == after[key] >= before[key] + ABOVE
    assert after[clinic.key(EXPIRING)] == before[clinic.key(EXPIRING)]
    for key in after:
        told = [each[key] for each in seen if key in each]
        assert told == sorted(told)

    # Again it finds nothing to do, and the ledger holds.
    again = projections(clinic, "recover", "--report", str(report))
    assert again.stdout.startswith("0 patients lost events")
    assert len(raised(clinic, GREEN)) == 1
    verified = mobius(clinic, "ledger", "verify")
    assert verified.exit_code == 0, verified.output

    # The next Send is just the next.
    clinic.answer("mini/ack", clinic.says(GREEN))
    assert settle(clinic) == {Projected.WRITTEN}
    assert versions_of(clinic)[clinic.key(GREEN)] == after[clinic.key(GREEN)] + 1


def test_the_report_names_what_to_ask_for_again_and_nobody_by_name(restored: Clinic, tmp_path: Path) -> None:
    report = tmp_path / "lost.csv"
    lost = document(restored, patient_path(restored, GREEN)).get().to_dict()
    assert projections(restored, "recover", "--report", str(report)).exit_code == 0
    text = report.read_text()
    assert report.stat().st_mode & 0o777 == 0o600
    rows = list(csv.DictReader(text.splitlines()))
    assert tuple(rows[0]) == COLUMNS
    assert sorted(row["what"] for row in rows) == ["events", "events", "patient", "user"]
    (row,) = [row for row in rows if row["document"] == restored.key(GREEN)]
    submission = lost["last_mini_submission"]
    assert row["what"] == "events"
    assert (row["lost_version"], row["lost_seq"], row["lost_hash"]) == (
        str(lost["version"]), str(lost["version_head"]["seq"]), lost["version_head"]["hash"],
    )  # fmt: skip
    assert (row["mini_submission_id"], row["submission_is_lost"], row["submitted_by"]) == (
        submission["mini_submission_id"], "True", submission["user_id"],
    )  # fmt: skip
    assert (row["override_proceed"], row["override_tasking"]) == ("yellow", "review")
    assert int(row["version_now"]) == restored.context_row(GREEN).version
    for patient in restored.patients:
        assert patient.display_name not in text
    for user in restored.users:
        assert user.display_name not in text


@pytest.mark.parametrize(
    "says",
    [
        {"version_head": "none"},
        {"version_head": {"seq": -1}},
        {"version_head": "none", "version": 4711},
        {"version_head": "none", "version": 2**63 - 1},
        {"version_head": "none", "version": -5},
    ],
    ids=["no head", "no seq", "a version", "the largest version", "a negative version"],
)
def test_whatever_a_document_was_made_to_say_it_is_recovered_once(
    clinic: Clinic, tmp_path: Path, says: dict[str, Any]
) -> None:
    clinic.status(GREEN)
    settle_everything(clinic)
    document(clinic, patient_path(clinic, GREEN)).update(says)
    report = tmp_path / "lost.csv"
    assert projections(clinic, "recover", "--report", str(report)).stdout.startswith("1 patient lost events")
    assert projections(clinic, "recover", "--report", str(report)).stdout.startswith("0 patients lost")
    assert settle(clinic) == {Projected.WRITTEN}
    believed = says.get("version", 1) if says.get("version", 1) < 1_000_000 else 1
    assert believed < clinic.context_row(GREEN).version < 1_000_000
    assert clinic.answer("mini/ack", clinic.says(GREEN))["ok"] is True
    settle(clinic)
    assert projections(clinic, "verify").exit_code == 0
    # What it said is known; anything else is not.
    document(clinic, patient_path(clinic, GREEN)).update({"version_head": {"seq": 1, "hash": "ab" * 32}})
    assert projections(clinic, "verify").exit_code == 1


def test_whoever_was_shut_out_is_told_before_anything_lets_them_in(clinic: Clinic, tmp_path: Path) -> None:
    settle_everything(clinic)
    shut_out, signed_out, neither = (str(user.user_id) for user in clinic.users[:3])
    inbox = f"tenants/{clinic.tenant_id}/user_inbox"
    document(clinic, f"{inbox}/{shut_out}").update({"active": False})
    document(clinic, f"{inbox}/{signed_out}").update({"tokens_valid_after": datetime.now(UTC)})
    report = tmp_path / "lost.csv"
    said = projections(clinic, "recover", "--report", str(report)).stdout
    assert "2 users had been shut out" in said
    told = {row["document"] for row in csv.DictReader(report.read_text().splitlines())}
    assert told == {shut_out, signed_out}
    assert neither not in report.read_text()


def test_the_checkpoints_say_what_is_gone_and_a_new_log_goes_on(
    clinic: Clinic, backups: Backups, product: Product, tmp_path: Path
) -> None:
    def sign(folder: str) -> Any:
        log = CheckpointLog(FolderStore(tmp_path / folder), [SIGNER.verifier])
        worker = _pooled(product.urls.worker)
        try:
            return make_checkpoint(log, SIGNER, heads=worker, events=persistence.engine())
        finally:
            worker.dispose()

    clinic.status(GREEN)
    settle_everything(clinic)
    backups.make()
    clinic.answer("mini/ack", clinic.says(GREEN))
    settle(clinic)
    assert sign("before").refused == ()
    backups.restore()
    assert projections(clinic, "recover", "--report", str(tmp_path / "lost.csv")).exit_code == 0
    (refused,) = [each for each in sign("before").refused if each.tenant_id == clinic.tenant_id]
    assert isinstance(refused.error, Fault)
    assert refused.error.kind in (FaultKind.SHORTER, FaultKind.REWRITTEN)
    fresh = sign("after")
    assert (fresh.number, fresh.refused) == (1, ())


def test_another_file_is_never_taken_for_a_report(clinic: Clinic, tmp_path: Path) -> None:
    other = tmp_path / "other.csv"
    other.write_text("name,born\n")
    result = projections(clinic, "recover", "--report", str(other))
    assert (result.exit_code, result.stdout) == (1, "")
    assert "another file" in result.stderr
    assert other.read_text() == "name,born\n"


def test_documents_of_a_tenant_that_is_none_go_only_if_it_is_named(clinic: Clinic, tmp_path: Path) -> None:
    # The first by its name, whatever other tests have left.
    folder = UUID(int=uuid4().int >> 64)
    path = f"tenants/{folder}/user_inbox/{uuid4()}"
    document(clinic, path).set({"active": True})
    env = {
        "DATABASE_URL": clinic.product.urls.owner,
        "FIRESTORE_EMULATOR_HOST": clinic.product.stack["firestore_emulator_host"],
    }
    with chdir("/"):
        all_of_them = CliRunner().invoke(app, ["projections", "recover", "--dry-run"], env=env)
        assert str(folder) in all_of_them.stdout
        report = str(tmp_path / "lost.csv")
        command = ["projections", "recover", "--report", report, "--tenant", str(folder)]
        assert document(clinic, path).get().exists
        assert CliRunner().invoke(app, command, env=env).exit_code == 0
    assert not document(clinic, path).get().exists


def test_a_line_that_was_cut_off_is_closed_and_the_last_whole_one_not_repeated(tmp_path: Path) -> None:
    path, line = tmp_path / "lost.csv", {"what": "patient", "document": "pk-1"}
    with LostReport(path) as report:
        report.add(line)
    with LostReport(path) as report:
        report.add(line)
        report.add({"what": "patient", "document": "Ann Smith"})
    with path.open("a") as file:
        file.write("patient,cut o")
    with LostReport(path) as report:
        report.add(line)
    documents = [row["document"] for row in csv.DictReader(path.read_text().splitlines())]
    assert documents == ["pk-1", "a name that is not ours", None, "pk-1"]
