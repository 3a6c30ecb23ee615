"""The relay: what Firestore does not have yet is published again, with backoff, by one relay at a time."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine, create_engine, text

from shared.messaging.relay import relay
from shared.model import CorrelationId, SubjectType
from shared.persistence.database import driver_url
from tests.integration.product import BY_HAND, Clinic, Product, RecordingPublisher

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


def put(clinic: Clinic, due: str = "- interval '1 second'", *, attempts: int = 0, version: int = 1) -> UUID:
    """Puts a row for a subject of its own into the outbox and returns the subject."""
    subject = uuid4()
    clinic.sql(
        f"""INSERT INTO outbox (tenant_id, outbox_id, subject_type, subject, version, attempts,
                next_attempt_at)
            VALUES (:tenant, gen_random_uuid(), 'patient', :subject, :version, :attempts, now() {due})""",  # noqa: S608 -- our own names
        subject=subject,
        attempts=attempts,
        version=version,
    )
    return subject


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


@pytest.mark.parametrize(("attempts", "wait_s"), [(0, 2), (1, 4), (2, 8), (3, 15), (40, 15)])
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
    assert stored.attempts == 1
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
