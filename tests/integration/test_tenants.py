"""``mobius tenants``: who is here, everything that is kept of one, and how one leaves for good."""

# Fixtures are imported, and asked for by their names.
# ruff: noqa: F401, F811

from __future__ import annotations

import hashlib
import json
import stat
from collections.abc import Callable, Iterator
from contextlib import chdir, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from google.cloud import firestore
from sqlalchemy import text
from typer.testing import CliRunner, Result

from ops.cli import app
from ops.installation import Refused
from ops.tenants.erase import Gone, Leaving, Step
from ops.tenants.export import LEFT_OUT, TABLES
from ops.users.accounts import Accounts
from ops.users.identities import ProviderFailed
from ops.users.staff import StoredStaff
from shared.model import TenantId
from shared.persistence.database import engine, make_engine
from shared.persistence.tables import metadata
from shared.projections.presence import presence_path, project_presence
from shared.projections.removal import NotRemoved, TenantDocuments
from shared.projections.store import FirestoreDocuments
from shared.settings import read_settings
from tests.fhir_files import patient
from tests.integration.apart import call_retention, database, product
from tests.integration.canary import Markers, Piece
from tests.integration.canary_site import rows
from tests.integration.databases import Database
from tests.integration.intake_desk import Desk
from tests.integration.overdue import (
    COUNSELOR,
    DESK,
    inbox_document,
    items,
    nobody_sent,
    patient_document,
    sweep,
    wait_until_due,
)
from tests.integration.product import EXPIRING, GREEN, INACTIVE, Clinic, Product, new_clinic, problem_of
from tests.unit.users_in_memory import FakeIdentities, Interrupter, identity


def mobius(clinic: Clinic, *words: str) -> Result:
    """Runs the command line as the owner of the database."""
    env = {"DATABASE_URL": clinic.product.urls.owner, "OUTSIDE_TIMEOUT_S": "0.1"}
    with chdir("/"):  # where no stack runs: the environment names the database
        return CliRunner().invoke(app, list(words), env=env)


def tenants(clinic: Clinic, command: str, *options: str) -> Result:
    return mobius(clinic, "tenants", command, "--tenant", str(clinic.tenant_id), *options)


def done(result: Result) -> str:
    assert result.exit_code == 0, result.output
    return result.stdout


def refused(result: Result) -> str:
    assert (result.exit_code, result.stdout) == (1, ""), result.output
    return result.stderr


def told(clinic: Clinic) -> list[tuple[str, dict[str, Any]]]:
    """What the tenant's own chain says of its leaving."""
    assert clinic.chain_holds(None)
    return [
        (event.event_type, event.payload_json)
        for event in clinic.events(None)
        if event.event_type.startswith("Tenant.")
    ]


def documents(clinic: Clinic) -> dict[str, Any]:
    """Every document of the tenant, by its path."""
    client = firestore.Client(project=clinic.product.stack["project_id"])
    return {
        document.reference.path: document.to_dict()
        for collection in client.document(f"tenants/{clinic.tenant_id}").collections()
        for document in collection.stream()
    }


def lived(clinic: Clinic) -> None:
    """Patients were seen, one acknowledged and the glass broken, one left to somebody; all is projected."""
    clinic.status(GREEN, user=COUNSELOR)
    clinic.answer("mini/ack", clinic.says(GREEN), user=COUNSELOR, headers={"Idempotency-Key": "a-key"})
    asked = {**clinic.names(GREEN), "reason": "covering", "explanation": "Ana is on leave."}
    clinic.answer("sidecar/break-glass", asked, user=DESK)
    clinic.status(INACTIVE)
    nobody_sent(clinic, EXPIRING)
    for number in (GREEN, INACTIVE, EXPIRING):
        patient_document(clinic, number)
    inbox_document(clinic, COUNSELOR)


@contextmanager
def seen(_step: Step, _total: int | None) -> Iterator[Callable[[int], None]]:
    yield lambda _count: None


class Departure:
    """A clinic's leaving, with parts that fail as a test wants."""

    def __init__(self, clinic: Clinic, **parts: Any) -> None:
        owner = make_engine(
            read_settings(
                {
                    "GOOGLE_CLOUD_PROJECT": clinic.product.stack["project_id"],
                    "DATABASE_URL": clinic.product.urls.owner,
                    "MOBIUS_MASTER_SECRET": "x" * 44,
                }
            )
        )
        staff = StoredStaff(owner, clinic.tenant_id)
        accounts = Accounts(staff, parts.get("identities"), bytes(32))
        kept = parts.get("documents") or TenantDocuments(clinic.product.stack["project_id"], 30)
        self._name = clinic.rows("tenant")[0].name
        self._leaving = Leaving(owner, staff, accounts, kept, parts.get("shown") or seen)

    def erase(self) -> Gone:
        return self._leaving.erase(self._name, last_write_s=0)


@pytest.fixture
def clinic(product: Product) -> Iterator[Clinic]:
    made = new_clinic(product)
    yield made
    made.leave()
    TenantDocuments(product.stack["project_id"], 30).remove(made.tenant_id, lambda _count: None)


# Who is here, and what is kept ---------------------------------------------------------------------------


def test_the_list_says_how_much_there_is_of_whom(clinic: Clinic) -> None:
    clinic.status(GREEN)
    (line,) = [each for each in done(mobius(clinic, "tenants", "list")).splitlines()
               if str(clinic.tenant_id) in each]  # fmt: skip
    cells = [cell.strip() for cell in line.split("│")]
    events = clinic.count("event_log")
    assert events > 0
    assert cells[2:6] == [
        clinic.rows("tenant")[0].name, str(len(clinic.users)), str(len(clinic.patients)), str(events),
    ]  # fmt: skip


def test_an_export_holds_every_row_and_column_that_is_kept_of_the_tenant_and_no_others(
    clinic: Clinic, tmp_path: Path
) -> None:
    lived(clinic)
    new_clinic(clinic.product).status(GREEN)
    before = {table.name: clinic.count(table.name) for table in TABLES}
    folder = tmp_path / "export"
    said = done(tenants(clinic, "export", "--to", str(folder)))
    assert "mobius ledger export" in said

    assert {table.name for table in TABLES} | {"role", *LEFT_OUT} == set(metadata.tables)
    manifest = json.loads((folder / "manifest.json").read_bytes())
    assert {name: each["rows"] for name, each in manifest["tables"].items()} == before
    assert {path.name for path in folder.iterdir()} == {
        "manifest.json", *(each["file"] for each in manifest["tables"].values()),
    }  # fmt: skip
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    for path in folder.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    for table in TABLES:
        content = (folder / f"{table.name}.ndjson").read_bytes()
        assert hashlib.sha256(content).hexdigest() == manifest["tables"][table.name]["sha256"]
        lines = [json.loads(line) for line in content.splitlines()]
        assert {line["tenant_id"] for line in lines} == {str(clinic.tenant_id)}
        assert all(set(line) == {column.name for column in table.columns} for line in lines)
    notes = [json.loads(line)["note_text"] for line in (folder / "mini_submission.ndjson").open()]
    assert notes == ["Called the payer about Member-4711."]

    (event,) = told(clinic)
    assert event == ("Tenant.Exported", {"patient_count": len(clinic.patients),
                                         "event_count": before["event_log"]})  # fmt: skip


def test_an_export_that_can_not_be_leaves_nothing(clinic: Clinic, tmp_path: Path) -> None:
    (tmp_path / "mine").touch()
    for to, why in (
        (tmp_path, "not empty"),
        (tmp_path / "mine", "not empty"),
        (tmp_path / "no" / "where", "no folder"),
    ):
        assert why in refused(tenants(clinic, "export", "--to", str(to)))
    nobody = ("tenants", "export", "--tenant", str(uuid4()), "--to", str(tmp_path / "new"))
    assert "There is no tenant" in refused(mobius(clinic, *nobody))
    with chdir("/"):
        as_app = CliRunner().invoke(
            app,
            ["tenants", "export", "--tenant", str(clinic.tenant_id), "--to", str(tmp_path / "new")],
            env={"DATABASE_URL": clinic.product.urls.app.replace("mobius_app", "mobius_worker", 1)},
        )
    assert as_app.exit_code == 1
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]
    assert told(clinic) == []


# How one leaves ------------------------------------------------------------------------------------------


def test_nothing_that_tells_of_a_patient_or_user_is_left_anywhere(database: Database, clinic: Clinic) -> None:
    markers = Markers()
    number = clinic.context(GREEN)
    clinic.sql(
        """INSERT INTO patient_snapshot (tenant_id, patient_context_id, snapshot_version, display_name,
            id_label, id_masked, dob) VALUES (:tenant, :context, 2, :name, :label, :masked, :dob)""",
        context=number, name=markers.name("name"), label=markers.word("label"), masked=markers.tail("masked"),
        dob=markers.day("dob"),
    )  # fmt: skip
    clinic.sql("INSERT INTO patient_search_term (tenant_id, patient_context_id, term) "
               "VALUES (:tenant, :context, :term)", context=number, term=markers.word("term"))  # fmt: skip
    clinic.sql("UPDATE app_user SET display_name = :name WHERE tenant_id = :tenant",
               name=markers.word("user"))  # fmt: skip
    lived(clinic)
    key = {"Idempotency-Key": markers.word("key")}
    said = clinic.says(GREEN, note_text=markers.word("note"))
    clinic.answer("mini/ack", said, user=COUNSELOR, headers=key)
    asked = {**clinic.names(GREEN), "reason": "covering", "explanation": markers.word("explanation")}
    clinic.answer("sidecar/break-glass", asked, user=DESK)
    patient_document(clinic, GREEN)

    def held() -> set[str]:
        with database.superuser.connect() as connection:
            found = {name for piece in rows(connection) for name in markers.find(piece.text)}
        return found | markers.find(repr(documents(clinic)))

    assert held() == {"name", "label", "masked", "dob", "term", "user", "note", "explanation"}
    name = clinic.rows("tenant")[0].name
    assert "Erased: what told of" in done(tenants(clinic, "erase", "--confirm", name))
    assert held() == set()
    assert documents(clinic) == {}
    for table in ("outbox", "patient_search_term", "patient_signal", "patient_identity_ref"):
        assert clinic.count(table) == 0


def test_what_stays_is_the_ledger_and_nobody_has_anything_open(clinic: Clinic) -> None:
    lived(clinic)
    events = clinic.count("event_log")
    name = clinic.rows("tenant")[0].name
    done(tenants(clinic, "erase", "--confirm", name))

    assert clinic.count("event_log") > events
    assert all(clinic.chain_holds(number) for number in (None, *range(len(clinic.patients))))
    (item,) = items(clinic, EXPIRING)
    assert (item.status, item.resolved_by_submission) == ("dismissed", None)
    assert clinic.told(EXPIRING)[-2:] == ["Assignment.Resolved", "Patient.Erased"]
    erased_of_one = clinic.events(GREEN)[-1].payload_json
    assert erased_of_one.pop("texts_until")
    assert erased_of_one == {
        "scope": "all", "reason": "offboarding", "snapshot_count": 1, "note_count": 1, "explanation_count": 1,
    }  # fmt: skip
    assert clinic.count("patient_context", "ack_due_at IS NOT NULL OR reassess_at IS NOT NULL") == 0
    assert {(row.display_name, row.status) for row in clinic.rows("app_user")} == {
        ("Former user", "disabled")
    }
    (closed, erased) = told(clinic)
    assert closed == ("Tenant.Closed", {"user_count": len(clinic.users)})
    assert erased[1] == {"patient_count": len(clinic.patients), "user_count": len(clinic.users)}

    assert "erased already" in done(tenants(clinic, "erase", "--confirm", name))
    assert told(clinic) == [closed, erased]
    (line,) = [each for each in done(mobius(clinic, "tenants", "list")).splitlines()
               if str(clinic.tenant_id) in each]  # fmt: skip
    assert "erased " in line


def test_after_it_nothing_comes_in_and_nothing_stumbles(clinic: Clinic, tmp_path: Path) -> None:
    lived(clinic)
    wait_until_due(clinic, INACTIVE)
    tab = clinic.rows("invocation")[0].invocation_id
    done(tenants(clinic, "erase", "--confirm", clinic.rows("tenant")[0].name))

    problem_of(clinic.post("mini/status", clinic.names(GREEN)), 403)
    who = str(clinic.users[DESK].user_id)
    here = ("--tenant", str(clinic.tenant_id))
    assert "has left" in refused(mobius(clinic, "users", "enable", who, *here))
    assert "has left" in refused(mobius(clinic, "users", "change", who, "--name", "Back Again", *here))
    new = ("users", "create", "ana@clinic.example", "--name", "Ana Ruiz", "--role", "front_desk", *here)
    assert "has left" in refused(mobius(clinic, *new))
    file = tmp_path / "patients.ndjson"
    file.write_text(json.dumps(patient(1)))
    assert "has left" in Desk(clinic).intake(file, status=1)

    # Whoever asks for projections of it, none is made.
    policy = tmp_path / "policy.yaml"
    shown = done(mobius(clinic, "policy", "show", *here))
    policy.write_text(shown.replace("display_name: full", "display_name: initials"))
    assert "Published version 2" in done(mobius(clinic, "policy", "publish", str(policy), *here))
    assert clinic.count("patient_context", "reassess_at IS NOT NULL") == 0
    assert clinic.count("outbox") == 0
    assert project_presence(engine(), FirestoreDocuments(), clinic.tenant_id, tab) is False
    assert documents(clinic) == {}
    assert sweep(clinic.product)["unacknowledged"] == 0
    assert call_retention(clinic.product).status_code == 200


def test_the_wrong_name_and_a_legal_hold_stop_it_before_anything_is_done(clinic: Clinic) -> None:
    clinic.status(GREEN)
    name = clinic.rows("tenant")[0].name
    for wrong in (name.upper(), f"{name} ", "", str(clinic.tenant_id)):
        assert "letter by letter" in refused(tenants(clinic, "erase", "--confirm", wrong))
    clinic.publish(retention={"legal_hold": True})
    assert "under a legal hold" in refused(tenants(clinic, "erase", "--confirm", name))
    assert told(clinic) == []
    assert clinic.rows("tenant")[0].closed_at is None
    clinic.status(GREEN)


class Killed(BaseException):
    """The process ended here."""


def test_wherever_it_is_interrupted_the_next_one_does_the_rest_and_nothing_twice(clinic: Clinic) -> None:
    lived(clinic)
    identities = FakeIdentities(Interrupter())
    for user in clinic.users:
        identities.known[str(user.user_id)] = identity(str(user.user_id), clinic.tenant_id)
    stranger = identity(str(uuid4()), TenantId(uuid4()))
    identities.known[stranger.subject] = stranger
    rounds = parts_done = 0

    @contextmanager
    def killing(_step: Step, _total: int | None) -> Iterator[Callable[[int], None]]:
        def advance(_count: int) -> None:
            nonlocal parts_done
            parts_done += 1
            if parts_done == rounds:
                raise Killed

        yield advance

    gone = None
    while gone is None and rounds < 50:
        rounds += 1
        parts_done = 0
        with suppress(Killed):
            gone = Departure(clinic, identities=identities, shown=killing).erase()
    assert gone is not None
    assert rounds > 2
    assert [kind for kind, _ in told(clinic)] == ["Tenant.Closed", "Tenant.Erased"]
    for number in range(len(clinic.patients)):
        assert clinic.told(number).count("Patient.Erased") == 1
    assert list(identities.known) == [stranger.subject]
    changes = [event for event in clinic.events(None) if event.event_type == "Access.Changed"]
    assert len(changes) == len(clinic.users)
    assert documents(clinic) == {}


def test_without_the_identity_provider_or_firestore_it_says_so_and_goes_on_later(clinic: Clinic) -> None:
    class Away(FakeIdentities):
        def find(self, _user_id: Any) -> Any:
            raise ProviderFailed("The identity provider, a fake, can't be reached.")

    class Nowhere:
        def remove(self, _tenant_id: TenantId, _on_removed: Callable[[int], None]) -> int:
            raise NotRemoved

    lived(clinic)
    with pytest.raises(NotRemoved):
        Departure(clinic, documents=Nowhere()).erase()
    problem_of(clinic.post("mini/status", clinic.names(GREEN)), 403)
    with pytest.raises(Refused, match=r"can't be reached\. Everything but identities is erased"):
        Departure(clinic, identities=Away(Interrupter())).erase()
    assert [kind for kind, _ in told(clinic)] == ["Tenant.Closed"]
    assert Departure(clinic).erase().is_new
    assert [kind for kind, _ in told(clinic)] == ["Tenant.Closed", "Tenant.Erased"]


def test_a_document_that_a_slow_projector_still_writes_is_taken_away_too(clinic: Clinic) -> None:
    client = firestore.Client(project=clinic.product.stack["project_id"])

    class Slow(TenantDocuments):
        late = 2

        def remove(self, tenant_id: TenantId, on_removed: Callable[[int], None]) -> int:
            removed = super().remove(tenant_id, on_removed)
            if self.late:
                self.late -= 1
                client.document(f"tenants/{tenant_id}/patient_state/late-{self.late}").set({"x": 1})
            return removed

    clinic.status(GREEN)
    gone = Departure(clinic, documents=Slow(clinic.product.stack["project_id"], 30)).erase()
    assert gone.documents >= 2
    assert documents(clinic) == {}


def test_an_intake_that_was_just_writing_leaves_nothing_behind(database: Database, clinic: Clinic) -> None:
    """Its patient is committed after the tenant was closed and its patients were looked through."""
    came = []

    @contextmanager
    def late(step: Step, _total: int | None) -> Iterator[Callable[[int], None]]:
        yield lambda _count: None
        if step is Step.PATIENTS and not came:
            came.append(clinic.context(GREEN))
            with database.superuser.begin() as connection:
                connection.execute(text("SET LOCAL session_replication_role = replica"))
                connection.execute(
                    text("""INSERT INTO patient_search_term (tenant_id, patient_context_id, term)
                        VALUES (:tenant, :context, 'late')"""),
                    {"tenant": clinic.tenant_id, "context": came[0]},
                )

    Departure(clinic, shown=late).erase()
    assert came
    assert clinic.count("patient_search_term") == 0
