"""What a message asks about, told from its words: forgiving, and the same for the same words.

A message is read clause by clause, so that "why is it yellow and who acknowledged it?" is two questions.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import TypeVar

from shared.chat.vocabulary import (
    COLOURS,
    DEEDS,
    DEEDS_WITH_OBJECT,
    LIMIT_WORDS,
    OBJECTS,
    POLITENESS,
    TOPIC_WORDS,
    WEAK_TOPIC_WORDS,
    Limit,
    Phrases,
    Topic,
)
from shared.model import Frozen, ProceedIndicator

READ_LIMIT = 2000
"""Characters of a message that are read; a question stands before that."""


class Understanding(Frozen, frozen=True):
    """What a message asks about, each once, in its order; all empty when that isn't clear.

    ``signals`` are codes that it asks about by a word of the code, ``colours`` the indicators it names.
    """

    topics: tuple[Topic, ...]
    limits: tuple[Limit, ...]
    signals: tuple[str, ...]
    colours: tuple[ProceedIndicator, ...]


_CLAUSE_END = re.compile(r"[?!.;,:\n&]|\b(?:and|but|also|then)\b")

Kind = TypeVar("Kind")


def understand(message: str, signal_codes: Collection[str]) -> Understanding:
    """What ``message`` asks about. ``signal_codes`` are those that the policy gives a meaning."""
    clauses = tuple(_clauses(message))
    topics: list[Topic] = []
    limits: list[Limit] = []
    signals: list[str] = []
    for place, words in enumerate(clauses):
        if _is_deed(words, first=place == 0):
            limits.append(Limit.ACTION)
            continue
        about = list(_found(TOPIC_WORDS, words))
        if Topic.SINCE in about and Topic.CHANGED in about:
            about.remove(Topic.CHANGED)  # "since" and "updated" are words of both
        named = [] if about else sorted(code for code in signal_codes if _names_signal(words, code))
        limits += _found(LIMIT_WORDS, words)
        topics += about if about or named else _found(WEAK_TOPIC_WORDS, words)
        signals += named
    colours = (COLOURS[word] for words in clauses for word in words if word in COLOURS)
    return Understanding(
        topics=_once(topics), limits=_once(limits), signals=_once(signals), colours=_once(colours)
    )


def _clauses(message: str) -> Iterator[tuple[str, ...]]:
    plain = message[:READ_LIMIT].casefold().replace("\u2019", "'").replace("'s", "").replace("'", "")
    for clause in _CLAUSE_END.split(plain):
        if words := tuple(re.findall(r"[a-z]+", clause)):
            yield words


def _is_deed(words: tuple[str, ...], *, first: bool) -> bool:
    """Whether a clause asks for something to be done: "please delete this", not "who deleted this"."""
    start = next((i for i, word in enumerate(words) if word not in POLITENESS), len(words))
    verb, following = words[start : start + 1], words[start + 1 : start + 2]
    has_object = bool(OBJECTS.intersection(following))
    if DEEDS.intersection(verb):
        return first or has_object
    return has_object and bool(DEEDS_WITH_OBJECT.intersection(verb))


def _found(meanings: Mapping[Kind, Phrases], words: tuple[str, ...]) -> Iterator[Kind]:
    for kind, phrases in meanings.items():
        if any(_has_phrase(words, phrase) for phrase in phrases):
            yield kind


def _has_phrase(words: tuple[str, ...], phrase: tuple[str, ...]) -> bool:
    return all(any(_is_word(word, pattern) for word in words) for pattern in phrase)


def _is_word(word: str, pattern: str) -> bool:
    return word.startswith(pattern[:-1]) if pattern.endswith("*") else word == pattern


def _names_signal(words: tuple[str, ...], code: str) -> bool:
    parts = re.findall(r"[a-z]+", code)
    return any(part in words or f"{part}s" in words for part in parts)


def _once(found: Iterable[Kind]) -> tuple[Kind, ...]:
    return tuple(dict.fromkeys(found))
