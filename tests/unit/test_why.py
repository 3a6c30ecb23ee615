"""A decision replayed out of the response that is stored of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops.demo_load import default_policy
from ops.why import replay_differences
from shared.decisions.engine import decide
from shared.model import (
    ExecutionMode,
    ProceedIndicator,
    Signal,
    SignalStatus,
    Surface,
    SystemResponse,
    SystemResponseId,
)

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
POLICY = default_policy()

signals = st.builds(
    Signal,
    code=st.sampled_from([*POLICY.decisions.signals, "unheard.of"]),
    status=st.sampled_from(SignalStatus),
    detail=st.dictionaries(
        st.sampled_from(["ends_on", "amount_minor"]), st.integers(0, 9) | st.text(max_size=3)
    ),
    observed_at=st.integers(0, 9).map(lambda days: NOON - timedelta(days=days)),
    source_system=st.sampled_from(["billing", "scheduling"]),
)


def response_to(*facts: Signal) -> SystemResponse:
    """What is stored of a decision, as the database gives it back."""
    response = SystemResponse(
        **msgspec.structs.asdict(decide(facts, POLICY)),
        system_response_id=SystemResponseId(UUID(int=1)),
        surface_type=Surface.MINI,
        computed_at=NOON,
    )
    return msgspec.json.decode(msgspec.json.encode(response), type=SystemResponse)


def differing(response: SystemResponse, ledger_digest: str | None = None) -> list[str]:
    found = replay_differences(response, ledger_digest or response.facts_digest, POLICY)
    return [line.strip().partition(":")[0] for line in found]


@given(st.lists(signals, max_size=6).map(tuple))
def test_whatever_was_decided_is_decided_again_out_of_the_rationale(facts: tuple[Signal, ...]) -> None:
    assert differing(response_to(*facts)) == []


def test_green_without_a_reason_and_grey_without_one_are_replayed_as_they_came_about() -> None:
    claim = Signal(
        code="claim.denied",
        status=SignalStatus.RESOLVED,
        detail={},
        observed_at=NOON,
        source_system="billing",
    )
    green, grey = response_to(claim), response_to()
    assert (green.proceed_indicator, grey.proceed_indicator) == (
        ProceedIndicator.GREEN,
        ProceedIndicator.GREY,
    )
    assert green.rationale == grey.rationale == ()
    assert differing(green) == differing(grey) == []


CLAIM = Signal(
    code="claim.denied",
    status=SignalStatus.ACTIVE,
    detail={"reason": "filed late"},
    observed_at=NOON - timedelta(hours=1),
    source_system="billing",
)


@pytest.mark.parametrize(
    ("altered", "named"),
    [
        ({"proceed_indicator": ProceedIndicator.GREEN}, ["proceed_indicator"]),
        ({"execution_mode": ExecutionMode.AGENTIC}, ["execution_mode"]),
        ({"tasking_summary": "Nothing to do"}, ["tasking_summary"]),
        ({"task_count": 0}, ["task_count"]),
        ({"needs_ack": False}, ["needs_ack"]),
        ({"policy_version": 2}, ["policy_version"]),
        ({"rationale": ()}, ["proceed_indicator", "execution_mode", "tasking_summary", "task_count",
                             "needs_ack", "facts_digest"]),
    ],
)  # fmt: skip
def test_what_was_altered_is_named(altered: dict[str, Any], named: list[str]) -> None:
    stored = response_to(CLAIM)
    assert differing(msgspec.structs.replace(stored, **altered), stored.facts_digest) == named


def test_another_fact_gives_another_digest() -> None:
    stored = response_to(CLAIM)
    (reason,) = stored.rationale
    other = msgspec.structs.replace(reason, detail={"reason": "not covered"})
    altered = msgspec.structs.replace(stored, rationale=(other,))
    assert differing(altered) == ["tasking_summary", "rationale", "facts_digest"]


def test_a_digest_that_the_ledger_does_not_have_is_named() -> None:
    stored = response_to(CLAIM)
    assert differing(stored, "0" * 64) == ["facts_digest"]
    assert list(replay_differences(stored, None, POLICY)) == [
        f"  facts_digest: stored {stored.facts_digest}, in the ledger no event"
    ]
