"""The tasking agent: what is open, in one line, and whether somebody has to acknowledge it."""

from __future__ import annotations

from typing import NamedTuple

from shared.decisions.finding import Finding
from shared.decisions.policy import Policy
from shared.decisions.standing import known_signals, reasons, standing_signals
from shared.decisions.wording import LINE_LIMIT, clip
from shared.model import ProceedIndicator, Reason, Signal


class Tasking(NamedTuple):
    """The tasking summary, how many tasks it stands for, and whether a Send is awaited."""

    summary: str
    task_count: int
    needs_ack: bool


def decide_tasking(signals: tuple[Signal, ...], policy: Policy) -> Finding[Tasking, Reason]:
    """The first task "(+n more)"; the policy's words when nothing is open. The tasks are the reasons.

    A green signal is no task: it informs, nothing is needed.
    """
    tasks = tuple(
        each for each in standing_signals(signals, policy) if each.rule.proceed is not ProceedIndicator.GREEN
    )
    if not tasks:
        rules = policy.decisions
        words = rules.nothing_open if known_signals(signals, policy) else rules.not_assessed
        return Finding(Tasking(words, 0, needs_ack=False), ())
    open_items = reasons(tasks)
    more = f" (+{len(tasks) - 1} more)" if len(tasks) > 1 else ""
    summary = clip(open_items[0].text, LINE_LIMIT - len(more)) + more
    needs_ack = any(each.rule.needs_ack for each in tasks)
    return Finding(Tasking(summary, len(tasks), needs_ack), open_items)
