"""Asks for projections that no change asked for: after Firestore lost something, or for a new user."""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from sqlalchemy import Engine, text

from shared.model import PatientContextId, TenantId
from shared.persistence.changes import RELAY_AFTER_S
from shared.persistence.unit_of_work import UnitOfWork, flight

# Forced: the document is written even if it looks right. A row that is still waiting is asked for anew,
# under a new id, so that a projector that read it before can't confirm it away.
_PATIENTS = """
INSERT INTO outbox (tenant_id, outbox_id, subject_type, subject, version, forced)
SELECT c.tenant_id, gen_random_uuid(), 'patient', c.patient_context_id, c.version, true
FROM patient_context c WHERE c.tenant_id = :tenant"""
_USERS = """
SELECT u.tenant_id, gen_random_uuid(), 'user', u.user_id,
    CAST(CAST(pg_current_xact_id() AS text) AS bigint), true
FROM app_user u WHERE u.tenant_id = :tenant"""
_ANEW = """
ON CONFLICT (tenant_id, subject_type, subject, version) DO UPDATE
SET outbox_id = excluded.outbox_id, forced = true, attempts = 0, next_attempt_at = now(), parked_at = NULL"""

_ASK = text(f"{_PATIENTS} AND c.version > 0 UNION ALL {_USERS} {_ANEW}")
_ASK_FOR_SOME = text(f"""{_PATIENTS} AND c.patient_context_id = ANY(CAST(:patients AS uuid[]))
    UNION ALL {_USERS} AND u.user_id = ANY(CAST(:users AS uuid[])) {_ANEW}""")


def ask_for_some(
    uow: UnitOfWork, tenant_id: TenantId, patients: Collection[UUID], users: Collection[UUID]
) -> int:
    """Puts these projections back into the outbox, forced; returns how many. The caller commits.

    None for a tenant that has left, of which nothing is projected.
    """
    if not patients and not users:
        return 0
    # In order, so that two who ask for the same wait for each other rather than for ever.
    return uow.run(_ASK_FOR_SOME, tenant=tenant_id, patients=sorted(patients), users=sorted(users))


def ask_for_everything(uow: UnitOfWork, tenant_id: TenantId) -> int:
    """Puts every projection of a tenant back into the outbox; returns how many. The caller commits."""
    return uow.run(_ASK, tenant=tenant_id)


def ask_if_idle(engine: Engine, tenant_id: TenantId, patient_context_id: PatientContextId) -> int | None:
    """Asks for a patient's projection unless one is under way already; returns the version asked for.

    Not forced: a document that is missing or of another version is written all the same.
    """
    rows = flight(
        engine,
        tenant_id,
        f"""INSERT INTO outbox (tenant_id, outbox_id, subject_type, subject, version, next_attempt_at)
            SELECT c.tenant_id, gen_random_uuid(), 'patient', c.patient_context_id, c.version,
                clock_timestamp() + interval '{RELAY_AFTER_S} seconds'
            FROM patient_context c
            WHERE c.tenant_id = '{tenant_id}' AND c.patient_context_id = '{patient_context_id}'
            AND c.version > 0 AND NOT EXISTS (SELECT 1 FROM outbox o WHERE o.tenant_id = c.tenant_id
                AND o.subject_type = 'patient' AND o.subject = c.patient_context_id)
            ON CONFLICT DO NOTHING RETURNING version""",
    )
    return int(rows[0][0]) if rows else None
