"""The parts of an answer that tell what people did about it, and what is awaited of them."""

from __future__ import annotations

from collections.abc import Mapping

from shared.chat.history_words import DISMISSED, event_source
from shared.chat.port import Question
from shared.chat.sources import (
    Part,
    asserted_words,
    assignment_source,
    listed,
    outcome_source,
    response_source,
    submission_source,
)
from shared.decisions.moments import moment_text
from shared.model import OutcomeKind, PatientState, SystemResponse, UserId
from shared.persistence.readings import PastEvent


def assigned_part(question: Question, state: PatientState) -> Part:
    """The open assignments: what for, whose, and whether somebody has claimed them."""
    if not state.open_assignments:
        return Part("There is no open assignment for this patient.")
    names = _names(question, state)
    count = len(state.open_assignments)
    head = "There is 1 open assignment:" if count == 1 else f"There are {count} open assignments:"
    return listed(head, (assignment_source(each, names) for each in state.open_assignments))


def awaited_part(state: PatientState, response: SystemResponse) -> Part:
    """Whether an acknowledgement is awaited, and until when."""
    sources = (response_source(response),)
    if not response.needs_ack:
        return Part("No acknowledgement is needed.", sources)
    if not state.needs_ack:
        return Part(f"Nothing more is awaited: the latest response is {state.outcome}.", sources)
    awaited = "An acknowledgement is awaited."
    if state.outcome is OutcomeKind.UNACKNOWLEDGED:
        awaited = "An acknowledgement is still awaited: none had come when it was due."
    elif state.ack_due_at is not None:
        awaited = f"An acknowledgement is awaited until {moment_text(state.ack_due_at)}."
    return Part(f"{awaited} To acknowledge, write a note and press Send.", sources)


def acknowledged_part(state: PatientState) -> Part:
    """Who acknowledged last, when, what they confirmed or overrode, and whether that is the latest word."""
    submission, response = state.submission, state.response
    if submission is None:
        return Part("Nobody has acknowledged anything for this patient yet.")
    source = submission_source(submission)
    asserted = asserted_words(submission.override_proceed, submission.override_tasking)
    said = [source.text]
    if submission.confirmed:
        said.append(f"That confirmed what the system showed: {asserted}.")
    else:
        said.append(
            f"That was an override: they asserted {asserted}, which stands beside the system's value."
        )
    if response is not None and response.system_response_id != submission.system_response_id:
        said.append("It answered an earlier response than the latest one.")
    if state.needs_ack:
        said.append("The latest response still awaits an acknowledgement.")
    return Part(" ".join(said), (source,))


def outcome_part(question: Question, state: PatientState, response: SystemResponse) -> Part:
    """What became of the latest response, and who dismissed it."""
    if state.outcome is None:
        awaited = awaited_part(state, response)
        return Part(f"There is no outcome of the latest response yet. {awaited.text}", awaited.sources)
    means = {
        OutcomeKind.ACKNOWLEDGED: "somebody pressed Send",
        OutcomeKind.UNACKNOWLEDGED: "no acknowledgement had come when it was due",
        OutcomeKind.DISMISSED: "somebody set it aside without acknowledging it",
        OutcomeKind.INVALIDATED: "the context changed",
    }[state.outcome]
    source = outcome_source(response, state.outcome)
    text = f"{source.text.removesuffix('.')}: {means}."
    if state.outcome is OutcomeKind.DISMISSED:
        dismissals = tuple(event_source(event) for event in question.history if _dismisses(event, response))
        return listed(text, dismissals)._replace(sources=(source, *dismissals))
    return Part(text, (source,))


def _dismisses(event: PastEvent, response: SystemResponse) -> bool:
    answered = event.payload.get("system_response_id")
    return event.event_type == DISMISSED and answered == str(response.system_response_id)


def _names(question: Question, state: PatientState) -> Mapping[UserId, str]:
    """The users whose names the state itself tells."""
    names = {
        event.actor_user_id: event.actor_display_name
        for event in question.history
        if event.actor_user_id is not None and event.actor_display_name
    }
    if state.submission is not None:
        names[state.submission.user_id] = state.submission.user_display_name
    return names
