"""Coverage, eligibility and authorization: what a front desk would conclude, and nothing that nobody said."""

from __future__ import annotations

from typing import Any

import pytest

from ops.intake.facts import NotTaken
from tests import fhir_files as make
from tests.fhir_files import (
    appointment,
    claim_response,
    concept,
    coverage,
    day,
    eligibility,
)
from tests.fhir_signals import RESOLVED, Resource, active, fact, granted, request, signals


@pytest.mark.parametrize(
    ("end", "inactive", "expiring"),
    [
        (None, RESOLVED, RESOLVED),
        (day(31), RESOLVED, RESOLVED),
        (day(30), RESOLVED, active(ends_on=day(30))),
        (day(0), RESOLVED, active(ends_on=day(0))),
        (day(-1), active(ended_on=day(-1)), RESOLVED),
    ],
)
def test_a_coverage_is_in_force_through_its_last_day(end: str | None, inactive: Any, expiring: Any) -> None:
    assert signals(coverage(end=end)) == {"coverage.inactive": inactive, "coverage.expiring": expiring}


def test_one_coverage_in_force_beats_any_that_ended() -> None:
    said = signals(coverage(1, end=day(-40)), coverage(2), coverage(3, status="cancelled"))
    assert said == {"coverage.inactive": RESOLVED, "coverage.expiring": RESOLVED}


def test_a_renewal_that_begins_on_the_next_day_is_no_end() -> None:
    ending = coverage(1, end=day(10))
    renewed = coverage(2, period={"start": day(11), "end": day(376)})
    gap = coverage(2, period={"start": day(12), "end": day(376)})
    assert signals(ending, renewed)["coverage.expiring"] == RESOLVED
    assert signals(ending, gap)["coverage.expiring"] == active(ends_on=day(10))


def test_a_cancelled_coverage_and_one_to_come_cover_nobody_today() -> None:
    assert signals(coverage(end=day(90), status="cancelled"))["coverage.inactive"] == active()
    assert signals(coverage(period={"start": day(1)}))["coverage.inactive"] == active()


def test_drafts_and_errors_say_nothing() -> None:
    assert fact(coverage(status="draft")) is NotTaken.DRAFT
    assert fact(coverage(status="entered-in-error")) is NotTaken.IN_ERROR
    assert signals(coverage(status="draft")) == {}


def test_what_the_insurer_has_just_answered_beats_what_a_coverage_says_of_itself() -> None:
    yes = eligibility(1, inforce=True)
    assert signals(coverage(1, end=day(-9)), yes)["coverage.inactive"] == RESOLVED
    no = eligibility(1, inforce=False)
    assert signals(coverage(1), no)["coverage.inactive"] == active()
    assert signals(coverage(1), coverage(2), no)["coverage.inactive"] == RESOLVED
    stale = eligibility(1, inforce=False, created=day(-31))
    assert signals(coverage(1), stale)["coverage.inactive"] == RESOLVED
    newer = eligibility(2, created=day(-1), insurance=eligibility(1)["insurance"])
    assert signals(coverage(1), no, newer)["coverage.inactive"] == RESOLVED


def test_an_insurers_answer_counts_without_its_coverage_too() -> None:
    assert signals(eligibility(inforce=True))["coverage.inactive"] == RESOLVED
    ended = eligibility(
        insurance=[
            {"coverage": make.about(1), "inforce": False, "benefitPeriod": {"start": "2025", "end": day(-5)}}
        ]
    )
    assert signals(ended)["coverage.inactive"] == active(ended_on=day(-5))
    assert "coverage.expiring" not in signals(ended)


# Eligibility and authorization -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"created": day(-30)}, RESOLVED),
        ({"created": day(-31)}, active(verified_on=day(-31))),
        ({"outcome": "error"}, active()),
        ({"outcome": "queued"}, active()),
        ({"inforce": False}, RESOLVED),
    ],
)
def test_eligibility_is_verified_for_thirty_days(fields: Resource, said: Any) -> None:
    assert signals(eligibility(**fields))["eligibility.unverified"] == said


def test_a_failed_try_leaves_the_last_answer_standing() -> None:
    said = signals(eligibility(1, created=day(-40)), eligibility(2, created=day(-1), outcome="error"))
    assert said["eligibility.unverified"] == active(verified_on=day(-40))


MISSING = active(service="imaging", needed_by=day(12))


@pytest.mark.parametrize(
    ("resources", "said"),
    [
        ([request()], MISSING),
        ([request(), granted()], RESOLVED),
        ([request(), granted(preAuthPeriod={"end": day(11)})], MISSING),
        ([request(), claim_response(1, use="preauthorization", outcome="queued")], MISSING),
        ([request(), claim_response(1, "197", use="preauthorization", preAuthRef="N-1")], MISSING),
        ([request(), granted(status="cancelled")], MISSING),
        ([request(status="cancelled")], RESOLVED),
        ([request() | {"item": []}, appointment()], active(needed_by=day(5))),
        ([request() | {"item": [], "created": day(-91)}], RESOLVED),
        ([request() | {"item": [], "billablePeriod": {"start": day(-1)}}], RESOLVED),
        ([claim_response(1, use="preauthorization")], active()),
    ],
)
def test_an_authorization_is_missing_until_the_insurer_gave_its_number(
    resources: list[Resource], said: Any
) -> None:
    assert signals(*resources)["authorization.missing"] == said


def test_an_insurer_that_asks_for_an_authorization_is_heard_when_it_was_asked_about_it() -> None:
    insurance = [
        {
            "coverage": {"reference": "Coverage/cov-1"},
            "inforce": True,
            "item": [
                {
                    "category": concept("http://terminology.hl7.org/CodeSystem/ex-benefitcategory", "AE"),
                    "authorizationRequired": True,
                }
            ],
        }
    ]
    asked = eligibility(purpose=["auth-requirements"], servicedDate=day(3), insurance=insurance)
    missing = active(service="physical therapy", needed_by=day(3))
    assert signals(asked)["authorization.missing"] == missing
    assert signals(asked | {"preAuthRef": "A-1"}).get("authorization.missing") is None
    assert signals(asked, request(status="cancelled"), granted())["authorization.missing"] == RESOLVED
    general = eligibility(purpose=["benefits"], insurance=insurance)
    assert "authorization.missing" not in signals(general)


# Several lines -----------------------------------------------------------------------------------------


def lines(*days: str | dict[str, str], categories: str = "") -> Resource:
    """A question with a line for each day or period; of ``categories`` each line has one."""
    items = []
    for number, when in enumerate(days, 1):
        on = {"servicedDate": when} if isinstance(when, str) else {"servicedPeriod": when}
        kind = categories[number - 1 : number] or "1"
        category = concept("http://terminology.hl7.org/CodeSystem/ex-benefitcategory", kind)
        items.append({"sequence": number, "productOrService": {"text": "x"}, "category": category, **on})
    return request() | {"item": items}


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (lines(day(12), day(-200)), active(service="medical care", needed_by=day(12))),
        (lines(day(-200), day(0), categories="25"), active(service="laboratory", needed_by=day(0))),
        (lines(day(40), day(12)), active(service="medical care", needed_by=day(12))),
        (lines(day(-200), day(-1)), RESOLVED),
        (
            lines({"start": day(-9), "end": day(9)}),
            active(service="medical care", needed_by=day(0)),
        ),
        (lines({"start": day(-9), "end": day(-1)}), RESOLVED),
        (lines({"start": day(-9)}), RESOLVED),
        (lines("2026-03"), active(service="medical care", needed_by=day(0))),
        (
            request() | {"item": [], "billablePeriod": {"start": day(-1), "end": day(1)}},
            active(needed_by=day(0)),
        ),
    ],
)
def test_a_line_that_is_over_hides_none_that_is_ahead(asked: Resource, said: Any) -> None:
    assert signals(asked)["authorization.missing"] == said


def test_a_number_that_holds_for_the_first_line_only_leaves_the_later_ones_open() -> None:
    until = granted(preAuthPeriod={"end": day(20)})
    said = signals(lines(day(12), day(40)), until)
    assert said["authorization.missing"] == active(service="medical care", needed_by=day(40))
