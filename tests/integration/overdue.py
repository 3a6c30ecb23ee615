"""What offline pickup is tested with: time that has passed, the sweep, other policies, other users."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID, uuid4

import functions_framework
from werkzeug.test import TestResponse

from ops.demo import DemoUser
from shared.messaging.codec import ProjectMessage, encode_message
from shared.model import CorrelationId, PatientKey, SubjectType, UserId
from shared.projections.documents import patient_state_path, user_inbox_path
from shared.projections.store import FirestoreDocuments
from shared.views import System
from tests.integration.product import Clinic, Product

DESK, COUNSELOR, LEAD = 0, 1, 2
"""The users of a clinic, one of each role."""


# Time ---------------------------------------------------------------------------------------------------


def wait_until_due(clinic: Clinic, *numbers: int, column: str = "ack_due_at") -> None:
    """Lets the time pass until these patients are due."""
    for number in numbers:
        clinic.sql(
            f"""UPDATE patient_context SET {column} = now() - interval '1 hour'
                WHERE tenant_id = :tenant AND patient_context_id = :context""",  # noqa: S608 -- our own names
            context=clinic.context(number),
        )


@contextmanager
def timer(product: Product, *, through: str | None = None) -> Iterator[Callable[..., TestResponse]]:
    """The scheduler's real function, as the role that it runs as; each call is one sweep."""
    product.configure(DATABASE_URL=through or product.urls.worker)
    # A new one each time: it keeps its core, and that its engine.
    application = functions_framework.create_app("sweep", "functions/scheduler/main.py")

    def call(method: str = "POST") -> TestResponse:
        return application.test_client().open("/", method=method, json={})

    try:
        yield call
    finally:
        product.configure(DATABASE_URL=product.stack["app_database_url"])


def sweep(product: Product) -> dict[str, Any]:
    """One sweep that succeeds."""
    with timer(product) as call:
        response = call()
    assert response.status_code == 200, response.get_data(as_text=True)
    answer: dict[str, Any] = response.get_json()
    assert answer["ok"] is True
    return answer


def nobody_sent(clinic: Clinic, *numbers: int) -> None:
    """Surfaces these patients, and nobody presses Send in time."""
    for number in numbers:
        clinic.status(number)
    wait_until_due(clinic, *numbers)
    sweep(clinic.product)


def system(clinic: Clinic) -> System:
    """The scheduler's own name in one round."""
    return System(tenant_id=clinic.tenant_id, correlation_id=CorrelationId(uuid4()))


# Policies and users -------------------------------------------------------------------------------------


def publish_broken(clinic: Clinic) -> None:
    """A policy version that nobody can read, which no tool of ours would let in."""
    clinic.sql(
        """INSERT INTO policy_config (tenant_id, version, allowlist_rules_json, ui_variants_json,
            timeout_rules_json, notification_rules_json, decision_rules_json)
           SELECT tenant_id, version + 1, allowlist_rules_json, ui_variants_json, timeout_rules_json,
            notification_rules_json, '{}'
           FROM policy_config WHERE tenant_id = :tenant ORDER BY version DESC LIMIT 1"""
    )


def to_role(role: str) -> dict[str, Any]:
    """An assignee of the policy: whoever has a role."""
    return {"role": role, "user": None}


def to_user(clinic: Clinic, user: int) -> dict[str, Any]:
    """An assignee of the policy: one user."""
    return {"role": None, "user": str(clinic.users[user].user_id)}


def hire(clinic: Clinic, role: str, status: str = "active") -> int:
    """A further user, and their number in the clinic."""
    user = DemoUser(user_id=UserId(uuid4()), role=role, display_name=f"Colleague {len(clinic.users)}")
    clinic.sql(
        """INSERT INTO app_user (tenant_id, user_id, role, display_name, status)
           VALUES (:tenant, :user, :role, :name, :status)""",
        user=user.user_id,
        role=role,
        name=user.display_name,
        status=status,
    )
    clinic.users = (*clinic.users, user)
    return len(clinic.users) - 1


def change_user(clinic: Clinic, user: int, **columns: str) -> None:
    """Changes a user as an operator does, by plain SQL."""
    changes = ", ".join(f"{column} = :{column}" for column in columns)
    clinic.sql(
        f"UPDATE app_user SET {changes} WHERE tenant_id = :tenant AND user_id = :user",  # noqa: S608 -- our own names
        user=clinic.users[user].user_id,
        **columns,
    )


# What it comes to ---------------------------------------------------------------------------------------


def event_types(clinic: Clinic, number: int) -> list[str]:
    """What the ledger says of a patient's changes: not who looked, and who went on to another patient."""
    return [event.event_type for event in clinic.events(number) if event.version is not None]


def outcomes(clinic: Clinic, number: int) -> list[str]:
    """What became of a patient's responses, the oldest first."""
    rows = clinic.sql(
        """SELECT outcome FROM response_outcome WHERE tenant_id = :tenant AND patient_context_id = :context
           ORDER BY computed_at, response_outcome_id""",
        context=clinic.context(number),
    )
    return [row.outcome for row in rows]


def items(clinic: Clinic, number: int) -> list[Any]:
    """The assignments about a patient, by reason."""
    return clinic.sql(
        """SELECT * FROM assignment WHERE tenant_id = :tenant AND patient_context_id = :context
           ORDER BY reason_code, created_at""",
        context=clinic.context(number),
    )


def empty_outbox(clinic: Clinic) -> None:
    """Empties the outbox, so that what comes next is seen alone."""
    clinic.sql("DELETE FROM outbox WHERE tenant_id = :tenant")


def unconfirmed(clinic: Clinic) -> list[UUID]:
    """The subjects in the outbox, each as often as it is there."""
    return [row.subject for row in clinic.sql("SELECT subject FROM outbox WHERE tenant_id = :tenant")]


def users_told(clinic: Clinic) -> list[int]:
    """The numbers of the users whose inbox is in the outbox."""
    subjects = unconfirmed(clinic)
    return [number for number, user in enumerate(clinic.users) for _ in range(subjects.count(user.user_id))]


def inbox(clinic: Clinic, user: int, **fields: Any) -> dict[str, Any]:
    """A page of a user's inbox."""
    return clinic.answer("sidecar/inbox", fields, user=user)


def listed(clinic: Clinic, user: int) -> list[str]:
    """The ids in a user's inbox."""
    return [item["assignment_id"] for item in inbox(clinic, user)["assignments"]]


def patient_document(clinic: Clinic, number: int) -> dict[str, Any]:
    """What subscribers see of a patient once the projector was told."""
    _project(clinic, SubjectType.PATIENT, clinic.context(number))
    return _document(patient_state_path(clinic.tenant_id, PatientKey(clinic.key(number))))


def inbox_document(clinic: Clinic, user: int) -> dict[str, Any]:
    """What a user's browser sees of the inbox once the projector was told."""
    _project(clinic, SubjectType.USER, clinic.users[user].user_id)
    return _document(user_inbox_path(clinic.tenant_id, clinic.users[user].user_id))


def _project(clinic: Clinic, kind: SubjectType, subject: UUID) -> None:
    message = ProjectMessage(
        subject_type=kind,
        subject=subject,
        tenant_id=clinic.tenant_id,
        version=1,
        correlation_id=CorrelationId(uuid4()),
    )
    pushed = {
        "message": {
            "data": base64.b64encode(encode_message(message)).decode(),
            "messageId": "1",
            "publishTime": "2030-01-01T00:00:00Z",
            "attributes": {},
        },
        "subscription": "projects/mobius-local/subscriptions/projector",
    }
    response = clinic.product.client("projector/project").post("/", json=pushed)
    assert response.status_code == 200


def _document(path: str) -> dict[str, Any]:
    found = FirestoreDocuments().read(path)
    assert found is not None
    return dict(found.content)
