"""Starts the official Auth emulator for tests, on free ports; it ends when this process does too."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from ops.emulators import answers
from ops.guardian import Guardian

_PROGRAM = Path(__file__).parent / "node_modules/.bin/firebase"
_READY_WITHIN_S = 90.0
_STOPPED_WITHIN_S = 15.0
_TRIES = 3


@contextmanager
def auth_emulator(project_id: str) -> Iterator[str]:
    """The Auth emulator of a project as host:port. Fails the test when it is not installed."""
    node = shutil.which("node")
    if node is None or not _PROGRAM.exists():
        pytest.fail(
            "The Auth emulator is missing: install Node 20 or newer, then run make test, or npm ci in "
            f"{_PROGRAM.parents[2]}."
        )
    guardian = Guardian()
    folder = Path(tempfile.mkdtemp(prefix="mobius-auth-"))
    process = None
    try:
        for _ in range(_TRIES):
            process, host = _start(node, project_id, folder, guardian)
            if _is_ready(process, host):
                break
        else:
            pytest.fail("The Auth emulator did not start:\n" + (folder / "output.txt").read_text())
        yield host
        process.send_signal(signal.SIGINT)
        process.wait(_STOPPED_WITHIN_S)
    finally:
        guardian.dismiss()  # and with it what still runs
        if process is not None:
            process.wait(_STOPPED_WITHIN_S)
        shutil.rmtree(folder)


def _start(
    node: str, project_id: str, folder: Path, guardian: Guardian
) -> tuple[subprocess.Popen[bytes], str]:
    auth, hub, logging = _free_ports(3)
    emulators = {"auth": {"host": "127.0.0.1", "port": auth}, "ui": {"enabled": False}}
    emulators |= {"hub": {"port": hub}, "logging": {"port": logging}}
    (folder / "firebase.json").write_text(json.dumps({"emulators": emulators}))
    command = (node, str(_PROGRAM), "emulators:start", "--only", "auth", "--project", project_id)
    with (folder / "output.txt").open("w") as output:
        process = subprocess.Popen(
            command,
            cwd=folder,
            # It keeps what it knows of its user there.
            env={**os.environ, "XDG_CONFIG_HOME": str(folder), "CI": "true"},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    guardian.watch(process.pid, signal.SIGINT)
    return process, f"127.0.0.1:{auth}"


def _is_ready(process: subprocess.Popen[bytes], host: str) -> bool:
    """Waits; False when the process ended first: somebody else may have taken its port meanwhile."""
    deadline = time.monotonic() + _READY_WITHIN_S
    while process.poll() is None and time.monotonic() < deadline:
        if answers(f"http://{host}/"):
            return True
        time.sleep(0.1)
    return False


def _free_ports(count: int) -> list[int]:
    with ExitStack() as held:
        listeners = [held.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [listener.getsockname()[1] for listener in listeners]
