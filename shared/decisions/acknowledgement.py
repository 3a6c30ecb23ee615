"""What a Send means beside the response that it answers."""

from __future__ import annotations

from shared.model import (
    AssertedProceed,
    AssertedTasking,
    ExecutionMode,
    SystemResponse,
)


def shown_tasking(response: SystemResponse) -> AssertedTasking:
    """What the system's tasking says in the words a user may assert.

    Nothing open is ``none``; something that only a person can advance is ``act``; the rest is ``review``.
    """
    if response.task_count == 0:
        return AssertedTasking.NONE
    by_hand = response.execution_mode is ExecutionMode.USER_DRIVEN
    return AssertedTasking.ACT if by_hand else AssertedTasking.REVIEW


def is_confirmation(
    response: SystemResponse, proceed: AssertedProceed | None, tasking: AssertedTasking | None
) -> bool:
    """Whether every asserted value is the one that the system already shows (mission, vocabulary)."""
    same_proceed = proceed is None or proceed.value == response.proceed_indicator.value
    return same_proceed and (tasking is None or tasking is shown_tasking(response))
