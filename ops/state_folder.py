"""The folder in which a local stack keeps its data, its secrets and the description of itself."""

from __future__ import annotations

import base64
import contextlib
import fcntl
import json
import os
import secrets
import stat
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import psutil

LEDGER_SIGNING_KEY, CHECKPOINTS = "ledger-signing-key", "checkpoints"
"""Within the folder: the secret that checkpoints are signed with, and where they are kept."""
LOCAL_DRIFT_CYCLE_S = "15"
"""Of a stack: Firestore's emulator is restarted there, and its documents are played with."""
_EARLIER_RUN_ENDS_WITHIN_S = 10.0


class AlreadyRunning(Exception):
    """Another stack runs in the same folder; the message says which process."""


class StateFolder:
    """One stack's folder; everything secret in it is readable by its owner alone.

    Nobody else can look into it, also when it was there already, unless it is another's or, like ``/tmp``,
    everybody's: then each file in it protects itself.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)

    @property
    def description(self) -> Path:
        """``stack.json``, through which tests and scripts find the running stack."""
        return self.path / "stack.json"

    @contextlib.contextmanager
    def held(self) -> Iterator[int]:
        """Holds the folder for this process and yields the descriptor that does so.

        The system lets go of it when this process and all to whom it gave the descriptor have ended.

        Raises AlreadyRunning when another process holds it.
        """
        with (self.path / "lock").open("a+", encoding="utf-8") as lock:
            self._take(lock.fileno())
            lock.truncate(0)
            lock.write(str(os.getpid()))
            lock.flush()
            self.description.unlink(missing_ok=True)
            self._shut()
            yield lock.fileno()

    def secret(self, name: str) -> str:
        """32 random bytes in base64, made once and kept."""
        path = self.path / name
        with contextlib.suppress(FileNotFoundError):
            return path.read_text(encoding="utf-8")
        self._write(path, base64.b64encode(secrets.token_bytes(32)).decode())
        return path.read_text(encoding="utf-8")

    def describe(self, stack: Mapping[str, object]) -> None:
        """Writes ``stack.json`` in one step: a reader sees the old one or the new one, whole."""
        self._write(self.description, json.dumps(stack, indent=2))

    def undescribe(self) -> None:
        """Removes ``stack.json``: nothing runs here any more."""
        self.description.unlink(missing_ok=True)

    def _shut(self) -> None:
        # Not before the folder is held: PostgreSQL may be running in it. Where it runs as another user, it is
        # let through again when it starts.
        found = self.path.stat()
        if found.st_uid == os.geteuid() and not found.st_mode & stat.S_ISVTX:
            self.path.chmod(0o700)

    def _take(self, lock: int) -> None:
        # When the holder was killed, its guardian still holds the lock for as long as it tidies up.
        deadline = time.monotonic() + _EARLIER_RUN_ENDS_WITHIN_S
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                holder = (self.path / "lock").read_text(encoding="utf-8")
                if not holder.isdecimal() or psutil.pid_exists(int(holder)) or time.monotonic() > deadline:
                    raise AlreadyRunning(
                        f"A stack already runs in {self.path} (process {holder or 'unknown'}): "
                        "stop it, or choose another folder with --state-dir."
                    ) from None
                time.sleep(0.1)
            else:
                return

    @staticmethod
    def _write(path: Path, text: str) -> None:
        draft = path.with_name(f"{path.name}.draft")
        draft.unlink(missing_ok=True)
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(text)
        draft.replace(path)
