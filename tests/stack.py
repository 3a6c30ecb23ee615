"""Starts the local stack for tests: a process of its own, free ports, a folder of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pg8000.dbapi
from sqlalchemy import make_url

MOBIUS = Path(sys.executable).with_name("mobius")
READY_WITHIN_S = 90.0
STOPPED_WITHIN_S = 15.0


class Stack:
    """A running stack. ``pid`` is the process of ``mobius run`` itself."""

    def __init__(self, process: subprocess.Popen[str], state_dir: Path) -> None:
        self.process = process
        self.state_dir = state_dir

    @property
    def description(self) -> dict[str, Any]:
        """``stack.json`` as it is at this moment."""
        return json.loads((self.state_dir / "stack.json").read_text())

    @property
    def output(self) -> str:
        """Everything that a person would have seen so far."""
        return (self.state_dir / "output.txt").read_text()

    def stop(self) -> int:
        """Presses Ctrl-C, waits for the end and returns the exit status."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        return self.process.wait(STOPPED_WITHIN_S)


def start_stack(state_dir: Path, env: Mapping[str, str] | None = None) -> Stack:
    """Runs ``mobius run`` over ``state_dir`` with ``env`` added and waits until it is ready.

    The stack ends when this process does, however it ends. Fails when it ends first or takes too long.
    """
    process = launch(state_dir, env)
    stack = Stack(process, state_dir)
    deadline = time.monotonic() + READY_WITHIN_S
    while not (state_dir / "stack.json").exists():
        if process.poll() is not None:
            raise AssertionError(f"the stack ended with status {process.returncode}:\n{stack.output}")
        if time.monotonic() > deadline:
            stack.stop()
            raise AssertionError(f"the stack was not ready within {READY_WITHIN_S:g} s:\n{stack.output}")
        time.sleep(0.05)
    return stack


def launch(
    state_dir: Path, env: Mapping[str, str] | None = None, *, through: tuple[str, ...] = ()
) -> subprocess.Popen[str]:
    """Starts ``mobius run`` without waiting, as a child of the command ``through`` when there is one."""
    state_dir.mkdir(parents=True, exist_ok=True)
    # What an earlier stack here said about itself, had it been killed, is not about this one.
    (state_dir / "stack.json").unlink(missing_ok=True)
    command = (
        *(*through, str(MOBIUS), "run", "--ports", "auto"),
        *("--state-dir", str(state_dir), "--stop-with-parent"),
    )
    with (state_dir / "output.txt").open("w") as output:
        return subprocess.Popen(
            command,
            env={**os.environ, **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )


def eventually(true: Callable[[], Any], within_s: float) -> Any:
    """Asks until the answer is true or the time is over, and returns the last answer."""
    deadline = time.monotonic() + within_s
    while not (value := true()) and time.monotonic() < deadline:
        time.sleep(0.05)
    return value


@contextmanager
def connected(url: str) -> Iterator[pg8000.dbapi.Connection]:
    """A plain connection to the database at ``url``."""
    parts = make_url(url)
    connection = pg8000.dbapi.connect(
        parts.username or "",
        host=parts.host or "",
        port=parts.port or 5432,
        password=parts.password,
        database=parts.database,
    )
    try:
        yield connection
    finally:
        connection.close()
