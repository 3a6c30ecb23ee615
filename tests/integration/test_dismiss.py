"""mini/dismiss and sidecar/dismiss: a response is set aside, which acknowledges nothing."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.overdue import (
    COUNSELOR,
    LEAD,
    empty_outbox,
    event_types,
    inbox,
    inbox_document,
    items,
    nobody_sent,
    outcomes,
    patient_document,
    sweep,
    users_told,
    wait_until_due,
)
from tests.integration.product import BY_HAND, GREEN, INACTIVE, MANY, Clinic, at_once, problem_of

pytestmark = pytest.mark.usefixtures("held")


def dismisses(
    clinic: Clinic, number: int = BY_HAND, reason: str = "not_now", **fields: Any
) -> dict[str, Any]:
    return {**clinic.names(number), "reason": reason, **fields}


def dismiss(clinic: Clinic, number: int = BY_HAND, *, user: int = 0, **fields: Any) -> str:
    """Dismisses a response and returns what became of it."""
    outcome: str = clinic.answer("mini/dismiss", dismisses(clinic, number, **fields), user=user)["outcome"]
    return outcome


@pytest.mark.parametrize("surface", ["mini", "sidecar"])
def test_a_dismissal_is_kept_with_its_reason_and_nothing_is_due_any_more(
    clinic: Clinic, surface: str
) -> None:
    shown = clinic.status(BY_HAND)
    assert clinic.context_row(BY_HAND).ack_due_at is not None
    empty_outbox(clinic)
    before, told = clinic.counts(), len(clinic.events(BY_HAND))
    body = dismisses(clinic, reason="already_handled", system_response_id=shown["system_response_id"])
    answer = clinic.answer(f"{surface}/dismiss", body, user=COUNSELOR)
    assert (answer["outcome"], answer["surface"]) == ("dismissed", surface)
    written = clinic.written_since(before)
    assert (written["response_outcome"], written["version"]) == (1, 1)
    assert not {"mini_submission", "system_response", "assignment"} & set(written)

    (outcome,) = clinic.rows("response_outcome")
    assert str(outcome.system_response_id) == shown["system_response_id"]
    assert (outcome.outcome, outcome.reason) == ("dismissed", "already_handled")
    assert outcome.user_id == clinic.users[COUNSELOR].user_id
    viewed, dismissed, computed = clinic.events(BY_HAND)[told:]
    # The counselor had not seen this patient before: the ledger says that first.
    assert (viewed.event_type, viewed.version) == ("User.Interaction", None)
    assert dismissed.event_type == "User.Dismissed"
    assert dismissed.payload_json == {
        "system_response_id": shown["system_response_id"],
        "reason": "already_handled",
        "surface": surface,
    }
    assert computed.event_type == "Outcome.Computed"
    assert computed.payload_json["outcome"] == "dismissed"
    assert {dismissed.actor_user_id, computed.actor_user_id} == {clinic.users[COUNSELOR].user_id}
    assert {dismissed.version, computed.version} == {2}
    assert clinic.chain_holds(BY_HAND)
    row = clinic.context_row(BY_HAND)
    assert (row.ack_due_at, row.version_head) == (None, computed.hash)

    later = clinic.status(BY_HAND, user=LEAD)
    assert (later["outcome"], later["needs_ack"]) == ("dismissed", False)
    assert later["last_submission"] is None
    document = patient_document(clinic, BY_HAND)
    assert (document["version"], document["outcome"]) == (2, "dismissed")
    assert document["flags"] == {"needs_ack": False, "open_assignment_count": 0}
    # Its time passes, and nobody is asked for it.
    wait_until_due(clinic, BY_HAND)
    sweep(clinic.product)
    assert outcomes(clinic, BY_HAND) == ["dismissed"]


def test_open_items_are_dismissed_with_what_they_are_about(clinic: Clinic) -> None:
    nobody_sent(clinic, MANY)
    empty_outbox(clinic)
    assert dismiss(clinic, MANY) == "dismissed"
    assert outcomes(clinic, MANY) == ["unacknowledged", "dismissed"]
    closed = items(clinic, MANY)
    assert {(item.status, item.resolved_by_submission) for item in closed} == {("dismissed", None)}
    assert all(item.resolved_at is not None for item in closed)
    resolved = [event for event in clinic.events(MANY) if event.event_type == "Assignment.Resolved"]
    assert [event.payload_json["assignment_id"] for event in resolved] == [
        str(item.assignment_id)
        for item in sorted(closed, key=lambda item: (item.created_at, item.assignment_id))
    ]
    assert {
        (event.payload_json["status"], event.payload_json["mini_submission_id"]) for event in resolved
    } == {("dismissed", None)}
    assert users_told(clinic) == [COUNSELOR, LEAD]
    for user in (COUNSELOR, LEAD):
        assert inbox(clinic, user)["open_count"] == inbox_document(clinic, user)["open_count"] == 0
    assert patient_document(clinic, MANY)["flags"] == {"needs_ack": False, "open_assignment_count": 0}


def test_what_was_dismissed_stays_dismissed_and_nothing_more_is_written(clinic: Clinic) -> None:
    clinic.status(BY_HAND)
    dismiss(clinic, reason="not_now")
    before = clinic.counts()
    assert dismiss(clinic, reason="wrong_patient") == "dismissed"
    assert clinic.counts() == before
    assert clinic.rows("response_outcome")[0].reason == "not_now"


def test_twenty_dismissals_at_once_are_one(clinic: Clinic) -> None:
    clinic.status(BY_HAND)
    assert set(at_once([lambda: dismiss(clinic)] * 20)) == {"dismissed"}
    assert outcomes(clinic, BY_HAND) == ["dismissed"]
    assert event_types(clinic, BY_HAND) == ["System.Response", "User.Dismissed", "Outcome.Computed"]


def test_what_was_acknowledged_stays_acknowledged(clinic: Clinic) -> None:
    clinic.status(BY_HAND)
    clinic.answer("mini/ack", clinic.says(BY_HAND))
    before = clinic.counts()
    assert dismiss(clinic) == "acknowledged"
    assert clinic.counts() == before
    assert clinic.status(BY_HAND)["outcome"] == "acknowledged"


def test_a_send_after_a_dismissal_acknowledges(clinic: Clinic) -> None:
    clinic.status(BY_HAND)
    dismiss(clinic)
    answer = clinic.answer("mini/ack", clinic.says(BY_HAND))
    assert answer["needs_ack"] is answer["superseded"] is False
    assert outcomes(clinic, BY_HAND) == ["dismissed", "acknowledged"]
    assert clinic.status(BY_HAND)["outcome"] == "acknowledged"
    assert dismiss(clinic) == "acknowledged"


def test_an_older_response_is_dismissed_alone(clinic: Clinic) -> None:
    older = clinic.status(MANY)["system_response_id"]
    clinic.signal(MANY, "authorization.missing", "resolved")
    newer = clinic.status(MANY)["system_response_id"]
    due = clinic.context_row(MANY).ack_due_at
    assert dismiss(clinic, MANY, system_response_id=older) == "dismissed"
    assert clinic.context_row(MANY).ack_due_at == due is not None
    shown = clinic.status(MANY)
    assert (shown["system_response_id"], shown["outcome"], shown["needs_ack"]) == (newer, None, True)
    wait_until_due(clinic, MANY)
    sweep(clinic.product)
    assert clinic.status(MANY)["outcome"] == "unacknowledged"


def test_an_older_response_takes_no_item_along_that_the_newest_still_waits_for(clinic: Clinic) -> None:
    nobody_sent(clinic, MANY)
    older = clinic.status(MANY)["system_response_id"]
    clinic.signal(MANY, "balance.outstanding", "resolved")
    nobody_sent(clinic, MANY)
    assert dismiss(clinic, MANY, system_response_id=older) == "dismissed"
    assert clinic.status(MANY)["needs_ack"] is True
    # Nothing is due any more, so without an open item nobody would ever pick the newest one up.
    assert clinic.context_row(MANY).ack_due_at is None
    assert [inbox(clinic, user)["open_count"] for user in (COUNSELOR, LEAD)] == [2, 1]


def test_a_new_response_after_a_dismissal_is_due_again(clinic: Clinic) -> None:
    clinic.status(MANY)
    dismiss(clinic, MANY)
    clinic.signal(MANY, "authorization.missing", "resolved")
    shown = clinic.status(MANY)
    assert (shown["outcome"], shown["needs_ack"]) == (None, True)
    assert clinic.context_row(MANY).ack_due_at is not None


# Policy -------------------------------------------------------------------------------------------------


def test_where_policy_asks_for_it_a_dismissal_leaves_items(clinic: Clinic) -> None:
    clinic.publish(notifications={"on_outcomes": ["dismissed"]})
    clinic.status(MANY)
    empty_outbox(clinic)
    assert dismiss(clinic, MANY) == "dismissed"
    assert [(item.reason_code, item.assigned_to_role, item.status) for item in items(clinic, MANY)] == [
        ("authorization", "financial_counselor", "open"),
        ("claim", "billing_lead", "open"),
        ("coverage", "financial_counselor", "open"),
    ]
    assert users_told(clinic) == [COUNSELOR, LEAD]
    created = [event for event in clinic.events(MANY) if event.event_type == "Assignment.Created"]
    assert {event.actor_user_id for event in created} == {clinic.users[0].user_id}
    shown = clinic.status(MANY)
    assert (shown["outcome"], shown["needs_ack"]) == ("dismissed", False)
    assert patient_document(clinic, MANY)["flags"] == {"needs_ack": False, "open_assignment_count": 3}
    # A Send settles them.
    clinic.answer("mini/ack", clinic.says(MANY))
    assert {item.status for item in items(clinic, MANY)} == {"resolved"}


def test_where_policy_asks_for_it_items_that_are_open_stay_and_are_not_doubled(clinic: Clinic) -> None:
    clinic.publish(notifications={"on_outcomes": ["unacknowledged", "dismissed"]})
    nobody_sent(clinic, MANY)
    before = items(clinic, MANY)
    assert dismiss(clinic, MANY) == "dismissed"
    assert items(clinic, MANY) == before
    assert len(before) == 3


def test_a_dismissed_response_that_needed_no_acknowledgement_leaves_nothing_to_pick_up(
    clinic: Clinic,
) -> None:
    clinic.publish(notifications={"on_outcomes": ["dismissed"]})
    assert clinic.status(GREEN)["needs_ack"] is False
    assert dismiss(clinic, GREEN) == "dismissed"
    # An assignment is made when a response that needs acknowledgement got none (mission, "Assignment").
    assert items(clinic, GREEN) == []


def test_a_role_that_policy_does_not_let_dismiss_is_refused(clinic: Clinic) -> None:
    clinic.publish(allowlist={"permissions": {"dismiss": ["billing_lead"]}})
    clinic.status(BY_HAND)
    before = clinic.counts()
    problem_of(clinic.post("mini/dismiss", dismisses(clinic)), 403)
    assert clinic.written_since(before) == {"event_log": 1}
    assert clinic.told(None) == ["Access.Denied"]
    assert dismiss(clinic, user=LEAD) == "dismissed"


# What can't be dismissed --------------------------------------------------------------------------------


def test_another_patients_response_is_refused(clinic: Clinic) -> None:
    other = clinic.status(INACTIVE)["system_response_id"]
    clinic.status(BY_HAND)
    before = clinic.counts()
    response = clinic.post("mini/dismiss", dismisses(clinic, system_response_id=other))
    problem = problem_of(response, 422)
    assert [error["field"] for error in problem["errors"]] == ["system_response_id"]
    assert other not in response.get_data(as_text=True)
    assert clinic.counts() == before


def test_what_was_never_surfaced_is_refused(clinic: Clinic) -> None:
    problem = problem_of(clinic.post("mini/dismiss", dismisses(clinic, GREEN)), 422)
    assert [error["field"] for error in problem["errors"]] == ["system_response_id"]


def test_an_unknown_patient_is_not_found(clinic: Clinic) -> None:
    response = clinic.post("mini/dismiss", {**dismisses(clinic), "patient_key": "p1_nobody_here"})
    problem_of(response, 404)
    assert "p1_nobody_here" not in response.get_data(as_text=True)


def test_a_reason_that_is_none_is_refused_with_those_that_are(clinic: Clinic) -> None:
    clinic.status(BY_HAND)
    response = clinic.post("mini/dismiss", dismisses(clinic, reason="maria_moved"))
    (error,) = problem_of(response, 422)["errors"]
    assert error["field"] == "reason"
    for allowed in ("not_applicable", "already_handled", "not_now", "wrong_patient", "other"):
        assert allowed in error["message"]
    assert "maria" not in response.get_data(as_text=True)
    assert outcomes(clinic, BY_HAND) == []
