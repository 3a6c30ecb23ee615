"""Offline pickup: open items wait in inboxes until somebody who may have them takes them on."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from functools import partial
from itertools import pairwise
from typing import Any
from uuid import UUID, uuid4

import pytest

from shared.errors import NotFound
from shared.model import PatientKey
from shared.web.cursors import encode_cursor
from tests.integration.overdue import (
    COUNSELOR,
    DESK,
    LEAD,
    change_user,
    empty_outbox,
    hire,
    inbox,
    inbox_document,
    items,
    listed,
    nobody_sent,
    patient_document,
    to_role,
    to_user,
    unconfirmed,
    users_told,
)
from tests.integration.product import (
    BY_HAND,
    EXPIRING,
    GREEN,
    INACTIVE,
    MANY,
    Clinic,
    Product,
    at_once,
    new_clinic,
    problem_of,
)

pytestmark = pytest.mark.usefixtures("held")


@pytest.fixture
def colleague(clinic: Clinic) -> int:
    """A second counselor."""
    return hire(clinic, "financial_counselor")


@pytest.fixture
def neighbour(product: Product) -> Iterator[Clinic]:
    """Another tenant."""
    made = new_clinic(product)
    yield made
    made.leave()


def opened(
    clinic: Clinic, number: int = BY_HAND, reason: str = "authorization", *, user: int | None = None
) -> str:
    """Opens an item about a patient for one user, or for the counselors, and returns its id."""
    if clinic.context_row(number).version == 0:
        clinic.status(number)
    whose: dict[str, Any] = {"role": "financial_counselor"}
    if user is not None:
        whose = {"user_id": clinic.users[user].user_id}
    core, key = clinic.product.core(), PatientKey(clinic.key(number))
    return str(core.persist_assignment(clinic.caller(), key, reason, **whose))


def claim(clinic: Clinic, item: str, user: int, **fields: Any) -> Any:
    return clinic.post("sidecar/assignment/claim", {"assignment_id": item, **fields}, user=user)


def claimed(clinic: Clinic, item: str, user: int, **fields: Any) -> dict[str, Any]:
    answer = clinic.answer("sidecar/assignment/claim", {"assignment_id": item, **fields}, user=user)
    assignment: dict[str, Any] = answer["assignment"]
    return assignment


def holder(clinic: Clinic, item: str, user: int) -> str | None:
    """Who has an item, as a user's inbox says it."""
    (found,) = [each for each in inbox(clinic, user)["assignments"] if each["assignment_id"] == item]
    name: str | None = found["claimed_by"]
    return name


def user_id(clinic: Clinic, user: int) -> str:
    return str(clinic.users[user].user_id)


def claims(clinic: Clinic, number: int = BY_HAND) -> list[Any]:
    return [event for event in clinic.events(number) if event.event_type == "Assignment.Claimed"]


# The inbox ----------------------------------------------------------------------------------------------


def test_an_item_is_in_the_inbox_of_its_user_or_of_every_active_user_of_its_role(
    clinic: Clinic, colleague: int
) -> None:
    hire(clinic, "financial_counselor", status="disabled")
    ours = opened(clinic, EXPIRING, "coverage")
    mine = opened(clinic, BY_HAND, user=COUNSELOR)
    assert [listed(clinic, user) for user in (DESK, COUNSELOR, LEAD, colleague)] == [
        [],
        [ours, mine],
        [],
        [ours],
    ]
    item = inbox(clinic, COUNSELOR)["assignments"][1]
    assert item["patient_key"] == clinic.key(BY_HAND)
    assert item["reason_code"] == "authorization"
    assert (item["status"], item["claimed_by"]) == ("open", None)
    assert (item["assigned_to_user"], item["assigned_to_role"]) == (user_id(clinic, COUNSELOR), None)


def test_items_of_another_tenant_are_in_no_inbox(clinic: Clinic, neighbour: Clinic) -> None:
    item = opened(neighbour)
    assert listed(clinic, COUNSELOR) == []
    problem_of(claim(clinic, item, COUNSELOR), 404)
    assert listed(neighbour, COUNSELOR) == [item]


def test_somebody_who_was_disabled_is_refused_the_inbox(clinic: Clinic) -> None:
    change_user(clinic, COUNSELOR, status="disabled")
    problem_of(clinic.post("sidecar/inbox", {}, user=COUNSELOR), 403)


def test_pages_are_the_oldest_first_and_hold_every_item_once(clinic: Clinic) -> None:
    # Some of them are made at the same moment.
    nobody_sent(clinic, MANY)
    made = listed(clinic, COUNSELOR)
    assert len(made) == 2
    made += [
        opened(clinic, number, reason)
        for reason in ("coverage", "claim")
        for number in (BY_HAND, EXPIRING, INACTIVE)
    ]
    for limit in (1, 3, 8, 100):
        seen: list[str] = []
        page = inbox(clinic, COUNSELOR, limit=limit)
        while True:
            assert page["open_count"] == len(made)
            assert len(page["assignments"]) <= limit
            seen += [item["assignment_id"] for item in page["assignments"]]
            assert page["has_more"] is (page["next_cursor"] is not None)
            if not page["has_more"]:
                break
            page = inbox(clinic, COUNSELOR, limit=limit, cursor=page["next_cursor"])
        assert seen == made


def test_pages_stay_in_place_while_items_come_and_go(clinic: Clinic) -> None:
    first, second, third, fourth, fifth = (
        opened(clinic, number, reason)
        for number, reason in (
            (MANY, "coverage"),
            (EXPIRING, "coverage"),
            (BY_HAND, "coverage"),
            (INACTIVE, "coverage"),
            (BY_HAND, "claim"),
        )
    )
    page = inbox(clinic, COUNSELOR, limit=2)
    assert [item["assignment_id"] for item in page["assignments"]] == [first, second]
    # One that was listed goes, one that was not goes too, and a new one comes.
    clinic.answer("mini/ack", clinic.says(EXPIRING))
    clinic.answer("mini/ack", clinic.says(INACTIVE))
    new = opened(clinic, MANY, "claim")
    page = inbox(clinic, COUNSELOR, limit=2, cursor=page["next_cursor"])
    assert [item["assignment_id"] for item in page["assignments"]] == [third, fifth]
    assert page["open_count"] == 4
    page = inbox(clinic, COUNSELOR, limit=2, cursor=page["next_cursor"])
    assert [item["assignment_id"] for item in page["assignments"]] == [new]
    assert (page["has_more"], page["next_cursor"]) == (False, None)
    assert listed(clinic, COUNSELOR) == [first, third, fifth, new]
    assert fourth not in listed(clinic, COUNSELOR)


@pytest.mark.parametrize(
    "cursor",
    [
        "no-cursor",
        "MTI",
        "e30",
        "W10",
        "bnVsbA",
        "x" * 300,
        "Maria Example",
        "eyJjcmVhdGVkX2F0IjoibmV2ZXIifQ",
        *(
            encode_cursor({"created_at": at, "assignment_id": str(UUID(int=1))})
            for at in ("2026-01-01T00:00:00", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00")
        ),
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_cursor_that_is_none_is_named(clinic: Clinic, cursor: str, method: str) -> None:
    client, headers = clinic.product.client("sidecar/inbox"), clinic.headers()
    if method == "GET":
        response = client.get("/", query_string={"cursor": cursor}, headers=headers)
    else:
        response = client.post("/", json={"cursor": cursor}, headers=headers)
    problem = problem_of(response, 422)
    assert [error["field"] for error in problem["errors"]] == ["cursor"]
    assert cursor not in problem["detail"]  # the correlation id may hold any few letters


def test_a_get_with_a_query_pages_as_a_post_does(clinic: Clinic) -> None:
    for number in (BY_HAND, MANY, EXPIRING):
        opened(clinic, number, "coverage")
    client, headers = clinic.product.client("sidecar/inbox"), clinic.headers(COUNSELOR)
    query: dict[str, Any] = {"session_id": "s-1", "limit": 2}
    for _ in range(2):
        got = client.get("/", query_string=query, headers=headers)
        assert got.status_code == 200
        assert got.get_json() == inbox(clinic, COUNSELOR, **query)
        query["cursor"] = got.get_json()["next_cursor"]


# Claims -------------------------------------------------------------------------------------------------


def test_a_claim_shows_everybody_who_has_the_item(clinic: Clinic, colleague: int) -> None:
    item = opened(clinic)
    other = opened(clinic, MANY)
    empty_outbox(clinic)
    before = clinic.counts()
    assignment = claimed(clinic, item, COUNSELOR)
    assert assignment["claimed_by"] == user_id(clinic, COUNSELOR)
    assert (assignment["assignment_id"], assignment["status"]) == (item, "open")
    assert clinic.written_since(before) == {"event_log": 1, "version": 1}
    (event,) = claims(clinic)
    assert event.actor_user_id == clinic.users[COUNSELOR].user_id
    assert event.payload_json == {
        "assignment_id": item,
        "reason_code": "authorization",
        "assigned_to_user": None,
        "assigned_to_role": "financial_counselor",
    }
    assert users_told(clinic) == [COUNSELOR, colleague]
    assert unconfirmed(clinic).count(clinic.context(BY_HAND)) == 1
    for user in (COUNSELOR, colleague):
        assert holder(clinic, item, user) == user_id(clinic, COUNSELOR)
        assert holder(clinic, other, user) is None
        (first, second) = inbox_document(clinic, user)["open_assignments"]
        assert (first["assignment_id"], first["claimed_by"]) == (item, user_id(clinic, COUNSELOR))
        assert (second["assignment_id"], second["claimed_by"]) == (other, None)


def test_claiming_again_is_the_same_and_writes_nothing(clinic: Clinic) -> None:
    item = opened(clinic)
    first = claimed(clinic, item, COUNSELOR)
    before, waiting = clinic.counts(), unconfirmed(clinic)
    assert claimed(clinic, item, COUNSELOR) == claimed(clinic, item, COUNSELOR, take_over=True) == first
    assert clinic.counts() == before
    assert unconfirmed(clinic) == waiting


def test_what_somebody_else_has_is_taken_over_only_on_purpose(clinic: Clinic, colleague: int) -> None:
    item = opened(clinic)
    claimed(clinic, item, COUNSELOR)
    before = clinic.counts()
    problem = problem_of(claim(clinic, item, colleague), 409)
    assert "take_over" in problem["detail"]
    problem_of(claim(clinic, item, colleague, take_over=False), 409)
    assert clinic.counts() == before
    assert claimed(clinic, item, colleague, take_over=True)["claimed_by"] == user_id(clinic, colleague)
    assert holder(clinic, item, COUNSELOR) == user_id(clinic, colleague)
    problem_of(claim(clinic, item, COUNSELOR), 409)
    assert [event.actor_user_id for event in claims(clinic)] == [
        clinic.users[COUNSELOR].user_id,
        clinic.users[colleague].user_id,
    ]


def test_only_an_open_item_of_ones_own_inbox_can_be_claimed(clinic: Clinic) -> None:
    mine, ours, over = opened(clinic, user=COUNSELOR), opened(clinic, MANY), opened(clinic, EXPIRING)
    clinic.answer("mini/ack", clinic.says(EXPIRING))
    before = clinic.counts()
    for item, user in ((mine, LEAD), (ours, LEAD), (over, COUNSELOR), (str(uuid4()), COUNSELOR)):
        response = claim(clinic, item, user, take_over=True)
        problem_of(response, 404)
        assert item not in response.get_data(as_text=True)
    problem = problem_of(claim(clinic, "the first one", COUNSELOR), 422)
    assert [error["field"] for error in problem["errors"]] == ["assignment_id"]
    assert clinic.counts() == before


def test_of_twenty_claims_at_once_one_counts(clinic: Clinic, colleague: int) -> None:
    item = opened(clinic)
    users = [COUNSELOR, colleague] * 10
    answers = at_once([partial(claim, clinic, item, user) for user in users])
    (event,) = claims(clinic)
    winner = event.actor_user_id
    assert holder(clinic, item, COUNSELOR) == str(winner)
    for user, answer in zip(users, answers, strict=True):
        assert answer.status_code == (200 if clinic.users[user].user_id == winner else 409)


def test_of_twenty_take_overs_at_once_each_change_is_told_once(clinic: Clinic, colleague: int) -> None:
    item = opened(clinic)
    version = clinic.context_row(BY_HAND).version
    answers = at_once(
        [partial(claim, clinic, item, user, take_over=True) for user in [COUNSELOR, colleague] * 10]
    )
    assert {answer.status_code for answer in answers} == {200}
    actors = [event.actor_user_id for event in claims(clinic)]
    # Each took it from the other: whoever had it already changed nothing.
    assert all(one != other for one, other in pairwise(actors))
    assert holder(clinic, item, COUNSELOR) == str(actors[-1])
    assert clinic.context_row(BY_HAND).version == version + len(actors)


# Roles change -------------------------------------------------------------------------------------------


def test_a_user_who_changes_role_gains_and_loses_items_at_once(clinic: Clinic) -> None:
    counselors = opened(clinic)
    empty_outbox(clinic)
    change_user(clinic, DESK, role="financial_counselor")
    assert users_told(clinic) == [DESK]
    document = inbox_document(clinic, DESK)
    assert (document["active"], document["open_count"]) == (True, 1)
    assert [item["assignment_id"] for item in document["open_assignments"]] == [counselors]
    assert listed(clinic, DESK) == [counselors]
    claimed(clinic, counselors, DESK)
    empty_outbox(clinic)
    change_user(clinic, DESK, role="front_desk")
    assert DESK in users_told(clinic)
    document = inbox_document(clinic, DESK)
    assert (document["active"], document["open_count"], document["open_assignments"]) == (True, 0, [])
    assert listed(clinic, DESK) == []
    problem_of(claim(clinic, counselors, DESK), 404)


def test_a_user_who_is_disabled_loses_everything_at_once_and_has_it_back_when_enabled(
    clinic: Clinic,
) -> None:
    item = opened(clinic)
    assert inbox_document(clinic, COUNSELOR)["open_count"] == 1
    change_user(clinic, COUNSELOR, status="disabled")
    assert users_told(clinic) == [COUNSELOR]
    document = inbox_document(clinic, COUNSELOR)
    assert (document["active"], document["open_count"], document["open_assignments"]) == (False, 0, [])
    # What happens meanwhile is told to nobody who may not see it.
    opened(clinic, MANY, "coverage")
    assert users_told(clinic) == []
    change_user(clinic, COUNSELOR, status="active")
    document = inbox_document(clinic, COUNSELOR)
    assert (document["active"], document["open_count"]) == (True, 2)
    assert document["open_assignments"][0]["assignment_id"] == item


def test_a_user_who_is_new_has_the_roles_items_at_once(clinic: Clinic) -> None:
    item = opened(clinic)
    empty_outbox(clinic)
    newcomer = hire(clinic, "financial_counselor")
    assert users_told(clinic) == [newcomer]
    document = inbox_document(clinic, newcomer)
    assert [each["assignment_id"] for each in document["open_assignments"]] == [item]


@pytest.mark.parametrize("change", [{"role": "front_desk"}, {"status": "disabled"}])
def test_a_claim_of_somebody_who_left_the_role_is_void(
    clinic: Clinic, colleague: int, change: dict[str, str]
) -> None:
    item = opened(clinic)
    claimed(clinic, item, COUNSELOR)
    assert inbox_document(clinic, colleague)["open_assignments"][0]["claimed_by"] is not None
    empty_outbox(clinic)
    change_user(clinic, COUNSELOR, **change)
    assert users_told(clinic) == [COUNSELOR, colleague]
    assert inbox_document(clinic, colleague)["open_assignments"][0]["claimed_by"] is None
    assert holder(clinic, item, colleague) is None
    # It is taken over from nobody.
    assert claimed(clinic, item, colleague)["claimed_by"] == user_id(clinic, colleague)


def test_a_user_who_joins_the_role_while_an_item_is_made_has_it_too(clinic: Clinic) -> None:
    clinic.status(BY_HAND)

    def join() -> None:
        change_user(clinic, DESK, role="financial_counselor")
        inbox_document(clinic, DESK)

    # The item's own statement has begun, and waits before it ends.
    lock = "SELECT 1 FROM system_response WHERE tenant_id = :tenant FOR UPDATE"
    with ThreadPoolExecutor(2) as pool:
        with clinic.holding(lock) as waits_for:
            making = pool.submit(opened, clinic)
            waits_for(1)
            joining = pool.submit(join)
            # It may wait for the item, too.
            wait([joining], timeout=1)
        joining.result()
        item = making.result()
    assert listed(clinic, DESK) == [item]
    document = inbox_document(clinic, DESK)
    assert [each["assignment_id"] for each in document["open_assignments"]] == [item]


def test_a_change_that_is_none_of_role_or_status_tells_nobody(clinic: Clinic) -> None:
    opened(clinic)
    empty_outbox(clinic)
    change_user(clinic, COUNSELOR, display_name="Somebody Else")
    assert unconfirmed(clinic) == []


# Elsewhere ----------------------------------------------------------------------------------------------


def test_what_nobody_acknowledged_is_found_by_whoever_comes_later_from_elsewhere(clinic: Clinic) -> None:
    nobody_sent(clinic, BY_HAND)
    there = {**clinic.names(BY_HAND, session="another-machine"), "limit": 5}
    (item,) = clinic.answer("sidecar/inbox", there, user=COUNSELOR)["assignments"]
    assert item["patient_key"] == clinic.key(BY_HAND)
    claimed(clinic, item["assignment_id"], COUNSELOR, session_id="another-machine")
    panel = clinic.answer("sidecar/state", there, user=COUNSELOR)
    patient = panel["patient_state"]
    assert patient["outcome"] == "unacknowledged"
    assert patient["flags"] == {"needs_ack": True, "open_assignment_count": 1}
    assert panel["inbox_preview"]["open_count"] == 1
    assert panel["inbox_preview"]["assignments"][0]["claimed_by"] == user_id(clinic, COUNSELOR)
    assert patient_document(clinic, BY_HAND)["version"] == patient["version"]

    # Still later, on yet another one, it is picked up.
    sent = {**clinic.says(BY_HAND), "session_id": "a-third-machine"}
    answer = clinic.answer("sidecar/ack", sent, user=COUNSELOR)
    assert answer["resolved_assignments"] == [item["assignment_id"]]
    assert listed(clinic, COUNSELOR) == []
    again = clinic.answer("sidecar/state", there, user=COUNSELOR)
    assert again["patient_state"]["outcome"] == "acknowledged"
    assert again["inbox_preview"] == {"open_count": 0, "assignments": []}


def test_a_patient_of_whom_nothing_was_surfaced_gets_no_item(clinic: Clinic) -> None:
    core, key = clinic.product.core(), PatientKey(clinic.key(GREEN))
    with pytest.raises(NotFound):
        core.persist_assignment(clinic.caller(), key, "coverage", role="billing_lead")
    assert clinic.count("assignment") == 0


def test_an_item_for_somebody_who_left_goes_where_everything_else_goes(clinic: Clinic) -> None:
    gone = hire(clinic, "front_desk", status="disabled")
    clinic.publish(
        notifications={
            "assign": {"authorization": to_user(clinic, gone)},
            "otherwise": to_role("billing_lead"),
        }
    )
    nobody_sent(clinic, BY_HAND)
    (item,) = items(clinic, BY_HAND)
    assert (item.assigned_to_role, item.assigned_to_user) == ("billing_lead", None)
    assert listed(clinic, LEAD) == [str(item.assignment_id)]


def test_somebody_who_works_in_the_inbox_alone_is_in_a_session(clinic: Clinic) -> None:
    inbox(clinic, LEAD, session_id="desk")
    (session,) = clinic.rows("session")
    (invocation,) = clinic.rows("invocation")
    assert session.user_id == invocation.user_id == clinic.users[LEAD].user_id
    assert (invocation.surface_type, invocation.patient_context_id) == ("sidecar", None)
