"""What this process knows of its database's silence, so that few wait for what does not answer."""

from __future__ import annotations

import time
from collections.abc import Callable

from shared.errors import DatabaseUnavailable
from shared.patience import Rest

_SILENCE_S = 0.3
"""Who waited less knows nothing of it."""

_ASKED_EVERY_S = 0.5
"""While the database is silent one request in so many seconds finds out whether it still is."""


class Outage:
    """One engine's view. Told by every socket what it heard; shared between threads.

    A silent database lets each caller wait out its deadline. So after the first one did, the others are told
    at once, but for one now and then; the first answer ends it.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.generation = 0
        """Connections of an earlier one are of before a loss: others of theirs are likely dead too."""
        self._clock = clock
        self._heard_at = clock()
        self._rest = Rest(_ASKED_EVERY_S, clock)

    def heard(self) -> None:
        """The database said something."""
        self._heard_at = self._clock()
        self._rest.end()

    def waited_in_vain(self, since: float) -> None:
        """Somebody gave up who waited from ``since`` on, of the clock."""
        if self._heard_at > since or self._clock() - since < _SILENCE_S:
            # It speaks to others: one connection is dead, or one statement slow. Or it had no time to answer:
            # the deadline was over when it was asked.
            return
        self.generation += 1
        self._rest.begin()

    def lost(self, generation: int) -> None:
        """A connection of that generation was found dead, at once."""
        if generation == self.generation:
            self.generation += 1

    def refuse_to_wait(self) -> None:
        """Raises DatabaseUnavailable while the database is silent, unless it is the caller's turn to ask."""
        if not self._rest.is_my_turn():
            raise DatabaseUnavailable
