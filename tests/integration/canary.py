"""Values that can be recognised wherever they turn up, each known by the name of the field it was put into.

A marker is found in any case and with or without accents, cut off, in percent signs, base64, hex and the
escapes of JSON, Python, HTML and protocol buffers, and in these within each other.
"""

from __future__ import annotations

import base64
import html
import random
import re
import unicodedata
from collections.abc import Callable, Iterable
from datetime import date
from itertools import count
from typing import NamedTuple
from urllib.parse import unquote

STEM = "qzxvkj"
"""How each marker begins: no word, no code and no hash of ours holds it by chance."""

NOTHING = r"(?!)"
"""No name fits."""

_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_BEYOND = "a part of some marker"
_LAYERS = 3


class Piece(NamedTuple):
    """Some text and where it was found. ``allowed`` markers may be in it, and those whose names ``fit``."""

    place: str
    text: str
    allowed: frozenset[str] = frozenset()
    fit: str = NOTHING


class Markers:
    """Makes markers and finds them."""

    def __init__(self) -> None:
        self._numbers = count(1)
        self._names: dict[str, str] = {}
        self._exact: dict[str, str] = {}

    def word(self, name: str) -> str:
        """Twelve small letters: they fit every alphabet, and no normalization changes them."""
        token = STEM + "".join(random.choices(_LETTERS, k=6))  # noqa: S311 -- no secret
        if token in self._names:
            return self.word(name)
        self._names[token] = name
        return token

    def name(self, name: str) -> str:
        """A part of a person's name: with a capital and an accent."""
        token = self.word(name)
        return f"{token[0].upper()}ź{token[2:]}"

    def number(self, name: str) -> str:
        """Fourteen digits."""
        digits = "83" + "".join(random.choices("0123456789", k=12))  # noqa: S311 -- no secret
        self._exact[digits] = name
        return digits

    def tail(self, name: str) -> str:
        """Four rare letters: what a mask leaves of an id, and still nobody else's."""
        number = next(self._numbers)
        letters = "".join(chr(0x9F00 + number * 4 + place) for place in range(4))
        self._exact[letters] = name
        return letters

    def day(self, name: str) -> date:
        """A day on which nobody else was born."""
        born = date(1903, 7, next(self._numbers) % 28 + 1)
        for form in ("%Y-%m-%d", "%Y/%m/%d", "%d.%m.%Y", "%m/%d/%Y", "%d/%m/%Y", "%Y%m%d", "%d %b %Y"):
            self._exact[born.strftime(form).lower()] = name
        for form in ("%d %B %Y", "%b %d, %Y", "%B %d, %Y"):
            self._exact[born.strftime(form).lower()] = name
        self._exact[f"{born.year}, {born.month}, {born.day}"] = name
        return born

    def find(self, text: str) -> set[str]:
        """The names of the markers in ``text``."""
        found: set[str] = set()
        exact = re.compile("|".join(map(_alone, self._exact)))
        for reading in _readings(text):
            folded = _folded(reading)
            tokens = re.findall(rf"{STEM}[a-z]{{0,6}}", folded)
            found |= {self._names.get(token, _BEYOND) for token in tokens}
            if self._exact:
                found |= {self._exact[value] for value in exact.findall(folded)}
        return found

    def leaks(self, pieces: Iterable[Piece]) -> list[str]:
        """What is where it may not be: the marker's name and the place, never the text."""
        return sorted(
            {
                f"{name} in {place}"
                for place, text, allowed, fit in pieces
                for name in self.find(text) - allowed
                if not re.search(fit, name)
            }
        )


def _alone(value: str) -> str:
    """A date is not within a longer number, nor eight digits within hex; what is longer may be anywhere."""
    if len(value) > 12 and value.isdigit():
        return value
    beside = "0-9a-f" if value.isdigit() else "0-9"
    return rf"(?<![{beside}]){re.escape(value)}(?![{beside}])"


def _readings(text: str) -> Iterable[str]:
    """The text, and what it may be written for: layer by layer."""
    known = {text}
    layer = [text]
    for _ in range(_LAYERS):
        layer = [made for each in layer for undo in _UNDOINGS if (made := undo(each)) not in known]
        layer = list(dict.fromkeys(each for each in layer if each))
        known.update(layer)
    return known


def _folded(text: str) -> str:
    if text.isascii():
        return text.lower()
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return "".join(c for c in decomposed if not unicodedata.combining(c))


_ESCAPED = re.compile(r"(?:\\u[0-9a-fA-F]{4})+|(?:\\x[0-9a-fA-F]{2})+|(?:\\[0-3][0-7]{2})+")
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{12,}")
_HEX = re.compile(r"[0-9a-fA-F]{16,}")
_LIKE_TEXT = re.compile(r"[A-Za-z0-9%+/=\\-]{6}|[\u4e00-\u9fff]{3}")


def _unescape(text: str) -> str:
    """Undoes what JSON, Python and protocol buffers write for letters that are not ASCII, also twice."""

    def letters(match: re.Match[str]) -> str:
        parts = re.split(r"\\[ux]?", match[0])[1:]
        if match[0].startswith(r"\u"):
            units = b"".join(int(part, 16).to_bytes(2) for part in parts)
            return units.decode("utf-16-be", "replace")
        base = 16 if match[0].startswith(r"\x") else 8
        return bytes(int(part, base) % 256 for part in parts).decode("utf-8", "replace")

    return _ESCAPED.sub(letters, re.sub(r"\\+", r"\\", text)) if "\\" in text else text


def _unbroken(text: str) -> str:
    """Without line breaks, real ones or escaped: a line may have been cut there."""
    return re.sub(r"\\[nr]|[\r\n\t]+ *", "", text)


def _from_base64(start: int) -> Callable[[str], str]:
    def undo(text: str) -> str:
        return _texts(_decoded(run[start:]) for run in _BASE64.findall(text))

    return undo


def _decoded(run: str) -> bytes:
    whole = run[: len(run) // 4 * 4] if len(run) % 4 == 1 else run + "=" * (-len(run) % 4)
    return base64.b64decode(whole.replace("-", "+").replace("_", "/"))


def _from_hex(start: int) -> Callable[[str], str]:
    def undo(text: str) -> str:
        runs = (run[start:] for run in _HEX.findall(text))
        return _texts(bytes.fromhex(run[: len(run) // 2 * 2]) for run in runs)

    return undo


def _texts(decoded: Iterable[bytes]) -> str:
    """Those that may be text at all: most are hashes and ids."""
    texts = (each.decode("utf-8", "ignore") for each in decoded)
    return "\n".join(each for each in texts if _LIKE_TEXT.search(each))


_UNDOINGS: tuple[Callable[[str], str], ...] = (
    _unescape,
    unquote,
    html.unescape,
    _unbroken,
    *map(_from_base64, range(4)),
    *map(_from_hex, range(2)),
)
