"""Real listeners on a few patients: what they see must never go back to an older version."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from functools import partial
from typing import Any

from google.api_core.exceptions import GoogleAPICallError

from tests.storm.ground import Ground

# The client warns of each stream that it has to give up.
logging.getLogger("google.api_core.bidi").setLevel(logging.ERROR)

_OF_A_CLINIC = 4
_POLL_S = 1.0


class Listening:
    """Subscriptions that are made anew when ``generation``, which counts Firestore's returns, has moved.

    ``was_put`` tells whether a copy with this path and ``updated_at`` was put there by the storm itself.
    """

    def __init__(
        self, ground: Ground, generation: Callable[[], int], was_put: Callable[[str, object], bool]
    ) -> None:
        self._client = ground.documents
        self._generation = generation
        self._was_put = was_put
        self._paths = [
            f"tenants/{tenant['tenant_id']}/patient_state/{patient['patient_key']}"
            for tenant in ground.tenants
            for patient in tenant["patients"][:_OF_A_CLINIC]
        ]
        self._lock = threading.Lock()
        self._newest: dict[str, int] = {}
        self._watches: dict[str, Any] = {}
        self._stop = threading.Event()
        self.seen = 0
        """How many documents came."""
        self.wrong: list[str] = []
        """Documents that went back."""
        self._thread = threading.Thread(target=self._keep, name="listening", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Listens no more."""
        self._stop.set()
        self._thread.join(10)

    def newest(self) -> dict[str, int]:
        """The newest version of each document that was seen."""
        with self._lock:
            return dict(self._newest)

    def _keep(self) -> None:
        generation = -1
        while True:
            if generation != (generation := self._generation()):
                self._unsubscribe()
            for path in self._paths:
                watch = self._watches.get(path)
                if watch is None or not watch.is_active:
                    self._subscribe(path)
            if self._stop.wait(_POLL_S):
                break
        self._unsubscribe()

    def _subscribe(self, path: str) -> None:
        try:
            self._watches[path] = self._client.document(path).on_snapshot(partial(self._came, path))
        except GoogleAPICallError:
            return

    def _unsubscribe(self) -> None:
        watches, self._watches = self._watches, {}
        for watch in watches.values():
            watch.unsubscribe()

    def _came(self, path: str, snapshots: list[Any], _changes: object, _read_time: object) -> None:
        for snapshot in snapshots:
            content = snapshot.to_dict()
            if content is None:
                continue
            with self._lock:
                self.seen += 1
                newest = self._newest.get(path, 0)
                if content["version"] >= newest:
                    self._newest[path] = content["version"]
                elif not self._was_put(path, content.get("updated_at")):
                    self.wrong.append(f"{path} went from version {newest} back to {content['version']}")
