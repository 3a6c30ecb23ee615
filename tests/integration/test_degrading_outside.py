"""Where Pub/Sub or Firestore is away or hangs, Sends and reads go on, and few wait for them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any
from uuid import uuid4

import pytest

from shared.messaging.codec import ProjectMessage
from shared.messaging.publisher import NotAskedNow, TopicPublisher
from shared.model import CorrelationId, SubjectType
from shared.persistence import database
from shared.projections import reader
from shared.projections.projector import Projected, project
from shared.projections.store import FirestoreDocuments
from shared.projections.subjects import PostgresTruths
from tests.integration.product import BY_HAND, Clinic, Product, at_once
from tests.integration.wires import Wire
from tests.stack import eventually

pytestmark = pytest.mark.usefixtures("held")

HANGS_S = 0.5
"""How long a call to the outside may take in these tests."""


@contextmanager
def wired(product: Product, variable: str, host: str) -> Iterator[Wire]:
    """Stands between the functions and an emulator."""
    name, _, port = host.rpartition(":")
    made = Wire(name, int(port))
    product.configure(**{variable: f"127.0.0.1:{made.port}", "OUTSIDE_TIMEOUT_S": str(HANGS_S)})
    yield made
    made.close()


@pytest.fixture
def pubsub(product: Product) -> Iterator[Wire]:
    with wired(product, "PUBSUB_EMULATOR_HOST", product.stack["pubsub_emulator_host"]) as made:
        yield made


@pytest.fixture
def firestore(product: Product) -> Iterator[Wire]:
    with wired(product, "FIRESTORE_EMULATOR_HOST", product.stack["firestore_emulator_host"]) as made:
        yield made


def timed_state(clinic: Clinic) -> tuple[float, dict[str, Any]]:
    began = time.monotonic()
    answer = clinic.answer("sidecar/state", clinic.names(BY_HAND))
    return time.monotonic() - began, answer


def projected(clinic: Clinic) -> None:
    """Has the patient's document written. The first call of a process takes longer than tests here allow."""

    def written() -> bool:
        try:
            return _project(clinic) is not None
        except Exception:  # noqa: BLE001 -- whatever the client raises
            return False

    assert eventually(written, within_s=10)


def _project(clinic: Clinic) -> Projected:
    return project(
        PostgresTruths(database.engine()),
        FirestoreDocuments(),
        clinic.tenant_id,
        SubjectType.PATIENT,
        clinic.context(BY_HAND),
    )


# Pub/Sub ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", ["refuse", "hold"])
def test_sends_succeed_without_a_topic_and_only_the_first_waits_for_it(
    clinic: Clinic, pubsub: Wire, fault: str, capsys: pytest.CaptureFixture[str]
) -> None:
    clinic.status(BY_HAND)
    getattr(pubsub, fault)()
    tried = pubsub.connections
    began = time.monotonic()
    for _ in range(8):
        clinic.answer("mini/ack", clinic.says(BY_HAND))
    assert time.monotonic() - began < 8 * HANGS_S
    assert pubsub.connections <= tried + 2
    assert clinic.count("mini_submission") == 8
    assert [row.version for row in clinic.outbox(clinic.context(BY_HAND))] == list(range(1, 10))
    assert capsys.readouterr().out.count('"publish_failed"') == 8


def test_the_relay_does_not_rest_and_its_success_ends_the_rest(clinic: Clinic, pubsub: Wire) -> None:
    message = ProjectMessage(
        subject_type=SubjectType.PATIENT,
        subject=clinic.context(BY_HAND),
        tenant_id=clinic.tenant_id,
        version=1,
        correlation_id=CorrelationId(uuid4()),
    )
    for_requests, for_the_relay = TopicPublisher(), TopicPublisher(rests=False)
    pubsub.hold()
    for publisher in (for_requests, for_the_relay):
        with pytest.raises(Exception, match="Deadline Exceeded"):
            publisher.publish([message])
    with pytest.raises(NotAskedNow):
        for_requests.publish([message])
    pubsub.pass_on()
    for_the_relay.publish([message])
    for_requests.publish([message])


def test_a_topic_that_was_refused_for_a_while_is_found_again(clinic: Clinic, pubsub: Wire) -> None:
    publisher = TopicPublisher(rests=False)
    message = ProjectMessage(
        subject_type=SubjectType.PATIENT,
        subject=clinic.context(BY_HAND),
        tenant_id=clinic.tenant_id,
        version=1,
        correlation_id=CorrelationId(uuid4()),
    )

    def goes() -> bool:
        try:
            publisher.publish([message])
        except Exception:  # noqa: BLE001 -- whatever the client raises
            return False
        return True

    assert goes()
    pubsub.refuse()
    assert not eventually(goes, within_s=1)
    pubsub.pass_on()
    assert eventually(goes, within_s=10)


# Firestore ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", ["refuse", "hold"])
def test_reads_come_from_postgres_and_say_so_and_only_the_first_wait(
    clinic: Clinic, firestore: Wire, fault: str
) -> None:
    clinic.status(BY_HAND)
    projected(clinic)
    assert eventually(lambda: timed_state(clinic)[1]["source"] == "projection", within_s=10)
    getattr(firestore, fault)()
    assert timed_state(clinic)[1]["source"] == "postgres"
    time.sleep(2 * HANGS_S)  # the look itself has failed by now
    took = []
    for _ in range(5):
        took_s, answer = timed_state(clinic)
        took.append(took_s)
        assert answer["source"] == "postgres"
        assert answer["patient_state"]["version"] == 1
    assert sorted(took)[2] < 0.3
    clinic.answer("sidecar/ack", clinic.says(BY_HAND))


def test_after_a_rest_one_look_finds_firestore_well_again(
    clinic: Clinic, firestore: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "_REST_S", 0.5)
    clinic.status(BY_HAND)
    projected(clinic)
    firestore.hold()
    timed_state(clinic)
    time.sleep(2 * HANGS_S)
    assert timed_state(clinic)[1]["source"] == "postgres"
    firestore.pass_on()
    assert eventually(lambda: timed_state(clinic)[1]["source"] == "projection", within_s=10)


def test_nobody_queues_behind_others_who_look(clinic: Clinic, firestore: Wire) -> None:
    clinic.status(BY_HAND)
    projected(clinic)
    clinic.product.configure(OUTSIDE_TIMEOUT_S="5")
    timed_state(clinic)
    firestore.hold()
    answers = at_once([partial(timed_state, clinic)] * 40)
    assert {answer["source"] for _, answer in answers} == {"postgres"}
    # Sixteen look and wait; who comes later is answered at once.
    began = time.monotonic()
    assert timed_state(clinic)[1]["source"] == "postgres"
    assert time.monotonic() - began < 0.4
    firestore.pass_on()
