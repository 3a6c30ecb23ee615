"""sidecar/history, and the requests of clients that are there already."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from shared.web.cursors import encode_cursor
from tests.integration.overdue import COUNSELOR, DESK, LEAD, nobody_sent
from tests.integration.product import BY_HAND, GREEN, MANY, NOTE, Clinic, problem_of

pytestmark = pytest.mark.usefixtures("held")

READS = ("sidecar/state", "sidecar/history", "sidecar/inbox")


def history(clinic: Clinic, number: int = BY_HAND, *, user: int = DESK, **fields: Any) -> dict[str, Any]:
    # In a session of its own: without one each look is an event.
    body = {"session_id": "reader", "patient_key": clinic.key(number), **fields}
    return clinic.answer("sidecar/history", body, user=user)


def types(page: dict[str, Any]) -> list[str]:
    return [event["event_type"] for event in page["events"]]


def in_the_ledger(clinic: Clinic, number: int = BY_HAND) -> list[dict[str, Any]]:
    """What the history should say, the newest first, but for names and notes."""
    return [
        {
            "event_type": event.event_type,
            "created_at": event.created_at,
            "actor": event.actor_user_id and str(event.actor_user_id),
            "payload": event.payload_json,
            "correlation_id": str(event.correlation_id),
        }
        for event in reversed(clinic.events(number))
    ]


def told(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What the history says, but for names and notes."""
    return [
        {
            "event_type": event["event_type"],
            "created_at": datetime.fromisoformat(event["created_at"]),
            "actor": event["actor"] and event["actor"]["user_id"],
            "payload": event["payload"],
            "correlation_id": event["correlation_id"],
        }
        for event in events
    ]


def eventful(clinic: Clinic) -> None:
    """A patient with every kind of event that a day brings."""
    nobody_sent(clinic, BY_HAND)
    item = clinic.rows("assignment")[0].assignment_id
    clinic.answer("sidecar/assignment/claim", {"assignment_id": str(item)}, user=COUNSELOR)
    clinic.answer("mini/dismiss", {**clinic.names(BY_HAND), "reason": "not_now"})
    clinic.answer("mini/ack", clinic.says(BY_HAND), user=COUNSELOR)
    history(clinic)  # whose first look is an event too


def test_the_newest_comes_first_and_pages_of_any_size_make_the_whole_ledger_once(clinic: Clinic) -> None:
    eventful(clinic)
    ledger = in_the_ledger(clinic)
    assert len({event["event_type"] for event in ledger}) == 8
    for limit in (1, 2, 3, 100):
        events, page = [], history(clinic, limit=limit)
        while True:
            assert len(page["events"]) <= limit
            events += page["events"]
            assert page["has_more"] is (page["next_cursor"] is not None)
            if not page["has_more"]:
                break
            page = history(clinic, limit=limit, cursor=page["next_cursor"])
        assert told(events) == ledger
        # Even a page that ends where the ledger does says so.
        assert len(ledger) % limit == len(page["events"]) % limit


def test_pages_stay_in_place_while_events_are_added(clinic: Clinic) -> None:
    eventful(clinic)
    ledger = in_the_ledger(clinic)
    events, page = [], history(clinic, limit=3)
    while True:
        events += page["events"]
        clinic.answer("mini/ack", clinic.says(BY_HAND))
        if not page["has_more"]:
            break
        page = history(clinic, limit=3, cursor=page["next_cursor"])
    assert told(events) == ledger
    assert len(clinic.events(BY_HAND)) > len(ledger)


def test_an_event_says_who_did_it_and_the_system_is_nobody(clinic: Clinic) -> None:
    eventful(clinic)
    *_, oldest = events = history(clinic)["events"]
    sent = next(event for event in events if event["event_type"] == "User.Acknowledged")
    assert sent["actor"] == {
        "user_id": str(clinic.users[COUNSELOR].user_id),
        "display_name": clinic.users[COUNSELOR].display_name,
    }
    assert oldest["event_type"] == "User.Interaction"
    by_nobody = {event["event_type"] for event in history(clinic)["events"] if event["actor"] is None}
    assert by_nobody == {"System.Response", "Outcome.Computed", "Assignment.Created"}


def test_a_note_is_there_for_sends_only_and_for_roles_that_may_read_it(clinic: Clinic) -> None:
    clinic.status(BY_HAND)
    clinic.answer("mini/ack", clinic.says(BY_HAND))
    clinic.answer("mini/ack", clinic.says(BY_HAND, note_text="And again."))
    for user in (COUNSELOR, LEAD):
        page = history(clinic, user=user)
        notes = [event["note"] for event in page["events"] if event["event_type"] == "User.Acknowledged"]
        assert notes == ["And again.", NOTE]
        assert {event["note"] for event in page["events"] if event["event_type"] != "User.Acknowledged"} == {
            None
        }
    readable = types(history(clinic, user=LEAD))
    hidden = clinic.post("sidecar/history", clinic.names(BY_HAND, "s-1"), user=DESK)
    assert hidden.status_code == 200
    assert types(hidden.get_json()) == readable
    assert NOTE not in hidden.get_data(as_text=True)
    assert {event["note"] for event in hidden.get_json()["events"]} == {None}


def test_a_patient_whom_nobody_knows_has_no_history(clinic: Clinic) -> None:
    body = {"session_id": "s-1", "patient_key": "p1_nobody_here"}
    before = clinic.counts()
    page = clinic.answer("sidecar/history", body)
    assert (page["events"], page["has_more"], page["next_cursor"]) == ([], False, None)
    written = clinic.written_since(before)
    assert not {"event_log", "session_view", "version"} & set(written)


def test_a_patient_of_another_tenant_has_no_history(clinic: Clinic) -> None:
    other = clinic.product.stack["tenants"][0]["patients"][BY_HAND]["patient_key"]
    assert clinic.answer("sidecar/history", {"patient_key": other})["events"] == []


def test_who_reads_the_history_is_in_it_once_a_session(clinic: Clinic) -> None:
    clinic.status(BY_HAND)
    before = clinic.counts()
    for _ in range(2):
        history(clinic, user=LEAD, session_id="reading")
    written = clinic.written_since(before)
    assert (written["event_log"], written["session_view"]) == (1, 1)
    assert "version" not in written
    newest = history(clinic, user=LEAD, session_id="reading")["events"][0]
    assert newest["event_type"] == "User.Interaction"
    assert newest["payload"] == {"kind": "viewed", "surface": "sidecar"}
    assert newest["actor"]["user_id"] == str(clinic.users[LEAD].user_id)


FORGED = [
    *("no-cursor", "e30", "Ingi", "MS41", "x" * 300, "Maria Example"),
    *(encode_cursor({"seq": seq}) for seq in (0, -1, 2**63, 1.5, "1", None)),
]


@pytest.mark.parametrize("cursor", FORGED)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_cursor_that_is_none_is_named(clinic: Clinic, cursor: str, method: str) -> None:
    client, headers = clinic.product.client("sidecar/history"), clinic.headers()
    sent = {"patient_key": clinic.key(BY_HAND), "cursor": cursor}
    if method == "GET":
        response = client.get("/", query_string=sent, headers=headers)
    else:
        response = client.post("/", json=sent, headers=headers)
    problem = problem_of(response, 422)
    assert [error["field"] for error in problem["errors"]] == ["cursor"]
    assert cursor not in problem["detail"]  # the correlation id may hold any few letters


def test_a_get_with_a_query_pages_as_a_post_does(clinic: Clinic) -> None:
    eventful(clinic)
    client, headers = clinic.product.client("sidecar/history"), clinic.headers()
    query: dict[str, Any] = {"session_id": "reader", "patient_key": clinic.key(BY_HAND), "limit": 4}
    for _ in range(2):
        got = client.get("/", query_string=query, headers=headers)
        assert got.status_code == 200
        assert got.get_json() == clinic.answer("sidecar/history", query)
        query["cursor"] = got.get_json()["next_cursor"]


def test_a_role_that_may_not_read_the_history_reads_none_of_it_anywhere(clinic: Clinic) -> None:
    clinic.publish(allowlist={"permissions": {"history": ["billing_lead"]}})
    clinic.status(BY_HAND)
    clinic.answer("mini/ack", clinic.says(BY_HAND))
    problem_of(clinic.post("sidecar/history", clinic.names(BY_HAND)), 403)
    assert history(clinic, user=LEAD)["events"]
    assert clinic.answer("sidecar/state", clinic.names(BY_HAND), user=LEAD)["history"]
    panel = clinic.answer("sidecar/state", clinic.names(BY_HAND))
    assert panel["patient_state"]["found"] is True
    assert panel["history"] == []


# Clients that are there already -------------------------------------------------------------------------


@pytest.mark.parametrize("endpoint", READS)
def test_a_client_that_posts_session_and_patient_to_every_read_is_served(
    clinic: Clinic, endpoint: str
) -> None:
    nobody_sent(clinic, BY_HAND)
    answer = clinic.answer(endpoint, clinic.names(BY_HAND), user=COUNSELOR)
    assert answer["session_id"] == "s-1"
    assert answer["surface"] == "sidecar"
    found = {
        "sidecar/state": lambda: answer["patient_state"]["found"],
        "sidecar/history": lambda: "Assignment.Created" in types(answer),
        "sidecar/inbox": lambda: answer["open_count"] == len(answer["assignments"]) == 1,
    }
    assert found[endpoint]()


@pytest.mark.parametrize("surface", ["mini", "sidecar"])
def test_a_client_that_calls_the_note_a_note_is_served(clinic: Clinic, surface: str) -> None:
    clinic.status(GREEN)
    body = {
        "session_id": "s-1",
        "note": NOTE,
        "patient_key": clinic.key(GREEN),
        "override_proceed": "yellow",
    }
    answer = clinic.answer(f"{surface}/ack", body)
    assert answer["submission"]["note"] == NOTE
    assert (answer["submission"]["override_proceed"], answer["confirmed"]) == ("yellow", False)
    assert clinic.rows("mini_submission")[0].note_text == NOTE


def test_a_client_that_calls_the_note_a_note_is_told_what_is_wrong_with_it(clinic: Clinic) -> None:
    body = {**clinic.names(MANY), "note": "  ", "override_proceed": "green"}
    problem = problem_of(clinic.post("sidecar/ack", body), 422)
    assert [error["field"] for error in problem["errors"]] == ["note"]
