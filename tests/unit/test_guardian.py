from __future__ import annotations

import contextlib
import io
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from ops.guardian import Guardian, end_groups, read_groups


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen((sys.executable, "-c", "import time; time.sleep(60)"), start_new_session=True)
    # As the supervisor does: an ended process that nobody has waited for still counts as a group.
    threading.Thread(target=process.wait).start()
    yield process
    with contextlib.suppress(ProcessLookupError):
        process.kill()
    process.wait()


def test_what_was_made_and_is_not_gone_is_left_over() -> None:
    assert read_groups(io.StringIO("+10 15\n+11 2\n-10\n-99\n")) == {11: 2}


def test_a_group_is_asked_to_end_by_its_own_signal(sleeper: subprocess.Popen[bytes]) -> None:
    end_groups({sleeper.pid: signal.SIGINT})
    assert sleeper.wait(5) != 0


def test_the_end_of_the_pipe_ends_what_is_watched(sleeper: subprocess.Popen[bytes]) -> None:
    guardian = Guardian()
    guardian.watch(sleeper.pid, signal.SIGTERM)
    guardian.dismiss()
    assert sleeper.wait(5) == -signal.SIGTERM


def test_what_was_forgotten_is_left_alone(sleeper: subprocess.Popen[bytes]) -> None:
    guardian = Guardian()
    guardian.watch(sleeper.pid, signal.SIGTERM)
    guardian.forget(sleeper.pid)
    guardian.dismiss()
    assert sleeper.poll() is None


def test_another_guardian_takes_over_when_one_is_killed(sleeper: subprocess.Popen[bytes]) -> None:
    guardian = Guardian()
    os.kill(guardian._process.pid, signal.SIGKILL)
    guardian._process.wait()
    guardian.watch(sleeper.pid, signal.SIGTERM)
    guardian.dismiss()
    assert sleeper.wait(5) == -signal.SIGTERM
