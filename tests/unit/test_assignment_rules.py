"""Assignment: what nobody acknowledged becomes an open item for a user or a role, as the policy says."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from shared.decisions.assignment import OpenItem, decide_assignments
from shared.decisions.policy import Assignee, Policy, decode_policy
from shared.model import OutcomeKind, Reason, UserId

POLICY = decode_policy(
    yaml.safe_load((Path(__file__).parents[2] / "ops/default_policy.yaml").read_text("utf-8"))
)
NOW = datetime(2026, 11, 23, 14, 5, tzinfo=UTC)
SOMEBODY = UserId(UUID(int=7))
NOTHING_OPEN: frozenset[str] = frozenset()
UNACKNOWLEDGED = OutcomeKind.UNACKNOWLEDGED
COUNSELOR = "financial_counselor"


def reason(code: str) -> Reason:
    return Reason(
        signal=code,
        text="A sentence",
        detail={},
        source_system="demo_ehr",
        observed_at=NOW,
        decided=True,
    )


def item(reason_code: str, role: str | None = None, user: UserId | None = None) -> OpenItem:
    return OpenItem(reason_code=reason_code, role=role, user=user)


def with_rules(**changes: Any) -> Policy:
    rules = msgspec.structs.replace(POLICY.notifications, **changes)
    return msgspec.structs.replace(POLICY, notifications=rules)


rationales = st.lists(
    st.sampled_from([*sorted(POLICY.decisions.signals), "retired.code"]).map(reason), max_size=9
).map(tuple)
open_reasons = st.frozensets(
    st.sampled_from(["coverage", "claim", "authorization", "unacknowledged", "other"])
)
policies = st.sampled_from(
    [
        POLICY,
        with_rules(on_outcomes=(UNACKNOWLEDGED, OutcomeKind.DISMISSED)),
        with_rules(otherwise=Assignee(user=SOMEBODY), assign={"claim": Assignee(user=SOMEBODY)}),
    ]
)


def test_each_reason_goes_to_whom_the_policy_names_in_the_order_of_the_rationale() -> None:
    why = (reason("claim.denied"), reason("coverage.inactive"), reason("authorization.missing"))
    found = decide_assignments(UNACKNOWLEDGED, why, NOTHING_OPEN, POLICY)
    assert found.value == (
        item("claim", "billing_lead"),
        item("coverage", COUNSELOR),
        item("authorization", COUNSELOR),
    )
    assert found.rationale[0] == "The policy assigns claim to the role billing lead."


def test_two_signals_with_one_reason_make_one_item() -> None:
    why = (reason("coverage.inactive"), reason("coverage.expiring"))
    assert decide_assignments(UNACKNOWLEDGED, why, NOTHING_OPEN, POLICY).value == (
        item("coverage", COUNSELOR),
    )


def test_a_signal_that_needs_no_acknowledgement_makes_no_item_beside_one_that_does() -> None:
    why = (reason("coverage.inactive"), reason("balance.outstanding"), reason("appointment.upcoming"))
    assert decide_assignments(UNACKNOWLEDGED, why, NOTHING_OPEN, POLICY).value == (
        item("coverage", COUNSELOR),
    )


def test_a_reason_that_the_policy_names_nobody_for_goes_to_otherwise() -> None:
    policy = with_rules(assign={}, otherwise=Assignee(user=SOMEBODY))
    found = decide_assignments(UNACKNOWLEDGED, (reason("claim.denied"),), NOTHING_OPEN, policy)
    assert found == ((item("claim", user=SOMEBODY),), ("The policy assigns claim to one user.",))


def test_a_reason_that_is_open_is_left_out_and_said() -> None:
    why = (reason("claim.denied"), reason("coverage.inactive"))
    found = decide_assignments(UNACKNOWLEDGED, why, frozenset({"claim"}), POLICY)
    assert found.value == (item("coverage", COUNSELOR),)
    assert "An assignment for claim is open already." in found.rationale


@pytest.mark.parametrize("codes", [(), ("retired.code",), ("balance.outstanding",)])
def test_a_response_without_a_rule_any_more_is_not_forgotten(codes: tuple[str, ...]) -> None:
    why = tuple(reason(code) for code in codes)
    assert decide_assignments(UNACKNOWLEDGED, why, NOTHING_OPEN, POLICY).value == (
        item("unacknowledged", "billing_lead"),
    )
    assert decide_assignments(UNACKNOWLEDGED, why, frozenset({"unacknowledged"}), POLICY).value == ()


@pytest.mark.parametrize(
    "outcome", [OutcomeKind.ACKNOWLEDGED, OutcomeKind.DISMISSED, OutcomeKind.INVALIDATED]
)
def test_an_outcome_that_the_policy_does_not_name_makes_no_item(outcome: OutcomeKind) -> None:
    found = decide_assignments(outcome, (reason("claim.denied"),), NOTHING_OPEN, POLICY)
    assert found.value == ()
    assert found.rationale[0].startswith("The policy makes no assignment when ")


def test_a_dismissed_response_leaves_an_item_where_the_policy_wants_one() -> None:
    policy = with_rules(on_outcomes=(OutcomeKind.DISMISSED,))
    found = decide_assignments(OutcomeKind.DISMISSED, (reason("claim.denied"),), NOTHING_OPEN, policy)
    assert found.value == (item("claim", "billing_lead"),)


@given(st.sampled_from(OutcomeKind), rationales, open_reasons, policies)
def test_every_item_has_one_assignee_and_its_reason_to_itself(
    outcome: OutcomeKind, why: tuple[Reason, ...], already: frozenset[str], policy: Policy
) -> None:
    found = decide_assignments(outcome, why, already, policy)
    assert found == decide_assignments(outcome, why, already, policy)
    assert all((each.role is None) != (each.user is None) for each in found.value)
    codes = [each.reason_code for each in found.value]
    assert len(codes) == len(set(codes))
    assert not already.intersection(codes)
    assert found.rationale
    assert all(sentence.endswith(".") for sentence in found.rationale)


@given(rationales, open_reasons, policies, st.randoms(use_true_random=False))
def test_the_order_of_the_signals_orders_the_items_and_decides_nothing_else(
    why: tuple[Reason, ...], already: frozenset[str], policy: Policy, random: Any
) -> None:
    shuffled = list(why)
    random.shuffle(shuffled)
    first = decide_assignments(UNACKNOWLEDGED, why, already, policy).value
    second = decide_assignments(UNACKNOWLEDGED, tuple(shuffled), already, policy).value
    assert set(first) == set(second)


@given(rationales, open_reasons, policies)
def test_what_nobody_acknowledged_always_leaves_an_open_item(
    why: tuple[Reason, ...], already: frozenset[str], policy: Policy
) -> None:
    found = decide_assignments(UNACKNOWLEDGED, why, already, policy)
    assert found.value or already
