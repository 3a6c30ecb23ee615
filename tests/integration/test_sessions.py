"""Sessions and invocations: one for each tab, ended in time, and in each the first view of a patient told."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import pytest

from shared.model import PatientKey
from shared.persistence.tables import metadata
from shared.security.patient_keys import client_text_hash
from shared.settings import settings
from tests.integration.product import BY_HAND, GREEN, MANY, Clinic, Product, at_once, new_clinic

ONCE = {"event_log": 1, "invocation": 1, "session": 1, "session_view": 1}


def look(clinic: Clinic, number: int = BY_HAND, session: str = "s-1", user: int = 0) -> dict[str, Any]:
    return clinic.answer("mini/status", clinic.names(number, session), user=user)


def the_session(clinic: Clinic) -> tuple[Any, Any]:
    """The only session that was ever begun, and its invocation."""
    (session,), (invocation,) = clinic.rows("session"), clinic.rows("invocation")
    assert session.invocation_id == invocation.invocation_id
    return session, invocation


def views(clinic: Clinic, number: int = BY_HAND) -> list[tuple[UUID, UUID]]:
    """Who viewed a patient, on which invocation, in the order of the chain."""
    return [
        (event.actor_user_id, event.invocation_id)
        for event in clinic.events(number)
        if event.payload_json.get("kind") == "viewed"
    ]


def go_back(clinic: Clinic, *, seen: str = "0 s", started: str = "0 s", ended: str = "0 s") -> None:
    """Moves everything about sessions into the past."""
    clinic.sql(
        """UPDATE invocation SET last_seen_at = last_seen_at - CAST(:seen AS interval)
            WHERE tenant_id = :tenant""",
        seen=seen,
    )
    clinic.sql(
        """UPDATE session SET started_at = started_at - CAST(:started AS interval),
            ended_at = ended_at - CAST(:ended AS interval) WHERE tenant_id = :tenant""",
        started=started,
        ended=ended,
    )


def everything_stored(clinic: Clinic) -> str:
    """Every row of this tenant as text; binary columns are in it in hex."""
    query = "SELECT t::text FROM {} t WHERE tenant_id = :tenant"
    tables = sorted(set(metadata.tables) - {"role"})
    return "\n".join(row[0] for row in clinic.sql(" UNION ALL ".join(map(query.format, tables))))


# What a tab is ------------------------------------------------------------------------------------------


def test_a_first_call_makes_one_invocation_and_one_session(clinic: Clinic) -> None:
    where = {"application_id": "demo-board", "page_signature": "demo-board"}
    clinic.answer("mini/status", {**clinic.names(BY_HAND), **where})
    session, invocation = the_session(clinic)
    assert session.user_id == invocation.user_id == clinic.users[0].user_id
    assert (session.ended_at, session.end_reason) == (None, None)
    assert invocation.surface_type == "mini"
    assert invocation.application_id == "demo-board"
    assert invocation.page_signature == "demo-board"
    assert invocation.ui_variant_id == "desk"
    assert invocation.patient_context_id == clinic.context(BY_HAND)
    assert invocation.status == "open"
    clinic.answer("sidecar/state", clinic.names(BY_HAND), user=2)
    assert [(row.surface_type, row.ui_variant_id) for row in clinic.rows("invocation")] == [
        ("mini", "desk"),
        ("sidecar", "office"),
    ]


def test_what_a_client_says_is_stored_only_if_it_is_the_tenants_own_word(clinic: Clinic) -> None:
    said = {"application_id": "Maria-Ehr", "page_signature": "Maria-Page", "site": "maria.example.org"}
    clinic.answer("mini/status", {**clinic.names(BY_HAND, "Maria-Tab-4711"), **said})
    clinic.answer("mini/interaction", {"session_id": "Maria-Tab-4711", "kind": "opened", **said})
    clinic.answer("mini/ack", clinic.says(BY_HAND, session_id="Maria-Tab-4711", note_text="Called."))
    session, invocation = the_session(clinic)
    assert (invocation.application_id, invocation.page_signature) == (None, None)
    assert len(session.client_session_hash) == 32
    stored = everything_stored(clinic)
    assert str(session.session_id) in stored
    for text in (*said.values(), "Maria-Tab-4711"):
        assert text not in stored
        assert text.encode().hex() not in stored


def test_what_was_known_of_a_page_stays_known_when_the_next_call_does_not_say_it(clinic: Clinic) -> None:
    where = {"application_id": "demo-board", "page_signature": "demo-board-ip"}
    clinic.answer("mini/status", {**clinic.names(BY_HAND), **where})
    for said in ({}, {"application_id": "another", "page_signature": "another"}):
        clinic.answer("mini/status", {**clinic.names(BY_HAND), **said})
    _, invocation = the_session(clinic)
    assert (invocation.application_id, invocation.page_signature) == ("demo-board", "demo-board-ip")


def test_the_same_string_of_another_user_tenant_or_surface_is_another_session(
    clinic: Clinic, product: Product
) -> None:
    other = new_clinic(product)
    for _ in range(2):
        look(clinic)
        look(clinic, user=1)
        clinic.answer("sidecar/state", clinic.names(BY_HAND))
        look(other)
    rows = clinic.rows("session")
    assert len({row.session_id for row in rows}) == len({row.invocation_id for row in rows}) == 3
    assert [row.user_id for row in rows] == [clinic.users[user].user_id for user in (0, 1, 0)]
    session, _ = the_session(other)
    assert session.client_session_hash not in {row.client_session_hash for row in rows}
    other.leave()


# At once ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("decided", [False, True], ids=["decided anew", "decided before"])
@pytest.mark.parametrize("endpoint", ["mini/status", "sidecar/state"])
def test_two_first_requests_of_one_tab_at_the_same_moment_are_one_session(
    clinic: Clinic, endpoint: str, decided: bool
) -> None:
    if decided:
        look(clinic, user=1)
    clinic.product.client(endpoint)
    before = clinic.counts()
    answers = at_once([partial(clinic.post, endpoint, clinic.names(BY_HAND))] * 2)
    assert [answer.status_code for answer in answers] == [200, 200]
    assert clinic.written_since(before) == (
        ONCE if decided else {**ONCE, "event_log": 2, "system_response": 1, "version": 1}
    )


def test_twenty_first_looks_at_once_are_one_view(clinic: Clinic) -> None:
    look(clinic, user=1)
    answers = at_once([partial(clinic.post, "mini/status", clinic.names(BY_HAND))] * 20)
    assert {answer.status_code for answer in answers} == {200}
    assert [who for who, _ in views(clinic)] == [clinic.users[1].user_id, clinic.users[0].user_id]
    assert clinic.count("session") == 2
    assert clinic.chain_holds(BY_HAND)


@pytest.mark.usefixtures("held")
@pytest.mark.parametrize("decided", [False, True], ids=["decided anew", "decided before"])
def test_a_request_whose_session_another_one_begins_looks_again(clinic: Clinic, decided: bool) -> None:
    if decided:
        look(clinic, user=1)
    tab = client_text_hash(settings().master_secret, clinic.tenant_id, "session:mini", "s-1")
    begin = """WITH tab AS (
            INSERT INTO invocation (tenant_id, invocation_id, user_id, surface_type)
            VALUES (:tenant, :invocation, :user, 'mini'))
        INSERT INTO session (tenant_id, session_id, invocation_id, user_id, client_session_hash)
        VALUES (:tenant, gen_random_uuid(), :invocation, :user, :tab)"""
    beginning = clinic.holding(begin, invocation=uuid4(), user=clinic.users[0].user_id, tab=tab)
    with ThreadPoolExecutor(1) as pool:
        with beginning as waits_for:
            looking = pool.submit(look, clinic)
            waits_for(1)
        answer = looking.result()
    assert answer["proceed"]["color"] == "yellow"
    assert answer["system_response_id"] is not None
    assert clinic.count("session", "ended_at IS NULL") == (2 if decided else 1)
    assert [who for who, _ in views(clinic)][-1:] == [clinic.users[0].user_id]


@pytest.mark.usefixtures("held")
@pytest.mark.parametrize(
    ("first", "then"),
    [
        ("sidecar/ack", "sidecar/history"),
        ("sidecar/ack", "sidecar/state"),
        ("sidecar/ack", "sidecar/interaction"),
    ],
)
def test_a_send_and_a_first_look_of_one_tab_at_the_same_moment_are_both_answered(
    clinic: Clinic, first: str, then: str
) -> None:
    look(clinic, user=1)
    bodies = {
        "sidecar/ack": clinic.says(BY_HAND),
        "sidecar/interaction": {**clinic.names(BY_HAND), "kind": "viewed"},
    }
    hold = """SELECT 1 FROM patient_context WHERE tenant_id = :tenant AND patient_context_id = :context
        FOR NO KEY UPDATE"""
    with ThreadPoolExecutor(2) as pool:
        answers = []
        with clinic.holding(hold, context=clinic.context(BY_HAND)) as waits_for:
            for count, endpoint in enumerate((first, then), start=1):
                body = bodies.get(endpoint, clinic.names(BY_HAND))
                answers.append(pool.submit(clinic.post, endpoint, body))
                waits_for(count)
        assert [answer.result().status_code for answer in answers] == [200, 200]
    assert [who for who, _ in views(clinic)] == [clinic.users[1].user_id, clinic.users[0].user_id]
    assert clinic.count("session") == 2
    assert clinic.chain_holds(BY_HAND)


# Still there, and not any more --------------------------------------------------------------------------


def test_last_seen_at_moves_at_most_once_a_minute(clinic: Clinic) -> None:
    look(clinic)
    _, first = the_session(clinic)
    go_back(clinic, seen="58 s")
    seen_at = first.last_seen_at - timedelta(seconds=58)
    before = clinic.counts()
    for endpoint in ("mini/status", "mini/ack", "mini/status"):
        clinic.answer(endpoint, clinic.says(BY_HAND))
    assert the_session(clinic)[1].last_seen_at == seen_at
    go_back(clinic, seen="2 s")
    look(clinic)
    assert the_session(clinic)[1].last_seen_at > first.last_seen_at
    written = clinic.written_since(before)
    assert {name: written.get(name) for name in ONCE} == {**dict.fromkeys(ONCE), "event_log": 2}


@pytest.mark.parametrize(
    ("past", "reason"),
    [
        ({"seen": "30 min"}, "idle"),
        ({"started": "12 h"}, "expired"),
        ({"seen": "13 h", "started": "13 h"}, "expired"),
    ],
)
def test_thirty_idle_minutes_or_twelve_hours_end_a_session_and_the_tab_begins_another(
    clinic: Clinic, past: dict[str, str], reason: str
) -> None:
    look(clinic)
    before = clinic.counts()
    go_back(clinic, **past)
    for _ in range(2):
        look(clinic)
    assert clinic.written_since(before) == {"event_log": 1, "session": 1, "session_view": 1}
    ended, current = clinic.rows("session")
    assert ended.end_reason == reason
    assert ended.ended_at is not None
    assert (current.ended_at, current.end_reason) == (None, None)
    assert ended.client_session_hash == current.client_session_hash
    (invocation,) = clinic.rows("invocation")
    assert ended.invocation_id == current.invocation_id == invocation.invocation_id
    assert (invocation.status, invocation.patient_context_id) == ("open", clinic.context(BY_HAND))
    assert views(clinic) == [(clinic.users[0].user_id, invocation.invocation_id)] * 2


@pytest.mark.parametrize("past", [{"seen": "29 min 50 s"}, {"started": "11 h 59 min 50 s"}])
def test_until_then_it_is_the_same_session(clinic: Clinic, past: dict[str, str]) -> None:
    look(clinic)
    before = clinic.counts()
    go_back(clinic, **past)
    look(clinic)
    assert clinic.counts() == before
    assert the_session(clinic)[0].ended_at is None


def test_how_long_a_session_lasts_is_the_policys_to_say(clinic: Clinic) -> None:
    clinic.publish(timeouts={"session_idle_s": 300, "session_max_s": 3600})
    look(clinic)
    go_back(clinic, seen="5 min")
    look(clinic)
    go_back(clinic, started="1 h")
    look(clinic)
    assert sorted(str(row.end_reason) for row in clinic.rows("session")) == ["None", "expired", "idle"]


def test_closed_ends_session_and_invocation_and_a_later_call_begins_both(clinic: Clinic) -> None:
    look(clinic)
    closed = {"session_id": "s-1", "kind": "closed"}
    for _ in range(2):
        clinic.answer("mini/interaction", closed)
    session, invocation = the_session(clinic)
    assert session.end_reason == "closed"
    assert session.ended_at is not None
    assert (invocation.status, invocation.patient_context_id) == ("closed", None)
    for _ in range(2):
        look(clinic)
    assert clinic.count("session") == clinic.count("invocation") == 2
    current = clinic.rows("invocation")[1]
    assert (current.status, current.patient_context_id) == ("open", clinic.context(BY_HAND))
    mine = clinic.users[0].user_id
    assert views(clinic) == [(mine, invocation.invocation_id), (mine, current.invocation_id)]


@pytest.mark.usefixtures("held")
def test_a_look_that_was_on_its_way_when_its_tab_closed_does_not_open_it_again(clinic: Clinic) -> None:
    look(clinic)
    look(clinic, GREEN, user=1)
    hold = "SELECT 1 FROM invocation WHERE tenant_id = :tenant AND user_id = :user FOR NO KEY UPDATE"
    with ThreadPoolExecutor(2) as pool:
        with clinic.holding(hold, user=clinic.users[0].user_id) as waits_for:
            closing = pool.submit(clinic.answer, "mini/interaction", {"session_id": "s-1", "kind": "closed"})
            waits_for(1)
            looking = pool.submit(
                clinic.answer, "mini/interaction", {**clinic.names(GREEN), "kind": "viewed"}
            )
            waits_for(2)
        closing.result()
        looking.result()
    mine = clinic.users[0].user_id
    assert [who for who, _ in views(clinic, GREEN)].count(mine) == 1
    ended = clinic.rows("session", "end_reason = 'closed'")[0]
    (closed,) = clinic.rows("invocation", f"invocation_id = '{ended.invocation_id}'")
    assert closed.status == "closed"


@pytest.mark.parametrize("kind", ["closed", "switched", "navigated"])
def test_what_ends_or_leaves_nothing_begins_nothing(clinic: Clinic, kind: str) -> None:
    before = clinic.counts()
    clinic.publish(notifications={"interaction_sample_percent": 0})
    clinic.answer("mini/interaction", {**clinic.names(BY_HAND), "kind": kind})
    assert clinic.counts() == before


# Who looked at whom -------------------------------------------------------------------------------------


def test_every_first_view_is_in_the_ledger_exactly_once_a_session(clinic: Clinic) -> None:
    clinic.publish(notifications={"interaction_sample_percent": 0})
    looks = ((BY_HAND, "a", 0), (GREEN, "a", 0), (BY_HAND, "b", 0), (BY_HAND, "a", 1))
    for number, session, user in looks * 3:
        look(clinic, number, session, user)
    desk, counselor, _ = (user.user_id for user in clinic.users)
    seen = views(clinic)
    assert [who for who, _ in seen] == [desk, desk, counselor]
    assert len({invocation for _, invocation in seen}) == 3
    assert views(clinic, GREEN) == [seen[0]]
    assert clinic.count("session_view") == 4
    for number in (BY_HAND, GREEN):
        assert clinic.chain_holds(number)


@pytest.mark.parametrize(
    "endpoint",
    [
        *("mini/status", "mini/interaction", "mini/ack", "mini/dismiss"),
        *("sidecar/state", "sidecar/history", "sidecar/chat/message"),
    ],
)
def test_a_view_is_audited_through_whatever_was_looked_with(clinic: Clinic, endpoint: str) -> None:
    asked = {"message": "Why is it yellow?", "kind": "viewed", "reason": "not_now"}
    look(clinic, user=1)
    before = clinic.counts()
    for _ in range(2):
        clinic.answer(endpoint, {**clinic.says(BY_HAND), **asked})
    written = clinic.written_since(before)
    assert {name: written[name] for name in ONCE if name != "event_log"} == {
        "invocation": 1,
        "session": 1,
        "session_view": 1,
    }
    viewed = clinic.events(BY_HAND)[2]
    assert viewed.event_type == "User.Interaction"
    assert viewed.payload_json == {"kind": "viewed", "surface": endpoint.partition("/")[0]}
    assert viewed.version is None
    (_, invocation) = clinic.rows("invocation")
    assert views(clinic)[1:] == [(clinic.users[0].user_id, invocation.invocation_id)]


def test_a_history_that_is_read_without_a_session_is_audited_too(clinic: Clinic) -> None:
    look(clinic, user=1)
    clinic.answer("sidecar/history", {"patient_key": clinic.key(BY_HAND)})
    assert [who for who, _ in views(clinic)] == [clinic.users[1].user_id, clinic.users[0].user_id]


def test_a_page_without_a_patient_and_an_unknown_one_are_nobodys_view(clinic: Clinic) -> None:
    clinic.answer("mini/status", {"session_id": "s-1"})
    clinic.answer("mini/status", {"session_id": "s-1", "patient_key": "p1_nobody_here"})
    assert the_session(clinic)[1].patient_context_id is None
    assert clinic.count("session_view") == 0
    assert clinic.events(None) == []
    assert clinic.count("event_log", "patient_context_id IS NOT NULL") == 0


def test_last_login_at_is_the_sign_in_and_never_goes_back(clinic: Clinic) -> None:
    core, key = clinic.product.core(), PatientKey(clinic.key(BY_HAND))
    signed_in_at = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)

    def last_login_at(at: datetime, session: bytes) -> Any:
        core.get_patient_state(clinic.caller(session=session, signed_in_at=at), key)
        query = "SELECT last_login_at FROM app_user WHERE tenant_id = :tenant AND user_id = :user"
        return clinic.sql(query, user=clinic.users[0].user_id)[0][0]

    assert last_login_at(signed_in_at, b"1") == signed_in_at
    assert last_login_at(signed_in_at - timedelta(days=1), b"2") == signed_in_at
    assert last_login_at(signed_in_at + timedelta(days=1), b"3") == signed_in_at + timedelta(days=1)
    others = clinic.rows("app_user", "last_login_at IS NULL")
    assert {row.user_id for row in others} == {user.user_id for user in clinic.users[1:]}


def test_submissions_and_events_carry_the_invocation(clinic: Clinic) -> None:
    clinic.publish(notifications={"interaction_sample_percent": 100})
    look(clinic)
    clinic.answer("mini/ack", clinic.says(BY_HAND))
    clinic.answer("mini/ack", clinic.says(BY_HAND))
    clinic.answer("mini/interaction", {**clinic.names(BY_HAND), "kind": "typed"})
    look(clinic, MANY)
    clinic.answer("mini/dismiss", {**clinic.names(MANY), "reason": "not_now"})
    clinic.answer("mini/interaction", {**clinic.names(MANY), "kind": "switched"})
    _, invocation = the_session(clinic)
    assert clinic.told(BY_HAND) == [
        *("viewed", "System.Response", "User.Acknowledged", "acknowledged", "User.Acknowledged", "typed"),
    ]
    assert clinic.told(MANY) == ["viewed", "System.Response", "User.Dismissed", "dismissed", "switched"]
    carriers = [*clinic.events(BY_HAND), *clinic.events(MANY), *clinic.rows("mini_submission")]
    assert {row.invocation_id for row in carriers} == {invocation.invocation_id}


def test_a_claim_carries_the_invocation(clinic: Clinic) -> None:
    clinic.answer("sidecar/state", clinic.names(BY_HAND), user=2)
    _, invocation = the_session(clinic)
    opened = clinic.product.core().persist_assignment(
        clinic.caller(), PatientKey(clinic.key(BY_HAND)), "claim", role="billing_lead"
    )
    clinic.answer("sidecar/assignment/claim", {"session_id": "s-1", "assignment_id": str(opened)}, user=2)
    claimed = clinic.events(BY_HAND)[-1]
    assert claimed.event_type == "Assignment.Claimed"
    assert claimed.invocation_id == invocation.invocation_id


# Tidying ------------------------------------------------------------------------------------------------


@pytest.fixture
def tidy(clinic: Clinic) -> Callable[[], None]:
    """Has the timer's call made, as the scheduler's own role."""

    def call() -> None:
        clinic.product.configure(DATABASE_URL=clinic.product.urls.worker)
        response = clinic.product.client("scheduler/tidy").post("/", json={})
        assert response.status_code == 200
        assert response.get_json()["ok"] is True
        clinic.product.configure(DATABASE_URL=clinic.product.urls.app)

    return call


def test_tidying_closes_what_nobody_came_back_to_and_forgets_old_views(
    clinic: Clinic, tidy: Callable[[], None]
) -> None:
    look(clinic, session="left")
    go_back(clinic, seen="30 min")
    look(clinic, session="current")
    head = clinic.context_row(BY_HAND)
    before = clinic.counts()
    tidy()
    left, current = clinic.rows("session")
    assert left.end_reason == "idle"
    assert left.ended_at is not None
    assert (current.ended_at, current.end_reason) == (None, None)
    assert [row.status for row in clinic.rows("invocation")] == ["closed", "open"]
    # Nothing but that; views are of use for as long as a request may still be on its way.
    assert clinic.counts() == before
    assert clinic.context_row(BY_HAND) == head
    go_back(clinic, ended="1 h")
    tidy()
    assert [row.session_id for row in clinic.rows("session_view")] == [current.session_id]
    # Whoever comes back in the same tab goes on there, and views anew.
    look(clinic, session="left")
    assert [row.status for row in clinic.rows("invocation")] == ["open", "open"]
    assert clinic.count("session") == 3
    assert len(views(clinic)) == 3
