"""Task templates: a policy's line of text with placeholders, filled from a signal's PHI-free detail.

A placeholder is ``{name}`` or ``{name:format}``. What is written is stored and read months later, so a line
never says how long something takes from now: dates are written out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date

from shared.decisions.decoding import Problem

LINE_LIMIT = 200
"""No line that a worker reads is longer, in characters."""

Detail = Mapping[str, str | int]

_PLACEHOLDER = re.compile(r"\{([a-z][a-z0-9_]*)(?::([a-z]+))?\}")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_CURRENCY = re.compile(r"[A-Z]{3}")
# ISO 4217: the currencies that don't have two digits after the point. Three letters are in the text only
# where a code stands, for blanks part the codes.
_NO_DIGITS = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"
_THREE_DIGITS = "BHD IQD JOD KWD LYD OMR TND"
_NUMBER_LIMIT = 10**15


def render(template: str, detail: Detail) -> str:
    """The template as a sentence of at most ``LINE_LIMIT`` characters. Never raises.

    What is missing or of the wrong type is said: "Coverage ends (date not given)".
    """

    def fill(match: re.Match[str]) -> str:
        name, form = match[1], match[2] or "text"
        write = _FORMATS.get(form, _text)
        return write(detail, name) or f"({_NOUNS.get(form, name.replace('_', ' '))} not given)"

    return clip(_PLACEHOLDER.sub(fill, template))


def clip(text: str, limit: int = LINE_LIMIT) -> str:
    """The text on one line, cut to ``limit`` characters with an ellipsis where something is missing."""
    line = " ".join(text.split())
    return line if len(line) <= limit else f"{line[: limit - 1].rstrip()}…"


def template_problem(template: str) -> Problem | None:
    """Finds a placeholder that can't be read or a format that doesn't exist."""
    if re.search(r"[{}]", _PLACEHOLDER.sub("", template)):
        return Problem("", "has a brace outside a placeholder; write {name} or {name:format}")
    for name, form in _PLACEHOLDER.findall(template):
        if form and form not in _FORMATS:
            return Problem("", f"gives {{{name}}} the unknown format '{form}'", tuple(_FORMATS))
    return None


def minor_digits(currency: str) -> int:
    """How many digits a currency has after the point (ISO 4217)."""
    return 0 if currency in _NO_DIGITS else 3 if currency in _THREE_DIGITS else 2


def _text(detail: Detail, name: str) -> str | None:
    value = detail.get(name)
    if isinstance(value, int):
        return str(value) if abs(value) < _NUMBER_LIMIT else None
    return value.strip() or None if isinstance(value, str) else None


def _date(detail: Detail, name: str) -> str | None:
    """An ISO date as "2 Dec 2026": readable in every country, and true on every day it is read."""
    value = detail.get(name)
    try:
        day = date.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return f"{day.day} {_MONTHS[day.month - 1]} {day.year}" if day else None


def _money(detail: Detail, name: str) -> str | None:
    """A whole number of minor units as "USD 1,250.00"; the currency is the detail's ``currency``."""
    amount, currency = detail.get(name), detail.get("currency")
    if not isinstance(amount, int) or abs(amount) >= _NUMBER_LIMIT:
        return None
    if not isinstance(currency, str) or not _CURRENCY.fullmatch(currency):
        return None
    digits = minor_digits(currency)
    whole, rest = divmod(abs(amount), 10**digits)
    point = f".{rest:0{digits}d}" if digits else ""
    return f"{currency} {'-' if amount < 0 else ''}{whole:,}{point}"


_FORMATS: Mapping[str, Callable[[Detail, str], str | None]] = {"text": _text, "date": _date, "money": _money}
_NOUNS = {"date": "date", "money": "amount"}
