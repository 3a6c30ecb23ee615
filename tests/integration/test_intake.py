"""`mobius intake fhir` on the real database: who comes in, what changes, and what never leaves the files."""

from __future__ import annotations

import json
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from click.testing import Result
from sqlalchemy import Engine, create_engine
from typer.testing import CliRunner

from ops.cli import app
from ops.installation import Refused
from ops.intake.identity import Naming
from ops.intake.report import Fate, Report
from ops.intake.run import Intake, take_in
from ops.intake.sources import find_sources
from ops.intake.store import Scope
from shared import settings
from shared.model import CorrelationId
from shared.persistence.database import driver_url
from shared.persistence.tables import metadata
from shared.security.patient_keys import patient_key
from shared.security.search_terms import search_terms
from tests.fhir_files import (
    AS_OF,
    MR_TYPE,
    about,
    account,
    appointment,
    bundle,
    claim,
    claim_response,
    coverage,
    day,
    eligibility,
    explanation,
    mrn,
    patient,
    write_json,
    write_lines,
)
from tests.integration.overdue import sweep
from tests.integration.product import BY_HAND, GREEN, Clinic

DATA = Path(__file__).parents[1] / "data" / "fhir"
SOURCE = "demo_ehr"

pytestmark = pytest.mark.usefixtures("held")


class Desk:
    """An operator of one clinic at the command line."""

    def __init__(self, clinic: Clinic) -> None:
        self.clinic = clinic

    def intake(self, *files: Path, status: int = 0, options: tuple[str, ...] = ()) -> str:
        """What the command says, once it ended with ``status``."""
        result = self.run(*files, options=options)
        assert result.exit_code == status, result.output
        return result.output

    def run(self, *files: Path, options: tuple[str, ...] = ()) -> Result:
        # Later ones count, so that a test may say another.
        common = ("--tenant", str(self.clinic.tenant_id), "--as-of", AS_OF.isoformat())
        # An operator works as the owner, the functions don't.
        owner = {"DATABASE_URL": self.clinic.product.urls.owner}
        return CliRunner().invoke(app, ["intake", "fhir", *common, *options, *map(str, files)], env=owner)

    def key(self, external_id: str) -> str:
        return patient_key(settings.settings().master_secret, self.clinic.tenant_id, SOURCE, external_id)

    def patient(self, external_id: str) -> Any:
        """The row of the context."""
        (row,) = self.clinic.sql(
            "SELECT * FROM patient_context WHERE tenant_id = :tenant AND patient_key = :key",
            key=self.key(external_id),
        )
        return row

    def signals(self, external_id: str) -> dict[str, tuple[str, dict[str, Any]]]:
        """What this intake's source says, by code."""
        found = self.clinic.sql(
            """SELECT * FROM patient_signal WHERE tenant_id = :tenant AND patient_context_id = :context
               AND source_system = :source""",
            context=self.patient(external_id).patient_context_id,
            source=SOURCE,
        )
        return {row.code: (row.status, row.detail_json) for row in found}

    def everything(self) -> dict[str, list[str]]:
        """Every row of every table of the tenant, as text."""
        return {
            name: [
                row[0]
                for row in self.clinic.sql(
                    f"SELECT t::text FROM {name} t WHERE t.tenant_id = :tenant ORDER BY 1"  # noqa: S608 -- our own names
                )
            ]
            for name, table in metadata.tables.items()
            if "tenant_id" in table.columns
        }

    def like(self, number: int) -> dict[str, Any]:
        """The Patient of whom the clinic's snapshot could have been made."""
        known = self.clinic.patients[number]
        given, _, family = known.display_name.partition(" ")
        return patient(
            number,
            identifier=[{"type": MR_TYPE, "value": known.external_id}],
            name=[{"use": "usual", "given": [given], "family": family}],
            birthDate=known.dob.isoformat(),
        )


@pytest.fixture
def desk(clinic: Clinic) -> Desk:
    return Desk(clinic)


# Coming in ----------------------------------------------------------------------------------------------


def test_a_patient_comes_in_whole_with_tokens_masked_id_signals_and_one_event(
    desk: Desk, tmp_path: Path
) -> None:
    # The order of files and resources is free: what is told about a patient may come before the patient.
    money = write_lines(
        tmp_path / "money.ndjson", coverage(1, end=day(-3)), claim_response(1, "197"), account(1)
    )
    people = write_json(tmp_path / "people.json", bundle(patient(1), appointment(1), base=None))
    said = desk.intake(money, people)
    assert "Patients: 1 new, 0 changed, 0 unchanged." in said
    assert "Signals: 4 set, 1 resolved." in said
    row = desk.patient(mrn(1))
    assert (row.version, row.reassess_at, row.ledger_seq) == (0, None, 1)
    assert desk.signals(mrn(1)) == {
        "appointment.upcoming": ("active", {"starts_on": day(5)}),
        "balance.outstanding": ("active", {"amount_minor": 12_550, "currency": "USD"}),
        "claim.denied": ("active", {"denied_on": day(-10), "reason": "no authorization"}),
        "coverage.expiring": ("resolved", {}),
        "coverage.inactive": ("active", {"ended_on": day(-3)}),
    }
    context = row.patient_context_id
    ((name, label, id_masked, dob),) = desk.clinic.sql(
        """SELECT display_name, id_label, id_masked, dob FROM patient_snapshot
           WHERE tenant_id = :tenant AND patient_context_id = :context""",
        context=context,
    )
    assert (name, label, id_masked) == ("Orlaith Mira Zyntherson1", "MRN", f"····{mrn(1)[-4:]}")
    assert dob.isoformat() == patient(1)["birthDate"]
    ((event, version, payload),) = desk.clinic.sql(
        """SELECT event_type, version, payload_json FROM event_log
           WHERE tenant_id = :tenant AND patient_context_id = :context""",
        context=context,
    )
    assert (event, version) == ("Patient.Updated", None)
    assert payload == {"snapshot_version": 1, "changed_signals": sorted(desk.signals(mrn(1)))}
    assert not desk.clinic.outbox(context)


def test_who_came_in_is_shown_with_what_the_policy_makes_of_it(desk: Desk, tmp_path: Path) -> None:
    desk.intake(write_lines(tmp_path / "all.ndjson", patient(1), coverage(1, end=day(-3))))
    state = desk.clinic.answer("mini/status", {"session_id": "s", "patient_key": desk.key(mrn(1))})
    assert state["proceed"]["color"] == "yellow"
    assert "Coverage ended" in str(state["tasking"])


def test_the_same_files_again_change_nothing(desk: Desk, tmp_path: Path) -> None:
    resources = [patient(n) for n in range(1, 6)]
    resources += [coverage(n, end=day(n * 20 - 30)) for n in range(1, 6)]
    resources += [patient(6, telecom=[]), eligibility(2), appointment(3), explanation(4, owed=3), claim(5)]
    files = [write_lines(tmp_path / "all.ndjson", *resources)]
    files.append(write_json(tmp_path / "synthea.json", json.loads((DATA / "synthea_like.json").read_text())))
    desk.intake(*files)
    before = desk.everything()
    assert "Patients: 0 new, 0 changed, 7 unchanged." in desk.intake(*files)
    assert "Signals: 0 set, 0 resolved." in desk.intake(*reversed(files))
    assert desk.everything() == before


def test_two_intakes_of_the_same_files_at_once_both_end_well(desk: Desk, tmp_path: Path) -> None:
    people = [each for n in range(700) for each in (patient(n), coverage(n, end=day(5)))]
    path = write_lines(tmp_path / "all.ndjson", *people)
    other_order = write_lines(tmp_path / "rev.ndjson", *reversed(people))
    reports = at_once(desk.clinic, [path], [other_order])
    total = reports[0].patients + reports[1].patients
    assert total[Fate.NEW] == 700
    assert total[Fate.UNCHANGED] == 700
    assert desk.clinic.count("patient_context") == 700 + len(desk.clinic.patients)
    assert desk.clinic.count("event_log", "event_type = 'Patient.Updated'") == 700


def at_once(clinic: Clinic, *runs: list[Path]) -> list[Report]:
    """Takes each list of files in, all at the same time."""
    engine = create_engine(driver_url(clinic.product.urls.owner))
    reports = [Report(find_sources(files)) for files in runs]
    failures: list[BaseException] = []

    def run(files: list[Path], report: Report) -> None:
        try:
            take_in(intake_of(clinic, engine), find_sources(files), report, lambda _: None)
        except BaseException as error:  # noqa: BLE001 -- whatever it is, the test tells it
            failures.append(error)

    threads = [threading.Thread(target=run, args=pair) for pair in zip(runs, reports, strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    engine.dispose()
    assert not failures
    return reports


def intake_of(clinic: Clinic, engine: Engine) -> Intake:
    return Intake(
        engine=engine,
        scope=Scope(
            tenant_id=clinic.tenant_id,
            source_system=SOURCE,
            session_idle_s=1800,
            correlation_id=CorrelationId(uuid4()),
            now=datetime.now(UTC),
        ),
        naming=Naming(
            master=settings.settings().master_secret,
            tenant_id=clinic.tenant_id,
            source_system=SOURCE,
            asked=None,
        ),
        as_of=AS_OF,
    )


# Changes ------------------------------------------------------------------------------------------------


def test_a_changed_coverage_asks_for_a_new_decision_where_somebody_is_looking(
    desk: Desk, tmp_path: Path
) -> None:
    people = [desk.like(GREEN), desk.like(BY_HAND)]
    covered = write_lines(tmp_path / "before.ndjson", *people, coverage(GREEN), coverage(BY_HAND))
    desk.intake(covered)
    desk.clinic.status(GREEN)
    before = {number: desk.clinic.context_row(number) for number in (GREEN, BY_HAND)}
    ended = [coverage(number, end=day(-1)) for number in (GREEN, BY_HAND)]
    said = desk.intake(write_lines(tmp_path / "after.ndjson", *people, *ended))
    assert "Patients: 0 new, 2 changed, 0 unchanged." in said
    assert "Signals: 2 set, 0 resolved." in said
    watched, alone = (desk.clinic.context_row(number) for number in (GREEN, BY_HAND))
    assert watched.reassess_at is not None
    assert alone.reassess_at is None
    # Facts alone change nothing that is shown: the decision will, under the patient's lock.
    assert watched.version == before[GREEN].version > 0
    assert watched.ledger_seq == before[GREEN].ledger_seq + 1
    assert desk.clinic.chain_holds(GREEN)
    event = desk.clinic.events(GREEN)[-1]
    assert (event.event_type, event.version) == ("Patient.Updated", None)
    assert event.payload_json == {"snapshot_version": 1, "changed_signals": ["coverage.inactive"]}
    # The timer decides anew, so that an open Mini turns yellow without anybody asking.
    assert sweep(desk.clinic.product)["reassessed"] >= 1
    decided = desk.clinic.context_row(GREEN)
    assert (decided.version, decided.reassess_at) == (watched.version + 1, None)
    ((indicator,),) = desk.clinic.sql(
        """SELECT proceed_indicator FROM system_response WHERE tenant_id = :tenant
           AND patient_context_id = :context ORDER BY computed_at DESC LIMIT 1""",
        context=desk.clinic.context(GREEN),
    )
    assert indicator == "yellow"


def test_a_tab_that_is_closed_or_idle_watches_nobody(desk: Desk, tmp_path: Path) -> None:
    for number in (GREEN, BY_HAND):
        desk.clinic.status(number, headers={})
    desk.clinic.sql(
        """UPDATE invocation SET last_seen_at = now() - interval '31 minutes'
           WHERE tenant_id = :tenant AND patient_context_id = :context""",
        context=desk.clinic.context(GREEN),
    )
    desk.clinic.sql(
        """UPDATE invocation SET status = 'closed'
           WHERE tenant_id = :tenant AND patient_context_id = :context""",
        context=desk.clinic.context(BY_HAND),
    )
    ended = [coverage(number, end=day(-1)) for number in (GREEN, BY_HAND)]
    desk.intake(write_lines(tmp_path / "all.ndjson", desk.like(GREEN), desk.like(BY_HAND), *ended))
    assert [desk.clinic.context_row(number).reassess_at for number in (GREEN, BY_HAND)] == [None, None]


def test_a_changed_snapshot_is_a_new_version_of_it_and_of_what_was_shown(desk: Desk, tmp_path: Path) -> None:
    desk.clinic.status(GREEN)
    desk.clinic.sql("DELETE FROM outbox WHERE tenant_id = :tenant")
    changed = [desk.like(n) | {"name": [{"given": ["Maren"], "family": "Newname"}]} for n in (GREEN, BY_HAND)]
    desk.intake(write_lines(tmp_path / "all.ndjson", *changed))
    shown, unseen = (desk.clinic.context_row(number) for number in (GREEN, BY_HAND))
    assert (shown.version, unseen.version) == (2, 0)
    assert [row.version for row in desk.clinic.outbox(desk.clinic.context(GREEN))] == [2]
    assert not desk.clinic.outbox(desk.clinic.context(BY_HAND))
    assert [desk.clinic.events(n)[-1].version for n in (GREEN, BY_HAND)] == [2, None]
    assert shown.version_head == desk.clinic.events(GREEN)[-1].hash
    assert desk.clinic.chain_holds(GREEN)
    for number in (GREEN, BY_HAND):
        names = desk.clinic.sql(
            """SELECT display_name FROM patient_snapshot WHERE tenant_id = :tenant
               AND patient_context_id = :context ORDER BY snapshot_version""",
            context=desk.clinic.context(number),
        )
        assert [row[0] for row in names] == [desk.clinic.patients[number].display_name, "Maren Newname"]
        terms = desk.clinic.sql(
            """SELECT term FROM patient_search_term WHERE tenant_id = :tenant
               AND patient_context_id = :context""",
            context=desk.clinic.context(number),
        )
        old = search_terms(desk.clinic.patients[number].display_name, None)
        assert {"maren", "newname", *old} < {row[0] for row in terms}


def test_what_no_resource_tells_stays_as_it_was(desk: Desk, tmp_path: Path) -> None:
    desk.intake(write_lines(tmp_path / "1.ndjson", patient(1), coverage(1, end=day(-3)), appointment(1)))
    before = desk.signals(mrn(1))
    desk.intake(write_lines(tmp_path / "2.ndjson", patient(1), account(1)))
    assert desk.signals(mrn(1)).items() > before.items()
    # The observation of what is the same is not made younger either.
    desk.intake(
        write_lines(
            tmp_path / "3.ndjson", patient(1), account(1, meta={"lastUpdated": f"{day(0)}T00:00:00Z"})
        )
    )
    ((observed_at,),) = desk.clinic.sql(
        """SELECT observed_at FROM patient_signal WHERE tenant_id = :tenant AND code = 'balance.outstanding'
           AND patient_context_id = :context AND source_system = :source""",
        context=desk.patient(mrn(1)).patient_context_id,
        source=SOURCE,
    )
    assert abs(observed_at - datetime.now(UTC)) < timedelta(minutes=5)


def test_of_two_patients_with_one_number_the_newer_counts_each_time(desk: Desk, tmp_path: Path) -> None:
    newer = patient(1, meta={"lastUpdated": "2026-02-02T00:00:00Z"})
    older = patient(1, meta={"lastUpdated": "2026-02-01T00:00:00Z"}, name=[{"family": "Before"}])
    path = write_lines(tmp_path / "all.ndjson", newer, older)
    assert "1 new, 0 changed, 0 unchanged" in desk.intake(path)
    assert "0 new, 0 changed, 1 unchanged" in desk.intake(path)
    assert desk.clinic.count("patient_snapshot", "display_name = 'Orlaith Mira Zyntherson1'") == 1


# What does not go in ------------------------------------------------------------------------------------


def test_a_broken_resource_is_told_without_values_and_the_rest_goes_in(desk: Desk, tmp_path: Path) -> None:
    broken = [
        patient(2, birthDate="SECRET-4711"),
        coverage(1, status="SECRET-4711"),
        '{"resourceType": "Patient", "id": "SECRET-4711"',
        {
            "resourceType": "Coverage",
            "beneficiary": {"reference": "Patient/SECRET-4711"},
            "payor": [],
            "kind": "x",
        },
    ]
    path = write_lines(tmp_path / "all.ndjson", patient(1), *broken, account(1))
    copy = tmp_path / "report.ndjson"
    said = desk.intake(path, status=2, options=("--report", str(copy)))
    assert "Patients: 1 new" in said
    assert "Refused: 4." in said
    assert f"{path}, line 2, Patient: birthDate is not a date" in said
    assert f"{path}, line 3, Coverage: status is not a code that R4 has for it" in said
    assert f"{path}, line 4: is not a JSON object" in said
    assert f"{path}, line 5, Coverage: " in said
    lines = [json.loads(line) for line in copy.read_text().splitlines()]
    assert [line["line"] for line in lines] == [2, 3, 4, 5]
    assert {line["fate"] for line in lines} == {"refused"}
    assert "SECRET" not in said + copy.read_text()
    assert "balance.outstanding" in desk.signals(mrn(1))


def test_of_many_refusals_the_first_are_told_and_all_are_counted(desk: Desk, tmp_path: Path) -> None:
    path = write_lines(tmp_path / "all.ndjson", patient(1), *("{" for _ in range(30)))
    said = desk.intake(path, status=2)
    assert said.count("is not a JSON object") == 20
    assert "Refused: 30." in said
    assert "and 10 more; --report FILE tells all." in said


def test_what_refers_to_nobody_here_is_left_out_and_told(desk: Desk, tmp_path: Path) -> None:
    inside = coverage(
        5, beneficiary={"reference": "#who"}, contained=[{"resourceType": "Patient", "id": "who"}]
    )
    path = write_lines(
        tmp_path / "all.ndjson",
        patient(1),
        coverage(9),
        account(1, subject=[]),
        inside,
        coverage(1, status="draft"),
        {"resourceType": "Observation", "status": "final", "code": {"text": "x"}},
    )
    copy = tmp_path / "report.ndjson"
    said = desk.intake(path, options=("--report", str(copy)))
    assert "Left out: 5." in said
    assert "its patient isn't in these files: 1 Coverage" in said
    assert "names no patient: 1 Account" in said
    assert "names a patient that is only inside itself: 1 Coverage" in said
    assert "a draft: 1 Coverage" in said
    assert "of types that Mobius doesn't take in: 1 Observation" in said
    told = {line["line"]: line["reason"] for line in map(json.loads, copy.read_text().splitlines())}
    assert set(told) == {2, 3, 4, 5}


def test_a_patient_of_an_earlier_intake_is_known_by_the_external_id(desk: Desk, tmp_path: Path) -> None:
    desk.intake(write_lines(tmp_path / "1.ndjson", patient(1)))
    by_number = {"identifier": {"type": MR_TYPE, "value": mrn(1)}}
    nobody = {"identifier": {"type": MR_TYPE, "value": "0"}}
    later = write_lines(
        tmp_path / "2.ndjson", coverage(1, end=day(-3), beneficiary=by_number), account(2, subject=[nobody])
    )
    said = desk.intake(later)
    assert "Patients: 0 new, 1 changed, 0 unchanged." in said
    assert "its patient is neither in these files nor known from before: 1 Account" in said
    assert desk.signals(mrn(1))["coverage.inactive"] == ("active", {"ended_on": day(-3)})


def test_one_name_for_two_patients_means_neither(desk: Desk, tmp_path: Path) -> None:
    files = [
        write_lines(
            tmp_path / f"{n}.ndjson",
            patient(n, id="same"),
            coverage(n, beneficiary={"reference": "Patient/same"}),
        )
        for n in (1, 2)
    ]
    said = desk.intake(*files)
    assert "Patients: 2 new" in said
    assert "several patients go by the name that it refers to: 2 Coverage" in said
    # Each in a bundle of its own, the reference means the bundle's.
    bundles = [
        write_json(
            tmp_path / f"{n}.json",
            bundle(patient(n, id="same"), coverage(n, beneficiary={"reference": "Patient/same"}), base=None),
        )
        for n in (1, 2)
    ]
    assert "Left out" not in desk.intake(*bundles)


def test_one_number_in_two_identifier_systems_is_not_one_patient(desk: Desk, tmp_path: Path) -> None:
    other = patient(2, identifier=[{"system": "urn:other", "value": mrn(1)}])
    said = desk.intake(write_lines(tmp_path / "all.ndjson", patient(1), other), status=2)
    assert "Patients: 1 new" in said
    assert "has the same number as a Patient with another identifier system" in said


@pytest.mark.parametrize("name", ["synthea_like.json", "published_like.json"])
def test_files_that_were_not_made_for_mobius_go_in(desk: Desk, name: str) -> None:
    said = desk.intake(DATA / name)
    assert "Refused" not in said
    assert "of types that Mobius doesn't take in" in said


def test_nothing_of_a_patient_is_anywhere_but_in_snapshot_and_search(desk: Desk, tmp_path: Path) -> None:
    marker = "Qzxjmarker"
    person = patient(
        1,
        id=f"{marker}-id",
        identifier=[{"type": MR_TYPE, "system": f"urn:{marker}", "value": f"{marker}-4711"}],
        name=[{"family": marker, "given": [marker]}],
    )
    who = {"reference": f"Patient/{marker}-id", "display": marker}
    text = {"text": marker}
    resources = [
        person,
        coverage(1, end=day(-3), beneficiary=who, type=text, payor=[{"display": marker}]),
        claim_response(1, "197", patient=who, disposition=f"denied for {marker}", type=text),
        claim(1, use="preauthorization", patient=who, type=text),
        account(1, subject=[who], name=marker, description=marker),
        appointment(1, description=marker, participant=[{"actor": who, "status": "accepted"}]),
        patient(3, name=marker),
        coverage(3, beneficiary={"reference": f"Patient/{marker}-nobody"}),
    ]
    copy = tmp_path / "report.ndjson"
    said = desk.intake(
        write_lines(tmp_path / "all.ndjson", *resources), status=2, options=("--report", str(copy))
    )
    held = {name for name, rows in desk.everything().items() for row in rows if marker.lower() in row.lower()}
    assert held == {"patient_snapshot", "patient_search_term"}
    assert marker not in said + copy.read_text()
    # The whole external id is in none of them, the resource's id neither.
    for ending in ("-4711", "-id"):
        assert not [
            r for rows in desk.everything().values() for r in rows if f"{marker}{ending}".lower() in r.lower()
        ]


# Asked wrongly ------------------------------------------------------------------------------------------


def test_wrong_input_does_nothing_and_says_what_to_do(desk: Desk, tmp_path: Path) -> None:
    good = write_lines(tmp_path / "good.ndjson", patient(1))
    r5 = write_json(
        tmp_path / "r5.json",
        bundle(
            {"resourceType": "Coverage", "status": "active", "kind": "insurance", "beneficiary": about(1)}
        ),
    )
    before = desk.everything()
    cases: list[tuple[tuple[Path, ...], tuple[str, ...], str]] = [
        ((good, tmp_path / "no.json"), (), "does not exist"),
        ((good, r5), (), f"{r5} is of FHIR R5: export R4"),
        ((good,), ("--source-system", "other"), "The policy allows: demo_ehr."),
        ((good,), ("--tenant", str(uuid4())), "There is no such tenant"),
        ((good,), ("--report", str(tmp_path)), "can't be written"),
    ]
    for files, options, says in cases:
        assert says in desk.intake(*files, status=1, options=options)
    assert desk.everything() == before


def test_a_file_that_changes_between_its_readings_is_refused(clinic: Clinic, tmp_path: Path) -> None:
    path = write_lines(tmp_path / "all.ndjson", patient(1))
    sources = find_sources([path])
    engine = create_engine(driver_url(clinic.product.urls.owner))
    before = clinic.count("patient_context")

    def change() -> None:
        write_lines(path, patient(2))

    with pytest.raises(Refused, match="was changed while it was read"):
        take_in(intake_of(clinic, engine), sources, Report(sources), lambda _: change())
    engine.dispose()
    assert clinic.count("patient_context") == before


def test_the_identifier_system_that_was_asked_for_is_the_external_id(desk: Desk, tmp_path: Path) -> None:
    person = patient(1, identifier=[{"system": "urn:a", "value": "A1"}, {"system": "urn:b", "value": "B2"}])
    other = patient(2)
    path = write_lines(tmp_path / "all.ndjson", person, other)
    said = desk.intake(path, status=2, options=("--identifier-system", "urn:b"))
    assert "has no identifier of the system that --identifier-system names" in said
    assert desk.patient("B2")
    desk.intake(path, options=("--identifier-system", "resource-id"))
    assert desk.patient("pat-1")
