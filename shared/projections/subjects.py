"""What Postgres says of one subject: version, content and outbox rows in one statement, one round trip."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

import msgspec
from sqlalchemy import Engine

from shared.model import Frozen, PatientState, SubjectType, TenantId, UserId, UserStatus
from shared.persistence.panel import inbox_json
from shared.persistence.patients import PATIENT_STATE
from shared.persistence.policies import policy_of
from shared.persistence.readings import Inbox
from shared.persistence.unit_of_work import flight
from shared.projections.chain_heads import heads_known
from shared.projections.documents import (
    INBOX_LENGTH,
    Document,
    lets_in,
    patient_state_document,
    patient_state_path,
    user_inbox_document,
    user_inbox_path,
)


class Truth(Frozen, frozen=True):
    """A subject as it should be shown.

    ``outbox`` are the rows that this reading covers, ``forced`` whether one of them asks for a write in any
    case; ``head_known`` whether the head that the document held is a row of the chain.
    """

    path: str
    document: dict[str, Any]
    outbox: tuple[UUID, ...]
    forced: bool
    head_known: bool


class _Outbox(Frozen, frozen=True):
    outbox: tuple[UUID, ...]
    forced: bool


class _Patient(_Outbox, frozen=True):
    policy_version: int
    state: PatientState
    head_known: bool


class _User(_Outbox, frozen=True):
    policy_version: int | None
    role: str
    status: UserStatus
    tokens_valid_after: datetime | None
    inbox: Inbox


class Truths(Protocol):
    """What the projector asks PostgreSQL. Each call is one transaction of its own."""

    def where_unconfirmed(self, tenant_id: TenantId, subject_type: SubjectType, subject: UUID) -> str | None:
        """The path of the subject's document; None when Firestore has everything, or there is no subject."""

    def read(
        self, tenant_id: TenantId, subject_type: SubjectType, subject: UUID, stored: Document | None
    ) -> Truth | None:
        """The subject as it is at one moment; None when there is none.

        ``stored`` is the document as it was read *before*, whose head is looked for in the chain.
        """

    def confirm(self, tenant_id: TenantId, covered: tuple[UUID, ...]) -> None:
        """Deletes the outbox rows that a reading covered: by id, for one may have come in since.

        If one of them was parked, what kept the tenant's others may be over: they are due again.
        """


class PostgresTruths:
    """The truths of ``engine``'s database, as the application sees them."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def where_unconfirmed(self, tenant_id: TenantId, subject_type: SubjectType, subject: UUID) -> str | None:
        """One round trip."""
        waiting = f"""EXISTS (SELECT 1 FROM outbox o WHERE o.tenant_id = '{tenant_id}'
            AND o.subject_type = '{subject_type.value}' AND o.subject = '{subject}')"""
        if subject_type is SubjectType.USER:
            return (
                user_inbox_path(tenant_id, UserId(subject))
                if flight(self._engine, tenant_id, f"SELECT 1 WHERE {waiting}")
                else None
            )
        rows = flight(
            self._engine,
            tenant_id,
            f"""SELECT c.patient_key FROM patient_context c
                WHERE c.tenant_id = '{tenant_id}' AND c.patient_context_id = '{subject}' AND {waiting}""",
        )
        return patient_state_path(tenant_id, rows[0][0]) if rows else None

    def read(
        self, tenant_id: TenantId, subject_type: SubjectType, subject: UUID, stored: Document | None
    ) -> Truth | None:
        """One statement, one round trip: version, content and outbox rows belong together."""
        found = self.read_some(tenant_id, subject_type, {subject: stored})
        return found[0][1] if found else None

    def read_some(
        self, tenant_id: TenantId, subject_type: SubjectType, stored: Mapping[UUID, Document | None]
    ) -> list[tuple[UUID, Truth]]:
        """As ``read`` for each of the subjects, of which there must be one, all as they are at one moment."""
        known = heads_known(stored) if subject_type is SubjectType.PATIENT else "true"
        subjects = ", ".join(f"'{subject}'" for subject in stored)
        return self._found(tenant_id, subject_type, f"IN ({subjects})", known)

    def read_page(
        self, tenant_id: TenantId, subject_type: SubjectType, after: UUID, limit: int
    ) -> list[tuple[UUID, Truth]]:
        """The next subjects behind ``after``, in the order of their ids, all as they are at one moment.

        Only those that should have a document. Of no document it is known whether its head is in the chain.
        """
        place = f"> '{after}' {_HAS_DOCUMENT[subject_type]} ORDER BY 1 LIMIT {limit:d}"
        return self._found(tenant_id, subject_type, place, "true")

    def confirm(self, tenant_id: TenantId, covered: tuple[UUID, ...]) -> None:
        """One round trip; one more if a row was parked.

        Should the answer be lost and the deletion run twice, nobody learns that one was parked: then the
        others stay so until the next one of them is told and confirmed, within a minute.
        """
        ids = ", ".join(f"'{outbox_id}'" for outbox_id in covered)
        deleted = flight(
            self._engine,
            tenant_id,
            f"""DELETE FROM outbox WHERE tenant_id = '{tenant_id}' AND outbox_id IN ({ids})
                RETURNING parked_at IS NOT NULL""",
        )
        if any(was_parked for (was_parked,) in deleted):
            flight(self._engine, tenant_id, _RELEASE.format(tenant=tenant_id))

    def _found(
        self, tenant_id: TenantId, subject_type: SubjectType, which: str, head_known: str
    ) -> list[tuple[UUID, Truth]]:
        statement = _SUBJECT[subject_type].format(tenant=tenant_id, which=which, head_known=head_known)
        rows = flight(self._engine, tenant_id, statement)
        make = self._patient if subject_type is SubjectType.PATIENT else self._user
        return [(UUID(str(row[0])), make(tenant_id, UUID(str(row[0])), row[1])) for row in rows]

    def _patient(self, tenant_id: TenantId, _subject: UUID, row: str) -> Truth:
        found = msgspec.json.decode(row, type=_Patient)
        policy = policy_of(self._engine, tenant_id, found.policy_version)
        return Truth(
            path=patient_state_path(tenant_id, found.state.patient_key),
            document=dict(patient_state_document(found.state, policy)),
            outbox=found.outbox,
            forced=found.forced,
            head_known=found.head_known,
        )

    def _user(self, tenant_id: TenantId, subject: UUID, row: str) -> Truth:
        found = msgspec.json.decode(row, type=_User)
        document = user_inbox_document(
            active=self._is_let_in(tenant_id, found),
            tokens_valid_after=found.tokens_valid_after,
            inbox=found.inbox,
        )
        return Truth(
            path=user_inbox_path(tenant_id, UserId(subject)),
            document=dict(document),
            outbox=found.outbox,
            forced=found.forced,
            head_known=True,
        )

    def _is_let_in(self, tenant_id: TenantId, user: _User) -> bool:
        # As the API has it: where there is no policy yet, nobody is let in.
        if user.status is not UserStatus.ACTIVE or user.policy_version is None:
            return False
        return lets_in(policy_of(self._engine, tenant_id, user.policy_version), user.role)


def _outbox_of(subject_type: SubjectType, subject: str) -> str:
    return f"""'outbox', (SELECT coalesce(json_agg(o.outbox_id), '[]') FROM outbox o
            WHERE o.tenant_id = '{{tenant}}' AND o.subject_type = '{subject_type.value}'
            AND o.subject = {subject}),
        'forced', (SELECT coalesce(bool_or(o.forced), false) FROM outbox o
            WHERE o.tenant_id = '{{tenant}}' AND o.subject_type = '{subject_type.value}'
            AND o.subject = {subject}),
        'policy_version', (SELECT max(p.version) FROM policy_config p WHERE p.tenant_id = '{{tenant}}')"""


_SUBJECT = {
    SubjectType.PATIENT: f"""SELECT c.patient_context_id, json_build_object(
            {_outbox_of(SubjectType.PATIENT, "c.patient_context_id")},
            'state', {PATIENT_STATE}, 'head_known', {{head_known}})::text
        FROM patient_context c WHERE c.tenant_id = '{{tenant}}' AND c.patient_context_id {{which}}""",
    SubjectType.USER: f"""SELECT w.user_id, json_build_object(
            {_outbox_of(SubjectType.USER, "w.user_id")},
            'role', w.role, 'status', w.status, 'tokens_valid_after', w.tokens_valid_after,
            'inbox', {inbox_json(INBOX_LENGTH)})::text
        FROM app_user w WHERE w.tenant_id = '{{tenant}}' AND w.user_id {{which}}""",
}

# Spread over the minute to come, 50 a second; the rest when the next of them is confirmed, for a statement
# has its time-out. They keep one attempt: so the relay knows that no publication of a policy put them ahead.
_RELEASE = """
WITH parked AS (
    SELECT outbox_id FROM outbox WHERE tenant_id = '{tenant}' AND parked_at IS NOT NULL
    LIMIT 3000 FOR UPDATE SKIP LOCKED
), spread AS (
    SELECT outbox_id, row_number() OVER () * interval '20 milliseconds' AS wait FROM parked
)
UPDATE outbox o SET parked_at = NULL, attempts = 1, next_attempt_at = now() + s.wait
FROM spread s WHERE o.tenant_id = '{tenant}' AND o.outbox_id = s.outbox_id"""

# A patient to whom nothing has happened yet has none.
_HAS_DOCUMENT = {SubjectType.PATIENT: "AND c.version > 0", SubjectType.USER: ""}
