"""Times and durations in the words a worker reads: written out, so that they are true whenever read."""

from __future__ import annotations

from datetime import UTC, datetime

from shared.decisions.wording import render

_UNITS = (("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1))


def moment_text(moment: datetime) -> str:
    """A moment to the minute as "23 Nov 2026, 14:05 UTC". ``moment`` knows its offset."""
    there = moment.astimezone(UTC)
    day = render("{day:date}", {"day": there.date().isoformat()})
    return f"{day}, {there.hour:02d}:{there.minute:02d} UTC"


def duration_text(seconds: int) -> str:
    """A whole number of seconds as "15 minutes" or "1 hour 30 minutes"; ``seconds`` is at least 1."""
    parts = []
    for unit, length in _UNITS:
        count, seconds = divmod(seconds, length)
        if count:
            parts.append(f"{count} {unit}" if count == 1 else f"{count} {unit}s")
    return " ".join(parts)
