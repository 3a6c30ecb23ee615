"""FHIR's dates and times, of any precision, as days and moments."""

from __future__ import annotations

from calendar import monthrange
from datetime import UTC, date, datetime


def first_day(text: str | None) -> date | None:
    """The day on which ``text`` begins: of a year or a month the first, of a moment the day as written."""
    year, month, day = _parts(text)
    return _date(year, month or 1, day or 1)


def last_day(text: str | None) -> date | None:
    """The day through which ``text`` lasts: a period that ends in 2026-12 ends on the 31st."""
    year, month, day = _parts(text)
    if year is None or not 1 <= year <= 9999 or not 1 <= (month or 12) <= 12:
        return None
    return _date(year, month or 12, day or monthrange(year, month or 12)[1])


def exact_day(text: str | None) -> date | None:
    """The day, where ``text`` names one; a year or a month alone is none."""
    year, month, day = _parts(text)
    return _date(year, month, day) if month and day else None


def moment(text: str | None) -> datetime | None:
    """The moment, in UTC where no zone is given; of a mere date its first one."""
    if text is None:
        return None
    try:
        found = datetime.fromisoformat(text)
        return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        day = first_day(text)
        return datetime(day.year, day.month, day.day, tzinfo=UTC) if day else None


def _parts(text: str | None) -> tuple[int | None, int | None, int | None]:
    words = (text or "")[:10].split("-")
    numbers = [int(word) if word.isascii() and word.isdigit() else None for word in (*words, "", "")]
    return numbers[0], numbers[1], numbers[2]


def _date(year: int | None, month: int, day: int) -> date | None:
    try:
        return date(year, month, day) if year is not None else None
    except ValueError:
        return None
