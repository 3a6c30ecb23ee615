"""Interactions commit nothing; leaving a patient invalidates what was shown there, for that tab alone."""

from __future__ import annotations

from functools import partial
from typing import Any
from uuid import UUID, uuid4

import pytest

from shared.model import CorrelationId, PatientKey
from shared.views import System
from tests.integration.product import BY_HAND, GREEN, MANY, Clinic, CountingProxy, at_once, problem_of

NOBODY = "p1_nobody_here"


@pytest.fixture
def quiet(clinic: Clinic) -> Clinic:
    """Samples no interaction; everybody's state is decided already, though nobody has looked."""
    clinic.publish(notifications={"interaction_sample_percent": 0})
    system = System(tenant_id=clinic.tenant_id, correlation_id=CorrelationId(uuid4()))
    for number in (BY_HAND, MANY, GREEN):
        clinic.product.core().persist_system_response(system, PatientKey(clinic.key(number)))
    return clinic


def does(clinic: Clinic, kind: str, number: int | None = BY_HAND, **options: Any) -> dict[str, Any]:
    named = {"session_id": "s-1"} if number is None else clinic.names(number)
    return clinic.answer("mini/interaction", {**named, "kind": kind}, **options)


def leave(clinic: Clinic, how: str, number: int = BY_HAND, session: str = "s-1") -> None:
    """The user's tab shows ``number`` no more."""
    if how in ("switched", "navigated"):
        clinic.answer("mini/interaction", {**clinic.names(number, session), "kind": how})
    elif how == "another patient":
        clinic.answer("mini/status", clinic.names(MANY if number != MANY else BY_HAND, session))
    elif how == "an unknown patient":
        clinic.answer("mini/status", {"session_id": session, "patient_key": NOBODY})
    else:
        clinic.answer("mini/status", {"session_id": session})


leaving = pytest.mark.parametrize(
    "how", ["switched", "navigated", "another patient", "an unknown patient", "a page without a patient"]
)


def invalidated(clinic: Clinic, number: int = BY_HAND) -> list[Any]:
    return [e for e in clinic.events(number) if e.payload_json.get("outcome") == "invalidated"]


# What is told -------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("held")
def test_an_interaction_commits_nothing(clinic: Clinic) -> None:
    clinic.publish(notifications={"interaction_sample_percent": 100})
    clinic.status(BY_HAND)
    before, row, told = clinic.counts(), clinic.context_row(BY_HAND), clinic.outbox(clinic.context(BY_HAND))
    for kind in ("opened", "viewed", "typed"):
        answer = does(clinic, kind)
        assert answer == {"ok": True, "session_id": "s-1", "surface": "mini"}
    assert clinic.written_since(before) == {"event_log": 2}
    assert clinic.told(BY_HAND)[2:] == ["opened", "typed"]
    for event in clinic.events(BY_HAND)[2:]:
        assert event.event_type == "User.Interaction"
        assert set(event.payload_json) == {"kind", "surface"}
        assert (event.actor_user_id, event.version) == (clinic.users[0].user_id, None)
    assert clinic.chain_holds(BY_HAND)
    after = clinic.context_row(BY_HAND)
    same = ("version", "version_seq", "version_head", "ack_due_at", "last_updated_at", "reassess_at")
    assert [getattr(after, name) for name in same] == [getattr(row, name) for name in same]
    assert clinic.outbox(clinic.context(BY_HAND)) == told


@pytest.mark.parametrize(
    ("percent", "sampled"), [(0, set()), (10, {0, 9, 109}), (100, {0, 9, 10, 99, 109, 110})]
)
def test_a_policy_says_how_many_of_a_hundred_correlation_ids_are_told(
    clinic: Clinic, percent: int, sampled: set[int]
) -> None:
    clinic.publish(notifications={"interaction_sample_percent": percent})
    # A first view is never sampled: it is told whatever the number is.
    for number in (99, 0, 9, 10, 109, 110):
        does(clinic, "opened", headers={"X-Correlation-Id": str(UUID(int=number))})
    assert clinic.told(BY_HAND) == ["viewed"] + ["opened"] * len(sampled)
    assert {event.correlation_id.int for event in clinic.events(BY_HAND)[1:]} == sampled
    does(clinic, "opened", None, headers={"X-Correlation-Id": str(UUID(int=0))})
    assert clinic.told(None) == ["opened"] * (percent > 0)
    assert clinic.chain_holds(None)


# Leaving ------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("held")
@leaving
def test_leaving_a_patient_invalidates_what_still_needed_acknowledgement(quiet: Clinic, how: str) -> None:
    shown = quiet.status(BY_HAND)
    before, row, told = quiet.counts(), quiet.context_row(BY_HAND), quiet.outbox(quiet.context(BY_HAND))
    leave(quiet, how)
    assert quiet.told(BY_HAND)[-1] == "invalidated"
    assert quiet.told(BY_HAND).count("invalidated") == 1
    event = quiet.events(BY_HAND)[-1]
    assert event.event_type == "Outcome.Computed"
    assert event.payload_json == {
        "system_response_id": shown["system_response_id"],
        "outcome": "invalidated",
    }
    (tab,) = quiet.rows("invocation", "status = 'open'")
    assert (event.actor_user_id, event.invocation_id) == (quiet.users[0].user_id, tab.invocation_id)
    assert tab.patient_context_id == (quiet.context(MANY) if how == "another patient" else None)
    # The patient's state is what it was, and due when it was: the response stays open for everybody.
    viewed = {"event_log": 2, "session_view": 1} if how == "another patient" else {"event_log": 1}
    assert quiet.written_since(before) == viewed
    after = quiet.context_row(BY_HAND)
    same = ("version", "version_seq", "version_head", "ack_due_at", "last_updated_at")
    assert [getattr(after, name) for name in same] == [getattr(row, name) for name in same]
    assert row.ack_due_at is not None
    assert event.version is None
    assert quiet.outbox(quiet.context(BY_HAND)) == told
    assert quiet.chain_holds(BY_HAND)
    again = quiet.status(BY_HAND, user=1)
    assert again["needs_ack"] is True
    assert again["outcome"] is None


def test_a_patient_who_was_left_is_not_left_again(quiet: Clinic) -> None:
    quiet.status(BY_HAND)
    for how in (
        "switched",
        "switched",
        "navigated",
        "another patient",
        "switched",
        "a page without a patient",
    ):
        leave(quiet, how)
    assert len(invalidated(quiet)) == 1


@pytest.mark.parametrize("how", ["switched", "another patient"])
def test_left_twenty_times_at_once_a_patient_is_left_once(quiet: Clinic, how: str) -> None:
    quiet.status(BY_HAND)
    at_once([partial(leave, quiet, how)] * 20)
    assert len(invalidated(quiet)) == 1
    assert [event.payload_json["kind"] for event in quiet.events(MANY)[1:]] == ["viewed"] * (
        how != "switched"
    )
    for number in (BY_HAND, MANY):
        assert quiet.chain_holds(number)


@leaving
def test_what_needed_no_acknowledgement_is_not_invalidated(quiet: Clinic, how: str) -> None:
    quiet.status(GREEN)
    leave(quiet, how, GREEN)
    assert invalidated(quiet, GREEN) == []
    (tab,) = quiet.rows("invocation", "status = 'open'")
    assert tab.patient_context_id != quiet.context(GREEN)


@pytest.mark.parametrize(
    ("endpoint", "settled"), [("mini/ack", "acknowledged"), ("mini/dismiss", "dismissed")]
)
@pytest.mark.parametrize("how", ["switched", "another patient"])
def test_what_was_acknowledged_or_dismissed_is_not_invalidated(
    quiet: Clinic, endpoint: str, settled: str, how: str
) -> None:
    quiet.status(BY_HAND)
    quiet.answer(endpoint, {**quiet.says(BY_HAND), "reason": "not_now"}, user=1)
    leave(quiet, how)
    assert invalidated(quiet) == []
    assert quiet.told(BY_HAND)[-1] == settled


def test_whom_the_tab_does_not_show_it_cannot_leave(quiet: Clinic) -> None:
    quiet.status(BY_HAND)
    before = quiet.counts()
    leave(quiet, "switched", MANY)
    assert quiet.counts() == before
    (tab,) = quiet.rows("invocation", "status = 'open'")
    assert tab.patient_context_id == quiet.context(BY_HAND)


def test_another_tab_that_shows_the_same_patient_is_not_concerned(quiet: Clinic) -> None:
    quiet.answer("mini/status", quiet.names(BY_HAND, "first"))
    quiet.answer("mini/status", quiet.names(BY_HAND, "second"))
    quiet.answer("sidecar/state", quiet.names(BY_HAND, "first"))
    leave(quiet, "another patient", session="first")
    first, second, panel = quiet.rows("invocation", "status = 'open'")
    assert [event.invocation_id for event in invalidated(quiet)] == [first.invocation_id]
    assert second.patient_context_id == panel.patient_context_id == quiet.context(BY_HAND)
    leave(quiet, "switched", session="second")
    assert [event.invocation_id for event in invalidated(quiet)] == [
        first.invocation_id,
        second.invocation_id,
    ]


@pytest.mark.parametrize("endpoint", ["state", "chat/message", "history", "interaction", "ack", "dismiss"])
def test_whatever_turns_a_tab_to_another_patient_leaves_the_one_before(quiet: Clinic, endpoint: str) -> None:
    quiet.answer("sidecar/state", quiet.names(BY_HAND))
    asked = {"message": "Why is it yellow?", "kind": "viewed", "reason": "not_now"}
    quiet.answer(f"sidecar/{endpoint}", {**quiet.says(MANY), **asked})
    (tab,) = quiet.rows("invocation", "status = 'open'")
    assert tab.patient_context_id == quiet.context(MANY)
    assert [event.invocation_id for event in invalidated(quiet)] == [tab.invocation_id]


def test_an_interaction_that_names_nobody_leaves_nobody(quiet: Clinic) -> None:
    quiet.status(BY_HAND)
    does(quiet, "typed", None)
    (tab,) = quiet.rows("invocation", "status = 'open'")
    assert tab.patient_context_id == quiet.context(BY_HAND)
    leave(quiet, "another patient")
    assert len(invalidated(quiet)) == 1


# What is refused ----------------------------------------------------------------------------------------


def test_an_interaction_with_an_unknown_patient_is_not_found(clinic: Clinic) -> None:
    before = clinic.counts()
    for kind in ("viewed", "opened", "switched", "navigated", "closed"):
        response = clinic.post("mini/interaction", {"session_id": "s-1", "kind": kind, "patient_key": NOBODY})
        problem_of(response, 404)
        assert NOBODY not in response.get_data(as_text=True)
    assert clinic.counts() == before


@pytest.mark.parametrize("surface", ["mini", "sidecar"])
@pytest.mark.parametrize("kind", ["switched", "navigated"])
def test_who_is_left_has_to_be_said(clinic: Clinic, surface: str, kind: str) -> None:
    response = clinic.post(f"{surface}/interaction", {"session_id": "s-1", "kind": kind})
    assert [error["field"] for error in problem_of(response, 422)["errors"]] == ["patient_key"]


@pytest.mark.parametrize("again", range(4))
def test_two_patients_in_one_tab_at_once_leave_the_one_that_shows_no_more(quiet: Clinic, again: int) -> None:
    del again
    at_once([partial(quiet.status, BY_HAND), partial(quiet.status, MANY)])
    shown = quiet.rows("invocation")[0].patient_context_id
    left = MANY if shown == quiet.context(BY_HAND) else BY_HAND
    assert len(invalidated(quiet, left)) == 1
    assert invalidated(quiet, BY_HAND if left == MANY else MANY) == []


def test_many_requests_that_turn_one_tab_at_once_are_all_served(quiet: Clinic) -> None:
    numbers = range(12)
    at_once([partial(quiet.status, number) for number in numbers])
    answers = at_once([partial(quiet.answer, "mini/ack", quiet.says(number)) for number in (BY_HAND, MANY)])
    assert {answer["needs_ack"] for answer in answers} == {False}


def test_a_tab_that_was_idle_is_left_too(quiet: Clinic) -> None:
    quiet.status(BY_HAND)
    quiet.sql("UPDATE invocation SET last_seen_at = now() - interval '40 minutes' WHERE tenant_id = :tenant")
    quiet.status(MANY)
    assert len(invalidated(quiet)) == 1
    assert quiet.count("invocation") == 1


def test_a_patient_who_owes_nothing_any_more_is_left_at_no_cost(quiet: Clinic, proxy: CountingProxy) -> None:
    for number in (BY_HAND, MANY):
        quiet.status(number)
        quiet.answer("mini/ack", quiet.says(number))
    assert proxy.flights(lambda: quiet.answer("mini/ack", quiet.says(BY_HAND))) <= 10
    assert invalidated(quiet) == invalidated(quiet, MANY) == []
