"""The seven decision agents are of one shape: a value, and a rationale that a worker can read."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from shared.decisions.assignment import decide_assignments
from shared.decisions.detection import Sighting, detect_record
from shared.decisions.display import Surrounding, decide_display
from shared.decisions.execution_mode import decide_execution_mode
from shared.decisions.finding import Finding
from shared.decisions.outcome import OutcomeFacts, compute_outcome
from shared.decisions.policy import Policy, decode_policy
from shared.decisions.proceed import decide_proceed
from shared.decisions.tasking import decide_tasking
from shared.model import OutcomeKind, PatientKey, Reason, Signal, SignalStatus

POLICY = decode_policy(
    yaml.safe_load((Path(__file__).parents[2] / "ops/default_policy.yaml").read_text("utf-8"))
)
NOW = datetime(2026, 11, 23, 14, 5, tzinfo=UTC)
SIGNALS = (
    Signal(
        code="coverage.expiring",
        status=SignalStatus.ACTIVE,
        detail={"ends_on": "2026-12-02"},
        observed_at=NOW,
        source_system="demo_ehr",
    ),
)
SIGHTING = Sighting(patient_key=PatientKey("p1_abc"), source_system="demo_ehr", page_signature="demo-board")
FACTS = OutcomeFacts(needs_ack=True, acknowledged=False, dismissed=False, left=False, due_at=NOW, now=NOW)
SURROUNDING = Surrounding(site="ehr.example", application="demo_ehr", role="front_desk")
OUTCOME = OutcomeKind.UNACKNOWLEDGED
REASONS = decide_proceed(SIGNALS, POLICY).rationale

AGENTS: dict[str, Callable[[Policy], Finding[Any, Any]]] = {
    "record detection": lambda policy: detect_record(SIGHTING, policy),
    "proceed": lambda policy: decide_proceed(SIGNALS, policy),
    "execution mode": lambda policy: decide_execution_mode(SIGNALS, policy),
    "tasking": lambda policy: decide_tasking(SIGNALS, policy),
    "policy": lambda policy: decide_display(SURROUNDING, policy),
    "outcome": lambda policy: compute_outcome(FACTS, policy),
    "assignment": lambda policy: decide_assignments(OUTCOME, REASONS, frozenset(), policy),
}


def sentences(finding: Finding[Any, Any]) -> list[str]:
    return [why.text if isinstance(why, Reason) else why for why in finding.rationale]


@pytest.mark.parametrize("agent", AGENTS)
def test_each_agent_answers_with_a_value_and_a_rationale_that_a_worker_can_read(agent: str) -> None:
    finding = AGENTS[agent](POLICY)
    assert isinstance(finding, Finding)
    assert finding.value is not None
    assert sentences(finding)
    for sentence in sentences(finding):
        assert sentence[0].isupper()
        assert len(sentence.split()) >= 3
        assert "\n" not in sentence
        assert not any(mark in sentence for mark in "{}<>")


@pytest.mark.parametrize("agent", AGENTS)
def test_each_agent_answers_the_same_for_the_same_facts_and_policy(agent: str) -> None:
    assert AGENTS[agent](POLICY) == AGENTS[agent](POLICY)


def test_there_are_seven_agents() -> None:
    assert len(AGENTS) == 7
