"""Answers from the state alone, in fixed sentences: the same state and question, the same answer."""

from __future__ import annotations

from collections.abc import Iterator

from shared.chat.history_parts import changed_part, since_part, viewed_part
from shared.chat.people_parts import acknowledged_part, assigned_part, awaited_part, outcome_part
from shared.chat.port import Question, Reply
from shared.chat.sources import Part
from shared.chat.system_parts import mode_part, proceed_part, signals_part, tasks_part, why_parts
from shared.chat.understanding import Understanding, understand
from shared.chat.vocabulary import Limit, Topic
from shared.decisions.display import proceed_text
from shared.model import PatientState, ProceedIndicator, SystemResponse

_LIMITS = {
    Limit.ACTION: "I only answer: I can't send, change or delete anything. "
    "To acknowledge, write a note and press Send.",
    Limit.PREDICTION: "I can't tell what will happen, only what is known now.",
    Limit.CLINICAL: "I can't answer clinical questions: I see only the financial point of view.",
    Limit.CONTACT: "I have no phone numbers or addresses, and I can't reach anybody.",
    Limit.IDENTITY: "I don't repeat who the patient is: what you may see of that is at the top of the panel.",
    Limit.NOTE: "I don't see notes: the history shows them to those who may read them.",
}
_UNCLEAR = "I can't tell that from this patient's state."
# Topics that are about a response; the others make sense without one.
_NEED_RESPONSE = frozenset(
    {Topic.WHY, Topic.AWAITED, Topic.OUTCOME, Topic.SINCE, Topic.MODE, Topic.PROCEED, Topic.OPEN}
)
_INCLUDED = {Topic.WHY: {Topic.PROCEED}, Topic.OPEN: {Topic.ASSIGNED, Topic.AWAITED}}


class StateAnswerer:
    """An ``Answerer`` without a language model. It never repeats what the message says."""

    def answer(self, question: Question) -> Reply:
        """What the state says about what the message asks; what it can't tell, and what it can."""
        asked = understand(question.message, question.policy.decisions.signals)
        parts = tuple(_parts(question, asked))
        sources = dict.fromkeys(source for part in parts for source in part.sources)
        return Reply(text="\n\n".join(dict.fromkeys(part.text for part in parts)), sources=tuple(sources))


def _parts(question: Question, asked: Understanding) -> Iterator[Part]:
    yield from (Part(_LIMITS[limit]) for limit in asked.limits)
    topics = tuple(topic for topic in asked.topics if topic is not Topic.HELP)
    if not topics and not asked.signals:
        if not asked.limits and not asked.topics:
            yield Part(_UNCLEAR)
        yield Part(_help(question))
    elif question.state is None:
        grey = proceed_text(question.policy, ProceedIndicator.GREY)
        yield Part(f"Mobius doesn't know this patient, so the indicator is grey ({grey}).")
    else:
        included = {part for topic in topics for part in _INCLUDED.get(topic, ())}
        for topic in topics:
            if topic not in included:
                yield from _topic_parts(topic, question, question.state, asked)
        if asked.signals:
            yield signals_part(question.state, asked.signals)


def _topic_parts(
    topic: Topic, question: Question, state: PatientState, asked: Understanding
) -> Iterator[Part]:
    if state.response is not None:
        yield from _response_parts(topic, question, state, state.response, asked)
    elif topic in _NEED_RESPONSE:
        yield Part("Nothing has been surfaced for this patient yet.")
    match topic:
        case Topic.OPEN | Topic.ASSIGNED:
            yield assigned_part(question, state)
        case Topic.ACKNOWLEDGED:
            yield acknowledged_part(state)
        case Topic.CHANGED:
            yield changed_part(question, state)
        case Topic.VIEWED:
            yield viewed_part(question)


def _response_parts(
    topic: Topic, question: Question, state: PatientState, response: SystemResponse, asked: Understanding
) -> Iterator[Part]:
    match topic:
        case Topic.WHY:
            yield from why_parts(question.policy, response, asked.colours)
        case Topic.PROCEED:
            yield proceed_part(question.policy, response, asked.colours)
        case Topic.OPEN:
            yield tasks_part(question.policy, response)
            yield awaited_part(state, response)
        case Topic.AWAITED:
            yield awaited_part(state, response)
        case Topic.OUTCOME:
            yield outcome_part(question, state, response)
        case Topic.SINCE:
            yield since_part(question, state, response)
        case Topic.MODE:
            yield mode_part(question, response)


def _help(question: Question) -> str:
    mode = "who can advance it, " if question.variant.show_mode else ""
    return (
        "I can tell you why the indicator is what it is and since when, what is open and whose it is, "
        "whether an acknowledgement is awaited, who acknowledged and what they asserted, "
        f"what became of the response, {mode}and what changed."
    )
