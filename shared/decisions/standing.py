"""What the agents look at: the known signals that are active, in the order in which they are told."""

from __future__ import annotations

import json
from typing import NamedTuple

from shared.decisions.policy import Policy, SignalRule
from shared.decisions.wording import render
from shared.model import ProceedIndicator, Reason, Signal, SignalStatus

_SEVERITY = {
    ProceedIndicator.GREEN: 0,
    ProceedIndicator.GREY: 1,  # nobody knows: worse than good, better than a known obstacle
    ProceedIndicator.YELLOW: 2,
    ProceedIndicator.BLUE: 3,
}


class Standing(NamedTuple):
    """An active signal, the rule the policy has for it, and whether it made the indicator."""

    signal: Signal
    rule: SignalRule
    decided: bool

    @property
    def reason(self) -> Reason:
        """The signal as a sentence, with its source and its age."""
        return Reason(
            signal=self.signal.code,
            text=render(self.rule.task, self.signal.detail),
            detail=self.signal.detail,
            source_system=self.signal.source_system,
            observed_at=self.signal.observed_at,
            decided=self.decided,
        )


def known_signals(signals: tuple[Signal, ...], policy: Policy) -> tuple[Signal, ...]:
    """The signals that the policy has a rule for. Others make nothing: nobody said what they mean."""
    return tuple(signal for signal in signals if signal.code in policy.decisions.signals)


def standing_signals(signals: tuple[Signal, ...], policy: Policy) -> tuple[Standing, ...]:
    """The active known signals by severity, priority and code: the same order for any order of input.

    The most severe ones decided: they alone made the indicator.
    """
    rules = policy.decisions.signals
    active = [s for s in known_signals(signals, policy) if s.status is SignalStatus.ACTIVE]
    most_severe = max((_SEVERITY[rules[s.code].proceed] for s in active), default=0)

    def place(signal: Signal) -> tuple[int, int, str, str, str, str]:
        rule = rules[signal.code]
        # The rest of the key only makes the order total, should a code occur more than once.
        rest = (signal.source_system, canonical_json(signal.detail), signal.observed_at.isoformat())
        return -_SEVERITY[rule.proceed], rule.priority, signal.code, *rest

    return tuple(
        Standing(signal, rules[signal.code], _SEVERITY[rules[signal.code].proceed] == most_severe)
        for signal in sorted(active, key=place)
    )


def reasons(standing: tuple[Standing, ...]) -> tuple[Reason, ...]:
    """The signals as sentences, in their order."""
    return tuple(each.reason for each in standing)


def canonical_json(value: object) -> str:
    """The one text for a value: what a digest is taken of, and what a tie is broken by."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"))
