"""The one shape of what an agent answers."""

from __future__ import annotations

from typing import Generic, NamedTuple, TypeVar

from shared.model import Reason

Value = TypeVar("Value")
Why = TypeVar("Why", Reason, str)


class Finding(NamedTuple, Generic[Value, Why]):
    """A value and the reasons for it that a worker can read, the most important first.

    A reason is a signal as a sentence with its source and age, or, where no signal decides, a sentence.
    """

    value: Value
    rationale: tuple[Why, ...]
