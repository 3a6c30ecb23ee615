"""What Postgres says of one subject: version, content and outbox rows in one statement, one round trip."""

from __future__ import annotations

from datetime import datetime
from typing import Any
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


def where_unconfirmed(
    engine: Engine, tenant_id: TenantId, subject_type: SubjectType, subject: UUID
) -> str | None:
    """The path of the subject's document; None when Firestore has everything, or there is no such subject."""
    waiting = f"""EXISTS (SELECT 1 FROM outbox o WHERE o.tenant_id = '{tenant_id}'
        AND o.subject_type = '{subject_type.value}' AND o.subject = '{subject}')"""
    if subject_type is SubjectType.USER:
        return (
            user_inbox_path(tenant_id, UserId(subject))
            if flight(engine, tenant_id, f"SELECT 1 WHERE {waiting}")
            else None
        )
    rows = flight(
        engine,
        tenant_id,
        f"""SELECT c.patient_key FROM patient_context c
            WHERE c.tenant_id = '{tenant_id}' AND c.patient_context_id = '{subject}' AND {waiting}""",
    )
    return patient_state_path(tenant_id, rows[0][0]) if rows else None


def read_truth(
    engine: Engine, tenant_id: TenantId, subject_type: SubjectType, subject: UUID, stored: Document | None
) -> Truth | None:
    """The subject as Postgres has it at one moment; None when nothing is unconfirmed any more.

    ``stored`` is the document as it was read *before*, whose head is looked for in the chain.
    """
    outbox = f"""'outbox', (SELECT coalesce(json_agg(o.outbox_id), '[]') FROM outbox o
            WHERE o.tenant_id = '{tenant_id}' AND o.subject_type = '{subject_type.value}'
            AND o.subject = '{subject}'),
        'forced', (SELECT coalesce(bool_or(o.forced), false) FROM outbox o
            WHERE o.tenant_id = '{tenant_id}' AND o.subject_type = '{subject_type.value}'
            AND o.subject = '{subject}')"""
    read = _read_patient if subject_type is SubjectType.PATIENT else _read_user
    truth = read(engine, tenant_id, subject, outbox, stored)
    return truth if truth and truth.outbox else None


def confirm(engine: Engine, tenant_id: TenantId, covered: tuple[UUID, ...]) -> None:
    """Deletes the outbox rows that a reading covered: by id, for one may have come in since."""
    ids = ", ".join(f"'{outbox_id}'" for outbox_id in covered)
    flight(engine, tenant_id, f"DELETE FROM outbox WHERE tenant_id = '{tenant_id}' AND outbox_id IN ({ids})")


def _read_patient(
    engine: Engine, tenant_id: TenantId, subject: UUID, outbox: str, stored: Document | None
) -> Truth | None:
    rows = flight(
        engine,
        tenant_id,
        f"""SELECT json_build_object({outbox}, 'state', {PATIENT_STATE}, 'head_known', {_head_known(stored)},
            'policy_version', (SELECT max(p.version) FROM policy_config p
                WHERE p.tenant_id = c.tenant_id))::text
            FROM patient_context c
            WHERE c.tenant_id = '{tenant_id}' AND c.patient_context_id = '{subject}'""",
    )
    if not rows:
        return None
    found = msgspec.json.decode(rows[0][0], type=_Patient)
    policy = policy_of(engine, tenant_id, found.policy_version)
    return Truth(
        path=patient_state_path(tenant_id, found.state.patient_key),
        document=dict(patient_state_document(found.state, policy)),
        outbox=found.outbox,
        forced=found.forced,
        head_known=found.head_known,
    )


def _read_user(
    engine: Engine, tenant_id: TenantId, subject: UUID, outbox: str, _stored: Document | None
) -> Truth | None:
    rows = flight(
        engine,
        tenant_id,
        f"""SELECT json_build_object({outbox}, 'role', w.role, 'status', w.status,
            'tokens_valid_after', w.tokens_valid_after, 'inbox', {inbox_json(INBOX_LENGTH)},
            'policy_version', (SELECT max(p.version) FROM policy_config p
                WHERE p.tenant_id = w.tenant_id))::text
            FROM app_user w WHERE w.tenant_id = '{tenant_id}' AND w.user_id = '{subject}'""",
    )
    if not rows:
        return None
    found = msgspec.json.decode(rows[0][0], type=_User)
    document = user_inbox_document(
        active=_is_let_in(engine, tenant_id, found),
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


def _is_let_in(engine: Engine, tenant_id: TenantId, user: _User) -> bool:
    # As the API has it: where there is no policy yet, nobody is let in.
    if user.status is not UserStatus.ACTIVE or user.policy_version is None:
        return False
    return lets_in(policy_of(engine, tenant_id, user.policy_version), user.role)


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
