"""Claims and balances: what a billing office would conclude, and nothing that nobody said."""

from __future__ import annotations

from typing import Any

import pytest

from ops.intake.facts import DemographicsFact, NotTaken, Stamp
from ops.intake.signals import derive_signals
from tests import fhir_files as make
from tests.fhir_files import (
    ADJUDICATION,
    AS_OF,
    account,
    appointment,
    claim,
    claim_response,
    concept,
    day,
    explanation,
)
from tests.fhir_signals import RESOLVED, Resource, active, fact, signals


@pytest.mark.parametrize(
    ("resource", "said"),
    [
        (claim_response(), RESOLVED),
        (claim_response(reason="197"), active(denied_on=day(-10), reason="no authorization")),
        (claim_response(reason="1"), RESOLVED),
        (claim_response(reason="45"), RESOLVED),
        (
            claim_response(outcome="error", item=[]),
            active(denied_on=day(-10), reason="could not be processed"),
        ),
        (claim_response(disposition="Denied: see remittance of Orlaith"), active(denied_on=day(-10))),
        (claim_response(disposition="Not denied"), RESOLVED),
        (explanation(), RESOLVED),
        (explanation(disposition="The claim was rejected."), active(denied_on=day(-9))),
    ],
)
def test_a_claim_is_denied_when_the_insurer_says_so(resource: Resource, said: Any) -> None:
    assert signals(resource)["claim.denied"] == said


def test_what_is_taken_off_a_line_that_is_paid_is_no_denial() -> None:
    reduced = {
        "category": concept(ADJUDICATION, "benefit"),
        "reason": concept("http://terminology.hl7.org/CodeSystem/adjudication-reason", "ar002"),
        "amount": {"value": 90.47, "currency": "USD"},
    }
    item = [{"itemSequence": 1, "adjudication": [reduced]}]
    assert signals(claim_response(item=item))["claim.denied"] == RESOLVED
    item[0]["adjudication"][0]["amount"]["value"] = 0  # type: ignore[index] -- JSON of our own making
    assert signals(claim_response(item=item))["claim.denied"][1]["reason"] == "benefit limit reached"


def test_the_newest_answer_to_a_claim_counts() -> None:
    denied = claim_response(1, "16", created=day(-20))
    paid = claim_response(2, created=day(-2), request={"reference": "Claim/clm-1"})
    other = claim_response(3, created=day(-2))
    for order in ((denied, paid), (paid, denied)):
        assert signals(*order)["claim.denied"] == RESOLVED
    assert signals(denied, other)["claim.denied"][0] == "active"
    assert signals(denied, paid | {"outcome": "queued"})["claim.denied"][0] == "active"


def test_a_claim_that_was_sent_anew_withdrawn_or_taken_back_is_no_longer_denied() -> None:
    denied = claim_response(1, "16")
    prior = concept("http://terminology.hl7.org/CodeSystem/ex-relatedclaimrelationship", "prior")
    anew = claim(2, related=[{"claim": {"reference": "Claim/clm-1"}, "relationship": prior}])
    for resource in (
        anew,
        claim(1, status="cancelled"),
        claim_response(2, status="cancelled") | {"request": {"reference": "Claim/clm-1"}, "created": day(-1)},
    ):
        assert signals(denied, resource)["claim.denied"] == RESOLVED


def test_estimates_and_unanswered_claims_say_nothing() -> None:
    assert fact(claim()) is NotTaken.PLAIN_CLAIM
    assert fact(claim_response(use="predetermination")) is NotTaken.ESTIMATE
    assert fact(claim_response(outcome="queued")) is NotTaken.UNANSWERED
    assert signals(claim()) == {}


def test_of_two_versions_of_a_resource_the_newer_counts_in_any_order() -> None:
    older = claim_response(1, "16", meta={"lastUpdated": "2026-02-01T00:00:00Z"})
    newer = claim_response(1, meta={"lastUpdated": "2026-02-02T00:00:00Z"})
    assert signals(older, newer) == signals(newer, older) == {"claim.denied": RESOLVED}


@pytest.mark.parametrize(
    ("resources", "said"),
    [
        ([account(balance=125.5)], active(amount_minor=12_550, currency="USD")),
        ([account(1, 100), account(2, -30)], active(amount_minor=7_000, currency="USD")),
        ([account(balance=0)], RESOLVED),
        ([account(balance=-5)], RESOLVED),
        ([account(balance=125.5, status="inactive")], RESOLVED),
        ([explanation(owed=40)], active(amount_minor=4_000, currency="USD")),
        ([explanation(owed=40), account(balance=0)], RESOLVED),
        ([explanation(owed=0)], RESOLVED),
    ],
)
def test_a_balance_is_what_accounts_say_else_what_insurers_left(resources: list[Resource], said: Any) -> None:
    assert signals(*resources)["balance.outstanding"] == said


def test_what_nobody_said_about_money_is_not_guessed() -> None:
    assert "balance.outstanding" not in signals(explanation())
    assert "balance.outstanding" not in signals(explanation(owed=40, created=day(-366)))
    assert fact(account(extension=[])) is NotTaken.NO_BALANCE
    no_currency = {"url": make.ACCOUNT_BALANCE, "valueMoney": {"value": 5}}
    assert fact(account(extension=[no_currency])) is NotTaken.NO_BALANCE


def test_r5s_balance_carried_over_to_r4_is_read() -> None:
    def carried(amount: float, aggregate: str | None = None) -> Resource:
        parts: list[Resource] = [{"url": "amount", "valueMoney": {"value": amount, "currency": "USD"}}]
        if aggregate:
            code = concept("http://terminology.hl7.org/CodeSystem/account-aggregate", aggregate)
            parts.append({"url": "aggregate", "valueCodeableConcept": code})
        url = "http://hl7.org/fhir/5.0/StructureDefinition/extension-Account.balance"
        return {"url": url, "extension": parts}

    said = signals(account(extension=[carried(90, "insurance"), carried(10, "patient")]))
    assert said["balance.outstanding"] == active(amount_minor=1_000, currency="USD")


def test_an_appointment_is_upcoming_while_it_is_booked_and_ahead() -> None:
    assert signals(appointment(), appointment(2, f"{day(2)}T09:30:00Z"))["appointment.upcoming"] == active(
        starts_on=day(2)
    )
    assert signals(appointment(start=f"{day(-1)}T09:30:00Z"))["appointment.upcoming"] == RESOLVED
    assert signals(appointment(status="cancelled"))["appointment.upcoming"] == RESOLVED


def test_what_a_patient_lacks_is_told_in_words_of_our_own() -> None:
    stamp = Stamp(names=("",), updated=None)
    (signal,) = derive_signals([DemographicsFact(stamp=stamp, missing=("name", "phone number"))], AS_OF)
    assert (signal.code, signal.detail) == ("demographics.incomplete", {"missing": "name, phone number"})
    assert signal.observed_at is None
