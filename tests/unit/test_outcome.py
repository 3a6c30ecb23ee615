"""Outcome: computed from what happened to a response, never asserted."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from shared.decisions.moments import duration_text, moment_text
from shared.decisions.outcome import OutcomeFacts, compute_outcome
from shared.decisions.policy import decode_policy
from shared.model import OutcomeKind

POLICY = decode_policy(
    yaml.safe_load((Path(__file__).parents[2] / "ops/default_policy.yaml").read_text("utf-8"))
)
NOW = datetime(2026, 11, 23, 14, 5, tzinfo=UTC)
OPEN = OutcomeFacts(
    needs_ack=True,
    acknowledged=False,
    dismissed=False,
    left=False,
    due_at=NOW + timedelta(minutes=5),
    now=NOW,
)
LATE = NOW - timedelta(minutes=5)

any_facts = st.builds(
    OutcomeFacts,
    needs_ack=st.booleans(),
    acknowledged=st.booleans(),
    dismissed=st.booleans(),
    left=st.booleans(),
    due_at=st.none() | st.integers(-60, 60).map(lambda minutes: NOW + timedelta(minutes=minutes)),
    now=st.just(NOW),
)


def outcome(**changes: Any) -> OutcomeKind | None:
    return compute_outcome(msgspec.structs.replace(OPEN, **changes), POLICY).value


def test_a_response_that_still_has_time_is_open() -> None:
    found = compute_outcome(OPEN, POLICY)
    assert found.value is None
    assert found.rationale == (
        "An acknowledgement is due by 23 Nov 2026, 14:10 UTC.",
        "The policy asks for one within 15 minutes.",
    )


def test_a_response_that_nobody_acknowledged_in_time_is_unacknowledged() -> None:
    found = compute_outcome(msgspec.structs.replace(OPEN, due_at=LATE), POLICY)
    assert found.value is OutcomeKind.UNACKNOWLEDGED
    assert found.rationale[0] == "An acknowledgement was due by 23 Nov 2026, 14:00 UTC; there is none."


def test_a_response_is_due_at_its_time_not_a_moment_later() -> None:
    assert outcome(due_at=NOW) is OutcomeKind.UNACKNOWLEDGED
    assert outcome(due_at=NOW + timedelta(microseconds=1)) is None


def test_an_acknowledgement_makes_the_outcome_acknowledged_whatever_else_happened() -> None:
    assert outcome(acknowledged=True) is OutcomeKind.ACKNOWLEDGED
    assert outcome(acknowledged=True, dismissed=True, left=True, due_at=LATE) is OutcomeKind.ACKNOWLEDGED


def test_a_dismissal_comes_before_a_changed_context_and_before_the_time_out() -> None:
    assert outcome(dismissed=True, left=True, due_at=LATE) is OutcomeKind.DISMISSED


def test_leaving_a_patient_invalidates_what_awaits_acknowledgement_and_keeps_it_open_for_others() -> None:
    found = compute_outcome(msgspec.structs.replace(OPEN, left=True), POLICY)
    assert found.value is OutcomeKind.INVALIDATED
    assert "The response stays open for everybody." in found.rationale


def test_where_no_acknowledgement_is_needed_its_absence_is_no_outcome() -> None:
    assert outcome(needs_ack=False, due_at=LATE) is None
    assert outcome(needs_ack=False, left=True) is None


def test_what_is_not_due_does_not_become_unacknowledged() -> None:
    assert outcome(due_at=None) is None


@given(any_facts)
def test_the_first_that_holds_is_the_outcome(facts: OutcomeFacts) -> None:
    due = facts.due_at is not None and facts.due_at <= facts.now
    holds = {
        OutcomeKind.ACKNOWLEDGED: facts.acknowledged,
        OutcomeKind.DISMISSED: facts.dismissed,
        OutcomeKind.INVALIDATED: facts.left and facts.needs_ack,
        OutcomeKind.UNACKNOWLEDGED: due and facts.needs_ack,
    }
    found = compute_outcome(facts, POLICY)
    assert found == compute_outcome(facts, POLICY)
    assert found.value == next((kind for kind, does in holds.items() if does), None)
    assert all(sentence.endswith(".") for sentence in found.rationale)


@given(any_facts)
def test_no_intent_is_read_into_an_absence(facts: OutcomeFacts) -> None:
    words = set(" ".join(compute_outcome(facts, POLICY).rationale).lower().split())
    assert not words & {"ignored", "forgot", "missed", "failed", "refused", "didn't", "neglected"}


def test_a_moment_is_written_in_utc_to_the_minute() -> None:
    there = datetime(2026, 11, 24, 0, 5, 59, tzinfo=timezone(timedelta(hours=10)))
    assert moment_text(there) == "23 Nov 2026, 14:05 UTC"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (1, "1 second"),
        (90, "1 minute 30 seconds"),
        (900, "15 minutes"),
        (3600, "1 hour"),
        (172_800, "2 days"),
    ],
)
def test_a_duration_is_written_in_plain_words(seconds: int, words: str) -> None:
    assert duration_text(seconds) == words
