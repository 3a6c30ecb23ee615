"""The port of the chat: what is asked, what is answered, and what an answer rests on."""

from __future__ import annotations

from enum import StrEnum
from typing import Protocol

from shared.decisions.policy import Policy, UiVariant
from shared.model import Frozen, PatientState
from shared.persistence.readings import PastEvent


class Question(Frozen, frozen=True):
    """A user's message and everything that an answer may be taken from.

    ``state`` None: the patient is unknown. ``history`` is the newest first, and empty for a role that may
    not read it. Where ``variant`` hides the mode, no answer tells it.
    """

    message: str
    state: PatientState | None
    history: tuple[PastEvent, ...]
    policy: Policy
    variant: UiVariant


class SourceKind(StrEnum):
    """The part of the state that an answer rests on. There is none for the snapshot: it is never told."""

    SYSTEM_RESPONSE = "system_response"
    SIGNAL = "signal"
    SUBMISSION = "submission"
    OUTCOME = "outcome"
    ASSIGNMENT = "assignment"
    EVENT = "event"


class Source(Frozen, frozen=True):
    """One thing in the state, free of PHI.

    ``id`` is that of the row; a signal's is its code, an outcome's its system response's, an event's its
    place in the ledger. ``text`` is one short line.
    """

    kind: SourceKind
    id: str | None
    text: str


class Reply(Frozen, frozen=True):
    """The answer in plain sentences, free of PHI, and what it rests on, in the order of the sentences.

    Paragraphs are parted by an empty line; the lines of a list begin with "• ".
    """

    text: str
    sources: tuple[Source, ...]


class Answerer(Protocol):
    """Answers questions about a patient."""

    def answer(self, question: Question) -> Reply:
        """An answer to any message; one that can't be answered is answered with that. Never raises."""
        ...
