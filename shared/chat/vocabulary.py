"""The words by which a message is understood. They are about questions, never about a patient.

A phrase is a set of words that a clause has in any order; ``task*`` is any word that begins so.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from shared.model import ProceedIndicator


class Topic(StrEnum):
    """What the state can answer."""

    WHY = "why"
    OPEN = "open"
    ASSIGNED = "assigned"
    AWAITED = "awaited"
    ACKNOWLEDGED = "acknowledged"
    OUTCOME = "outcome"
    CHANGED = "changed"
    SINCE = "since"
    VIEWED = "viewed"
    MODE = "mode"
    PROCEED = "proceed"
    HELP = "help"


class Limit(StrEnum):
    """What is asked for again and again and the state can't answer."""

    ACTION = "action"
    PREDICTION = "prediction"
    CLINICAL = "clinical"
    CONTACT = "contact"
    IDENTITY = "identity"
    NOTE = "note"


Phrases = tuple[tuple[str, ...], ...]


def _phrases(text: str) -> Phrases:
    return tuple(tuple(phrase.split()) for phrase in text.split(", "))


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


TOPIC_WORDS: Mapping[Topic, Phrases] = {
    Topic.WHY: _phrases(
        "why, reason*, explain*, explanation, because, cause*, rationale, wrong, how come, block*, "
        "hold*, stand* way, problem*, issue*, matter, prevent*, mean*, going on, based, evidence, source*, "
        "signal*, summar*, overview"
    ),
    Topic.OPEN: _phrases(
        "open, task*, todo*, what i do, what we do, what to do, anything do, should i, should we, "
        "left, pending, outstanding, item*, remain*, next, action*, missing, unresolved, resolved, what now, "
        "work on, summar*, overview"
    ),
    Topic.ASSIGNED: _phrases(
        "assign*, claimed, unclaimed, responsible, owner*, owns, inbox, whose, picked, pick up, "
        "working on, taken"
    ),
    Topic.AWAITED: _phrases(
        "due, deadline*, overdue, urgent, await*, waiting, need* acknowledg*, need* ack, "
        "have to acknowledg*, must acknowledg*, by when, until when"
    ),
    Topic.ACKNOWLEDGED: _phrases(
        "acknowledg*, aknowledg*, ack, acked, confirm*, overrid*, overrode, assert*, "
        "submission*, submitted, send, sent, agreed, signed off"
    ),
    Topic.OUTCOME: _phrases(
        "outcome*, result*, dismiss*, unacknowledged, invalidat*, became of, become of, turned out, settled"
    ),
    Topic.CHANGED: _phrases(
        "chang*, new, news, happen*, history, differ*, since, recent*, event*, timeline, latest, "
        "earlier, previous*, update*"
    ),
    Topic.SINCE: _phrases(
        "since when, how long, how old, how recent, how fresh, how current, when computed, "
        "when assess*, last updated, when update*, when start*, when turn*, when become, when became, "
        "when yellow, when green, when grey, when gray, up date, stale"
    ),
    Topic.VIEWED: _phrases(
        "view*, who look*, anyone look*, anybody look*, who saw, who seen, anyone seen, "
        "anybody seen, who opened, visit*"
    ),
    Topic.MODE: _phrases(
        "mode*, agent*, copilot, driven, automat*, manual*, advanc*, who move, who handle*, "
        "who fix*, who proceed, who can do, by hand, human*"
    ),
}
# These say what a clause is about only where nothing else does.
WEAK_TOPIC_WORDS: Mapping[Topic, Phrases] = {
    Topic.PROCEED: _phrases(
        "proceed*, ahead, indicator*, status, state, colour*, color*, yellow, green, grey, gray, "
        "blue, ok, okay, ready, clear*, safe, fine"
    ),
    Topic.HELP: _phrases(
        "help*, what you, how you, can ask, ask you, who you, hello, hi, hey, thanks, thank you"
    ),
}
LIMIT_WORDS: Mapping[Limit, Phrases] = {
    Limit.PREDICTION: _phrases(
        "will, tomorrow, predict*, forecast*, likely, probab*, chance*, expect, future, "
        "going to, next week, next month, eventually, soon, guess"
    ),
    Limit.CLINICAL: _phrases(
        "diagnos*, medication*, medicine*, dose*, dosage, symptom*, allerg*, treat*, therap*, "
        "drug*, prescri*, disease*, surger*, vaccin*, clinical*, pregnan*, sick, pain*, blood"
    ),
    Limit.CONTACT: _phrases(
        "phone*, telephone*, email*, mail, address, addresses, fax, contact*, call, reach"
    ),
    Limit.IDENTITY: _phrases("name, names, dob, birth*, born, mrn, gender, old patient"),
    Limit.NOTE: _phrases("note*, comment*, wrote"),
}
DEEDS = _words(
    "delete remove erase cancel dismiss acknowledge ack override set make mark assign approve resolve reopen "
    "add create write forget ignore call email phone schedule book pay submit confirm"
)
# These are asked about as often as they are asked for: "claim denied?", "change since Monday?".
DEEDS_WITH_OBJECT = _words("send claim change update close clear move release")
OBJECTS = _words("it this that them these those everything all the my as to for")
POLITENESS = _words("please can could would will you just kindly hey hi hello so")
COLOURS: Mapping[str, ProceedIndicator] = {i.value: i for i in ProceedIndicator} | {
    "gray": ProceedIndicator.GREY
}
