"""Asserting the value that the system already shows is a confirmation; anything else is an override."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

import pytest

from shared.decisions.acknowledgement import is_confirmation, shown_tasking
from shared.model import (
    AssertedProceed,
    AssertedTasking,
    ExecutionMode,
    ProceedIndicator,
    Surface,
    SystemResponse,
    SystemResponseId,
)


def response(mode: ExecutionMode = ExecutionMode.COPILOT, tasks: int = 1) -> SystemResponse:
    return SystemResponse(
        system_response_id=SystemResponseId(UUID(int=1)),
        surface_type=Surface.MINI,
        computed_at=datetime(2026, 1, 1, tzinfo=UTC),
        proceed_indicator=ProceedIndicator.YELLOW,
        execution_mode=mode,
        tasking_summary="Coverage ends",
        task_count=tasks,
        rationale=(),
        needs_ack=True,
        policy_version=1,
        facts_digest="0",
    )


@pytest.mark.parametrize(
    ("mode", "tasks", "shown"),
    [
        (ExecutionMode.COPILOT, 0, AssertedTasking.NONE),
        (ExecutionMode.AGENTIC, 1, AssertedTasking.REVIEW),
        (ExecutionMode.COPILOT, 2, AssertedTasking.REVIEW),
        (ExecutionMode.USER_DRIVEN, 1, AssertedTasking.ACT),
    ],
)
def test_tasking_is_shown_in_the_words_a_user_may_assert(
    mode: ExecutionMode, tasks: int, shown: AssertedTasking
) -> None:
    assert shown_tasking(response(mode, tasks)) is shown


def test_the_shown_values_are_a_confirmation_alone_and_together() -> None:
    assert is_confirmation(response(), AssertedProceed.YELLOW, None)
    assert is_confirmation(response(), None, AssertedTasking.REVIEW)
    assert is_confirmation(response(), AssertedProceed.YELLOW, AssertedTasking.REVIEW)


def test_one_value_that_differs_makes_an_override() -> None:
    assert not is_confirmation(response(), AssertedProceed.GREEN, None)
    assert not is_confirmation(response(), AssertedProceed.YELLOW, AssertedTasking.ACT)
