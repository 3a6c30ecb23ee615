"""Turns what the parts of the stack write into one readable line per event, with the part's name.

The functions write JSON for Cloud Logging; people get time, part, message and the few fields that
tell one event from another.
"""

from __future__ import annotations

import contextlib
import re
from datetime import datetime

import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

_NAME_WIDTH = 10
_COLOURS = {"DEBUG": "dim", "INFO": "", "WARNING": "yellow", "ERROR": "red", "CRITICAL": "bold red"}
_PART_COLOURS = {
    "postgres": "blue",
    "firestore": "magenta",
    "pubsub": "magenta",
    "api": "green",
    "projector": "cyan",
    "scheduler": "cyan",
    "health": "bold",
}
# What every line carries and nobody reads while watching; the log file has it.
# Who called is in the log files; here it would only make each line longer.
_UNSHOWN = {"severity", "message", "code", "time", "tenant_id", "user_id"}
_ALARMING = re.compile(r"\b(WARNING|ERROR|SEVERE|FATAL|PANIC)\b|Exception in thread")


class Event(msgspec.Struct, frozen=True):
    """One thing that happened, ready to be shown."""

    severity: str
    text: str


def read_event(line: str) -> Event | None:
    """What ``line`` says to a person; None when it says nothing.

    A JSON object gives its severity, message and short fields; any other text is kept as it is.
    """
    text = line.strip()
    if not text:
        return None
    if not text.startswith("{"):
        return Event("INFO", text)
    try:
        fields = msgspec.json.decode(text.encode(), type=dict[str, object])
    except msgspec.DecodeError:
        return Event("INFO", text)
    shown = [
        f"{name}={value}"
        for name, value in fields.items()
        if name not in _UNSHOWN and "/" not in name and isinstance(value, str | int | float)
    ]
    return Event(
        str(fields.get("severity", "INFO")), " ".join([str(fields.get("message", "")), *shown]).strip()
    )


def is_alarming(line: str) -> bool:
    """Whether a line of a third party's server deserves a person's eye; the rest stays in its log file."""
    return _ALARMING.search(line) is not None


class Terminal(Console):
    """A console that falls silent when nobody reads it any more, instead of ending the program."""

    def on_broken_pipe(self) -> None:
        """Falls silent."""
        self.quiet = True


class Screen:
    """Where the stack talks to the person who started it. Safe to use from several threads.

    A terminal that is gone is no error: the stack must still be able to end its parts.
    """

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Terminal(highlight=False)

    def print(self, thing: Text | Table | str) -> None:
        """Prints ``thing`` as it is."""
        with contextlib.suppress(OSError):
            self._console.print(thing, soft_wrap=not isinstance(thing, Table), markup=False)

    def show(self, part: str, line: str) -> None:
        """Shows a line that the part wrote."""
        event = read_event(line)
        if event is not None:
            self.say(part, event.text, event.severity)

    def say(self, part: str, message: str, severity: str = "INFO") -> None:
        """Says something about the part."""
        self.print(
            Text.assemble(
                (f"{datetime.now().astimezone():%H:%M:%S} ", "dim"),
                (f"{part:<{_NAME_WIDTH}} ", _PART_COLOURS.get(part, "bold")),
                ("" if severity in ("INFO", "DEFAULT") else f"{severity} ", _COLOURS.get(severity, "")),
                (message, _COLOURS.get(severity, "")),
            )
        )
