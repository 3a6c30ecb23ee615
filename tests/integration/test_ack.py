"""mini/ack and sidecar/ack: a Send is stored whole, once, in order, or not at all."""

from __future__ import annotations

import socket
from functools import partial
from typing import Any
from uuid import uuid4

import pytest

from shared.model import PatientKey, SubjectType, UserId
from shared.persistence import database
from tests.integration.product import (
    BY_HAND,
    GREEN,
    INACTIVE,
    MANY,
    NOTE,
    Clinic,
    CountingProxy,
    Product,
    RecordingPublisher,
    at_once,
    problem_of,
)

AT_ONCE = 50


def sent_at_once(clinic: Clinic, bodies: list[dict[str, Any]], headers: dict[str, str]) -> list[Any]:
    """Sends all of ``bodies`` at the same time."""
    return at_once([partial(clinic.post, "mini/ack", body, headers=headers) for body in bodies])


@pytest.mark.usefixtures("held")
@pytest.mark.parametrize("surface", ["mini", "sidecar"])
def test_a_send_stores_submission_events_outcome_version_and_outbox_row(clinic: Clinic, surface: str) -> None:
    shown = clinic.status(BY_HAND)
    before = clinic.counts()
    correlation = str(uuid4())
    answer = clinic.answer(
        f"{surface}/ack", clinic.says(BY_HAND), user=1, headers={"X-Correlation-Id": correlation}
    )
    # The colleague had not looked at this patient yet: with the Send comes the first view of a session.
    assert clinic.written_since(before) == {
        "mini_submission": 1,
        "response_outcome": 1,
        "event_log": 3,
        "invocation": 1,
        "session": 1,
        "session_view": 1,
        "version": 1,
    }
    (stored,) = clinic.sql("SELECT * FROM mini_submission WHERE tenant_id = :tenant")
    assert str(stored.mini_submission_id) == answer["submission_id"]
    assert stored.note_text == NOTE
    assert stored.user_id == clinic.users[1].user_id
    assert str(stored.system_response_id) == shown["system_response_id"]
    assert answer["surface"] == surface
    assert answer["submission"]["note"] == NOTE
    assert answer["submission"]["override_proceed"] is None
    assert answer["submission"]["override_tasking"] == "review"
    assert answer["submission"]["system_response_id"] == shown["system_response_id"]
    assert answer["superseded"] is answer["needs_ack"] is False
    assert answer["resolved_assignments"] == []
    (outcome,) = clinic.sql("SELECT * FROM response_outcome WHERE tenant_id = :tenant")
    assert (outcome.outcome, outcome.user_id) == ("acknowledged", clinic.users[1].user_id)
    viewed, *sent = clinic.events(BY_HAND)[2:]
    assert (viewed.payload_json["kind"], viewed.actor_user_id) == ("viewed", clinic.users[1].user_id)
    assert viewed.version is None
    assert [event.event_type for event in sent] == ["User.Acknowledged", "Outcome.Computed"]
    assert {str(event.correlation_id) for event in (viewed, *sent)} == {correlation}
    assert sent[0].payload_json["surface"] == surface
    assert {event.version for event in sent} == {2}
    assert not [event for event in sent if "4711" in str(event.payload_json)]
    assert [row.version for row in clinic.outbox(clinic.context(BY_HAND))] == [1, 2]
    row = clinic.context_row(BY_HAND)
    assert row.ack_due_at is None
    assert row.version_head == sent[-1].hash
    assert clinic.chain_holds(BY_HAND)


@pytest.mark.parametrize(
    ("values", "confirmed"),
    [
        ({"override_proceed": "yellow", "override_tasking": "act"}, True),
        ({"override_proceed": "yellow", "override_tasking": None}, True),
        ({"override_proceed": "green", "override_tasking": "act"}, False),
        ({"override_tasking": "none"}, False),
    ],
)
def test_a_send_confirms_when_it_asserts_what_is_shown(
    clinic: Clinic, values: dict[str, Any], confirmed: bool
) -> None:
    clinic.status(BY_HAND)
    answer = clinic.answer("mini/ack", clinic.says(BY_HAND, **values))
    assert answer["confirmed"] is confirmed
    again = clinic.status(BY_HAND)
    assert again["last_submission"]["confirmed"] is confirmed
    assert again["proceed"]["color"] == "yellow"


def test_a_send_about_an_older_response_is_kept_and_the_newer_still_needs_one(clinic: Clinic) -> None:
    older = clinic.status(MANY)["system_response_id"]
    clinic.signal(MANY, "authorization.missing", "resolved")
    newer = clinic.status(MANY)["system_response_id"]
    due = clinic.context_row(MANY).ack_due_at
    answer = clinic.answer("mini/ack", clinic.says(MANY, system_response_id=older))
    assert answer["superseded"] is answer["needs_ack"] is True
    assert answer["confirmed"] is False
    assert answer["submission"]["system_response_id"] == older != newer
    assert clinic.count("mini_submission", "superseded") == 1
    assert clinic.context_row(MANY).ack_due_at == due
    assert clinic.status(MANY)["needs_ack"] is True
    settled = clinic.answer("mini/ack", clinic.says(MANY, system_response_id=newer))
    assert settled["superseded"] is settled["needs_ack"] is False


@pytest.mark.usefixtures("held")
def test_a_send_resolves_open_assignments_and_tells_everybody_whose_inbox_changes(clinic: Clinic) -> None:
    clinic.status(BY_HAND)
    key, core = PatientKey(clinic.key(BY_HAND)), clinic.product.core()
    desk, counselor, lead = (UserId(user.user_id) for user in clinic.users)
    mine = core.persist_assignment(clinic.caller(), key, "coverage", user_id=desk)
    theirs = core.persist_assignment(clinic.caller(), key, "claim", role="billing_lead")
    assert core.persist_assignment(clinic.caller(), key, "claim", user_id=desk) == theirs
    for user, told in ((desk, 1), (counselor, 0), (lead, 1)):
        assert len(clinic.outbox(user)) == told
    clinic.sql("DELETE FROM outbox WHERE tenant_id = :tenant")

    answer = clinic.answer("mini/ack", clinic.says(BY_HAND))
    assert set(answer["resolved_assignments"]) == {str(mine), str(theirs)}
    assert clinic.count("assignment", "status = 'resolved' AND resolved_at IS NOT NULL") == 2
    resolved_by = clinic.sql("SELECT resolved_by_submission FROM assignment WHERE tenant_id = :tenant")
    assert {str(row[0]) for row in resolved_by} == {answer["submission_id"]}
    types = [event.event_type for event in clinic.events(BY_HAND)]
    assert types.count("Assignment.Created") == types.count("Assignment.Resolved") == 2
    for user, told in ((desk, 1), (counselor, 0), (lead, 1)):
        assert len(clinic.outbox(user)) == told
    assert len(clinic.outbox(clinic.context(BY_HAND))) == 1
    assert {row.subject_type for row in clinic.outbox(desk)} == {SubjectType.USER}


def test_the_older_name_of_the_note_is_taken(clinic: Clinic) -> None:
    clinic.status(GREEN)
    body = {**clinic.names(GREEN), "note": NOTE, "override_proceed": "green"}
    assert clinic.answer("mini/ack", body)["submission"]["note"] == NOTE
    assert clinic.sql("SELECT note_text FROM mini_submission WHERE tenant_id = :tenant") == [(NOTE,)]


def test_an_unknown_patient_cannot_be_acknowledged(clinic: Clinic) -> None:
    response = clinic.post("mini/ack", {**clinic.says(GREEN), "patient_key": "p1_nobody_here"})
    problem_of(response, 404)
    assert "p1_nobody_here" not in response.get_data(as_text=True)


def test_a_patient_of_another_tenant_is_no_patient(clinic: Clinic, product: Product) -> None:
    other = product.stack["tenants"][0]["patients"][BY_HAND]["patient_key"]
    problem_of(clinic.post("mini/ack", {**clinic.says(BY_HAND), "patient_key": other}), 404)
    assert clinic.count("mini_submission") == 0


def test_what_was_never_surfaced_cannot_be_acknowledged(clinic: Clinic) -> None:
    problem = problem_of(clinic.post("mini/ack", clinic.says(GREEN)), 422)
    assert [error["field"] for error in problem["errors"]] == ["system_response_id"]


def test_another_patients_response_cannot_be_acknowledged(clinic: Clinic) -> None:
    other = clinic.status(INACTIVE)["system_response_id"]
    clinic.status(BY_HAND)
    before = clinic.counts()
    response = clinic.post("mini/ack", clinic.says(BY_HAND, system_response_id=other))
    problem = problem_of(response, 422)
    assert [error["field"] for error in problem["errors"]] == ["system_response_id"]
    assert other not in response.get_data(as_text=True)
    assert clinic.counts() == before


# The same again -----------------------------------------------------------------------------------------


def test_fifty_identical_sends_with_one_key_at_once_are_one_send(clinic: Clinic) -> None:
    clinic.status(BY_HAND)
    answers = sent_at_once(clinic, [clinic.says(BY_HAND)] * AT_ONCE, {"Idempotency-Key": "key-1"})
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.get_data() for answer in answers}) == 1
    assert clinic.count("mini_submission") == 1
    assert clinic.count("event_log", "event_type = 'User.Acknowledged'") == 1
    assert clinic.context_row(BY_HAND).version == 2


def test_the_same_key_repeats_the_first_answer_after_later_changes_too(clinic: Clinic) -> None:
    clinic.status(MANY)
    clinic.product.core().persist_assignment(
        clinic.caller(), PatientKey(clinic.key(MANY)), "claim", role="billing_lead"
    )
    key = {"Idempotency-Key": "key-1"}
    first = clinic.answer("mini/ack", clinic.says(MANY), headers=key)
    clinic.signal(MANY, "authorization.missing", "resolved")
    clinic.status(MANY)
    assert clinic.answer("mini/ack", clinic.says(MANY), headers=key) == first
    assert clinic.count("mini_submission") == 1


def test_the_same_key_with_another_body_is_refused(clinic: Clinic) -> None:
    clinic.status(BY_HAND)
    key = {"Idempotency-Key": "key-1"}
    clinic.answer("mini/ack", clinic.says(BY_HAND), headers=key)
    before = clinic.counts()
    other_body = clinic.post("mini/ack", clinic.says(BY_HAND, note_text="Another."), headers=key)
    other_endpoint = clinic.post("sidecar/ack", clinic.says(BY_HAND), headers=key)
    for response in (other_body, other_endpoint):
        problem = problem_of(response, 422)
        assert [error["field"] for error in problem["errors"]] == ["Idempotency-Key"]
        assert "key-1" not in response.get_data(as_text=True)
    assert clinic.counts() == before


def test_a_key_belongs_to_one_user_and_is_stored_as_a_hash(clinic: Clinic) -> None:
    clinic.status(BY_HAND)
    key = {"Idempotency-Key": "key-1"}
    clinic.answer("mini/ack", clinic.says(BY_HAND), headers=key)
    clinic.answer("mini/ack", clinic.says(BY_HAND), headers=key, user=1)
    hashes = clinic.sql("SELECT idempotency_key_hash FROM mini_submission WHERE tenant_id = :tenant")
    assert len(hashes) == 2
    assert not [row for row in hashes if b"key-1" in bytes(row[0])]


def test_fifty_sends_at_once_on_one_patient_are_all_kept_in_order(clinic: Clinic) -> None:
    clinic.status(BY_HAND)
    bodies = [clinic.says(BY_HAND, note_text=f"Note {number}.") for number in range(AT_ONCE)]
    answers = sent_at_once(clinic, bodies, {})
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.get_json()["submission_id"] for answer in answers}) == AT_ONCE
    assert clinic.count("mini_submission") == AT_ONCE
    sends = [event for event in clinic.events(BY_HAND) if event.event_type == "User.Acknowledged"]
    assert [event.version for event in sends] == list(range(2, AT_ONCE + 2))
    assert clinic.context_row(BY_HAND).version == AT_ONCE + 1
    # The response is acknowledged once; the others are further Sends about it.
    assert clinic.count("event_log", "event_type = 'Outcome.Computed'") == 1
    assert clinic.count("response_outcome") == 1
    assert clinic.chain_holds(BY_HAND)
    submitted = clinic.sql(
        """SELECT m.mini_submission_id FROM mini_submission m
           WHERE m.tenant_id = :tenant ORDER BY m.submitted_at"""
    )
    assert [str(row[0]) for row in submitted] == [e.payload_json["mini_submission_id"] for e in sends]


# When something fails -----------------------------------------------------------------------------------


@pytest.mark.usefixtures("held")
def test_a_send_that_nobody_could_be_told_of_is_safe_in_the_outbox(clinic: Clinic) -> None:
    clinic.status(BY_HAND)
    clinic.product.configure(PUBSUB_TOPIC="no-such-topic")
    clinic.answer("mini/ack", clinic.says(BY_HAND))
    assert clinic.count("mini_submission") == 1
    assert [row.version for row in clinic.outbox(clinic.context(BY_HAND))][-1] == 2


def test_a_publisher_that_raises_takes_nothing_back(clinic: Clinic) -> None:
    clinic.status(BY_HAND)
    core = clinic.product.core(publisher=RecordingPublisher(RuntimeError("no topic")))
    clinic.product.use(core)
    answer = clinic.answer("mini/ack", clinic.says(BY_HAND))
    assert clinic.sql("SELECT mini_submission_id FROM mini_submission WHERE tenant_id = :tenant")[0][
        0
    ].hex == answer["submission_id"].replace("-", "")


def test_the_topic_is_told_of_every_subject_after_the_commit(clinic: Clinic) -> None:
    clinic.status(BY_HAND)
    key = PatientKey(clinic.key(BY_HAND))
    clinic.product.core().persist_assignment(clinic.caller(), key, "claim", role="billing_lead")

    class Looking(RecordingPublisher):
        def publish(self, messages: Any) -> None:
            super().publish(messages)
            stored.append(clinic.count("mini_submission"))

    stored: list[int] = []
    told = Looking()
    core = clinic.product.core(publisher=told)
    clinic.product.use(core)
    clinic.answer("mini/ack", clinic.says(BY_HAND))
    assert stored == [1]
    assert {message.subject for message in told.messages} == {
        clinic.context(BY_HAND),
        clinic.users[2].user_id,
    }
    assert {message.tenant_id for message in told.messages} == {clinic.tenant_id}


@pytest.mark.usefixtures("held")
def test_when_the_last_part_of_a_send_fails_nothing_of_it_is_there(clinic: Clinic) -> None:
    clinic.status(BY_HAND)
    # The Send's own outbox row can't be stored: it is there already.
    clinic.sql(
        """INSERT INTO outbox (tenant_id, outbox_id, subject_type, subject, version, next_attempt_at)
           VALUES (:tenant, gen_random_uuid(), 'patient', :context, 2, now() + interval '1 day')""",
        context=clinic.context(BY_HAND),
    )
    before, row = clinic.counts(), clinic.context_row(BY_HAND)
    response = clinic.post("mini/ack", clinic.says(BY_HAND))
    problem_of(response, 500)
    assert "outbox" not in response.get_data(as_text=True)
    assert clinic.counts() == before
    assert clinic.context_row(BY_HAND) == row
    clinic.sql("DELETE FROM outbox WHERE tenant_id = :tenant AND version = 2")
    clinic.answer("mini/ack", clinic.says(BY_HAND))


def test_the_second_half_of_a_long_statement_waits_for_nobody(product: Product) -> None:
    with database.engine().connect() as connection:
        driver = connection.connection.driver_connection
        assert driver is not None
        assert driver._usock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_a_send_takes_at_most_ten_round_trips(proxy: CountingProxy, clinic: Clinic) -> None:
    clinic.status(MANY)
    clinic.answer("mini/ack", clinic.says(MANY))
    flights = proxy.flights(lambda: clinic.answer("mini/ack", clinic.says(MANY)))
    keyed = proxy.flights(
        lambda: clinic.answer("mini/ack", clinic.says(MANY), headers={"Idempotency-Key": "key-1"})
    )
    fresh = proxy.flights(lambda: clinic.answer("mini/ack", clinic.says(MANY, session_id="s-2")))
    print(f"flights: ack {flights}, keyed {keyed}, in a fresh session {fresh}")  # noqa: T201 -- the measured figures, for whoever runs it with -s
    assert 0 < flights <= 10
    assert 0 < keyed <= 10
    assert 0 < fresh <= 10
