"""The relay: what Firestore does not have yet is published again, with backoff, by one relay at a time."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine, create_engine, text

from shared.messaging.outbox import ask_for_everything
from shared.messaging.relay import PARK_AFTER, PARKED_BATCH, Parked, relay, relay_for
from shared.model import CorrelationId, SubjectType
from shared.persistence import database
from shared.persistence.database import driver_url
from shared.persistence.unit_of_work import unit_of_work
from shared.projections.subjects import PostgresTruths
from tests.integration.product import (
    BY_HAND,
    Clinic,
    CountingProxy,
    Product,
    RecordingPublisher,
    new_clinic,
)

pytestmark = pytest.mark.usefixtures("held")


@pytest.fixture
def worker(product: Product) -> Iterator[Engine]:
    """Connects as the scheduler does."""
    engine = create_engine(driver_url(product.urls.worker))
    yield engine
    engine.dispose()


def relay_once(engine: Engine, publisher: RecordingPublisher) -> None:
    relay(engine, publisher, CorrelationId(uuid4()))


def told_of(publisher: RecordingPublisher, clinic: Clinic) -> list[UUID]:
    return [message.subject for message in publisher.messages if message.tenant_id == clinic.tenant_id]


def put(
    clinic: Clinic,
    due: str = "- interval '1 second'",
    *,
    attempts: int = 0,
    version: int = 1,
    parked: bool = False,
    created: str = "",
) -> UUID:
    """Puts a row for a subject of its own into the outbox and returns the subject."""
    subject = uuid4()
    clinic.sql(
        f"""INSERT INTO outbox (tenant_id, outbox_id, created_at, subject_type, subject, version, attempts,
                next_attempt_at, parked_at)
            VALUES (:tenant, gen_random_uuid(), now() {created}, 'patient', :subject, :version, :attempts,
                now() {due}, CASE WHEN :parked THEN now() - interval '1 hour' END)""",  # noqa: S608 -- our own names
        subject=subject,
        attempts=attempts,
        version=version,
        parked=parked,
    )
    return subject


def put_parked(clinic: Clinic, count: int, due: str = "+ interval '30 seconds'") -> None:
    clinic.sql(
        f"""INSERT INTO outbox (tenant_id, outbox_id, subject_type, subject, version, attempts, parked_at,
                next_attempt_at)
            SELECT :tenant, gen_random_uuid(), 'patient', gen_random_uuid(), 1, 25, now(), now() {due}
            FROM generate_series(1, {count})"""  # noqa: S608 -- our own names
    )


def confirm(clinic: Clinic, subject: UUID) -> None:
    covered = tuple(each.outbox_id for each in clinic.outbox(subject))
    PostgresTruths(database.engine()).confirm(clinic.tenant_id, covered)


def row(clinic: Clinic, subject: UUID) -> Any:
    (found,) = clinic.outbox(subject)
    return found


def clock(clinic: Clinic) -> datetime:
    return clinic.sql("SELECT clock_timestamp()")[0][0]  # type: ignore[no-any-return] -- plain JSON in a test


def test_what_is_due_is_published_and_what_is_not_is_left(clinic: Clinic, worker: Engine) -> None:
    due, later = put(clinic), put(clinic, "+ interval '1 day'")
    before, publisher = row(clinic, later), RecordingPublisher()
    relay_once(worker, publisher)
    assert told_of(publisher, clinic) == [due]
    assert row(clinic, due).attempts == 1
    assert row(clinic, later) == before


def test_a_new_change_is_left_to_the_request_that_made_it(clinic: Clinic) -> None:
    clinic.status(BY_HAND)
    stored = row(clinic, clinic.context(BY_HAND))
    assert stored.attempts == 0
    assert stored.next_attempt_at > stored.created_at


@pytest.mark.parametrize(("attempts", "wait_s"), [(0, 4), (1, 8), (2, 15), (3, 15), (19, 15), (20, 60)])
def test_each_attempt_waits_longer_up_to_a_limit(
    clinic: Clinic, worker: Engine, attempts: int, wait_s: int
) -> None:
    subject = put(clinic, attempts=attempts)
    before = clock(clinic)
    relay_once(worker, RecordingPublisher())
    after, stored = clock(clinic), row(clinic, subject)
    # The claim's own time lies between the two; a slow machine may have claimed more than once.
    assert stored.attempts > attempts
    if stored.attempts == attempts + 1:
        shortest = (stored.next_attempt_at - after).total_seconds()
        longest = (stored.next_attempt_at - before).total_seconds()
        assert shortest <= wait_s <= longest


def test_the_versions_of_one_subject_are_one_message_with_the_newest(clinic: Clinic, worker: Engine) -> None:
    subject = put(clinic, version=3)
    for version in (5, 4):
        clinic.sql(
            """INSERT INTO outbox (tenant_id, outbox_id, subject_type, subject, version)
               VALUES (:tenant, gen_random_uuid(), 'patient', :subject, :version)""",
            subject=subject,
            version=version,
        )
    publisher = RecordingPublisher()
    relay_once(worker, publisher)
    (message,) = [message for message in publisher.messages if message.subject == subject]
    assert message.version == 5
    assert message.subject_type is SubjectType.PATIENT


def test_many_rows_of_few_subjects_are_told_in_time_though_the_table_was_empty(
    clinic: Clinic, product: Product
) -> None:
    administrator = create_engine(driver_url(product.urls.owner), isolation_level="AUTOCOMMIT")
    with administrator.connect() as connection:
        connection.execute(text("VACUUM ANALYZE outbox"))
    administrator.dispose()
    clinic.sql(
        """INSERT INTO outbox (tenant_id, outbox_id, subject_type, subject, version, next_attempt_at)
           SELECT :tenant, gen_random_uuid(), 'patient', s.subject, v, now() - interval '1 s'
           FROM (SELECT gen_random_uuid() AS subject FROM generate_series(1, 300)) s,
               generate_series(1, 100) v"""
    )
    engine = create_engine(
        driver_url(product.urls.worker), connect_args={"startup_params": {"statement_timeout": "5000"}}
    )
    publisher = RecordingPublisher()
    relay_once(engine, publisher)
    engine.dispose()
    told = told_of(publisher, clinic)
    assert len(set(told)) == 300
    assert len(told) < 1_000


def test_what_comes_in_while_its_subject_waits_waits_with_it(clinic: Clinic, worker: Engine) -> None:
    subject = put(clinic, "+ interval '10 seconds'", attempts=3)
    clinic.sql(
        """INSERT INTO outbox (tenant_id, outbox_id, subject_type, subject, version, next_attempt_at)
           VALUES (:tenant, gen_random_uuid(), 'patient', :subject, 2, now() - interval '1 s')""",
        subject=subject,
    )
    publisher = RecordingPublisher()
    relay_once(worker, publisher)
    assert told_of(publisher, clinic) == []
    # What the other waited for is confirmed: it is told at once.
    clinic.sql("DELETE FROM outbox WHERE tenant_id = :tenant AND subject = :s AND version = 1", s=subject)
    relay_once(worker, publisher)
    assert told_of(publisher, clinic) == [subject]


def test_two_relays_at_once_never_claim_the_same_row(clinic: Clinic, product: Product) -> None:
    # More than one batch; far along in the backoff, so that nothing is due a second time.
    clinic.sql(
        """INSERT INTO outbox (tenant_id, outbox_id, subject_type, subject, version, attempts)
           SELECT :tenant, gen_random_uuid(), 'patient', gen_random_uuid(), 1, 10
           FROM generate_series(1, 1200)"""
    )
    start = threading.Barrier(2)
    publishers = [RecordingPublisher(), RecordingPublisher()]

    def run(publisher: RecordingPublisher) -> None:
        engine = create_engine(driver_url(product.urls.worker))
        with engine.connect():
            start.wait()
        relay_once(engine, publisher)
        engine.dispose()

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(run, publishers))
    told = [subject for publisher in publishers for subject in told_of(publisher, clinic)]
    assert len(told) == len(set(told)) == 1200
    assert clinic.count("outbox", "attempts = 11") == 1200


def test_a_row_that_another_relay_holds_is_passed_over(
    clinic: Clinic, product: Product, worker: Engine
) -> None:
    held, free = put(clinic), put(clinic)
    other, publisher = create_engine(driver_url(product.urls.owner)), RecordingPublisher()
    with other.connect() as holding:
        holding.execute(text(f"SET LOCAL app.tenant_id = '{clinic.tenant_id}'"))
        holding.execute(text("SELECT 1 FROM outbox WHERE subject = :s FOR UPDATE"), {"s": held})
        relay_once(worker, publisher)
    other.dispose()
    assert told_of(publisher, clinic) == [free]
    assert row(clinic, held).attempts == 0


def test_what_could_not_be_published_is_due_again(clinic: Clinic, worker: Engine) -> None:
    subject = put(clinic)
    with pytest.raises(RuntimeError):
        relay_once(worker, RecordingPublisher(RuntimeError("no topic")))
    stored = row(clinic, subject)
    # It was not told: that is not counted beyond the first, so nothing is parked because Pub/Sub was away.
    assert stored.attempts == 1
    assert stored.next_attempt_at > stored.created_at
    # Its backoff passes.
    clinic.sql(
        "UPDATE outbox SET next_attempt_at = now() WHERE tenant_id = :tenant AND subject = :s", s=subject
    )
    publisher = RecordingPublisher()
    relay_once(worker, publisher)
    assert told_of(publisher, clinic) == [subject]


def test_a_row_stays_until_the_projector_has_confirmed_it(clinic: Clinic, worker: Engine) -> None:
    subject = put(clinic)
    relay_once(worker, RecordingPublisher())
    assert len(clinic.outbox(subject)) == 1


def test_the_timers_call_publishes_to_the_topic_and_says_how_much(clinic: Clinic, product: Product) -> None:
    subject = put(clinic)
    product.configure(DATABASE_URL=product.urls.worker)
    response = product.client("scheduler/relay").post("/", json={})
    assert response.status_code == 200
    assert response.get_json()["ok"] is True
    assert response.get_json()["rows"] >= response.get_json()["messages"] >= 1
    assert row(clinic, subject).attempts >= 1


def test_the_timers_call_fails_visibly_when_the_topic_is_away(clinic: Clinic, product: Product) -> None:
    subject = put(clinic)
    product.configure(DATABASE_URL=product.urls.worker, PUBSUB_TOPIC="no-such-topic")
    response = product.client("scheduler/relay").post("/", json={})
    assert response.status_code == 503
    assert "no-such-topic" not in response.get_data(as_text=True)
    assert len(clinic.outbox(subject)) == 1


def test_the_timers_call_is_posted(product: Product) -> None:
    assert product.client("scheduler/relay").get("/").status_code == 405


# Parking --------------------------------------------------------------------------------------------------


def test_what_was_told_often_enough_is_parked_and_reported_once(clinic: Clinic, worker: Engine) -> None:
    subject, often = put(clinic, attempts=PARK_AFTER), put(clinic, attempts=PARK_AFTER - 1)
    reported: list[Parked] = []
    publisher = RecordingPublisher()
    relay(worker, publisher, CorrelationId(uuid4()), reported.append)
    assert set(told_of(publisher, clinic)) == {subject, often}
    assert row(clinic, subject).parked_at is not None
    assert row(clinic, often).parked_at is None
    mine = [parked for parked in reported if parked.tenant_id == clinic.tenant_id]
    assert mine == [Parked(clinic.tenant_id, SubjectType.PATIENT, subject, PARK_AFTER + 1)]
    # It stays parked, is told again, and not reported again.
    clinic.sql("UPDATE outbox SET next_attempt_at = now() WHERE subject = :s", s=subject)
    relay(worker, publisher, CorrelationId(uuid4()), reported.append)
    assert told_of(publisher, clinic).count(subject) == 2
    assert [parked for parked in reported if parked.subject == subject] == mine


def test_parked_rows_come_last_and_never_fill_a_round(clinic: Clinic, worker: Engine) -> None:
    put_parked(clinic, 2 * PARKED_BATCH, "- interval '1 hour'")
    fresh = put(clinic)
    publisher = RecordingPublisher()
    relay_once(worker, publisher)
    told = told_of(publisher, clinic)
    assert told[0] == fresh
    assert len(told) == 1 + PARKED_BATCH
    relay_once(worker, publisher)
    assert len(set(told_of(publisher, clinic))) == 1 + 2 * PARKED_BATCH


def test_a_new_change_of_a_parked_subject_is_told_at_once(clinic: Clinic, worker: Engine) -> None:
    subject = put(clinic, "+ interval '50 seconds'", attempts=30, parked=True)
    clinic.sql(
        """INSERT INTO outbox (tenant_id, outbox_id, subject_type, subject, version)
           VALUES (:tenant, gen_random_uuid(), 'patient', :subject, 2)""",
        subject=subject,
    )
    publisher = RecordingPublisher()
    relay_once(worker, publisher)
    assert told_of(publisher, clinic) == [subject]


def test_what_could_not_be_published_is_not_parked(clinic: Clinic, worker: Engine) -> None:
    subject = put(clinic, attempts=PARK_AFTER)
    parked_before = put(clinic, attempts=PARK_AFTER + 3, parked=True)
    reported: list[Parked] = []
    with pytest.raises(RuntimeError):
        relay(worker, RecordingPublisher(RuntimeError("no topic")), CorrelationId(uuid4()), reported.append)
    assert row(clinic, subject).parked_at is None
    assert row(clinic, subject).attempts == PARK_AFTER
    assert row(clinic, parked_before).parked_at is not None
    assert reported == []


def test_a_parked_subject_that_is_confirmed_releases_the_tenants_others(
    clinic: Clinic, product: Product, worker: Engine
) -> None:
    elsewhere = new_clinic(product)
    other_tenants = put(elsewhere, "+ interval '50 seconds'", attempts=30, parked=True)
    healed = put(clinic, "+ interval '50 seconds'", attempts=30, parked=True)
    waiting = put(clinic, "+ interval '10 seconds'", attempts=5)
    put_parked(clinic, 300, "+ interval '50 seconds'")
    before = row(clinic, waiting), row(elsewhere, other_tenants)
    began = clock(clinic)
    confirm(clinic, healed)
    ended = clock(clinic)
    assert clinic.outbox(healed) == []
    assert (row(clinic, waiting), row(elsewhere, other_tenants)) == before
    released = clinic.rows("outbox", f"subject <> '{waiting}'")
    assert {each.parked_at for each in released} == {None}
    times = sorted(each.next_attempt_at for each in released)
    # Fifty a second, the first at once.
    assert began <= times[0] <= ended + timedelta(seconds=0.02)
    assert times[-1] - times[0] == timedelta(seconds=299 * 0.02)
    elsewhere.leave()


def test_one_confirmation_releases_a_minutes_worth_and_the_next_the_rest(clinic: Clinic) -> None:
    healed, another = (put(clinic, attempts=30, parked=True) for _ in range(2))
    put_parked(clinic, 3500)
    confirm(clinic, healed)
    assert clinic.count("outbox", "parked_at IS NULL") == 3000
    clinic.sql("UPDATE outbox SET parked_at = now() WHERE subject = :s", s=another)
    confirm(clinic, another)
    assert clinic.count("outbox", "parked_at IS NOT NULL") == 0
    ((last,),) = clinic.sql("SELECT max(next_attempt_at) <= now() + interval '60 seconds' FROM outbox")
    assert last


def test_what_is_confirmed_as_ever_releases_nothing(clinic: Clinic) -> None:
    parked, fresh = put(clinic, "+ interval '50 seconds'", attempts=30, parked=True), put(clinic, attempts=3)
    before = row(clinic, parked)
    confirm(clinic, fresh)
    assert row(clinic, parked) == before


def test_confirming_takes_one_round_trip_and_releasing_one_more(
    clinic: Clinic, product: Product, proxy: CountingProxy
) -> None:
    warm, fresh, parked = put(clinic), put(clinic), put(clinic, attempts=30, parked=True)
    confirm(clinic, warm)
    rows = {each: tuple(found.outbox_id for found in clinic.outbox(each)) for each in (fresh, parked)}
    truths = PostgresTruths(database.engine())
    assert proxy.flights(lambda: truths.confirm(clinic.tenant_id, rows[fresh])) == 1
    assert proxy.flights(lambda: truths.confirm(clinic.tenant_id, rows[parked])) == 2


def test_who_asks_for_everything_asks_for_what_is_parked_too(clinic: Clinic, product: Product) -> None:
    clinic.status(BY_HAND)
    context = clinic.context(BY_HAND)
    clinic.sql("UPDATE outbox SET parked_at = now(), attempts = 30 WHERE subject = :s", s=context)
    with unit_of_work(database.engine(), clinic.tenant_id) as uow:
        ask_for_everything(uow, clinic.tenant_id)
        uow.commit()
    (asked,) = clinic.outbox(context)
    assert (asked.parked_at, asked.attempts, asked.forced) == (None, 0, True)


# A clock that was set back -------------------------------------------------------------------------------


def test_what_only_another_clock_can_have_put_ahead_is_due(clinic: Clinic, worker: Engine) -> None:
    hour = "+ interval '1 hour'"
    told_before = put(clinic, hour, attempts=3)
    from_the_future = put(clinic, hour, created=hour)
    spread_by_a_policy = put(clinic, hour)
    backing_off = put(clinic, "+ interval '55 seconds'", attempts=30, parked=True)
    publisher = RecordingPublisher()
    relay_once(worker, publisher)
    assert set(told_of(publisher, clinic)) == {told_before, from_the_future}
    assert {row(clinic, each).attempts for each in (spread_by_a_policy, backing_off)} == {0, 30}
    # Now they back off as ever, though one still comes from the future.
    relay_once(worker, publisher)
    assert len(told_of(publisher, clinic)) == 2


# Killed, and going on ---------------------------------------------------------------------------------------

_KILLED = """
import os, signal, sys
from uuid import uuid4
from sqlalchemy import create_engine
from shared.messaging.relay import relay
from shared.persistence.database import driver_url

class Killed:
    def publish(self, messages):
        os.kill(os.getpid(), signal.SIGKILL)

relay(create_engine(driver_url(sys.argv[1])), Killed(), uuid4())
"""


def test_what_a_relay_had_claimed_when_it_was_killed_is_due_again(
    clinic: Clinic, product: Product, worker: Engine
) -> None:
    subject = put(clinic)
    command = (sys.executable, "-c", _KILLED, product.urls.worker)
    killed = subprocess.run(command, env=dict(os.environ), check=False)
    assert killed.returncode == -signal.SIGKILL
    stored = row(clinic, subject)
    assert stored.attempts == 1
    assert stored.next_attempt_at > stored.created_at
    # Its backoff passes.
    clinic.sql("UPDATE outbox SET next_attempt_at = now() WHERE subject = :s", s=subject)
    publisher = RecordingPublisher()
    relay_once(worker, publisher)
    assert told_of(publisher, clinic) == [subject]


@pytest.fixture
def alone(clinic: Clinic, product: Product) -> Iterator[Engine]:
    """As if this clinic were the only tenant: its rows are all that there is to relay."""
    startup = {"startup_params": {"app.tenant_id": str(clinic.tenant_id)}}
    engine = create_engine(driver_url(product.urls.owner), connect_args=startup)
    yield engine
    engine.dispose()


def test_one_call_relays_on_until_nothing_is_unconfirmed(clinic: Clinic, alone: Engine) -> None:
    first, publisher, now, later = put(clinic), RecordingPublisher(), [0.0], []

    def wait(seconds: float) -> None:
        now[0] += seconds
        if now[0] == 2:
            later.append(put(clinic))
        elif now[0] == 4:
            clinic.leave()

    relay_for(50, alone, publisher, CorrelationId(uuid4()), clock=lambda: now[0], wait=wait)
    assert told_of(publisher, clinic) == [first, *later]
    assert now[0] == 4


def test_a_round_that_fails_does_not_end_the_call(clinic: Clinic, alone: Engine) -> None:
    subject, publisher, now = put(clinic), RecordingPublisher(RuntimeError("no topic")), [0.0]

    def wait(seconds: float) -> None:
        now[0] += seconds
        if now[0] == 2:
            publisher.failure = None
            clinic.sql("UPDATE outbox SET next_attempt_at = now() WHERE subject = :s", s=subject)

    relay_for(3, alone, publisher, CorrelationId(uuid4()), clock=lambda: now[0], wait=wait)
    assert told_of(publisher, clinic) == [subject]


def test_a_call_fails_when_nothing_could_be_published_after_a_failure(clinic: Clinic, alone: Engine) -> None:
    put(clinic)
    now = [0.0]

    def wait(seconds: float) -> None:
        now[0] += seconds

    # In the later rounds nothing is due: it backs off.
    publisher = RecordingPublisher(RuntimeError("no topic"))
    with pytest.raises(RuntimeError):
        relay_for(3, alone, publisher, CorrelationId(uuid4()), clock=lambda: now[0], wait=wait)
    assert now[0] == 3


def test_the_timers_call_says_how_many_are_parked_and_logs_each_once(
    clinic: Clinic, product: Product, capsys: pytest.CaptureFixture[str]
) -> None:
    subject = put(clinic, attempts=PARK_AFTER)
    product.configure(DATABASE_URL=product.urls.worker)
    response = product.client("scheduler/relay").post("/", json={"for_s": 0})
    assert response.status_code == 200
    assert response.get_json()["parked"] >= 1
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines() if str(subject) in line]
    (line,) = lines
    assert line["code"] == "subject_parked"
    assert line["severity"] == "ERROR"
    assert (line["attempts"], line["subject_type"]) == (PARK_AFTER + 1, "patient")


@pytest.mark.parametrize(
    "body", [b'{"for_s": 56}', b'{"for_s": -1}', b'{"for_s": "x"}', b"[1]", b"\xff", b"[" * 5000, b"NaN"]
)
def test_a_call_that_asks_for_something_else_is_told_what_to_ask(product: Product, body: bytes) -> None:
    response = product.client("scheduler/relay").post("/", data=body)
    assert response.status_code == 400
    assert "seconds from 0 to 55" in response.get_json()["error"]


def test_a_call_needs_no_body(product: Product, clinic: Clinic) -> None:
    product.configure(DATABASE_URL=product.urls.worker)
    assert product.client("scheduler/relay").post("/").status_code == 200
