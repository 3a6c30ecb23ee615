"""Sidecar's chat tells what happened before in plain words, as far as the latest events go."""

from __future__ import annotations

from typing import Any

import pytest

from shared.chat.history_words import event_line
from tests.unit.chat_state import ANA, BEN, HISTORY, OVERRIDE, ask, event


def test_what_changed_is_told_since_the_last_acknowledgement_without_what_that_made_itself() -> None:
    reply = ask("what has changed?", submission=OVERRIDE)
    assert reply.text == (
        "Ana Ruiz acknowledged on 23 Nov 2026, 12:05 UTC. Since then, the newest first:\n"
        "• 23 Nov 2026, 14:04 UTC: the system said yellow with 2 tasks, an acknowledgement was needed.\n"
        "• 23 Nov 2026, 14:03 UTC: signals changed: coverage.expiring."
    )
    assert [source.id for source in reply.sources][1:] == ["8", "7"]


def test_without_a_change_since_the_acknowledgement_that_is_said() -> None:
    assert "Nothing has changed since." in ask("news?", submission=OVERRIDE, history=HISTORY[3:]).text


def test_what_changed_goes_back_to_an_acknowledgement_that_is_older_than_the_history() -> None:
    reply = ask("what changed", submission=OVERRIDE, history=HISTORY[:3])
    assert [source.id for source in reply.sources][1:] == ["8", "7"]


def test_what_changed_before_any_acknowledgement_is_all_there_is_but_views() -> None:
    reply = ask("what happened", history=HISTORY[:3])
    assert reply.text.startswith("Nobody has acknowledged yet. The latest changes, the newest first:")
    assert [source.id for source in reply.sources] == ["8", "7"]
    assert "none of the latest events" in ask("what happened", history=HISTORY[:1]).text


def test_a_history_that_may_not_be_read_is_not_told() -> None:
    assert ask("what changed", history=()).text == "There is no history here that I may tell."


@pytest.mark.parametrize(
    ("event_type", "payload", "words"),
    [
        (
            "System.Response",
            {"proceed_indicator": "green", "task_count": 0, "needs_ack": False},
            "the system said green with no tasks",
        ),
        (
            "User.Acknowledged",
            {"override_tasking": "act", "confirmed": True, "superseded": True},
            "Ben Oduya acknowledged and confirmed tasking act, answering an earlier response",
        ),
        ("User.Dismissed", {"reason": "wrong_patient"}, "Ben Oduya dismissed the response (wrong patient)"),
        (
            "Glass.Broken",
            {"reason": "patient_request"},
            "Ben Oduya broke the glass to see all of this patient (patient request)",
        ),
        ("User.Interaction", {"kind": "switched"}, "Ben Oduya switched to another patient"),
        ("Outcome.Computed", {"outcome": "unacknowledged"}, "no acknowledgement had come when it was due"),
        (
            "Outcome.Computed",
            {"outcome": "invalidated"},
            "the context changed in one place; the response stayed open for everybody",
        ),
        (
            "Assignment.Created",
            {"reason_code": "claim", "assigned_to_role": "billing_lead"},
            "an assignment for claim was made for the role billing lead",
        ),
        ("Assignment.Claimed", {"reason_code": "claim"}, "Ben Oduya claimed the assignment for claim"),
        (
            "Assignment.Resolved",
            {"reason_code": "claim", "status": "dismissed"},
            "the assignment for claim was dismissed",
        ),
        ("Patient.Updated", {"changed_signals": []}, "the patient was updated; no signal changed"),
    ],
)
def test_each_event_has_plain_words(event_type: str, payload: dict[str, Any], words: str) -> None:
    happened = event(1, event_type, who=BEN, **payload)
    assert event_line(happened) == f"23 Nov 2026, 14:05 UTC: {words}."


def test_an_event_that_is_no_workers_business_is_left_out() -> None:
    assert event_line(event(1, "Access.Denied", who=BEN, reason="role", surface="mini")) is None
    assert event_line(event(1, "Something.New")) is None


def test_who_viewed_the_patient_is_told_from_the_latest_events() -> None:
    reply = ask("who has looked at this patient?")
    assert reply.text.endswith("• 23 Nov 2026, 14:05 UTC: Ben Oduya viewed the patient.")
    assert ask("who looked at it", history=HISTORY[1:]).text == "None of the latest events is a view."


def test_since_when_is_told_exactly_where_the_history_shows_what_was_before() -> None:
    reply = ask("since when is it yellow?")
    assert reply.text.startswith("The indicator has been yellow since 23 Nov 2026, 14:04 UTC. ")
    partly = ask("how long has it been yellow?", history=HISTORY[:3])
    assert partly.text.startswith("The indicator has been yellow since 23 Nov 2026, 14:04 UTC at the latest.")


def test_a_view_alone_is_no_change_after_an_acknowledgement() -> None:
    viewed = event(9, "User.Interaction", who=ANA, kind="viewed")
    assert "Nothing has changed since." in ask("what changed", submission=OVERRIDE, history=(viewed,)).text


def test_who_broke_the_glass_looked_and_changed_nothing() -> None:
    broken = event(9, "Glass.Broken", who=BEN, reason="emergency")
    assert "broke the glass" in ask("who viewed this patient?", history=(broken,)).text
    assert "none of the latest events" in ask("what happened", history=(broken,)).text
