"""What is in the state, each as one line that names it: an answer's sources, and the lines of its lists."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from shared.chat.port import Source, SourceKind
from shared.decisions.moments import moment_text
from shared.model import (
    Assignment,
    OutcomeKind,
    Reason,
    Signal,
    Submission,
    SystemResponse,
    UserId,
)


class Part(NamedTuple):
    """What is said about one topic, and what that rests on."""

    text: str
    sources: tuple[Source, ...] = ()


def listed(head: str, found: Iterable[Source]) -> Part:
    """A list of sources below a line that says what they are."""
    sources = tuple(found)
    return Part("\n".join([head, *(f"• {source.text}" for source in sources)]), sources)


def sentence(words: str) -> str:
    """The words with a full stop, unless they end with a mark."""
    return words if words.endswith((".", "!", "?", "…")) else f"{words}."


def in_words(value: object) -> str:
    """An enumerated value or a reason code as words: "wrong patient"."""
    return str(value).replace("_", " ")


def asserted_words(proceed: object, tasking: object) -> str:
    """What somebody asserted: "Proceed green and tasking none"."""
    asserted = (proceed and f"Proceed {proceed}", tasking and f"tasking {tasking}")
    return " and ".join(each for each in asserted if isinstance(each, str) and each)


def response_source(response: SystemResponse) -> Source:
    """A system response, by its indicator."""
    text = f"System response of {moment_text(response.computed_at)}: {response.proceed_indicator}."
    return Source(kind=SourceKind.SYSTEM_RESPONSE, id=str(response.system_response_id), text=text)


def reason_source(reason: Reason) -> Source:
    """A signal as a sentence, where it comes from and when it was seen."""
    text = f"{reason.text} (from {reason.source_system}, seen {moment_text(reason.observed_at)})."
    return Source(kind=SourceKind.SIGNAL, id=reason.signal, text=text)


def resolved_source(signal: Signal) -> Source:
    """A signal that was looked at and doesn't stand in the way."""
    seen = f"from {signal.source_system}, seen {moment_text(signal.observed_at)}"
    return Source(kind=SourceKind.SIGNAL, id=signal.code, text=f"{signal.code} is resolved ({seen}).")


def submission_source(submission: Submission) -> Source:
    """An acknowledgement, by who sent it and when."""
    text = f"{submission.user_display_name} acknowledged on {moment_text(submission.submitted_at)}."
    return Source(kind=SourceKind.SUBMISSION, id=str(submission.mini_submission_id), text=text)


def outcome_source(response: SystemResponse, outcome: OutcomeKind) -> Source:
    """What became of a response."""
    text = f"Outcome of the latest response: {outcome}."
    return Source(kind=SourceKind.OUTCOME, id=str(response.system_response_id), text=text)


def assignment_source(assignment: Assignment, names: Mapping[UserId, str]) -> Source:
    """An open assignment: what for, whose, since when, claimed or not. Users without a name stay unnamed."""
    if assignment.assigned_to_role is not None:
        whose = f"the role {in_words(assignment.assigned_to_role)}"
    else:
        whose = (
            "one user"
            if assignment.assigned_to_user is None
            else names.get(assignment.assigned_to_user, "one user")
        )
    claimed = "not claimed"
    if assignment.claimed_by is not None:
        claimed = f"claimed by {names.get(assignment.claimed_by, 'a user')}"
    since = moment_text(assignment.created_at)
    text = f"{in_words(assignment.reason_code).capitalize()}, for {whose}, open since {since}, {claimed}."
    return Source(kind=SourceKind.ASSIGNMENT, id=str(assignment.assignment_id), text=text)
