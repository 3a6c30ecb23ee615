"""How fast one user may ask: a token bucket for each, in the memory of this process.

Per user and per instance: N instances let a user ask N times as fast, and a restart forgets. It keeps one
account, gone wrong or astray, from taking an instance's connections away from everybody else. A flood from
strangers never gets this far, for who calls is known by then: it is the platform's business (a function's
maximum of instances, Cloud Armor).

The libraries ``limits`` and ``pyrate-limiter`` do the same. Importing either takes 120 to 135 ms, half of
the 250 ms in which a bare function boots; so these few lines are ours.
"""

from __future__ import annotations

import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from functools import lru_cache

from shared.errors import TooManyRequests
from shared.security.identity import Identity
from shared.settings import settings

REMEMBERED_USERS = 10_000
"""Users with a bucket that is not full. Over that the one who was quiet longest gets a full one early."""

_Who = tuple[object, ...]


class RateLimit:
    """Lets each user ask ``burst`` times at once and ``per_s`` times a second for good. Thread-safe.

    ``clock`` gives seconds and never goes back.
    """

    def __init__(
        self,
        per_s: float,
        burst: int,
        *,
        clock: Callable[[], float] = time.monotonic,
        remembered: int = REMEMBERED_USERS,
    ) -> None:
        self._each_s = 1 / per_s
        self._window_s = burst / per_s
        self._clock = clock
        self._remembered = remembered
        # When each user's bucket will be full again: this one number is the whole bucket.
        self._full_at: OrderedDict[_Who, float] = OrderedDict()
        self._lock = threading.Lock()

    def take(self, who: _Who) -> float:
        """0 when ``who`` may ask now, which is counted; else for how many seconds not, and nothing is."""
        with self._lock:
            now = self._clock()
            full_at = max(self._full_at.get(who, now), now) + self._each_s
            wait_s = full_at - now - self._window_s
            # A thousandth of a request is nothing: sums of fractions are off by less.
            if wait_s > self._each_s / 1000:
                return wait_s
            self._full_at[who] = full_at
            self._full_at.move_to_end(who)
            self._forget(now)
            return 0.0

    def __len__(self) -> int:
        """How many users are remembered."""
        return len(self._full_at)

    def _forget(self, now: float) -> None:
        # Whoever asked longest ago comes first. A full bucket is the same as none.
        while self._full_at:
            first = next(iter(self._full_at))
            if self._full_at[first] > now and len(self._full_at) <= self._remembered:
                return
            del self._full_at[first]


def heed_rate(identity: Identity) -> None:
    """Counts a request of this user, by this process's settings.

    Raises TooManyRequests when it is one too many; then it is not counted.
    """
    here = settings()
    limit = rate_limit(here.rate_per_user_s, here.rate_burst)
    wait_s = limit.take((identity.tenant_id, identity.user_id))
    if wait_s > 0:
        raise TooManyRequests(math.ceil(wait_s))


@lru_cache(maxsize=1)
def rate_limit(per_s: float, burst: int) -> RateLimit:
    """The one limit of this process: locally, where endpoints share a process, they share it."""
    return RateLimit(per_s, burst)
