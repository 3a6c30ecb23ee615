"""A resource is judged by the FHIR library, and what is wrong is told without values."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops.intake.judging import judge
from ops.intake.resources import Resource
from tests import fhir_files as make
from tests.fhir_files import coverage, patient
from tests.fhir_population import synthea_like

SECRET = "Zyntherson-4711"


def judged(content: dict[str, Any]) -> Resource:
    verdict = judge(content["resourceType"], content)
    assert verdict.resource is not None, verdict.reason
    return verdict.resource


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"birthDate": SECRET}, "birthDate is not a date"),
        ({"birthDate": "1970-02-30"}, "birthDate is not a date"),
        ({"name": SECRET}, "name is not a list"),
        ({"name": [{"family": ["x"]}]}, "name[0].family is not text"),
        ({"id": f"{SECRET}!"}, "id is not in the form that R4 asks for"),
        ({SECRET: "x"}, "has an element that R4 doesn't know"),
        ({"name": [{SECRET: "x"}]}, "name[0] has an element that R4 doesn't know"),
        ({"contained": SECRET}, "contained is not a list"),
        ({"name": None, "telecom": [None]}, "telecom is not a list"),
        ({"name": None}, "holds null or another kind of value where R4 has none"),
        ({"deceasedBoolean": True, "deceasedDateTime": "2020"}, "it gives an element in two ways"),
    ],
)
def test_a_mistake_is_told_by_its_place_and_kind_without_its_value(
    fields: dict[str, Any], reason: str
) -> None:
    verdict = judge("Patient", patient(1, **fields))
    assert verdict.resource is None
    assert verdict.reason.startswith(reason)
    assert SECRET not in verdict.reason


def test_what_is_missing_and_codes_that_do_not_exist_are_told() -> None:
    assert (
        judge("Coverage", {"resourceType": "Coverage"}).reason == "beneficiary is missing; payor is missing"
    )
    assert judge("Coverage", coverage(1, status=None)).resource is None
    reason = judge("Coverage", coverage(1, status=SECRET)).reason
    assert reason == "status is not a code that R4 has for it"


def test_many_mistakes_are_counted() -> None:
    verdict = judge("ExplanationOfBenefit", {"resourceType": "ExplanationOfBenefit"})
    assert verdict.reason.count(";") == 2
    assert verdict.reason.endswith("more")


@pytest.mark.parametrize(
    ("content", "release"),
    [
        ({"resourceType": "Coverage", "status": "active", "kind": "insurance"}, "R5"),
        ({"resourceType": "Account", "status": "active", "balance": [{"amount": {"value": 1}}]}, "R5"),
        ({"resourceType": "Coverage", "bin": "1", "issuer": {"reference": "Organization/1"}}, "DSTU2"),
        ({"resourceType": "Patient", "careProvider": [{"reference": "Practitioner/1"}]}, "DSTU2"),
    ],
)
def test_a_resource_of_another_release_is_told_as_such(content: dict[str, Any], release: str) -> None:
    if release == "R5":
        content = {**content, "beneficiary": make.about(1)} if "kind" in content else content
    verdict = judge(content["resourceType"], content)
    assert verdict.release == release
    assert verdict.reason == f"is a resource of FHIR {release}, not R4"


@pytest.mark.parametrize(
    "resource",
    [
        synthea_like(3),
        make.coverage(),
        make.eligibility(),
        make.claim(),
        make.claim_response(),
        make.claim_response(reason="197"),
        make.explanation(owed=12.5),
        make.appointment(),
        make.account(),
    ],
)
def test_valid_resources_are_valid(resource: dict[str, Any]) -> None:
    assert judged(resource).id == resource["id"]


@given(
    st.dictionaries(
        st.sampled_from(["id", "name", "birthDate", "identifier", "status", "period", "meta", "x"]),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.just(SECRET),
            lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.just("value"), inner),
            max_leaves=4,
        ),
    ),
    st.sampled_from(["Patient", "Coverage", "ClaimResponse"]),
)
def test_judging_never_raises_and_never_quotes(fields: dict[str, Any], resource_type: str) -> None:
    verdict = judge(resource_type, {"resourceType": resource_type, **fields})
    assert SECRET not in verdict.reason


@pytest.mark.parametrize("dropped", ["MedicinalProduct", "EffectEvidenceSynthesis"])
def test_what_is_contained_is_not_judged_for_nothing_of_it_is_read(dropped: str) -> None:
    inside = [{"resourceType": dropped, "id": "x", "name": [{"productName": "y"}]}]
    for resource in (make.claim(contained=inside), patient(contained=inside)):
        assert judged(resource).id == resource["id"]


def test_an_extension_in_place_of_what_must_be_known_is_valid_but_not_enough() -> None:
    absent = {
        "extension": [
            {"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "unknown"}
        ]
    }
    content = make.claim(_status=absent, _created=absent)
    del content["status"], content["created"]
    verdict = judge("Claim", content)
    assert (verdict.resource, verdict.lacking) == (None, True)
    assert verdict.reason == "has only an extension in place of status and created"
    del content["_status"]
    verdict = judge("Claim", content)
    assert (verdict.reason, verdict.lacking) == ("status is missing", False)
