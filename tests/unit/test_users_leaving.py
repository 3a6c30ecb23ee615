"""Somebody leaves: whose their open items become, what the history says, and what tests of it need."""

from __future__ import annotations

import json
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.chat.history_words import event_line
from shared.decisions.assignment import decide_assignments, decide_successor
from shared.decisions.policy import Assignee
from shared.ledger.events import AccessChanged, AssignmentReassigned
from shared.model import OutcomeKind, UserId
from tests.unit.chat_state import event
from tests.unit.test_assignment_rules import POLICY, item, reason, with_rules

LEAVING, COLLEAGUE = UserId(UUID(int=7)), UserId(UUID(int=8))
EVERYBODY = (Assignee(role="billing_lead"), Assignee(user=LEAVING), Assignee(user=COLLEAGUE))
ROOT = Path(__file__).parents[2]

policies = st.builds(
    lambda claim, otherwise: with_rules(assign={"claim": claim} if claim else {}, otherwise=otherwise),
    st.sampled_from([None, *EVERYBODY]),
    st.sampled_from(EVERYBODY),
)


def test_an_item_goes_to_whom_the_policy_names_for_its_reason() -> None:
    found = decide_successor("claim", POLICY, frozenset({LEAVING}))
    assert found == (item("claim", "billing_lead"), ("The policy assigns claim to the role billing lead.",))


def test_an_item_that_the_policy_gives_to_who_leaves_goes_where_everything_else_goes() -> None:
    policy = with_rules(assign={"claim": Assignee(user=LEAVING)}, otherwise=Assignee(user=COLLEAGUE))
    found = decide_successor("claim", policy, frozenset({LEAVING}))
    assert found == (item("claim", user=COLLEAGUE), ("The policy assigns claim to one user.",))


def test_an_item_that_nobody_else_gets_stays() -> None:
    policy = with_rules(assign={}, otherwise=Assignee(user=LEAVING))
    found = decide_successor("prior_claim", policy, frozenset({LEAVING}))
    assert found == (None, ("The policy assigns prior claim to nobody who works here.",))


@given(policies, st.frozensets(st.sampled_from([LEAVING, COLLEAGUE])))
def test_a_successor_works_here_and_is_whom_a_new_item_would_be_for(
    policy: object, absent: frozenset[UserId]
) -> None:
    why = (reason("claim.denied"),)
    (new,) = decide_assignments(OutcomeKind.UNACKNOWLEDGED, why, frozenset(), policy, absent).value  # type: ignore[arg-type] -- drawn
    found = decide_successor("claim", policy, absent)  # type: ignore[arg-type] -- drawn
    assert found.value == (None if new.user in absent else new)
    assert all(sentence.endswith(".") for sentence in found.rationale)


@pytest.mark.parametrize(
    ("payload", "whose"),
    [
        ({"assigned_to_role": "billing_lead", "assigned_to_user": None}, "the role billing lead"),
        ({"assigned_to_role": None, "assigned_to_user": str(COLLEAGUE)}, "another user"),
    ],
)
def test_the_chat_tells_that_an_item_was_handed_over(payload: dict[str, str | None], whose: str) -> None:
    happened = event(1, "Assignment.Reassigned", reason_code="claim", **payload)
    line = event_line(happened)
    assert line is not None
    assert line.endswith(f": the assignment for claim was handed over to {whose}.")


def test_who_may_come_in_is_no_part_of_a_patients_story() -> None:
    assert event_line(event(1, "Access.Changed")) is None


def test_the_ledger_is_told_ids_and_enumerations_alone() -> None:
    assert AccessChanged.__struct_fields__ == ("user_id", "role", "status")
    assert AssignmentReassigned.__struct_fields__ == (
        "assignment_id",
        "reason_code",
        "assigned_to_user",
        "assigned_to_role",
    )


def test_the_emulators_lock_names_no_registry() -> None:
    packages = json.loads((ROOT / "tests/auth_emulator/package-lock.json").read_text("utf-8"))["packages"]
    assert len(packages) > 100
    assert [name for name, package in packages.items() if "resolved" in package] == []
    assert all("integrity" in package for name, package in packages.items() if name)
