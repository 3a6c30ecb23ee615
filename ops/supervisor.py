"""Starts, watches, restarts and ends the processes of the local stack.

Every part runs in a session and process group of its own. The supervisor signals these groups and
nothing else; should it be killed, the guardian ends them in its place.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ops.guardian import Guardian
from ops.readable import Screen, is_alarming

DEATHS_TOLERATED = 3
DEATHS_WITHIN_S = 30.0
_POLL_S = 0.05
_STOP_WITHIN_S = 4.0
_SET_UP_AGAIN_S = 0.5


class PartFailed(Exception):
    """A part could not be started; the message is a sentence for people."""


def _do_nothing() -> None:
    pass


@dataclass(frozen=True)
class Account:
    """The numbers of a system user whom a part runs as."""

    uid: int
    gid: int


@dataclass(frozen=True, kw_only=True)
class Part:
    """One process of the stack.

    ``is_ready`` is asked until it says yes or ``ready_within_s`` seconds have passed; ``after_restart``
    runs whenever the part is ready again after a death, and again if it raises, for ``set_up_within_s``
    seconds: what it needs may be away as well. A ``quiet`` part's lines go to its log file, and only its
    alarms, once it is ready, to the screen. Parts that end last wait until all others are gone.
    """

    name: str
    command: tuple[str, ...]
    env: Mapping[str, str]
    is_ready: Callable[[], bool]
    ready_within_s: float = 30.0
    after_restart: Callable[[], None] = _do_nothing
    set_up_within_s: float = 60.0
    stop_signal: signal.Signals = signal.SIGTERM
    ends_last: bool = False
    run_as: Account | None = None
    quiet: bool = False


@dataclass
class _Running:
    """A process of a part, its last lines, and how far it has come."""

    process: subprocess.Popen[str]
    last_lines: deque[str] = field(default_factory=lambda: deque(maxlen=8))
    ready: bool = False
    ended: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def signal_group(self, number: int) -> None:
        """Signals the process group while it is certain to be ours."""
        with self.lock:
            if not self.ended.is_set():
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(self.process.pid, number)

    def reap(self) -> None:
        """Waits for the process to end and kills what it leaves of its group.

        The group is killed before the process is reaped: until then its number can't be anyone else's.
        """
        os.waitid(os.P_PID, self.process.pid, os.WEXITED | os.WNOWAIT)
        with self.lock:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.ended.set()

    def how_it_ended(self) -> str:
        """The end in words."""
        code = self.process.returncode
        return f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with status {code}"


class Supervisor:
    """Keeps the parts alive until ``stop``, or until one of them fails for good.

    With ``restart`` off a dead part is named and left down. ``on_change`` is called after a part's
    process has changed. The guardian keeps the descriptors ``guardian_holds`` open until it is done.
    A dead part comes back after ``first_pause_s`` seconds, after each further recent death twice as long.
    """

    def __init__(
        self,
        *,
        log_folder: Path,
        screen: Screen,
        restart: bool,
        on_change: Callable[[], None] = _do_nothing,
        guardian_holds: tuple[int, ...] = (),
        first_pause_s: float = 0.5,
    ) -> None:
        self._logs = log_folder
        self._screen = screen
        self._restart = restart
        self._on_change = on_change
        self._first_pause_s = first_pause_s
        self._parts: dict[str, Part] = {}
        self._running: dict[str, _Running] = {}
        self._stopping = threading.Event()
        self._failed = threading.Event()
        self._failure: str | None = None
        # Held while a process is made or the stop begins, so that nothing is made after the stop.
        self._lock = threading.RLock()
        self._guardian = Guardian(guardian_holds)
        self._logs.mkdir(mode=0o700, parents=True, exist_ok=True)

    def start(self, part: Part) -> None:
        """Starts ``part``, waits until it is ready and watches it from then on.

        Raises PartFailed when it ends first or is not ready in time.
        """
        self._parts[part.name] = part
        (self._logs / f"{part.name}.log").unlink(missing_ok=True)
        running = self._spawn(part)
        if not self._wait_until_ready(part, running):
            last = [f"\n    {line}" for line in running.last_lines] if part.quiet else []
            raise PartFailed(f"{part.name} {running.how_it_ended()} while it was starting.{''.join(last)}")
        threading.Thread(target=self._watch, args=(part,), name=f"watch {part.name}", daemon=True).start()

    def pids(self) -> dict[str, int | None]:
        """The process of each part; None while it is down."""
        with self._lock:
            return {
                name: None if running.ended.is_set() else running.process.pid
                for name, running in self._running.items()
            }

    def wait_for_failure(self, timeout_s: float) -> str | None:
        """Waits at most ``timeout_s`` for a part to fail for good; returns the sentence that says so."""
        return self._failure if self._failed.wait(timeout_s) else None

    def stop(self) -> None:
        """Ends every part within a few seconds, those that end last after all others."""
        with self._lock:
            self._stopping.set()
        for last in (False, True):
            names = [name for name, part in self._parts.items() if part.ends_last == last]
            _end({name: self._running[name] for name in names if name in self._running}, self._parts)
        for running in self._running.values():
            self._guardian.forget(running.process.pid)
        self._guardian.dismiss()

    def _spawn(self, part: Part) -> _Running:
        with self._lock:
            if self._stopping.is_set():
                raise PartFailed(f"{part.name} was not started because the stack is stopping.")
            process = subprocess.Popen(
                part.command,
                env=dict(part.env),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                start_new_session=True,
                user=part.run_as.uid if part.run_as else None,
                group=part.run_as.gid if part.run_as else None,
                extra_groups=[] if part.run_as else None,
            )
            self._guardian.watch(process.pid, part.stop_signal)
            running = self._running[part.name] = _Running(process)
        threading.Thread(
            target=self._read, args=(part, running), name=f"read {part.name}", daemon=True
        ).start()
        threading.Thread(target=self._reap, args=(running,), name=f"reap {part.name}", daemon=True).start()
        return running

    def _reap(self, running: _Running) -> None:
        running.reap()
        self._guardian.forget(running.process.pid)

    def _read(self, part: Part, running: _Running) -> None:
        output = running.process.stdout
        with open(self._logs / f"{part.name}.log", "a", encoding="utf-8", opener=_private) as log:
            for line in output or ():
                log.write(line)
                log.flush()
                running.last_lines.append(line.rstrip())
                if not part.quiet or (running.ready and is_alarming(line)):
                    self._screen.show(part.name, line)

    def _wait_until_ready(self, part: Part, running: _Running) -> bool:
        """True when the part is ready, False when it ended first.

        Raises PartFailed when the time is over.
        """
        deadline = time.monotonic() + part.ready_within_s
        while not running.ended.wait(_POLL_S):
            if part.is_ready():
                running.ready = True
                return True
            if time.monotonic() > deadline:
                raise PartFailed(f"{part.name} was not ready within {part.ready_within_s:g} seconds.")
        return False

    def _watch(self, part: Part) -> None:
        """Brings the part back whenever it dies, until the stack stops or the part has died too often."""
        deaths: deque[float] = deque(maxlen=DEATHS_TOLERATED)
        while True:
            running = self._running[part.name]
            running.ended.wait()
            if self._stopping.is_set():
                return
            deaths.append(time.monotonic())
            self._on_change()
            if not self._restart:
                self._screen.say(part.name, f"{running.how_it_ended()}; it stays down", "WARNING")
                return
            if len(deaths) == DEATHS_TOLERATED and deaths[-1] - deaths[0] < DEATHS_WITHIN_S:
                self._fail(f"{part.name} died {DEATHS_TOLERATED} times in {DEATHS_WITHIN_S:g} seconds.")
                return
            recent = sum(1 for death in deaths if deaths[-1] - death < DEATHS_WITHIN_S)
            pause = self._first_pause_s * 2 ** (recent - 1)
            again = f"{running.how_it_ended()}; starting it again in {pause:g} s"
            self._screen.say(part.name, again, "WARNING")
            if self._stopping.wait(pause) or not self._bring_back(part):
                return

    def _bring_back(self, part: Part) -> bool:
        """Starts the part once more; False when watching it has come to an end.

        A part that dies on the way is left to ``_watch``, which counts it.
        """
        try:
            if self._wait_until_ready(part, self._spawn(part)):
                self._set_up_again(part)
                self._screen.say(part.name, "is back")
                self._on_change()
        except Exception as error:  # noqa: BLE001 - whatever went wrong, the stack must end and say why
            if self._running[part.name].ended.is_set():
                return True
            self._fail(f"{part.name} could not be brought back: {error}")
            return False
        return True

    def _set_up_again(self, part: Part) -> None:
        deadline = time.monotonic() + part.set_up_within_s
        while True:
            try:
                return part.after_restart()
            except Exception:
                if self._running[part.name].ended.is_set() or time.monotonic() > deadline:
                    raise
            if self._stopping.wait(_SET_UP_AGAIN_S):
                raise PartFailed(f"{part.name} was not set up again because the stack is stopping.")

    def _fail(self, why: str) -> None:
        if not self._stopping.is_set():
            self._failure = why
            self._failed.set()


def _private(path: str, flags: int) -> int:
    # What a part writes may tell of patients, Firestore's emulator foremost.
    return os.open(path, flags, 0o600)


def _end(running: Mapping[str, _Running], parts: Mapping[str, Part]) -> None:
    """Asks the processes to end, waits, and kills those that don't."""
    for name, one in running.items():
        one.signal_group(parts[name].stop_signal)
    deadline = time.monotonic() + _STOP_WITHIN_S
    for one in running.values():
        if not one.ended.wait(max(0.0, deadline - time.monotonic())):
            one.signal_group(signal.SIGKILL)
            one.ended.wait()
