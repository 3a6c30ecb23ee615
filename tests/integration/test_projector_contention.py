"""A document that somebody holds in a transaction: its update comes late, no other does, none is lost."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from functools import partial
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine, create_engine
from werkzeug.test import TestResponse

from shared.messaging.codec import PresenceMessage, ProjectMessage, encode_message
from shared.messaging.relay import relay
from shared.model import CorrelationId, InvocationId, PatientKey, SubjectType
from shared.persistence.database import driver_url
from shared.projections.documents import patient_state_path, user_inbox_path
from shared.projections.presence import presence_path
from shared.projections.store import FirestoreDocuments
from tests.integration.firestore_client import Firestore, unsigned_token
from tests.integration.product import BY_HAND, Clinic, Product, RecordingPublisher, at_once, new_clinic

pytestmark = pytest.mark.usefixtures("held")

HELD = 24
"""As many as are projected at a time by three instances."""


@pytest.fixture
def firestore(product: Product) -> Iterator[Firestore]:
    made = Firestore(product.stack["firestore_emulator_host"], product.stack["project_id"])
    yield made
    made.close()


@pytest.fixture
def worker(product: Product) -> Iterator[Engine]:
    """Connects as the scheduler does."""
    engine = create_engine(driver_url(product.urls.worker))
    yield engine
    engine.dispose()


class Holder:
    """An ordinary user with Firestore's public API, whose transactions read something and don't end."""

    def __init__(self, firestore: Firestore, clinic: Clinic) -> None:
        self._firestore = firestore
        user = clinic.users[0].user_id
        claims = {"sub": str(user), "user_id": str(user), "tenant_id": str(clinic.tenant_id)}
        self._token = unsigned_token(**claims)
        # What the projector would write there; here it is only in the way.
        inbox = user_inbox_path(clinic.tenant_id, user)
        firestore.put(inbox, {"active": {"booleanValue": True}, "tokens_valid_after": {"nullValue": None}})
        self._transactions: list[str] = []

    def hold(self, path: str) -> None:
        document = f"{self._firestore.database}/documents/{path}"
        self._ask(":batchGet", {"documents": [document], "transaction": self._begin()})

    def hold_all(self, parent: str, collection: str) -> None:
        query = {"from": [{"collectionId": collection}]}
        self._ask(f"{parent}:runQuery", {"structuredQuery": query, "transaction": self._begin()})

    def let_go(self) -> None:
        while self._transactions:
            self._ask(":rollback", {"transaction": self._transactions.pop()})

    def _begin(self) -> str:
        begun = self._ask(":beginTransaction", {"options": {"readWrite": {}}})
        self._transactions.append(json.loads(begun)["transaction"])
        return self._transactions[-1]

    def _ask(self, path: str, body: object) -> str:
        answer = self._firestore.ask("POST", path, self._token, body)
        assert answer.allowed, answer.text
        return answer.text


@pytest.fixture
def holder(firestore: Firestore, clinic: Clinic) -> Iterator[Holder]:
    made = Holder(firestore, clinic)
    yield made
    made.let_go()


def push(clinic: Clinic, message: ProjectMessage | PresenceMessage) -> TestResponse:
    data = base64.b64encode(encode_message(message)).decode()
    body = {"message": {"data": data, "messageId": "1", "attributes": {}}, "subscription": "projector"}
    return clinic.product.client("projector/project").post("/", json=body)


def told(clinic: Clinic, subject: UUID) -> ProjectMessage:
    return ProjectMessage(
        subject_type=SubjectType.PATIENT,
        subject=subject,
        tenant_id=clinic.tenant_id,
        version=1,
        correlation_id=CorrelationId(uuid4()),
    )


def path_of(clinic: Clinic, number: int) -> str:
    return patient_state_path(clinic.tenant_id, PatientKey(clinic.key(number)))


def version_of(clinic: Clinic, number: int) -> int | None:
    found = FirestoreDocuments().read(path_of(clinic, number))
    return found and int(found.content["version"])


def relayed(engine: Engine, clinic: Clinic) -> list[ProjectMessage]:
    """What one round of the relay publishes for a clinic."""
    publisher = RecordingPublisher()
    relay(engine, publisher, CorrelationId(uuid4()))
    return [
        m for m in publisher.messages if isinstance(m, ProjectMessage) and m.tenant_id == clinic.tenant_id
    ]


def come_due(clinic: Clinic) -> None:
    clinic.sql("UPDATE outbox SET next_attempt_at = now() - interval '1 s' WHERE tenant_id = :tenant")


def codes(written: str) -> list[str]:
    return [json.loads(line)["code"] for line in written.splitlines() if line.startswith("{")]


def test_a_held_document_is_left_to_the_relay_which_makes_it_right_once_it_is_free(
    clinic: Clinic, holder: Holder, worker: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    clinic.product.configure(OUTSIDE_TIMEOUT_S="1")
    subject = clinic.context(BY_HAND)
    clinic.status(BY_HAND)
    assert push(clinic, told(clinic, subject)).status_code == 200
    assert version_of(clinic, BY_HAND) == 1
    holder.hold(path_of(clinic, BY_HAND))
    clinic.answer("mini/ack", clinic.says(BY_HAND))
    capsys.readouterr()

    assert push(clinic, told(clinic, subject)).status_code == 200
    written = capsys.readouterr().out
    assert "projection_contended" in codes(written)
    assert "projection_failed" not in codes(written)
    assert str(subject) in written
    assert clinic.key(BY_HAND) not in written
    assert len(clinic.outbox(subject)) == 1

    # Each attempt of the relay is later than the one before it, and told once.
    waits = []
    for attempts in (1, 2, 3):
        come_due(clinic)
        (message,) = relayed(worker, clinic)
        (row,) = clinic.outbox(subject)
        assert row.attempts == attempts
        waits.append((row.next_attempt_at - clinic.sql("SELECT now()")[0][0]).total_seconds())
        assert relayed(worker, clinic) == []
        assert push(clinic, message).status_code == 200
        assert len(clinic.outbox(subject)) == 1
    assert waits == sorted(waits)
    assert waits[-1] > 6

    holder.let_go()
    come_due(clinic)
    (message,) = relayed(worker, clinic)
    assert push(clinic, message).status_code == 200
    assert version_of(clinic, BY_HAND) == 2
    assert clinic.outbox(subject) == []


def test_who_holds_many_documents_has_none_of_them_delivered_again_at_once(
    product: Product, clinic: Clinic, holder: Holder
) -> None:
    clinic.product.configure(OUTSIDE_TIMEOUT_S="1")
    # A clinic has fewer patients: some are told of twice, which takes up a thread just the same.
    numbers = range(len(clinic.patients))
    for number in numbers:
        clinic.status(number)
        assert push(clinic, told(clinic, clinic.context(number))).status_code == 200
        holder.hold(path_of(clinic, number))
        clinic.answer("mini/ack", clinic.says(number))
    subjects = [clinic.context(each % len(numbers)) for each in range(HELD)]
    answers = at_once([partial(push, clinic, told(clinic, subject)) for subject in subjects])
    assert {answer.status_code for answer in answers} == {200}
    assert all(clinic.outbox(subject) for subject in subjects)

    other = new_clinic(product)
    other.status(BY_HAND)
    assert push(other, told(other, other.context(BY_HAND))).status_code == 200
    assert version_of(other, BY_HAND) == 1
    other.leave()


def test_a_held_presence_waits_for_the_next_sign_of_life(clinic: Clinic, holder: Holder) -> None:
    clinic.product.configure(OUTSIDE_TIMEOUT_S="1")
    clinic.status(BY_HAND)
    (invocation,) = clinic.rows("invocation")
    subject = InvocationId(invocation.invocation_id)
    message = PresenceMessage(
        subject=subject, tenant_id=clinic.tenant_id, correlation_id=CorrelationId(uuid4())
    )
    assert push(clinic, message).status_code == 200
    path = presence_path(clinic.tenant_id, subject)
    holder.hold_all(f"tenants/{clinic.tenant_id}", "invocation_presence")
    clinic.sql("UPDATE invocation SET status = 'closed' WHERE tenant_id = :tenant")
    assert push(clinic, message).status_code == 200
    holder.let_go()
    assert push(clinic, message).status_code == 200
    found = FirestoreDocuments().read(path)
    assert found is not None
    assert found.content["status"] == "closed"
