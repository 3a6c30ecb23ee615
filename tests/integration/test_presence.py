"""Presence: who looks at whom from where right now, best effort, for the users of the tenant alone."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import pytest
import requests

from shared.messaging.codec import PresenceMessage, encode_message
from shared.messaging.outbox import ask_for_everything
from shared.model import CorrelationId, InvocationId, SubjectType, TenantId
from shared.persistence import database
from shared.persistence.unit_of_work import unit_of_work
from shared.projections.presence import presence_path, project_presence
from shared.projections.projector import project
from shared.projections.store import FirestoreDocuments, Stored
from shared.projections.subjects import PostgresTruths
from tests.integration.product import (
    BY_HAND,
    MANY,
    Clinic,
    Product,
    RecordingPublisher,
    at_once,
    closed_port,
    new_clinic,
)

pytestmark = pytest.mark.usefixtures("held")

KEYS = {
    *("user_id", "user_display_name", "application_id", "page_signature", "surface_type", "patient_key"),
    *("status", "last_seen_at", "expires_at"),
}


@pytest.fixture
def told(clinic: Clinic) -> RecordingPublisher:
    """Where the functions publish, in the topic's place."""
    publisher = RecordingPublisher()
    clinic.product.use(clinic.product.core(publisher=publisher))
    return publisher


def presences(told: RecordingPublisher) -> list[PresenceMessage]:
    return [message for message in told.messages if isinstance(message, PresenceMessage)]


def push(clinic: Clinic, message: PresenceMessage) -> int:
    """Delivers a message as the push subscription does."""
    data = base64.b64encode(encode_message(message)).decode()
    body = {
        "message": {"data": data, "messageId": "1", "publishTime": "2030-01-01T00:00:00Z", "attributes": {}},
        "subscription": "projects/mobius-local/subscriptions/projector",
    }
    return clinic.product.client("projector/project").post("/", json=body).status_code


def tab(clinic: Clinic) -> Any:
    (invocation,) = clinic.rows("invocation")
    return invocation


def stored(clinic: Clinic, invocation_id: InvocationId) -> Stored | None:
    return FirestoreDocuments().read(presence_path(clinic.tenant_id, invocation_id))


def document(clinic: Clinic) -> dict[str, Any]:
    """The presence of the clinic's only tab."""
    found = stored(clinic, tab(clinic).invocation_id)
    assert found is not None
    return dict(found.content)


def tell(clinic: Clinic, store: FirestoreDocuments | None = None) -> bool:
    """Projects the clinic's only tab."""
    where = store or FirestoreDocuments()
    return project_presence(database.engine(), where, clinic.tenant_id, tab(clinic).invocation_id)


# What a document says -----------------------------------------------------------------------------------


def test_an_open_tab_says_who_where_which_patient_and_until_when(
    clinic: Clinic, told: RecordingPublisher
) -> None:
    where = {"application_id": "demo-board", "page_signature": "demo-board"}
    clinic.answer("mini/status", {**clinic.names(BY_HAND), **where})
    (message,) = presences(told)
    row = tab(clinic)
    assert (message.subject, message.tenant_id) == (row.invocation_id, clinic.tenant_id)
    assert push(clinic, message) == 200
    shown = document(clinic)
    assert set(shown) == KEYS
    assert shown["user_id"] == str(clinic.users[0].user_id)
    assert shown["user_display_name"] == clinic.users[0].display_name
    assert shown["application_id"] == shown["page_signature"] == "demo-board"
    assert shown["surface_type"] == "mini"
    assert shown["patient_key"] == clinic.key(BY_HAND)
    assert shown["status"] == "open"
    assert shown["last_seen_at"] == row.last_seen_at
    # As long as the policy says, and the minute in which a sign of life need not be written.
    assert shown["expires_at"] == row.last_seen_at + timedelta(seconds=120 + 60)
    assert clinic.patients[BY_HAND].display_name not in str(shown)
    # The same again is no news.
    clinic.answer("mini/status", {**clinic.names(BY_HAND), **where})
    assert len(presences(told)) == 1


def test_the_document_follows_the_tab_and_expires_when_it_closes(
    clinic: Clinic, told: RecordingPublisher
) -> None:
    clinic.publish(timeouts={"presence_s": 30})

    def shown() -> tuple[str | None, str, timedelta]:
        assert {push(clinic, message) for message in presences(told)} == {200}
        told.messages.clear()
        now = document(clinic)
        lasts: timedelta = now["expires_at"] - now["last_seen_at"]
        return now["patient_key"], now["status"], lasts

    lasts = timedelta(seconds=90)
    clinic.status(BY_HAND)
    assert shown() == (clinic.key(BY_HAND), "open", lasts)
    clinic.status(MANY)
    assert shown() == (clinic.key(MANY), "open", lasts)
    clinic.answer("mini/interaction", {**clinic.names(MANY), "kind": "switched"})
    assert shown() == (None, "open", lasts)
    clinic.answer("mini/ack", clinic.says(BY_HAND))
    assert shown() == (clinic.key(BY_HAND), "open", lasts)
    clinic.sql(
        "UPDATE invocation SET last_seen_at = last_seen_at - interval '1 minute' WHERE tenant_id = :tenant"
    )
    clinic.status(BY_HAND)
    assert shown() == (clinic.key(BY_HAND), "open", lasts)
    assert document(clinic)["last_seen_at"] == tab(clinic).last_seen_at
    clinic.answer("mini/interaction", {**clinic.names(BY_HAND), "kind": "closed"})
    assert shown() == (None, "closed", timedelta(0))


# However it is told -------------------------------------------------------------------------------------


def test_projectors_at_once_and_messages_told_twice_write_once(clinic: Clinic) -> None:
    clinic.status(BY_HAND)
    assert at_once([partial(tell, clinic)] * 8).count(True) == 1
    first = stored(clinic, tab(clinic).invocation_id)
    assert tell(clinic) is False
    assert stored(clinic, tab(clinic).invocation_id) == first


def test_messages_in_another_order_end_in_the_same_document(clinic: Clinic, told: RecordingPublisher) -> None:
    for number in (BY_HAND, MANY, BY_HAND):
        clinic.status(number)
    clinic.answer("mini/interaction", {**clinic.names(BY_HAND), "kind": "closed"})
    messages = presences(told)
    assert len(messages) > 3
    for message in reversed(messages):
        assert push(clinic, message) == 200
    assert (document(clinic)["status"], document(clinic)["patient_key"]) == ("closed", None)


def test_a_projector_that_was_overtaken_says_what_is_true_then(clinic: Clinic) -> None:
    clinic.status(BY_HAND)

    class Overtaken(FirestoreDocuments):
        """Before the first write, somebody else projects what is true by then."""

        overtaken = False

        def write_if_unchanged(self, path: str, content: Mapping[str, Any], previous: Stored | None) -> bool:
            if not self.overtaken:
                self.overtaken = True
                clinic.status(MANY)
                tell(clinic)
            return super().write_if_unchanged(path, content, previous)

    assert tell(clinic, Overtaken()) is False
    assert document(clinic)["patient_key"] == clinic.key(MANY)


def test_a_tab_of_another_tenant_and_one_that_never_was_are_nobodys_presence(clinic: Clinic) -> None:
    clinic.status(BY_HAND)
    other = TenantId(UUID(clinic.product.stack["tenants"][0]["tenant_id"]))
    for tenant_id, invocation_id in (
        (other, tab(clinic).invocation_id),
        (clinic.tenant_id, InvocationId(uuid4())),
    ):
        message = PresenceMessage(
            subject=invocation_id, tenant_id=tenant_id, correlation_id=CorrelationId(uuid4())
        )
        assert push(clinic, message) == 200
        assert FirestoreDocuments().read(presence_path(tenant_id, invocation_id)) is None


# Best effort --------------------------------------------------------------------------------------------


def test_nothing_of_presence_is_in_the_outbox(clinic: Clinic, told: RecordingPublisher) -> None:
    clinic.status(BY_HAND)
    clinic.answer("mini/interaction", {"session_id": "s-1", "kind": "closed"})
    assert len(presences(told)) == 2
    subjects = [(row.subject_type, row.subject) for row in clinic.rows("outbox")]
    assert subjects == [("patient", clinic.context(BY_HAND))]


def test_when_nobody_can_be_told_looking_sending_and_closing_succeed(clinic: Clinic) -> None:
    failing = RecordingPublisher(RuntimeError("no topic"))
    clinic.product.use(clinic.product.core(publisher=failing))
    clinic.status(BY_HAND)
    clinic.answer("mini/status", clinic.names(BY_HAND, "s-2"))
    clinic.answer("mini/ack", clinic.says(BY_HAND, session_id="s-3"))
    clinic.answer("mini/interaction", {"session_id": "s-3", "kind": "closed"})
    assert clinic.count("mini_submission") == 1
    assert [row.status for row in clinic.rows("invocation")] == ["open", "open", "closed"]


def test_when_firestore_is_away_pubsub_is_told_and_the_next_sign_of_life_makes_it_good(
    clinic: Clinic, told: RecordingPublisher
) -> None:
    clinic.status(BY_HAND)
    (message,) = presences(told)
    reachable = clinic.product.stack["firestore_emulator_host"]
    clinic.product.configure(FIRESTORE_EMULATOR_HOST=f"127.0.0.1:{closed_port()}", OUTSIDE_TIMEOUT_S="0.5")
    assert push(clinic, message) >= 500
    clinic.product.configure(FIRESTORE_EMULATOR_HOST=reachable, OUTSIDE_TIMEOUT_S="30")
    clinic.status(MANY)
    assert tell(clinic) is True
    assert document(clinic)["patient_key"] == clinic.key(MANY)


# Who may see it -----------------------------------------------------------------------------------------


def asked_of_firestore(clinic: Clinic, path: str, user: int | None, method: str = "GET") -> requests.Response:
    """A call as a browser would make it: bound by the rules."""
    told = clinic.product.stack
    root = f"http://{told['firestore_emulator_host']}/v1/projects/{told['project_id']}/databases/(default)"
    headers = {} if user is None else clinic.headers(user)
    return requests.request(
        method,
        f"{root}/documents/{path}",
        headers=headers,
        json={"fields": {}} if method == "PATCH" else None,
        timeout=10,
    )


def project_inboxes(clinic: Clinic) -> None:
    with unit_of_work(database.engine(), clinic.tenant_id) as uow:
        ask_for_everything(uow, clinic.tenant_id)
        uow.commit()
    for user in clinic.users:
        project(
            PostgresTruths(database.engine()),
            FirestoreDocuments(),
            clinic.tenant_id,
            SubjectType.USER,
            user.user_id,
        )


def test_an_active_user_lists_the_presence_of_their_tenant_and_nobody_else_does(
    clinic: Clinic, product: Product
) -> None:
    neighbour = new_clinic(product)
    clinic.status(BY_HAND)
    tell(clinic)
    clinic.sql(
        "UPDATE app_user SET status = 'disabled' WHERE tenant_id = :tenant AND user_id = :user",
        user=clinic.users[2].user_id,
    )
    for each in (clinic, neighbour):
        project_inboxes(each)
    everybody = f"tenants/{clinic.tenant_id}/invocation_presence"
    one = f"{everybody}/{tab(clinic).invocation_id}"

    listed = asked_of_firestore(clinic, everybody, 1)
    assert listed.status_code == 200
    (shown,) = listed.json()["documents"]
    assert shown["name"].endswith(one)
    assert set(shown["fields"]) == KEYS
    assert shown["fields"]["patient_key"] == {"stringValue": clinic.key(BY_HAND)}

    assert asked_of_firestore(clinic, everybody, 2).status_code == 403
    assert asked_of_firestore(clinic, everybody, None).status_code == 403
    assert asked_of_firestore(neighbour, everybody, 1).status_code == 403
    own = asked_of_firestore(neighbour, f"tenants/{neighbour.tenant_id}/invocation_presence", 1)
    assert (own.status_code, own.json()) == (200, {})
    for method in ("PATCH", "DELETE"):
        assert asked_of_firestore(clinic, one, 0, method).status_code == 403
    assert set(document(clinic)) == KEYS
    neighbour.leave()
