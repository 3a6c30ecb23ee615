"""How a command is asked to end, and how it ends undisturbed once it was asked."""

from __future__ import annotations

import os
import signal
import threading
import time
from types import FrameType


class StopRequested(BaseException):
    """Somebody wants the stack to end: Ctrl-C, a signal, or the parent is gone."""


def heed_stop_requests() -> None:
    """From here on Ctrl-C and the signals that mean the same raise StopRequested."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _request_stop)


def stop_with_parent() -> None:
    """From here on the end of the process that started this one is a stop request too."""
    threading.Thread(target=_watch_parent, args=(os.getppid(),), daemon=True).start()


def _request_stop(_number: int, _frame: FrameType | None) -> None:
    # Once is enough: what follows takes a few seconds and must not be interrupted.
    ignore_stop_requests()
    raise StopRequested


def ignore_stop_requests() -> None:
    """What follows takes a few seconds and must not be interrupted."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)


def _watch_parent(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(0.5)
    os.kill(os.getpid(), signal.SIGTERM)
