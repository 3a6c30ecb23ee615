"""A patient's past events in plain words."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from shared.chat.port import Source, SourceKind
from shared.chat.sources import asserted_words, in_words
from shared.decisions.moments import moment_text
from shared.model import ErasureScope, OutcomeKind
from shared.persistence.readings import PastEvent

# The names under which the ledger keeps its events.
RESPONSE = "System.Response"
ACKNOWLEDGED = "User.Acknowledged"
DISMISSED = "User.Dismissed"
INTERACTION = "User.Interaction"
GLASS_BROKEN = "Glass.Broken"


def event_line(event: PastEvent) -> str | None:
    """What happened, when and by whom, in one line; None for what is no worker's business.

    Neither the execution mode nor a note is in it, whoever asks.
    """
    words = event_words(event)
    return f"{moment_text(event.created_at)}: {words}." if words else None


def event_words(event: PastEvent) -> str | None:
    """What happened and by whom, as a sentence without its mark; None for what is no worker's business."""
    words = _WORDS.get(event.event_type)
    return words(event) if words else None


def event_source(event: PastEvent) -> Source:
    """The event as what an answer rests on."""
    text = event_line(event) or f"{moment_text(event.created_at)}: {event.event_type}."
    return Source(kind=SourceKind.EVENT, id=str(event.seq), text=text)


def _who(event: PastEvent) -> str:
    if event.actor_user_id is None:
        return "the system"
    return event.actor_display_name or "a user"


def _responded(event: PastEvent) -> str:
    count = event.payload.get("task_count")
    tasks = "1 task" if count == 1 else f"{count or 'no'} tasks"
    awaited = ", an acknowledgement was needed" if event.payload.get("needs_ack") else ""
    return f"the system said {event.payload.get('proceed_indicator')} with {tasks}{awaited}"


def _acknowledged(event: PastEvent) -> str:
    payload = event.payload
    asserted = asserted_words(payload.get("override_proceed"), payload.get("override_tasking"))
    did = "confirmed" if payload.get("confirmed") else "asserted"
    earlier = ", answering an earlier response" if payload.get("superseded") else ""
    return f"{_who(event)} acknowledged and {did} {asserted or 'what was shown'}{earlier}"


def _dismissed(event: PastEvent) -> str:
    return f"{_who(event)} dismissed the response ({in_words(event.payload.get('reason'))})"


def _interacted(event: PastEvent) -> str:
    did = {
        "viewed": "viewed the patient",
        "opened": "opened a surface",
        "typed": "typed",
        "switched": "switched to another patient",
        "navigated": "navigated away",
        "closed": "closed a surface",
    }
    return f"{_who(event)} {did.get(str(event.payload.get('kind')), 'was here')}"


def _glass_broken(event: PastEvent) -> str:
    reason = in_words(event.payload.get("reason"))
    return f"{_who(event)} broke the glass to see all of this patient ({reason})"


def _computed(event: PastEvent) -> str:
    means: Mapping[str, str] = {
        OutcomeKind.ACKNOWLEDGED: "the response was acknowledged",
        OutcomeKind.UNACKNOWLEDGED: "no acknowledgement had come when it was due",
        OutcomeKind.DISMISSED: "the response was dismissed",
        OutcomeKind.INVALIDATED: "the context changed in one place; the response stayed open for everybody",
    }
    return means.get(str(event.payload.get("outcome")), "an outcome was computed")


def _created(event: PastEvent) -> str:
    role = event.payload.get("assigned_to_role")
    whose = f"the role {in_words(role)}" if role else "one user"
    return f"an assignment for {in_words(event.payload.get('reason_code'))} was made for {whose}"


def _claimed(event: PastEvent) -> str:
    return f"{_who(event)} claimed the assignment for {in_words(event.payload.get('reason_code'))}"


def _reassigned(event: PastEvent) -> str:
    role = event.payload.get("assigned_to_role")
    whose = f"the role {in_words(role)}" if role else "another user"
    return f"the assignment for {in_words(event.payload.get('reason_code'))} was handed over to {whose}"


def _resolved(event: PastEvent) -> str:
    became = "dismissed" if event.payload.get("status") == "dismissed" else "resolved"
    return f"the assignment for {in_words(event.payload.get('reason_code'))} was {became}"


def _updated(event: PastEvent) -> str:
    changed = event.payload.get("changed_signals")
    if not isinstance(changed, list) or not changed:
        return "the patient was updated; no signal changed"
    return f"signals changed: {', '.join(map(str, changed))}"


def _erased(event: PastEvent) -> str:
    everything = event.payload.get("scope") == ErasureScope.ALL
    what = "everything that tells of the patient" if everything else "what people wrote about the patient"
    kinds = ("snapshot", "note", "explanation") if everything else ("note", "explanation")
    counts = ", ".join(_counted(event.payload.get(f"{kind}_count"), kind) for kind in kinds)
    return f"{what} was erased ({in_words(event.payload.get('reason'))}): {counts}"


def _raised(event: PastEvent) -> str:
    return (
        "the database was restored to an earlier point: what happened up to version "
        f"{event.payload.get('lost_version')} was lost, and the version is {event.payload.get('version')} now"
    )


def _counted(count: object, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


_WORDS: Mapping[str, Callable[[PastEvent], str]] = {
    RESPONSE: _responded,
    ACKNOWLEDGED: _acknowledged,
    DISMISSED: _dismissed,
    INTERACTION: _interacted,
    GLASS_BROKEN: _glass_broken,
    "Outcome.Computed": _computed,
    "Assignment.Created": _created,
    "Assignment.Claimed": _claimed,
    "Assignment.Reassigned": _reassigned,
    "Assignment.Resolved": _resolved,
    "Patient.Updated": _updated,
    "Patient.Erased": _erased,
    "Version.Raised": _raised,
}
