"""How long this process waits for others: a deadline for each request, and a rest after a failure.

What a single call may take is in the settings. A request's deadline, from when it is here whole, caps all
of its calls together: whoever waits is told in time, whatever hangs. Work that nobody waits for has none.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_SHORTEST_S = 0.001
"""A socket takes no time-out of nothing for one that is over."""

_ends_at: ContextVar[float | None] = ContextVar("request_ends_at", default=None)


@contextmanager
def deadline(within_s: float) -> Iterator[None]:
    """What is begun inside, on this thread, ends within so many seconds."""
    token = _ends_at.set(time.monotonic() + within_s)
    try:
        yield
    finally:
        _ends_at.reset(token)


def left_s() -> float | None:
    """How much of the deadline is left, at least a moment; None where there is none."""
    ends_at = _ends_at.get()
    return None if ends_at is None else max(ends_at - time.monotonic(), _SHORTEST_S)


def at_most(longest_s: float) -> float:
    """How long a wait may last that usually may last ``longest_s``."""
    left = left_s()
    return longest_s if left is None else min(longest_s, left)


class Rest:
    """After a failure nobody asks again for a while, but one now and then: each would wait for the next one.

    For all threads of a process together; ``clock`` gives seconds and never goes back.
    """

    def __init__(self, lasts_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._lasts_s = lasts_s
        self._clock = clock
        self._until: float | None = None
        self._lock = threading.Lock()

    def begin(self) -> None:
        """It failed."""
        self._until = self._clock() + self._lasts_s

    def end(self) -> None:
        """It is well again."""
        self._until = None

    def is_my_turn(self) -> bool:
        """Whether the caller may ask: all of them while it is well, and one after each rest."""
        if self._until is None:
            return True
        with self._lock:
            if self._until is not None and self._clock() < self._until:
                return False
            self.begin()
            return True
