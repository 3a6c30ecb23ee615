from __future__ import annotations

import io
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from rich.console import Console

from ops.readable import Screen
from ops.supervisor import Part, PartFailed, Supervisor

SLEEPS = "import time; time.sleep(60)"
IGNORES_TERM = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up'); {SLEEPS}"
HAS_A_CHILD = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {SLEEPS!r}]); {SLEEPS}"


def part(code: str, **changes: object) -> Part:
    given = {
        "name": "part",
        "command": (sys.executable, "-S", "-c", code),
        "env": dict(os.environ),
        "is_ready": lambda: True,
        **changes,
    }
    return Part(**given)  # type: ignore[arg-type] -- plain JSON in a test


def eventually(true: Callable[[], object]) -> bool:
    deadline = time.monotonic() + 5
    while not true() and time.monotonic() < deadline:
        time.sleep(0.01)
    return bool(true())


@pytest.fixture
def seen() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def make(tmp_path: Path, seen: io.StringIO) -> Iterator[Callable[..., Supervisor]]:
    made: list[Supervisor] = []

    def supervisor(restart: bool = True) -> Supervisor:
        screen = Screen(Console(file=seen, width=200))
        made.append(Supervisor(log_folder=tmp_path, screen=screen, restart=restart, first_pause_s=0.02))
        return made[-1]

    yield supervisor
    for each in made:
        each.stop()


def is_gone(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return True
    return False


def test_what_a_part_writes_is_logged_raw_and_shown_with_its_name(
    make: Callable[..., Supervisor], seen: io.StringIO, tmp_path: Path
) -> None:
    line = '{"severity": "INFO", "message": "hello", "took": 3}'
    make().start(part(f"print('{line}', flush=True); {SLEEPS}"))
    assert eventually(lambda: "hello took=3" in seen.getvalue())
    assert (tmp_path / "part.log").read_text() == f"{line}\n"


def test_what_a_part_writes_is_for_nobody_else_to_read(tmp_path: Path) -> None:
    logs = tmp_path / "logs"
    supervisor = Supervisor(log_folder=logs, screen=Screen(Console(file=io.StringIO())), restart=False)
    supervisor.start(part(f"print('hello', flush=True); {SLEEPS}"))
    assert eventually((logs / "part.log").exists)
    supervisor.stop()
    assert logs.stat().st_mode & 0o777 == 0o700
    assert (logs / "part.log").stat().st_mode & 0o777 == 0o600


def test_a_part_that_ends_while_it_starts_is_a_failure_that_says_how(make: Callable[..., Supervisor]) -> None:
    with pytest.raises(PartFailed, match="part ended with status 3 while it was starting"):
        make().start(part("raise SystemExit(3)", is_ready=lambda: False))


def test_a_part_that_is_never_ready_is_a_failure(make: Callable[..., Supervisor]) -> None:
    with pytest.raises(PartFailed, match=r"part was not ready within 0\.2 seconds"):
        make().start(part(SLEEPS, is_ready=lambda: False, ready_within_s=0.2))


def test_a_dead_part_comes_back_and_is_set_up_again(
    make: Callable[..., Supervisor], seen: io.StringIO
) -> None:
    set_up: list[str] = []
    supervisor = make()
    supervisor.start(part(SLEEPS, after_restart=lambda: set_up.append("again")))
    first = supervisor.pids()["part"]
    assert first
    os.kill(first, signal.SIGKILL)
    assert eventually(lambda: set_up == ["again"])
    assert supervisor.pids()["part"] not in (None, first)
    assert "was ended by SIGKILL; starting it again in 0.02 s" in seen.getvalue()


def test_without_restart_a_dead_part_is_named_and_stays_down(
    make: Callable[..., Supervisor], seen: io.StringIO
) -> None:
    supervisor = make(restart=False)
    supervisor.start(part(SLEEPS))
    os.kill(supervisor.pids()["part"] or 0, signal.SIGKILL)
    assert eventually(lambda: "it stays down" in seen.getvalue())
    assert supervisor.pids() == {"part": None}
    assert supervisor.wait_for_failure(0.1) is None


def test_three_deaths_in_a_row_are_a_failure(make: Callable[..., Supervisor]) -> None:
    supervisor = make()
    supervisor.start(part("import time; time.sleep(0.2)"))
    assert supervisor.wait_for_failure(10) == "part died 3 times in 30 seconds."


def test_a_part_that_cannot_be_set_up_again_is_a_failure(make: Callable[..., Supervisor]) -> None:
    def refuse() -> None:
        raise ValueError("no topics")

    supervisor = make()
    supervisor.start(part(SLEEPS, after_restart=refuse, set_up_within_s=0.1))
    os.kill(supervisor.pids()["part"] or 0, signal.SIGKILL)
    assert supervisor.wait_for_failure(5) == "part could not be brought back: no topics"


def test_a_part_is_set_up_once_what_that_needs_is_back_too(
    make: Callable[..., Supervisor], seen: io.StringIO
) -> None:
    tried: list[str] = []

    def needs_another() -> None:
        tried.append("set up")
        if len(tried) < 3:
            raise ConnectionRefusedError

    supervisor = make()
    supervisor.start(part(SLEEPS, after_restart=needs_another))
    os.kill(supervisor.pids()["part"] or 0, signal.SIGKILL)
    assert eventually(lambda: "is back" in seen.getvalue())
    assert len(tried) == 3
    assert supervisor.wait_for_failure(0) is None


def test_what_a_dead_part_leaves_of_its_group_is_killed_with_it(make: Callable[..., Supervisor]) -> None:
    supervisor = make(restart=False)
    supervisor.start(part(HAS_A_CHILD))
    group = supervisor.pids()["part"] or 0
    os.kill(group, signal.SIGKILL)
    assert eventually(lambda: is_gone(group))


def test_stopping_kills_a_part_that_will_not_end(
    make: Callable[..., Supervisor], seen: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ops.supervisor._STOP_WITHIN_S", 0.2)
    supervisor = make()
    supervisor.start(part(IGNORES_TERM.replace("'up'", "'up', flush=True")))
    assert eventually(lambda: "up" in seen.getvalue())
    group = supervisor.pids()["part"] or 0
    supervisor.stop()
    assert supervisor.pids() == {"part": None}
    assert eventually(lambda: is_gone(group))


def test_nothing_starts_after_the_stop(make: Callable[..., Supervisor]) -> None:
    supervisor = make()
    supervisor.stop()
    with pytest.raises(PartFailed, match="because the stack is stopping"):
        supervisor.start(part(SLEEPS))
