"""Puts the agents' findings together into the decision that is surfaced and stored."""

from __future__ import annotations

from hashlib import sha256

from shared.decisions.execution_mode import decide_execution_mode
from shared.decisions.policy import Policy
from shared.decisions.proceed import decide_proceed
from shared.decisions.standing import canonical_json
from shared.decisions.tasking import decide_tasking
from shared.model import Decision, ExecutionMode, ProceedIndicator, Reason, Signal, SystemResponse


def decide(signals: tuple[Signal, ...], policy: Policy) -> Decision:
    """What the system says about one patient: the same for the same facts and policy, in any order.

    Signals that the policy doesn't know make nothing and are no error.
    """
    proceed = decide_proceed(signals, policy)
    mode = decide_execution_mode(signals, policy)
    tasking = decide_tasking(signals, policy)
    return Decision(
        proceed_indicator=proceed.value,
        execution_mode=mode.value,
        tasking_summary=tasking.value.summary,
        task_count=tasking.value.task_count,
        rationale=proceed.rationale,
        needs_ack=tasking.value.needs_ack,
        policy_version=policy.version,
        facts_digest=_digest(proceed.value, mode.value, tasking.value.needs_ack, proceed.rationale),
    )


def is_same_decision(decision: Decision, latest: SystemResponse | None) -> bool:
    """Whether ``latest`` already says this, so that it is shown again and nothing is written.

    Compared by indicator, mode, deciding signals and needs_ack (data.md, "When is a response new?"), which
    is what the digest holds: not by surface, policy version, wording or when a signal was seen.
    """
    return latest is not None and decision.facts_digest == latest.facts_digest


def _digest(
    indicator: ProceedIndicator, mode: ExecutionMode, needs_ack: bool, rationale: tuple[Reason, ...]
) -> str:
    deciding = [[r.signal, r.source_system, r.detail] for r in rationale if r.decided]
    facts = [indicator, mode, needs_ack, sorted(deciding, key=canonical_json)]
    return sha256(canonical_json(facts).encode()).hexdigest()
