"""What Postgres says of one subject: version, content and outbox rows in one statement, one round trip."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

import msgspec
from sqlalchemy import Engine

from shared.model import Frozen, LedgerHead, PatientState, SubjectType, TenantId, UserId, UserStatus
from shared.persistence.panel import inbox_json
from shared.persistence.patients import PATIENT_STATE
from shared.persistence.policies import policy_of
from shared.persistence.readings import Inbox
from shared.persistence.unit_of_work import flight
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
        """Deletes the outbox rows that a reading covered: by id, for one may have come in since."""


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
        known = _head_known(stored) if subject_type is SubjectType.PATIENT else "true"
        found = self._found(tenant_id, subject_type, f"= '{subject}'", known)
        return found[0][1] if found else None

    def read_page(
        self, tenant_id: TenantId, subject_type: SubjectType, after: UUID, limit: int
    ) -> list[tuple[UUID, Truth]]:
        """The next subjects behind ``after``, in the order of their ids, all as they are at one moment.

        Only those that should have a document. Of no document it is known whether its head is in the chain.
        """
        place = f"> '{after}' {_HAS_DOCUMENT[subject_type]} ORDER BY 1 LIMIT {limit:d}"
        return self._found(tenant_id, subject_type, place, "true")

    def confirm(self, tenant_id: TenantId, covered: tuple[UUID, ...]) -> None:
        """One round trip."""
        ids = ", ".join(f"'{outbox_id}'" for outbox_id in covered)
        flight(
            self._engine,
            tenant_id,
            f"DELETE FROM outbox WHERE tenant_id = '{tenant_id}' AND outbox_id IN ({ids})",
        )

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

# A patient to whom nothing has happened yet has none.
_HAS_DOCUMENT = {SubjectType.PATIENT: "AND c.version > 0", SubjectType.USER: ""}


def _head_known(stored: Document | None) -> str:
    """SQL: whether the stored head is a row of the chain. No head is known: there is nothing to lose."""
    if not stored or stored.get("version_head") is None:
        return "true"
    try:
        head = msgspec.convert(stored["version_head"], LedgerHead)
        digest = bytes.fromhex(head.hash).hex()
    except (msgspec.ValidationError, ValueError):
        return "false"
    return f"""EXISTS (SELECT 1 FROM event_log e WHERE e.tenant_id = c.tenant_id
        AND e.patient_context_id = c.patient_context_id AND e.seq = {head.seq:d}
        AND e.hash = decode('{digest}', 'hex'))"""
