"""The execution mode agent: who can advance it (plan 6.E.12, mission "Execution mode")."""

from __future__ import annotations

from shared.decisions.finding import Finding
from shared.decisions.policy import Policy
from shared.decisions.standing import reasons, standing_signals
from shared.model import ExecutionMode, Reason, Signal

_MOST_HUMAN_FIRST = (ExecutionMode.USER_DRIVEN, ExecutionMode.COPILOT, ExecutionMode.AGENTIC)


def decide_execution_mode(signals: tuple[Signal, ...], policy: Policy) -> Finding[ExecutionMode, Reason]:
    """The most human mode of the signals that made the indicator; they are its reasons.

    One item that only a person can advance keeps the whole from advancing without one. The policy's default
    where no signal decides.
    """
    deciding = tuple(each for each in standing_signals(signals, policy) if each.decided)
    if not deciding:
        return Finding(policy.decisions.default_mode, ())
    mode = min((each.rule.mode for each in deciding), key=_MOST_HUMAN_FIRST.index)
    return Finding(mode, reasons(tuple(each for each in deciding if each.rule.mode is mode)))
