"""Tells the person before the local stack when something is behind, and when all is well again."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from ops.readable import Screen

_LATE_S = 3.0
"""Locally a change is in Firestore within a fraction of this."""

_AGAIN_S = 10.0


class HealthWatch:
    """Says what the scheduler's health says: when it turns bad, every ten seconds, and when it is well."""

    def __init__(self, screen: Screen, clock: Callable[[], float] = time.monotonic) -> None:
        self._screen = screen
        self._clock = clock
        self._said_at: float | None = None

    def saw(self, health: Mapping[str, Any]) -> None:
        """Takes in an answer of the scheduler's health."""
        if behind := _behind(health):
            now = self._clock()
            if self._said_at is None or now - self._said_at >= _AGAIN_S:
                self._said_at = now
                self._screen.say("health", " ".join(behind), "WARNING")
        elif self._said_at is not None:
            self._said_at = None
            self._screen.say("health", "every change is in Firestore again, and nothing is overdue")


def _behind(health: Mapping[str, Any]) -> list[str]:
    waiting = health["unconfirmed"]
    late = (waiting["oldest_s"] or 0) > _LATE_S
    changes = "1 change is" if waiting["count"] == 1 else f"{waiting['count']:,} changes are"
    said = [f"{changes} not in Firestore yet."] if late else []
    # The first is the same in other words.
    return said + [each for each in health["troubles"] if not (late and "not in Firestore" in each)]
