"""The parts of an answer that tell what happened before, from the latest events."""

from __future__ import annotations

from collections.abc import Iterator

from shared.chat.history_words import (
    ACKNOWLEDGED,
    GLASS_BROKEN,
    INTERACTION,
    RESPONSE,
    event_line,
    event_source,
)
from shared.chat.port import Question
from shared.chat.sources import Part, listed, response_source, submission_source
from shared.decisions.moments import moment_text
from shared.model import InteractionKind, PatientState, SystemResponse
from shared.persistence.readings import PastEvent

NO_HISTORY = Part("There is no history here that I may tell.")


def changed_part(question: Question, state: PatientState) -> Part:
    """What changed since the last acknowledgement, the newest first; all there is, if there is none.

    Who looked at the patient is no change.
    """
    if not question.history:
        return NO_HISTORY
    changes = tuple(event_source(event) for event in _since_acknowledged(question.history, state))
    if state.submission is None:
        if not changes:
            return Part("Nobody has acknowledged yet, and none of the latest events is a change.")
        return listed("Nobody has acknowledged yet. The latest changes, the newest first:", changes)
    source = submission_source(state.submission)
    if not changes:
        return Part(f"{source.text} Nothing has changed since.", (source,))
    since = listed(f"{source.text} Since then, the newest first:", changes)
    return since._replace(sources=(source, *changes))


def since_part(question: Question, state: PatientState, response: SystemResponse) -> Part:
    """Since when the indicator is what it is, as far back as the history here goes."""
    indicator = response.proceed_indicator
    first, is_exact = response.computed_at, False
    for event in question.history:
        if event.event_type != RESPONSE:
            continue
        if event.payload.get("proceed_indicator") != indicator:
            is_exact = True
            break
        first = min(first, event.created_at)
    since = moment_text(first) if is_exact else f"{moment_text(first)} at the latest"
    text = (
        f"The indicator has been {indicator} since {since}. "
        f"This patient's state last changed on {moment_text(state.last_updated_at)}."
    )
    return Part(text, (response_source(response),))


def viewed_part(question: Question) -> Part:
    """Who viewed the patient, by the latest events."""
    if not question.history:
        return NO_HISTORY
    views = [event_source(event) for event in question.history if _is_view(event)]
    if not views:
        return Part("None of the latest events is a view.")
    return listed("Who viewed this patient, by the latest events:", views)


def _since_acknowledged(history: tuple[PastEvent, ...], state: PatientState) -> Iterator[PastEvent]:
    """The changes after the last acknowledgement, without those that it made itself."""
    last = next((event for event in history if event.event_type == ACKNOWLEDGED), None)
    own = last.correlation_id if last is not None else None
    for event in history:
        if event is last or (last is None and _is_before_submission(event, state)):
            return
        if own is not None and event.correlation_id == own:
            continue
        if event.event_type not in (INTERACTION, GLASS_BROKEN) and event_line(event):
            yield event


def _is_before_submission(event: PastEvent, state: PatientState) -> bool:
    return state.submission is not None and event.created_at <= state.submission.submitted_at


def _is_view(event: PastEvent) -> bool:
    viewed = event.event_type == INTERACTION and event.payload.get("kind") == InteractionKind.VIEWED
    return viewed or event.event_type == GLASS_BROKEN
