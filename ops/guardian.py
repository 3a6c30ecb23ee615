"""Ends the local stack's processes when the supervisor is gone without having done so itself.

A killed process can't tidy up after itself, and a Java child outlives its parent. So the supervisor
starts this program first and tells it, over a pipe, every process group that it makes. The system
closes the pipe however the supervisor ends; what is still listed then is ended here.

Runs on the standard library alone, so that it is up in milliseconds.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from typing import IO

GRACE_S = 3.0
"""How long a group has between being asked to end and being killed."""


class Guardian:
    """The guardian's process, from the supervisor's side. Should it die, another takes over its list.

    It keeps the descriptors ``holds`` open until it is done.
    """

    def __init__(self, holds: tuple[int, ...] = ()) -> None:
        self._holds = holds
        self._groups: dict[int, int] = {}
        self._lock = threading.Lock()
        self._dismissed = False
        self._process = self._start()

    def watch(self, group: int, ask: int) -> None:
        """From now on the group ends with the supervisor, by the signal ``ask`` if it obeys that."""
        self._groups[group] = int(ask)
        self._order(f"+{group} {int(ask)}")

    def forget(self, group: int) -> None:
        """The group is gone; its number may soon be somebody else's."""
        self._groups.pop(group, None)
        self._order(f"-{group}")

    def dismiss(self) -> None:
        """Ends the guardian, and with it every group that it still watches."""
        with self._lock:
            self._dismissed = True
            self._process.communicate()

    def _order(self, order: str) -> None:
        with self._lock:
            if self._dismissed:
                return
            try:
                _write(self._process, order)
            except BrokenPipeError:
                self._process.wait()
                self._process = self._start()
                for group, ask in self._groups.items():
                    _write(self._process, f"+{group} {ask}")

    def _start(self) -> subprocess.Popen[str]:
        return subprocess.Popen(
            (sys.executable, "-I", "-S", __file__),
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
            pass_fds=self._holds,
        )


def _write(process: subprocess.Popen[str], order: str) -> None:
    if process.stdin is not None:
        process.stdin.write(f"{order}\n")
        process.stdin.flush()


def read_groups(orders: IO[str]) -> dict[int, int]:
    """Follows ``orders`` to its end and returns the groups left over: group id → signal that asks it to end.

    An order is ``+GROUP SIGNAL`` when a group was made and ``-GROUP`` when it is gone.
    """
    groups: dict[int, int] = {}
    for order in orders:
        if order.startswith("+"):
            group, ask = order[1:].split()
            groups[int(group)] = int(ask)
        else:
            groups.pop(int(order[1:]), None)
    return groups


def end_groups(groups: dict[int, int]) -> None:
    """Asks every group to end, waits at most ``GRACE_S`` seconds, then kills what is left."""
    left = [group for group, ask in groups.items() if _signal(group, ask)]
    deadline = time.monotonic() + GRACE_S
    while left and time.monotonic() < deadline:
        time.sleep(0.05)
        left = [group for group in left if _signal(group, 0)]
    for group in left:
        _signal(group, signal.SIGKILL)


def _signal(group: int, number: int) -> bool:
    """Signals the group; False when it no longer exists."""
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        return False
    return True


if __name__ == "__main__":
    # Whatever ends the supervisor must not end its guardian first.
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    end_groups(read_groups(sys.stdin))
