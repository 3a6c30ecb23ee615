"""The proceed agent: can this move ahead (plan 6.E.12, mission "Proceed indicator")."""

from __future__ import annotations

from shared.decisions.finding import Finding
from shared.decisions.policy import Policy
from shared.decisions.standing import known_signals, reasons, standing_signals
from shared.model import ProceedIndicator, Reason, Signal


def decide_proceed(signals: tuple[Signal, ...], policy: Policy) -> Finding[ProceedIndicator, Reason]:
    """The most severe indicator of the active signals: yellow before grey before green.

    Nothing known about the patient is grey, not assessed; everything known resolved is green. Every active
    signal is a reason, those that decided come first. Never blue.
    """
    standing = standing_signals(signals, policy)
    if standing:
        return Finding(standing[0].rule.proceed, reasons(standing))
    assessed = bool(known_signals(signals, policy))
    return Finding(ProceedIndicator.GREEN if assessed else ProceedIndicator.GREY, ())
