"""`mobius intake fhir` on the real database: what does not go in, and what never leaves the files."""

from __future__ import annotations

import json
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import create_engine

from ops.installation import Refused
from ops.intake.report import Report
from ops.intake.run import take_in
from ops.intake.sources import find_sources
from shared.persistence.database import driver_url
from tests.fhir_files import (
    MR_TYPE,
    about,
    account,
    appointment,
    bundle,
    claim,
    claim_response,
    coverage,
    day,
    mrn,
    patient,
    write_json,
    write_lines,
)
from tests.integration.intake_desk import Desk, intake_of
from tests.integration.product import Clinic

DATA = Path(__file__).parents[1] / "data" / "fhir"

pytestmark = pytest.mark.usefixtures("held")


@pytest.fixture
def desk(clinic: Clinic) -> Desk:
    return Desk(clinic)


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
    assert "its patient isn't in these files, or didn't go in: 1 Coverage" in said
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


def test_a_patient_without_id_and_identifier_is_left_out(desk: Desk, tmp_path: Path) -> None:
    nameless = patient(1)
    del nameless["id"], nameless["identifier"]
    posted = {
        "fullUrl": "urn:uuid:61ebe359-bfdc-4613-8bf2-c5e300945f0a",
        "resource": nameless,
        "request": {"method": "POST", "url": "Patient"},
    }
    bare = [{"request": {"method": "DELETE", "url": f"Patient/{number}"}} for number in (1, 2)]
    transaction = {"resourceType": "Bundle", "type": "transaction", "entry": [posted, *bare]}
    said = desk.intake(write_json(tmp_path / "all.json", transaction))
    assert "has neither an id nor an identifier that counts: 1 Patient" in said
    assert "Mobius deletes nothing: 2 deletions" in said


def test_an_extension_in_place_of_a_status_is_left_out_with_that_reason(desk: Desk, tmp_path: Path) -> None:
    absent = coverage(1, _status={"extension": [{"url": "urn:x", "valueCode": "unknown"}]})
    del absent["status"]
    said = desk.intake(write_lines(tmp_path / "all.ndjson", patient(1), absent))
    assert "has only an extension in place of status: 1 Coverage" in said


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
        ((good,), ("--identifier-system", "urn:mistyped"), "No Patient in these files has an identifier"),
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
    said = desk.intake(path, options=("--identifier-system", "urn:b"))
    assert "1 Patient" in said
    assert "has no identifier of the system that --identifier-system names" in said
    assert desk.patient("B2")
    desk.intake(path, options=("--identifier-system", "resource-id"))
    assert desk.patient("pat-1")
