"""Resources of one patient that point at each other: by id, by identifier, or at what is only inside them."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import pytest

from tests.fhir_files import claim, claim_response, concept, coverage, day, eligibility, explanation
from tests.fhir_signals import RESOLVED, Resource, active, derived, granted, request, signals

NUMBER = {"system": "http://happysight.com/claim", "value": "6612346"}
BY_NUMBER = {"identifier": NUMBER}
PRIOR = concept("http://terminology.hl7.org/CodeSystem/ex-relatedclaimrelationship", "prior")


def insured(number: int, reference: Resource, inforce: bool, **fields: Any) -> Resource:
    insurance = [{"coverage": reference, "inforce": inforce}]
    return eligibility(number, insurance=insurance, **fields)


def test_an_authorization_that_names_its_claim_by_identifier_is_granted() -> None:
    asked = request(identifier=[NUMBER])
    assert signals(asked, granted(request=BY_NUMBER))["authorization.missing"] == RESOLVED
    other = granted(request={"identifier": NUMBER | {"value": "7"}})
    assert signals(asked, other)["authorization.missing"][0] == "active"


@pytest.mark.parametrize(
    "claims",
    [
        [claim(1, identifier=[NUMBER], status="cancelled")],
        [claim(1, identifier=[NUMBER]), claim(2, related=[{"claim": BY_NUMBER, "relationship": PRIOR}])],
        [
            claim(1, identifier=[NUMBER]),
            claim(2, related=[{"claim": {"reference": "Claim/clm-1"}, "relationship": PRIOR}]),
        ],
    ],
)
def test_a_denial_that_names_its_claim_by_identifier_goes_with_the_claim(claims: list[Resource]) -> None:
    denied = claim_response(1, "16", request=BY_NUMBER)
    assert signals(denied)["claim.denied"][0] == "active"
    assert signals(denied, *claims)["claim.denied"] == RESOLVED


def test_answers_that_name_one_claim_in_two_ways_are_about_one_claim() -> None:
    denied = claim_response(1, "16", request=BY_NUMBER, created=day(-20))
    paid = explanation(1, created=day(-2))
    assert signals(denied, paid)["claim.denied"][0] == "active"
    assert signals(denied, paid, claim(1, identifier=[NUMBER]))["claim.denied"] == RESOLVED


def test_an_identifier_of_two_claims_means_neither() -> None:
    denied = claim_response(1, "16", request=BY_NUMBER)
    withdrawn = claim(1, identifier=[NUMBER], status="cancelled")
    assert signals(denied, withdrawn, claim(2, identifier=[NUMBER]))["claim.denied"][0] == "active"


def test_answers_that_share_an_identifier_stay_two() -> None:
    group = {"system": "https://bluebutton.cms.gov/resources/identifier/claim-group", "value": "99999999999"}
    denied = explanation(1, disposition="Denied", identifier=[group], created=day(-20))
    other = explanation(2, identifier=[group])
    assert signals(denied, other)["claim.denied"][0] == "active"


def test_a_coverage_that_is_named_by_identifier_is_the_one_that_was_asked_about() -> None:
    number = {"system": "urn:policies", "value": "P-1"}
    no = insured(1, {"identifier": number}, inforce=False)
    assert signals(coverage(identifier=[number]), no)["coverage.inactive"] == active()
    assert signals(coverage(), no)["coverage.inactive"] == RESOLVED


@pytest.mark.parametrize("nowhere", [{"reference": "#one"}, {"identifier": {"system": "urn:x"}}])
def test_what_has_no_name_outside_of_its_resource_is_not_anothers(nowhere: Resource) -> None:
    yes = insured(1, nowhere, inforce=True, created=day(-9))
    no = insured(2, nowhere, inforce=False, created=day(-2))
    assert signals(yes, no)["coverage.inactive"] == RESOLVED
    denied = claim_response(1, "16", created=day(-9), request=nowhere)
    settled = claim_response(2, created=day(-2), request=nowhere)
    assert signals(denied, settled)["claim.denied"][0] == "active"
    given = granted(request=nowhere, created=day(-2))
    refused = claim_response(2, use="preauthorization", request=nowhere, created=day(-9))
    assert signals(given, refused)["authorization.missing"][0] == "active"


def test_two_contained_coverages_of_one_answer_are_two() -> None:
    insurance = [
        {"coverage": {"reference": "#one"}, "inforce": True},
        {"coverage": {"reference": "#two"}, "inforce": False},
    ]
    assert signals(eligibility(insurance=insurance))["coverage.inactive"] == RESOLVED


@pytest.mark.parametrize(
    ("code", "resources"),
    [
        (
            "claim.denied",
            [explanation(1), explanation(2, outcome="error", claim={"reference": "Claim/clm-1"})],
        ),
        ("claim.denied", [claim_response(1, "16"), claim_response(2, "29")]),
        (
            "claim.denied",
            [claim_response(1, "16"), claim_response(1, status="cancelled", id="res-9", outcome="partial")],
        ),
        (
            "coverage.inactive",
            [coverage(), *(insured(n, {"reference": "Coverage/cov-1"}, inforce=n > 1) for n in (1, 2))],
        ),
        ("authorization.missing", [request(), granted(), granted(id="res-9", outcome="error")]),
        (
            "authorization.missing",
            [request(), granted(), granted(id="res-9", preAuthPeriod={"end": day(11)})],
        ),
    ],
)
def test_of_equally_new_answers_the_worse_one_counts_in_any_order(
    code: str, resources: list[Resource]
) -> None:
    found = [derived(*order)[code] for order in permutations(resources)]
    assert found[0].status.value == "active"
    assert all(each == found[0] for each in found)
