"""A tenant of the running stack, as the end-to-end tests hold it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import requests

from tests.stack import Stack, connected

Json = dict[str, Any]
_taken = iter(range(40, 200))


class Clinic:
    """A tenant of the running stack, as its users and its database see it."""

    def __init__(self, stack: Stack, index: int) -> None:
        self.stack = stack
        self.told = stack.description
        self.tenant = self.told["tenants"][index]
        self.users = self.tenant["users"]

    def new_patient(self) -> str:
        """A patient whom no other test here uses."""
        return str(self.tenant["patients"][next(_taken)]["patient_key"])

    def call(self, endpoint: str, body: Json, user: int = 0) -> Json:
        answer = requests.post(
            self.told["functions"][endpoint],
            json={"session_id": "e2e", **body},
            headers={"Authorization": f"Bearer {self.users[user]['token']}"},
            timeout=10,
        )
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def status(self, patient: str, user: int = 0) -> Json:
        return self.call("mini/status", {"patient_key": patient}, user)

    def send(self, patient: str, tasking: str = "review", note: str = "Called the payer.") -> Json:
        body = {"patient_key": patient, "note_text": note, "override_tasking": tasking}
        return self.call("mini/ack", body)

    def counts(self, patient: str) -> tuple[int, int, int]:
        """Submissions, User.Acknowledged events and outbox rows of a patient."""
        ((submissions, events, waiting),) = self.rows(
            """SELECT
            (SELECT count(*) FROM mini_submission s WHERE s.patient_context_id = c.patient_context_id),
            (SELECT count(*) FROM event_log e WHERE e.patient_context_id = c.patient_context_id
                AND e.event_type = 'User.Acknowledged'),
            (SELECT count(*) FROM outbox o WHERE o.subject = c.patient_context_id)
            FROM patient_context c WHERE c.patient_key = %s""",
            patient,
        )
        return submissions, events, waiting

    def rows(self, statement: str, *values: object) -> list[Any]:
        """What the owner reads in this tenant."""
        with connected(self.told["database_url"]) as connection:
            cursor = connection.cursor()
            cursor.execute(f"SET app.tenant_id = '{UUID(self.tenant['tenant_id'])}'")
            cursor.execute(statement, values)
            return list(cursor.fetchall())

    def count(self, table: str, where: str = "true") -> int:
        """How many rows of this tenant there are."""
        return int(self.rows(f"SELECT count(*) FROM {table} WHERE {where}")[0][0])  # noqa: S608 -- our own names

    def path(self, patient: str) -> str:
        return f"tenants/{self.tenant['tenant_id']}/patient_state/{patient}"

    def rest(self, method: str, path: str, user: int = 0, **given: Any) -> requests.Response:
        """A call to Firestore as a browser would make it: bound by the rules."""
        root = f"http://{self.told['firestore_emulator_host']}/v1/projects/{self.told['project_id']}"
        return requests.request(
            method,
            f"{root}/databases/(default)/documents/{path}",
            headers={"Authorization": f"Bearer {self.users[user]['token']}"},
            timeout=10,
            **given,
        )
