"""What tests of several floors share."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.stack import Stack, start_stack

# The emulators live for seconds here: compiling their code well would take longer than it saves.
os.environ.setdefault("JAVA_TOOL_OPTIONS", "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC")

# Started in the background by a shell, the whole run would ignore Ctrl-C, and so would the programs that
# tests start and end by it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """The whole product, running on free ports over a fresh folder; started once for the session."""
    # Not pytest's own folder: that is closed to the user whom PostgreSQL runs as.
    state_dir = Path(tempfile.mkdtemp(prefix="mobius-"))
    # Tests leave documents out or break them: what is mended behind their backs is not what they look at.
    running = start_stack(state_dir, {"DRIFT_CYCLE_S": "86400"})
    yield running
    running.stop()
    shutil.rmtree(state_dir)
