"""The public keys that ID tokens are signed with, fetched from their issuer and kept."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec

from shared.errors import MobiusError

if TYPE_CHECKING:
    from jwt import PyJWK

_MAX_AGE = re.compile(r"(?:^|[ ,])max-age=([0-9]{1,9})", re.IGNORECASE)
_SHORTEST_KEEP_S = 60.0
# A token with a made-up key id costs one fetch a minute, however many come.
_REFETCH_S = 60.0
# Until the first keys are there nobody gets in, so it is tried sooner.
_FIRST_FETCH_RETRY_S = 1.0
_LARGEST_ANSWER = 1024 * 1024


class KeysUnavailable(MobiusError):
    """The issuer's keys were never fetched and can't be now; the caller's token may be perfectly good."""

    status = 503
    title = "Temporarily unavailable"
    detail = "Sign-in can't be checked right now. Nothing was changed; try again shortly."
    retry_after_s = 2


class _KeySet(msgspec.Struct, frozen=True):
    keys: list[dict[str, Any]]


class SigningKeys:
    """Keys by their id. Safe to share between threads; a fetch lasts ``timeout_s`` seconds at most.

    Kept as long as the issuer says (Cache-Control), fetched again for an unknown id, and kept on when
    the issuer is away.
    """

    def __init__(self, url: str, timeout_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._url = url
        self._timeout_s = timeout_s
        self._clock = clock
        self._fetching = threading.Lock()
        self._keys: dict[str, PyJWK] = {}
        self._fresh_until = float("-inf")
        self._tried_at = float("-inf")

    def find(self, key_id: str) -> PyJWK | None:
        """The key with this id, None when the issuer has none. Raises KeysUnavailable."""
        # Who has a key doesn't wait for another thread's fetch; who has none must.
        if self._is_due(key_id) and self._fetching.acquire(blocking=key_id not in self._keys):
            try:
                if self._is_due(key_id):
                    self._fetch()
            finally:
                self._fetching.release()
        if not self._keys:
            raise KeysUnavailable
        return self._keys.get(key_id)

    def _is_due(self, key_id: str) -> bool:
        now = self._clock()
        if key_id in self._keys and now < self._fresh_until:
            return False
        return now >= self._tried_at + (_REFETCH_S if self._keys else _FIRST_FETCH_RETRY_S)

    def _fetch(self) -> None:
        # Imported here: only a function that is deployed fetches keys.
        from http.client import HTTPException
        from urllib.request import urlopen

        from jwt import PyJWK
        from jwt.exceptions import PyJWTError

        try:
            with urlopen(self._url, timeout=self._timeout_s) as answer:  # noqa: S310 -- our own constant
                max_age = _MAX_AGE.search(answer.headers.get("Cache-Control", ""))
                key_set = msgspec.json.decode(answer.read(_LARGEST_ANSWER), type=_KeySet)
            keys = {str(key["kid"]): PyJWK(key, algorithm="RS256") for key in key_set.keys}
        except (OSError, HTTPException, msgspec.DecodeError, PyJWTError, KeyError, ValueError):
            keys = {}
        # Only now: whoever came meanwhile must find the fetch due, and so wait for its end.
        self._tried_at = self._clock()
        if keys:
            self._keys = keys
            keep_s = float(max_age[1]) if max_age else 0.0
            self._fresh_until = self._clock() + max(keep_s, _SHORTEST_KEEP_S)
