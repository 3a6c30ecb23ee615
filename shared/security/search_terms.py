"""How patients are found by name: the same normalization for what is stored and what is typed. Pure."""

from __future__ import annotations

import unicodedata

MAX_TERM_LENGTH = 64
MAX_TERMS = 32
MAX_QUERY_TERMS = 8


def search_terms(display_name: str | None, id_masked: str | None) -> tuple[str, ...]:
    """The terms of ``patient_search_term`` for one patient: sorted, each once.

    Every part of the name, and "O'Brien" or "Ana-Maria" also as one word, since people type both; of the
    masked id what it leaves readable.
    """
    normalized = _normalize(display_name or "")
    joined = ("".join(_split(word)) for word in normalized.split())
    found = (*_split(_normalize(id_masked or "")), *_split(normalized), *joined)
    terms = dict.fromkeys(term[:MAX_TERM_LENGTH] for term in found if term)
    return tuple(sorted(list(terms)[:MAX_TERMS]))


def normalize_query(q: str) -> tuple[str, ...]:
    """What was typed, as prefixes that must all match a patient's terms; empty when nothing can be found."""
    terms = dict.fromkeys(term[:MAX_TERM_LENGTH] for term in _split(_normalize(q)))
    return tuple(list(terms)[:MAX_QUERY_TERMS])


def fits(typed: tuple[str, ...], display_name: str | None, id_masked: str | None) -> bool:
    """Whether each term that was typed begins some search term of a patient with this name and masked id."""
    own = search_terms(display_name, id_masked)
    return all(any(term.startswith(each) for term in own) for each in typed)


def _normalize(text: str) -> str:
    """Case, accents and presentation forms away: "Zoë" and "ZOE" become "zoe"."""
    decomposed = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    return "".join(c for c in decomposed if not unicodedata.category(c).startswith("M"))


def _split(normalized: str) -> list[str]:
    return "".join(c if c.isalnum() else " " for c in normalized).split()
