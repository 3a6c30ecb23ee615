"""The outcome agent: what became of a response. Computed, never asserted (mission, "Outcome")."""

from __future__ import annotations

from datetime import datetime

from shared.decisions.finding import Finding
from shared.decisions.moments import duration_text, moment_text
from shared.decisions.policy import Policy
from shared.model import Frozen, OutcomeKind


class OutcomeFacts(Frozen, frozen=True):
    """What happened to one response until ``now``.

    ``left``: on this invocation the context changed, to another record or away from it. ``due_at`` None:
    nothing is due.
    """

    needs_ack: bool
    acknowledged: bool
    dismissed: bool
    left: bool
    due_at: datetime | None
    now: datetime


def compute_outcome(facts: OutcomeFacts, policy: Policy) -> Finding[OutcomeKind | None, str]:
    """What became of the response; None while it is open, or when nothing is awaited.

    What somebody did comes before what nobody did: acknowledged, dismissed, invalidated, unacknowledged.
    The last two are for responses that need acknowledgement. When it is due was fixed when the response was
    surfaced; the policy only tells how long that is. No intent is read into an absence.
    """
    if facts.acknowledged:
        return Finding(OutcomeKind.ACKNOWLEDGED, ("An acknowledgement was sent.",))
    if facts.dismissed:
        return Finding(OutcomeKind.DISMISSED, ("The response was dismissed.",))
    if not facts.needs_ack:
        return Finding(None, ("No acknowledgement is needed.",))
    if facts.left:
        left = "The context changed before an acknowledgement was sent."
        return Finding(OutcomeKind.INVALIDATED, (left, "The response stays open for everybody."))
    allowed = f"The policy asks for one within {duration_text(policy.timeouts.acknowledgement_due_s)}."
    if facts.due_at is None:
        return Finding(None, ("An acknowledgement is needed; no time is set for it.", allowed))
    due = moment_text(facts.due_at)
    if facts.due_at <= facts.now:
        return Finding(
            OutcomeKind.UNACKNOWLEDGED, (f"An acknowledgement was due by {due}; there is none.", allowed)
        )
    return Finding(None, (f"An acknowledgement is due by {due}.", allowed))
