"""A folder that a command writes: there whole in the end, or not at all."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import BinaryIO

from ops.installation import Refused


def empty_folder(to: Path) -> Path:
    """Where something is to be written. Raises Refused when something is there already."""
    folder = to.resolve()
    if not folder.parent.is_dir():
        raise Refused(f"There is no folder {to.parent} to put it into: make it, or look at --to.")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise Refused(f"{to} is there and not empty: name another folder with --to.")
    return folder


@contextmanager
def draft_of(folder: Path) -> Iterator[Path]:
    """A folder beside, for its owner alone, which takes the other's place in the end.

    Stopped before that, it leaves nothing.
    """
    draft = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", suffix=".draft", dir=folder.parent))
    try:
        yield draft
        draft.rename(folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def new_file(path: Path) -> BinaryIO:
    """A file that only its owner can read."""
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")


@contextmanager
def stoppable() -> Iterator[None]:
    """Whatever asks the command to end does what Ctrl-C does, so that it tidies up."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
