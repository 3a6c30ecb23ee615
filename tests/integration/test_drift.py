"""The comparison of every document with Postgres: it finds what somebody broke, and nothing else."""

# Fixtures are imported, and asked for by their names.
# ruff: noqa: F401, F811

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import chdir
from typing import Any
from uuid import uuid4

import functions_framework
import pytest
from google.cloud import firestore
from typer.testing import CliRunner, Result
from werkzeug.test import TestResponse

from ops.cli import app
from shared.model import SubjectType
from shared.persistence import database as persistence
from shared.projections.comparison import FOREIGN, Difference, Drift
from shared.projections.drift_check import Checked, DriftCheck
from shared.projections.names import FirestoreNames
from shared.projections.store import FirestoreDocuments
from shared.projections.subjects import PostgresTruths
from tests.integration.apart import database, product
from tests.integration.databases import Database, run
from tests.integration.product import BY_HAND, EXPIRING, GREEN, INACTIVE, MANY, Clinic, Product, closed_port
from tests.integration.projecting import (
    Busy,
    asked_for,
    document,
    inbox_path,
    patient_path,
    settle,
    settle_everything,
)

SURFACED = (EXPIRING, GREEN, INACTIVE, BY_HAND)


@pytest.fixture
def alone(clinic: Clinic, database: Database) -> Clinic:
    """The only tenant old enough to be checked, with documents that are all right."""
    run(database.superuser, None, "UPDATE tenant SET created_at = now() + interval '1 day'")
    run(database.superuser, None, "DELETE FROM projection_walk")
    clinic.sql("UPDATE tenant SET created_at = now() - interval '1 day' WHERE tenant_id = :tenant")
    for number in SURFACED:
        clinic.status(number)
    clinic.answer("mini/ack", clinic.says(EXPIRING))
    settle_everything(clinic)
    return clinic


class OwnNames(FirestoreNames):
    """Without the tenants of the stack's other databases, which would be nobody here."""

    def tenants(self) -> Iterator[str]:
        return iter(())


class Checks:
    """The regular check, called by hand; what it told."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.told: list[Difference] = []

    def go_on(
        self, every_s: float = 0, documents: FirestoreDocuments | None = None, **limits: Any
    ) -> Checked:
        documents, app_engine = documents or FirestoreDocuments(), persistence.engine()
        check = DriftCheck(
            worker=self._database.worker,
            app=app_engine,
            truths=PostgresTruths(app_engine),
            documents=documents,
            names=OwnNames(documents),
            every_s=every_s,
            on_difference=lambda tenant_id, each: self.told.append(each) if tenant_id else None,
        )
        return check.go_on(**limits)


@pytest.fixture
def checks(database: Database) -> Checks:
    return Checks(database)


def verify(clinic: Clinic, *options: str) -> Result:
    env = {
        "DATABASE_URL": clinic.product.urls.owner,
        "FIRESTORE_EMULATOR_HOST": clinic.product.stack["firestore_emulator_host"],
    }
    command = ["projections", "verify", "--tenant", str(clinic.tenant_id), *options]
    with chdir("/"):  # where no stack runs: the environment names the database
        return CliRunner().invoke(app, command, env=env)


def call(product: Product, **environment: str) -> TestResponse:
    """One call of the scheduler's real function, as the role that it runs as."""
    product.configure(DATABASE_URL=product.urls.worker, **environment)
    try:
        created = functions_framework.create_app("drift_check", "functions/scheduler/main.py")
        return created.test_client().post("/", json={})
    finally:
        product.configure(DATABASE_URL=product.urls.app)


def walk(clinic: Clinic) -> Any:
    (row,) = clinic.rows("projection_walk", "purpose = 'check'")
    return row


def documents_of(clinic: Clinic) -> int:
    return len(SURFACED) + len(clinic.users)


def test_where_nobody_did_anything_nothing_differs(alone: Clinic, checks: Checks) -> None:
    did = checks.go_on()
    assert (did.checked, did.differing, did.unrepairable, did.failed) == (documents_of(alone), 0, 0, [])
    result = verify(alone)
    assert (result.exit_code, result.stdout) == (
        0,
        f"{documents_of(alone)} documents compared, all as Postgres says\n",
    )


BROKEN: dict[int, tuple[Callable[[Any], object], Drift, tuple[str, ...]]] = {
    EXPIRING: (lambda d: d.delete(), Drift.MISSING, ()),
    GREEN: (
        lambda d: d.update({"latest_system_response.proceed_indicator": "grey"}),
        Drift.DIFFERS,
        ("latest_system_response.proceed_indicator",),
    ),
    INACTIVE: (lambda d: d.update({"`Ann Smith`": 1}), Drift.DIFFERS, (FOREIGN,)),
    BY_HAND: (
        lambda d: d.set({"version": 1, "updated_at": firestore.SERVER_TIMESTAMP}),
        Drift.DIFFERS,
        ("patient_key", "version_head", "snapshot", "latest_system_response", "last_mini_submission",
         "outcome", "flags"),
    ),
}  # fmt: skip


def test_documents_that_somebody_broke_are_found_and_mended(alone: Clinic, checks: Checks) -> None:
    expected = []
    for number, (breaks, drift, fields) in BROKEN.items():
        breaks(document(alone, patient_path(alone, number)))
        subject = (alone.context(number), alone.key(number))
        expected.append(Difference(SubjectType.PATIENT, *subject, drift, fields))
    did = checks.go_on()
    assert sorted(checks.told) == sorted(expected)
    assert (did.differing, did.unrepairable) == (len(BROKEN), 0)
    assert asked_for(alone) == {alone.context(number) for number in BROKEN}
    # On its way: no difference any more, and not asked for twice.
    assert checks.go_on().differing == 0
    settle(alone)
    assert checks.go_on().differing == 0
    assert verify(alone).exit_code == 0


def test_the_command_names_the_fields_and_has_them_written_again(alone: Clinic) -> None:
    document(alone, inbox_path(alone, 0)).update({"active": 1, "Secret-4711": "Ann Smith"})
    document(alone, patient_path(alone, GREEN)).delete()
    result = verify(alone)
    assert result.exit_code == 1
    tenant = f"tenant {alone.tenant_id}"
    assert result.stdout.splitlines()[:3] == [
        f"{tenant}, patient {alone.key(GREEN)}: it is missing",
        f"{tenant}, user {alone.users[0].user_id}: it differs: active, {FOREIGN}",
        f"{documents_of(alone)} documents compared, NOT AS POSTGRES SAYS: 1 differs, 1 missing",
    ]
    assert "4711" not in result.output
    assert not asked_for(alone)
    answer = json.loads(verify(alone, "--repair", "--json").stdout)
    assert (answer["ok"], answer["asked_again"], answer["counts"]["missing"]) == (False, 2, 1)
    assert asked_for(alone) == {alone.context(GREEN), alone.users[0].user_id}
    settle(alone)
    assert json.loads(verify(alone, "--json").stdout)["ok"] is True


def test_what_has_outbox_rows_is_no_drift(alone: Clinic, checks: Checks) -> None:
    alone.answer("mini/ack", alone.says(GREEN))
    document(alone, patient_path(alone, GREEN)).delete()
    assert checks.go_on().differing == 0
    assert verify(alone).exit_code == 0


def test_a_head_that_is_not_in_the_chain_is_told_and_never_written_over(
    alone: Clinic, checks: Checks
) -> None:
    for number, head in ((EXPIRING, {"seq": 99, "hash": "ab" * 32}), (GREEN, "none"), (BY_HAND, {"seq": 1})):
        document(alone, patient_path(alone, number)).update({"version_head": head})
    # Also where something is on its way, for it never arrives.
    alone.answer("mini/ack", alone.says(EXPIRING))
    did = checks.go_on()
    assert [each.drift for each in checks.told] == [Drift.UNKNOWN_HEAD] * 3
    assert (did.differing, did.unrepairable) == (0, 3)
    result = verify(alone, "--repair")
    assert "3 unknown_head" in result.stdout
    assert "projections recover" in result.stdout
    assert not asked_for(alone)


def test_documents_of_nobody_are_told_and_left(alone: Clinic, checks: Checks) -> None:
    for name in ("patient_state/nobody-1", f"user_inbox/{uuid4()}", "user_inbox/Ann Smith"):
        document(alone, f"tenants/{alone.tenant_id}/{name}").set({"version": 1})
    did = checks.go_on()
    assert (did.differing, did.unrepairable) == (0, 3)
    assert walk(alone).unrepairable == 3
    result = verify(alone)
    assert "3 orphan" in result.stdout
    assert "Ann" not in result.output


def test_whoever_nothing_has_happened_to_yet_has_no_document(alone: Clinic, checks: Checks) -> None:
    path = patient_path(alone, MANY)
    document(alone, path).set({"version": 3, "version_head": {"seq": 9, "hash": "ab" * 32}})
    checks.go_on()
    assert [(each.drift, each.subject) for each in checks.told] == [(Drift.UNKNOWN_HEAD, alone.context(MANY))]


def test_of_a_tenant_that_has_left_nothing_should_be_there(alone: Clinic, checks: Checks) -> None:
    alone.sql("UPDATE tenant SET closed_at = now() WHERE tenant_id = :tenant")
    document(alone, f"tenants/{alone.tenant_id}/invocation_presence/x").set({"a": 1})
    did = checks.go_on()
    assert (did.checked, did.differing, did.unrepairable) == (0, 0, documents_of(alone) + 1)
    for kind in ("patient_state", "user_inbox", "invocation_presence"):
        for each in document(alone, f"tenants/{alone.tenant_id}").collection(kind).stream():
            each.reference.delete()
    assert verify(alone).exit_code == 0


def test_documents_of_a_tenant_that_is_none_are_told(alone: Clinic) -> None:
    folder = uuid4()
    document(alone, f"tenants/{folder}/patient_state/x").set({"a": 1})
    env = {
        "DATABASE_URL": alone.product.urls.owner,
        "FIRESTORE_EMULATOR_HOST": alone.product.stack["firestore_emulator_host"],
    }
    with chdir("/"):
        result = CliRunner().invoke(app, ["projections", "verify", "--json"], env=env)
    document(alone, f"tenants/{folder}/patient_state/x").delete()
    assert result.exit_code == 1
    assert json.loads(result.stdout)["counts"]["orphan"] >= 1


@pytest.mark.parametrize("times", [1, 2, 3, 100])
def test_what_is_written_between_two_looks_raises_no_alarm(alone: Clinic, checks: Checks, times: int) -> None:
    did = checks.go_on(documents=Busy(alone, GREEN, times))
    assert alone.count("mini_submission") > 1
    assert (checks.told, did.differing) == ([], 0)


def test_traffic_raises_no_alarm(alone: Clinic, checks: Checks) -> None:
    over, failures = threading.Event(), []

    def until_over(doing: Callable[[], object]) -> None:
        try:
            while not over.is_set():
                doing()
        except Exception as error:  # noqa: BLE001 -- told below
            failures.append(error)

    def send() -> None:
        for number in SURFACED:
            alone.answer("mini/ack", alone.says(number))
            alone.sql("UPDATE app_user SET status = status WHERE tenant_id = :tenant")

    doings = (send, lambda: settle(alone), lambda: settle(alone))
    threads = [threading.Thread(target=until_over, args=(doing,)) for doing in doings]
    for thread in threads:
        thread.start()
    looks = 0
    while (looks < 5 or alone.count("mini_submission") < 6) and not failures:
        checks.go_on()
        looks += 1
    over.set()
    for thread in threads:
        thread.join()
    assert failures == []
    assert checks.told == []


# The walk in slices --------------------------------------------------------------------------------------


def test_each_call_goes_on_where_the_last_one_stopped(alone: Clinic, checks: Checks) -> None:
    document(alone, inbox_path(alone, 1)).delete()
    counted, calls = 0, 0
    while not calls or walk(alone).ended_at is None:
        counted += checks.go_on(every_s=3600, subjects=1).checked
        calls += 1
    assert counted == documents_of(alone) == walk(alone).checked
    assert calls >= counted
    assert walk(alone).differing == 1
    # The next cycle is not due yet.
    before = walk(alone)
    assert checks.go_on(every_s=3600).checked == 0
    assert walk(alone) == before
    alone.sql("UPDATE projection_walk SET began_at = began_at - interval '1 hour' WHERE tenant_id = :tenant")
    assert checks.go_on(every_s=3600).checked == documents_of(alone)


def test_a_call_ends_when_its_time_is_over(alone: Clinic, checks: Checks) -> None:
    assert checks.go_on(seconds=0).checked == 0


def test_two_calls_at_once_count_and_ask_once(alone: Clinic, database: Database) -> None:
    for number in SURFACED:
        document(alone, patient_path(alone, number)).delete()
    both = [Checks(database) for _ in range(2)]
    threads = [threading.Thread(target=each.go_on, kwargs={"every_s": 3600}) for each in both]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    told = [each.subject for checks in both for each in checks.told]
    assert sorted(told) == sorted(alone.context(number) for number in SURFACED)
    assert walk(alone).checked <= documents_of(alone)


def test_the_timers_call_says_how_much_and_logs_names_of_fields_alone(
    alone: Clinic, product: Product, capsys: pytest.CaptureFixture[str]
) -> None:
    document(alone, patient_path(alone, GREEN)).update({"outcome": "Ann Smith", "Secret-4711": 1})
    document(alone, patient_path(alone, BY_HAND)).update({"version_head.seq": 4711})
    response = call(product, DRIFT_CYCLE_S="60")
    assert response.status_code == 200
    answer = response.get_json()
    assert (answer["ok"], answer["checked"], answer["differing"]) == (True, documents_of(alone), 1)
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    mine = [line for line in lines if line.get("tenant_id") == str(alone.tenant_id)]
    told = sorted((line["severity"], line["reason"], line["field"], line["count"]) for line in mine)
    assert told == [
        ("ERROR", "unknown_head", "version_head", 1),
        ("WARNING", "differs", "outcome", 2),
    ]
    assert not any("refused" in line for line in lines)
    assert "Ann" not in json.dumps(lines)


def test_without_firestore_the_call_fails_visibly_and_the_walk_stays(
    alone: Clinic, product: Product, checks: Checks
) -> None:
    checks.go_on(every_s=3600, subjects=1)
    before = walk(alone)
    away = {"FIRESTORE_EMULATOR_HOST": f"127.0.0.1:{closed_port()}", "OUTSIDE_TIMEOUT_S": "0.2"}
    here = {"FIRESTORE_EMULATOR_HOST": product.stack["firestore_emulator_host"], "OUTSIDE_TIMEOUT_S": "30"}
    assert call(product, DRIFT_CYCLE_S="3600", **away).status_code == 503
    assert walk(alone) == before
    product.configure(**here)
    assert call(product, DRIFT_CYCLE_S="3600").status_code == 200
    assert walk(alone).ended_at is not None
