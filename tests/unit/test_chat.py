"""Sidecar's chat answers from the state: what the system says, what people did, what is awaited."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import msgspec
import pytest

from shared.chat import SourceKind
from shared.model import AssertedProceed, OutcomeKind, SignalStatus, UserId
from tests.unit.chat_state import (
    ASSIGNMENT,
    BEN,
    OVERRIDE,
    RESPONSE,
    STATE,
    VARIANT,
    ask,
    ask_about,
    event,
    kinds,
    response_to,
    signal,
)


@pytest.mark.parametrize(
    "message", ["Why is it yellow?", "WHY", "what's the reason", "explain the rationale"]
)
def test_why_names_each_deciding_signal_its_source_and_its_age_and_then_the_others(message: str) -> None:
    reply = ask(message)
    assert reply.text == (
        "The indicator is yellow: Review before proceeding.\n\n"
        "What makes it yellow:\n"
        "• Coverage ends 2 Dec 2026 (from demo_ehr, seen 22 Nov 2026, 14:05 UTC).\n\n"
        "Also open:\n"
        "• Eligibility last verified 1 Oct 2026: verify again "
        "(from demo_ehr, seen 22 Nov 2026, 14:05 UTC).\n\n"
        "Also known:\n"
        "• Appointment on 1 Dec 2026 (from demo_ehr, seen 22 Nov 2026, 14:05 UTC)."
    )
    assert [source.id for source in reply.sources] == [
        str(RESPONSE.system_response_id),
        "coverage.expiring",
        "eligibility.unverified",
        "appointment.upcoming",
    ]


def test_green_because_everything_is_resolved_says_that_nothing_stands_in_the_way() -> None:
    resolved = (signal("claim.denied", SignalStatus.RESOLVED),)
    reply = ask("why?", signals=resolved, response=response_to(resolved))
    assert "Nothing that is known about this patient stands in the way." in reply.text


def test_grey_because_nobody_has_assessed_the_patient_says_that_nothing_is_known() -> None:
    reply = ask("why is it grey", signals=(), response=response_to(()))
    assert reply.text.startswith("The indicator is grey: Not assessed yet.")
    assert "No signal" in reply.text


def test_an_indicator_that_is_named_wrongly_is_put_right() -> None:
    assert ask("can we go ahead, is it green?").text.startswith("The indicator is yellow, not green: ")
    assert "never stored" in ask("is it blue?").text


@pytest.mark.parametrize("message", ["What is open?", "what should I do", "any tasks left?", "what's next"])
def test_what_is_open_tells_tasks_the_awaited_acknowledgement_and_assignments(message: str) -> None:
    reply = ask(message, open_assignments=(ASSIGNMENT,))
    assert "There are 2 open tasks:\n• Coverage ends 2 Dec 2026" in reply.text
    assert "An acknowledgement is awaited until 23 Nov 2026, 14:20 UTC." in reply.text
    assert "There is 1 open assignment:\n• Coverage, for the role financial counselor" in reply.text
    assert {SourceKind.SIGNAL, SourceKind.SYSTEM_RESPONSE, SourceKind.ASSIGNMENT} <= kinds(reply)


def test_nothing_open_is_said() -> None:
    resolved = (signal("claim.denied", SignalStatus.RESOLVED),)
    reply = ask("what is open", signals=resolved, response=response_to(resolved))
    assert "Tasking: No open items." in reply.text
    assert "No acknowledgement is needed." in reply.text
    assert "There is no open assignment for this patient." in reply.text


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "for the role financial counselor, open since 23 Nov 2026, 14:05 UTC, not claimed."),
        ({"claimed_by": BEN}, "claimed by Ben Oduya."),
        ({"claimed_by": UserId(UUID(int=99))}, "claimed by a user."),
        ({"assigned_to_role": None, "assigned_to_user": BEN}, "for Ben Oduya,"),
        ({"assigned_to_role": None, "assigned_to_user": UserId(UUID(int=99))}, "for one user,"),
    ],
)
def test_an_assignment_is_told_with_whose_it_is_and_who_claimed_it(
    changes: dict[str, Any], words: str
) -> None:
    assigned = msgspec.structs.replace(ASSIGNMENT, **changes)
    assert words in ask("Who is it assigned to?", open_assignments=(assigned,)).text


@pytest.mark.parametrize("message", ["Who acknowledged it?", "was it ackd or acknowledged", "who sent that"])
def test_who_acknowledged_tells_who_when_and_what_they_overrode(message: str) -> None:
    reply = ask(message, submission=OVERRIDE)
    assert reply.text.startswith("Ana Ruiz acknowledged on 23 Nov 2026, 12:05 UTC. That was an override: ")
    assert "Proceed green and tasking none" in reply.text
    assert "It answered an earlier response than the latest one." in reply.text
    assert kinds(reply) == {SourceKind.SUBMISSION}


def test_a_confirmation_is_told_as_one() -> None:
    confirmation = msgspec.structs.replace(
        OVERRIDE,
        confirmed=True,
        override_proceed=AssertedProceed.YELLOW,
        override_tasking=None,
        system_response_id=RESPONSE.system_response_id,
    )
    reply = ask("who acknowledged?", submission=confirmation, outcome=OutcomeKind.ACKNOWLEDGED)
    assert reply.text.endswith("That confirmed what the system showed: Proceed yellow.")


def test_no_acknowledgement_is_said() -> None:
    assert ask("who acknowledged it?").text == "Nobody has acknowledged anything for this patient yet."


@pytest.mark.parametrize(
    ("outcome", "words"),
    [
        (OutcomeKind.ACKNOWLEDGED, "acknowledged: somebody pressed Send."),
        (OutcomeKind.UNACKNOWLEDGED, "unacknowledged: no acknowledgement had come when it was due."),
        (OutcomeKind.DISMISSED, "dismissed: somebody set it aside without acknowledging it."),
    ],
)
def test_the_outcome_is_told_without_reading_an_intent_into_it(outcome: OutcomeKind, words: str) -> None:
    reply = ask("what was the outcome?", outcome=outcome)
    assert reply.text == f"Outcome of the latest response: {words}"
    assert kinds(reply) == {SourceKind.OUTCOME}


def test_a_dismissal_is_told_with_who_and_why() -> None:
    dismissal = event(
        3, "User.Dismissed", who=BEN, system_response_id=str(RESPONSE.system_response_id), reason="not_now"
    )
    reply = ask("what was the outcome?", outcome=OutcomeKind.DISMISSED, history=(dismissal,))
    assert reply.text.endswith("• 23 Nov 2026, 14:05 UTC: Ben Oduya dismissed the response (not now).")


def test_a_response_without_an_outcome_says_what_is_awaited() -> None:
    assert ask("outcome?").text.startswith("There is no outcome of the latest response yet. An acknowledg")


def test_an_acknowledgement_that_did_not_come_in_time_is_still_awaited() -> None:
    reply = ask("by when do I have to acknowledge?", outcome=OutcomeKind.UNACKNOWLEDGED, ack_due_at=None)
    assert "An acknowledgement is still awaited: none had come when it was due." in reply.text


def test_a_settled_response_awaits_nothing_more() -> None:
    reply = ask("is anything due?", outcome=OutcomeKind.DISMISSED)
    assert reply.text == "Nothing more is awaited: the latest response is dismissed."


@pytest.mark.parametrize("message", ["who can advance it?", "what's the mode", "Is this automatic?"])
def test_who_can_advance_it_is_told_to_roles_that_may_see_the_mode_only(message: str) -> None:
    assert ask(message).text == "The mode is Copilot: a person advances it, with help."
    hidden = msgspec.structs.replace(VARIANT, show_mode=False)
    assert ask_about(STATE, message, variant=hidden).text == "Who can advance it isn't shown to your role."


def test_what_is_known_about_one_thing_is_told_by_the_words_of_the_policy() -> None:
    assert "• Coverage ends 2 Dec 2026" in ask("is coverage active?").text
    assert "• claim.denied is resolved (from demo_ehr" in ask("Claim denied?").text
    assert ask("any authorizations?").text == "No signal about authorization is known for this patient."


def test_a_combined_question_gets_both_answers() -> None:
    reply = ask("why is it yellow and who acknowledged it?", submission=OVERRIDE)
    assert "What makes it yellow:" in reply.text
    assert "Ana Ruiz acknowledged on" in reply.text
    assert {SourceKind.SIGNAL, SourceKind.SUBMISSION} <= kinds(reply)


def test_an_overview_is_why_and_what_is_open() -> None:
    assert ask("give me a summary").text == ask("why, and what is open?").text


def test_an_unknown_patient_is_said_to_be_unknown() -> None:
    reply = ask_about(None, "why is it grey and what is open?")
    assert reply.text == "Mobius doesn't know this patient, so the indicator is grey (Not assessed yet)."
    assert reply.sources == ()


def test_before_anything_is_surfaced_that_is_said() -> None:
    state = msgspec.structs.replace(STATE, response=None)
    for message in (
        "why?",
        "what is open?",
        "who can advance it?",
        "outcome?",
        "is it green?",
        "since when?",
    ):
        assert "Nothing has been surfaced for this patient yet." in ask_about(state, message).text
