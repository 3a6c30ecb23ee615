"""Who a Patient is, whom a reference means, and how dates and amounts are read."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops.intake.dates import exact_day, first_day, last_day, moment
from ops.intake.elements import Identifier, Money, Reference
from ops.intake.identity import Naming
from ops.intake.judging import judge
from ops.intake.money import minor_units
from ops.intake.patients import RESOURCE_ID, external_id, masked, missing_details, shown
from ops.intake.references import last_words, may_be_patient, meanings_of, names_of
from ops.intake.resources import Patient, Resource
from shared.decisions.wording import render
from shared.model import TenantId
from tests import fhir_files as make
from tests.fhir_files import MRN_SYSTEM, patient


def judged(content: dict[str, Any]) -> Resource:
    verdict = judge(content["resourceType"], content)
    assert verdict.resource is not None, verdict.reason
    return verdict.resource


def a_patient(**fields: Any) -> Patient:
    found = judged(patient(1, **fields))
    assert isinstance(found, Patient)
    return found


# Who a Patient is --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("identifiers", "asked", "value", "label"),
    [
        ([{"value": "A1"}, {"type": make.MR_TYPE, "value": " B2 "}], None, "B2", "MRN"),
        ([{"value": "A1", "type": {"text": "Chart"}}, {"value": "C3"}], None, "A1", "Chart"),
        ([{"value": "A1", "type": {"coding": [{"code": "PI"}]}}], None, "A1", "PI"),
        ([{"value": "A1", "use": "old"}, {"value": "D4"}], None, "D4", "ID"),
        ([{"system": "urn:x", "value": "E5"}, {"type": make.MR_TYPE, "value": "B2"}], "urn:x", "E5", "ID"),
        ([{"type": make.MR_TYPE, "value": "B2"}], RESOURCE_ID, "pat-1", "ID"),
        ([{"type": make.MR_TYPE}], None, "pat-1", "ID"),
        ([{"type": {"coding": [{"code": "SS"}]}, "value": "N1"}, {"value": "D4"}], None, "D4", "ID"),
        ([{"system": "http://hl7.org/fhir/sid/us-ssn", "value": "N1"}], None, "pat-1", "ID"),
        ([{"system": "urn:oid:2.16.840.1.113883.4.3.25", "value": "N1"}], None, "pat-1", "ID"),
        ([{"system": "urn:ssn", "type": {"coding": [{"code": "NI"}]}, "value": "N1"}], "urn:ssn", "N1", "NI"),
        ([], None, "pat-1", "ID"),
    ],
)
def test_the_external_id_is_the_identifier_that_pages_name_a_patient_by(
    identifiers: list[dict[str, Any]], asked: str | None, value: str, label: str
) -> None:
    found = external_id(a_patient(identifier=identifiers), asked)
    assert found is not None
    assert (found.value, found.label) == (value, label)


def test_without_the_identifier_that_was_asked_for_there_is_no_id() -> None:
    assert external_id(a_patient(), "urn:other") is None
    assert external_id(Patient(), None) is None


@pytest.mark.parametrize(
    ("value", "seen"),
    [
        ("1234567", "····4567"),
        ("123456", "····456"),
        ("1234", "····34"),
        ("12", "····2"),
        ("1", "····"),
        ("", "····"),
    ],
)
def test_a_masked_id_shows_at_most_half_of_a_short_one(value: str, seen: str) -> None:
    assert masked(value) == seen


@given(st.text(min_size=1))
def test_a_masked_id_is_never_the_whole_id(value: str) -> None:
    assert len(masked(value)) <= 8
    assert value.strip() == "" or value.strip() not in masked(value).removeprefix("····")


def test_a_name_is_shown_on_one_line_without_what_no_database_takes() -> None:
    external = external_id(a_patient(), None)
    assert external is not None
    names: list[tuple[list[dict[str, Any]], str | None]] = [
        (
            [{"use": "official", "family": "B"}, {"use": "usual", "given": ["A", "A2"], "family": "B"}],
            "A A2 B",
        ),
        ([{"use": "maiden", "family": "Old"}, {"text": "Only Text"}], "Only Text"),
        (
            [{"use": "official", "family": "Nul\x00l", "given": ["Line\nbreak", "\u202eback"]}],
            "Line break back Nul l",
        ),
        ([{"use": "old", "family": "Gone"}], None),
        ([{"given": [None, "Second"], "_given": [{"id": "x"}, None]}], "Second"),
        ([], None),
    ]
    for name, seen in names:
        assert shown(a_patient(name=name), external).display_name == seen


def test_only_a_whole_date_of_birth_is_shown() -> None:
    external = external_id(a_patient(), None)
    assert external is not None
    assert shown(a_patient(birthDate="1970-05-06"), external).dob == date(1970, 5, 6)
    for partial in ("1970-05", "1970"):
        assert shown(a_patient(birthDate=partial), external).dob is None


def test_what_a_front_desk_would_have_to_ask_for_is_told_in_our_words() -> None:
    assert missing_details(a_patient()) == ()
    bare = a_patient(name=[], telecom=[{"system": "email", "value": "a@b"}], birthDate="1970", address=[])
    assert missing_details(bare) == ("name", "date of birth", "phone number", "postal address")
    assert missing_details(a_patient(telecom=[], deceasedBoolean=True)) == ()
    moved = a_patient(
        telecom=[{"system": "phone", "value": "1", "use": "old"}], address=[{"use": "old", "city": "X"}]
    )
    assert missing_details(moved) == ("phone number", "postal address")


# References --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("full_url", "bundle", "reference", "from_url"),
    [
        (None, None, "Patient/1", None),
        (None, None, "Patient/1/_history/3", None),
        (None, None, "https://ehr.example/fhir/Patient/1", None),
        ("urn:uuid:AB", "0:", "urn:uuid:ab", "urn:uuid:cd"),
        ("https://a.example/Patient/1", "0:", "Patient/1", "https://a.example/Coverage/2"),
        ("https://a.example/Patient/1", "0:", "https://a.example/Patient/1", None),
        ("https://a.example/Patient/1", "0:", "Patient/1", "urn:uuid:cd"),
    ],
)
def test_a_reference_finds_its_patient(
    full_url: str | None, bundle: str | None, reference: str, from_url: str | None
) -> None:
    names = names_of("Patient", "1", full_url, bundle)
    assert set(names) & set(meanings_of(reference, from_url, bundle))


@pytest.mark.parametrize(
    ("full_url", "reference", "from_url"),
    [
        ("https://a.example/Patient/1", "https://b.example/Patient/1", None),
        ("https://a.example/Patient/1", "Patient/1", "https://b.example/Coverage/2"),
        (None, "Patient/2", None),
        (None, "#1", None),
        (None, "", None),
    ],
)
def test_a_reference_does_not_find_another_servers_patient(
    full_url: str | None, reference: str, from_url: str | None
) -> None:
    names = names_of("Patient", "1", full_url, None)
    assert not set(names) & set(meanings_of(reference, from_url, None))


def test_inside_a_bundle_a_reference_means_the_bundles_own_patient_first() -> None:
    own = set(names_of("Patient", "1", None, "0:"))
    other = set(names_of("Patient", "1", None, "1:"))
    meanings = meanings_of("Patient/1", None, "0:")
    assert meanings[0] in own - other
    assert meanings[-1] in own & other


def test_references_say_what_they_can_point_at() -> None:
    assert last_words("https://a.example/fhir/Claim/7/_history/2") == "Claim/7"
    assert may_be_patient(Reference(reference="Patient/1"))
    assert may_be_patient(Reference(reference="urn:uuid:1"))
    assert may_be_patient(Reference(identifier=Identifier(value="1")))
    assert not may_be_patient(Reference(reference="Practitioner/1"))
    assert not may_be_patient(Reference(reference="urn:uuid:1", type="Practitioner"))


@pytest.mark.parametrize(
    ("reference", "asked"),
    [
        (Reference(identifier=Identifier(system=MRN_SYSTEM, value="77")), MRN_SYSTEM),
        (Reference(reference=f"Patient?identifier={MRN_SYSTEM}|77"), MRN_SYSTEM),
        (Reference(reference="Patient/77"), RESOURCE_ID),
    ],
)
def test_a_reference_by_the_external_id_needs_no_patient_in_the_files(
    reference: Reference, asked: str
) -> None:
    tenant_id = TenantId(UUID(int=1))
    naming = Naming(master=b"m" * 32, tenant_id=tenant_id, source_system="ehr", asked=asked)
    same = external_id(a_patient(id="77", identifier=[{"system": MRN_SYSTEM, "value": "77"}]), asked)
    assert same is not None
    assert naming.meaning(reference, None, None).key == naming.key(same)
    assert "77" not in naming.key(same)


# Dates and amounts -------------------------------------------------------------------------------------


def test_partial_dates_begin_early_and_end_late() -> None:
    assert (first_day("2026"), last_day("2026")) == (date(2026, 1, 1), date(2026, 12, 31))
    assert (first_day("2024-02"), last_day("2024-02")) == (date(2024, 2, 1), date(2024, 2, 29))
    assert last_day("2026-03-04T23:59:59-05:00") == date(2026, 3, 4)
    assert exact_day("2026-03") is None


@given(st.none() | st.text(max_size=12) | st.dates().map(str) | st.datetimes().map(lambda d: d.isoformat()))
def test_whatever_a_date_says_nothing_is_raised(text: str | None) -> None:
    for read in (first_day, last_day, exact_day, moment):
        read(text)


@pytest.mark.parametrize("written", ["USD 12.50", "EUR 12.50", "INR 12.50", "JPY 13", "XOF 13", "KWD 12.500"])
def test_amounts_are_in_the_units_that_sentences_are_written_in(written: str) -> None:
    found = minor_units(Money(value=Decimal("12.5"), currency=written[:3]))
    assert found is not None
    assert render("{amount_minor:money}", {"amount_minor": found[0], "currency": found[1]}) == written


@pytest.mark.parametrize(
    ("value", "currency"), [("1e999999999", "USD"), ("NaN", "USD"), ("1", None), ("1", "usd")]
)
def test_amounts_that_no_bill_has_are_none(value: str, currency: str | None) -> None:
    assert minor_units(Money(value=Decimal(value), currency=currency)) is None
