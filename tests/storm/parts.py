"""The stack's processes, as they come and go: which may be hurt at this moment, and how."""

from __future__ import annotations

import contextlib
import signal
import threading
import time

import psutil

from tests.stack import Stack
from tests.storm.faults import PARTS

_POLL_S = 0.1
_BETWEEN_DEATHS_S = 17.0
"""From one's return to the next death: the stack gives up on a part that dies three times in 30 s."""


class Parts:
    """Watches the pids in ``stack.json``."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._lock = threading.Lock()
        self._pids: dict[str, int | None] = dict.fromkeys(PARTS)
        self._may_die_at = dict.fromkeys(PARTS, 0.0)
        self._ended: dict[str, int | None] = {}
        self._busy: set[str] = set()
        self._stop = threading.Event()
        self.returns = dict.fromkeys(PARTS, 0)
        """How often each part came back."""
        self._look()
        self._thread = threading.Thread(target=self._watch, name="parts", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Watches no more."""
        self._stop.set()
        self._thread.join()

    def take(self, part: str, *, deadly: bool) -> bool:
        """Whether the part is up and nobody else hurts it; if so it is the caller's until ``leave``."""
        with self._lock:
            free = self._pids[part] is not None and part not in self._busy
            if not free or (deadly and time.monotonic() < self._may_die_at[part]):
                return False
            self._busy.add(part)
            return True

    def leave(self, part: str) -> None:
        """The part may be hurt by others again."""
        with self._lock:
            self._busy.discard(part)

    @property
    def all_up(self) -> bool:
        """Whether every part has a process."""
        with self._lock:
            return None not in self._pids.values()

    def freeze(self, part: str, for_s: float) -> None:
        """Stops all processes of a part for a while."""
        frozen = _processes(self._pids[part])
        try:
            for process in frozen:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.suspend()
            time.sleep(for_s)
        finally:
            for process in frozen:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.resume()

    def end(self, part: str, number: signal.Signals) -> None:
        """Sends a part's process a signal that ends it; all its children at once when it is SIGKILL."""
        with self._lock:
            # The next one is counted from its return, which is noticed later than this.
            self._may_die_at[part] = time.monotonic() + _BETWEEN_DEATHS_S
            pid = self._pids[part]
            # Its description still has the process for a moment.
            self._pids[part], self._ended[part] = None, pid
        for process in _processes(pid)[: None if number is signal.SIGKILL else 1]:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(number)

    def kill_child(self, part: str, place: float) -> bool:
        """Kills one of a part's processes, not the first, by its ``place`` from 0 to 1."""
        children = _processes(self._pids[part])[1:]
        if children:
            with contextlib.suppress(psutil.NoSuchProcess):
                children[int(place * len(children))].kill()
        return bool(children)

    def _watch(self) -> None:
        while not self._stop.wait(_POLL_S):
            self._look()

    def _look(self) -> None:
        try:
            pids = self._stack.description["pids"]
        except (OSError, ValueError):
            return
        with self._lock:
            for part, described in pids.items():
                before, pid = self._pids[part], described if described != self._ended.get(part) else None
                self._pids[part] = pid
                if pid is not None and before != pid and self._may_die_at[part]:
                    self._may_die_at[part] = time.monotonic() + _BETWEEN_DEATHS_S
                    self.returns[part] += 1


def _processes(pid: int | None) -> list[psutil.Process]:
    """A process and its descendants, the process first; none when it is gone."""
    try:
        top = psutil.Process(pid)
        # Postgres puts each of its processes into a group of its own.
        return [top, *sorted(top.children(recursive=True), key=lambda each: each.pid)] if pid else []
    except psutil.NoSuchProcess:
        return []
