"""What waits until a patient comes by: resolved by names, and on no disk that anybody could read."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ops.intake.facts import AppointmentFact, Stamp
from ops.intake.reading import Place
from ops.intake.staging import Chosen, Meaning, Staging
from shared.model import PatientKey

A, B, C = (PatientKey(key) for key in "abc")
PLACE = Place(0, 1)


@pytest.fixture
def staging() -> Iterator[Staging]:
    made = Staging()
    yield made
    made.close()


def tell(
    staging: Staging, *names: str, key: PatientKey | None = None, place: Place = PLACE
) -> AppointmentFact:
    fact = AppointmentFact(stamp=Stamp(names=(f"n{place}",), updated=None), on=None, created=None)
    staging.add_fact(fact, "Appointment", place, [Meaning(names, key)])
    return fact


def test_the_likeliest_meaning_that_is_anybodys_counts(staging: Staging) -> None:
    staging.add_patient(A, "s", ["Patient/1"], None, (0, 1))
    staging.add_patient(B, "s", ["in-bundle Patient/1"], None, (0, 2))
    told = tell(staging, "in-bundle Patient/1", "Patient/1")
    tell(staging, "Patient/9", "Patient/1", key=C, place=Place(0, 2))
    tell(staging, "Patient/9", key=C, place=Place(0, 3))
    staging.resolve()
    found = staging.facts_of([A, B, C])
    assert {key: len(facts) for key, facts in found.items()} == {A: 1, B: 1, C: 1}
    assert found[B] == [told]
    assert list(staging.strangers()) == [C]
    assert list(staging.resources_about(C)) == [("Appointment", Place(0, 3))]
    assert list(staging.unresolved()) == []


def test_a_name_of_two_patients_is_nobodys_and_told_as_such(staging: Staging) -> None:
    for number, key in enumerate((A, B)):
        staging.add_patient(key, "s", ["Patient/1", "Patient/1"], None, (0, number))
    tell(staging, "Patient/1")
    tell(staging, "Patient/2", place=Place(0, 2))
    staging.resolve()
    assert list(staging.unresolved()) == [
        ("Appointment", Place(0, 1), True),
        ("Appointment", Place(0, 2), False),
    ]


def test_a_resource_about_several_is_unresolved_only_if_none_is_here(staging: Staging) -> None:
    staging.add_patient(A, "s", ["Patient/1"], None, (0, 1))
    fact = AppointmentFact(stamp=Stamp(names=("n",), updated=None), on=None, created=None)
    staging.add_fact(
        fact, "Appointment", PLACE, [Meaning(("Patient/2",), None), Meaning(("Patient/1",), None)]
    )
    staging.resolve()
    assert list(staging.unresolved()) == []
    assert staging.facts_of([A]) == {A: [fact]}


def test_of_a_patient_the_newest_version_is_chosen_else_the_last(staging: Staging) -> None:
    newer, older = (datetime(2026, 1, day, tzinfo=UTC) for day in (2, 1))
    for number, updated in enumerate((older, newer, older)):
        assert staging.add_patient(A, "s", [], updated, (0, number))
    for number in (3, 4):
        assert staging.add_patient(B, "s", [], None, (0, number))
    assert not staging.add_patient(B, "other", [], None, (0, 5))
    assert list(staging.chosen(0)) == [Chosen(0, 1, A), Chosen(0, 4, B)]
    assert list(staging.chosen(1)) == []


def test_what_is_staged_has_no_name_on_disk(staging: Staging, tmp_path: Path) -> None:
    for number in range(20_000):
        tell(staging, f"Patient/SECRET{number}", place=Place(0, number))
    open_files = [link.readlink() for link in Path("/proc/self/fd").iterdir() if link.is_symlink()]
    spilled = [str(file) for file in open_files if "etilqs" in str(file)]
    assert spilled
    assert all(file.endswith("(deleted)") for file in spilled)
    assert staging.hashed("Patient/1") != Staging().hashed("Patient/1")
