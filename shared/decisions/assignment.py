"""The assignment agent: when an open item is made, for what reason and whose (mission, "Assignment")."""

from __future__ import annotations

from shared.decisions.finding import Finding
from shared.decisions.policy import Assignee, Policy
from shared.model import Frozen, OutcomeKind, Reason, UserId

UNACKNOWLEDGED_REASON = "unacknowledged"
"""The reason of an item whose signals no longer have a rule that says what it is about."""

_WHEN = {
    OutcomeKind.ACKNOWLEDGED: "a response is acknowledged",
    OutcomeKind.UNACKNOWLEDGED: "nobody acknowledged a response in time",
    OutcomeKind.DISMISSED: "a response is dismissed",
    OutcomeKind.INVALIDATED: "the context changed",
}


class OpenItem(Frozen, frozen=True):
    """An assignment to make: what for, and whose it is, which is exactly one of role and user."""

    reason_code: str
    role: str | None
    user: UserId | None


def decide_assignments(
    outcome: OutcomeKind,
    rationale: tuple[Reason, ...],
    open_reasons: frozenset[str],
    policy: Policy,
    absent: frozenset[UserId] = frozenset(),
) -> Finding[tuple[OpenItem, ...], str]:
    """The items that this outcome leaves for somebody, at most one for each reason, none that is open.

    ``rationale`` is the response's: each of its signals whose rule needs acknowledgement gives its reason,
    in the rationale's order. The policy in force now decides, which may be younger than the response; where
    it has no such rule any more, one item keeps the response from being forgotten. ``open_reasons`` are
    those of the patient's open assignments. What is for one of the ``absent``, who don't work here any more,
    goes where the policy sends everything ``otherwise``.
    """
    rules = policy.notifications
    if outcome not in rules.on_outcomes:
        return Finding((), (f"The policy makes no assignment when {_WHEN[outcome]}.",))
    signal_rules = policy.decisions.signals
    awaited = (signal_rules.get(reason.signal) for reason in rationale)
    # A dictionary keeps the order and each reason once.
    codes = tuple(dict.fromkeys(rule.reason_code for rule in awaited if rule is not None and rule.needs_ack))
    whose = {code: _present(rules.assign.get(code), rules.otherwise, absent) for code in codes} or {
        UNACKNOWLEDGED_REASON: rules.otherwise
    }
    items = tuple(_item(code, whose[code]) for code in whose if code not in open_reasons)
    return Finding(items, tuple(_sentence(code, whose[code], code in open_reasons) for code in whose))


def decide_successor(
    reason_code: str, policy: Policy, absent: frozenset[UserId]
) -> Finding[OpenItem | None, str]:
    """Whose an open item becomes when the user who had it doesn't work here any more.

    As ``decide_assignments`` would give it today, with that user among the ``absent``. None when the policy
    sends it to nobody but them: then it stays.
    """
    rules = policy.notifications
    assignee = _present(rules.assign.get(reason_code), rules.otherwise, absent)
    if assignee.user in absent:
        reason = reason_code.replace("_", " ")
        return Finding(None, (f"The policy assigns {reason} to nobody who works here.",))
    return Finding(_item(reason_code, assignee), (_sentence(reason_code, assignee, is_open=False),))


def _present(named: Assignee | None, otherwise: Assignee, absent: frozenset[UserId]) -> Assignee:
    return otherwise if named is None or named.user in absent else named


def _item(reason_code: str, assignee: Assignee) -> OpenItem:
    user = UserId(assignee.user) if assignee.user is not None else None
    return OpenItem(reason_code=reason_code, role=assignee.role, user=user)


def _sentence(reason_code: str, assignee: Assignee, is_open: bool) -> str:
    reason = reason_code.replace("_", " ")
    if is_open:
        return f"An assignment for {reason} is open already."
    if assignee.role is None:
        return f"The policy assigns {reason} to one user."
    return f"The policy assigns {reason} to the role {assignee.role.replace('_', ' ')}."
