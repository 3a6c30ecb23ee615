"""What waits for the scheduler: overdue acknowledgements, patients to decide anew, tabs nobody came back to.

Finding it is the worker's, who sees ids and due times of all tenants; the work is done as the application,
with the tenant set.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Literal, NamedTuple
from uuid import UUID

from sqlalchemy import Engine, text

from shared.decisions.policy import Policy
from shared.model import PatientContextId, TenantId, UserId
from shared.persistence.unit_of_work import UnitOfWork, unit_of_work

_AT_ONCE = 200
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)

DueColumn = Literal["ack_due_at", "reassess_at"]


class Due(NamedTuple):
    """A patient whose time has come."""

    tenant_id: TenantId
    patient_context_id: PatientContextId


def due_patients(engine: Engine, column: DueColumn, at: datetime | None = None) -> Iterator[Due]:
    """The patients whose ``column`` is due, the longest due first; each once a round.

    Due now, by the database's clock, unless ``at`` says when.

    Read in stretches, so that one that can't be done holds nobody up, and nothing is read that is not due.
    """
    statement = text(f"""SELECT tenant_id, patient_context_id, {column} AS due_at FROM patient_context
        WHERE {column} <= coalesce(CAST(:at AS timestamptz), now())
        AND ({column}, patient_context_id) > (:after, :id)
        ORDER BY {column}, patient_context_id LIMIT {_AT_ONCE}""")
    after, last = _LONG_AGO, UUID(int=0)
    while True:
        with unit_of_work(engine, None) as uow:
            rows = uow.rows(statement, at=at, after=after, id=last)
        for row in rows:
            yield Due(TenantId(row.tenant_id), PatientContextId(row.patient_context_id))
        if len(rows) < _AT_ONCE:
            return
        after, last = rows[-1].due_at, rows[-1].patient_context_id


_TENANTS = text("SELECT tenant_id FROM tenant ORDER BY tenant_id")

_CLEAR_DUE = text("""UPDATE patient_context SET ack_due_at = NULL
    WHERE tenant_id = :tenant AND patient_context_id = :context""")
_CLEAR_REASSESS = text("""UPDATE patient_context SET reassess_at = NULL
    WHERE tenant_id = :tenant AND patient_context_id = :context""")
_POSTPONE_REASSESS = text("""UPDATE patient_context SET reassess_at = clock_timestamp() + interval '1 minute'
    WHERE tenant_id = :tenant AND patient_context_id = :context""")

# First the session, then its invocation, as a visit has it. A session's views only say which looks were told
# already: of no use once it is over.
_TIDY = text("""
WITH stale AS MATERIALIZED (
    SELECT i.invocation_id, i.last_seen_at FROM invocation i WHERE i.tenant_id = :tenant AND i.status = 'open'
    AND i.last_seen_at < clock_timestamp() - make_interval(secs => coalesce((
        SELECT CAST(p.timeout_rules_json ->> 'session_idle_s' AS int) FROM policy_config p
        WHERE p.tenant_id = :tenant ORDER BY p.version DESC LIMIT 1), 1800))
), ended AS (
    UPDATE session s SET ended_at = clock_timestamp(), end_reason = 'idle'
    WHERE s.tenant_id = :tenant AND s.ended_at IS NULL AND s.session_id IN (
        SELECT o.session_id FROM session o JOIN stale USING (invocation_id)
        WHERE o.tenant_id = :tenant AND o.ended_at IS NULL FOR NO KEY UPDATE OF o SKIP LOCKED)
    RETURNING s.invocation_id
), gone AS (
    UPDATE invocation i SET status = 'closed' FROM stale g
    WHERE i.tenant_id = :tenant AND i.invocation_id = g.invocation_id
    AND i.last_seen_at = g.last_seen_at AND (  -- somebody may have come back meanwhile
        i.invocation_id IN (SELECT e.invocation_id FROM ended e) OR NOT EXISTS (
            SELECT 1 FROM session s WHERE s.tenant_id = :tenant AND s.invocation_id = i.invocation_id
            AND s.ended_at IS NULL))
    RETURNING i.invocation_id
), forgotten AS (
    DELETE FROM session_view w USING session s WHERE w.tenant_id = :tenant AND s.tenant_id = w.tenant_id
    AND s.session_id = w.session_id AND s.ended_at < clock_timestamp() - interval '1 hour'
)
SELECT count(*) FROM gone
""")


_ABSENT = text("""SELECT w.user_id FROM unnest(CAST(:users AS uuid[])) AS w(user_id)
    WHERE NOT EXISTS (SELECT 1 FROM app_user u WHERE u.tenant_id = :tenant AND u.user_id = w.user_id
    AND u.status = 'active')""")

_ITEMS_OF = text("""SELECT DISTINCT patient_context_id FROM assignment
    WHERE tenant_id = :tenant AND assigned_to_user = :user AND status = 'open' ORDER BY patient_context_id""")


def absent_users(uow: UnitOfWork, tenant_id: TenantId, policy: Policy, *also: UserId) -> frozenset[UserId]:
    """Which of ``also`` and of the users whom the policy gives items don't work at the tenant any more."""
    rules = policy.notifications
    named = (each.user for each in (*rules.assign.values(), rules.otherwise))
    users = [*also, *(user for user in named if user is not None)]
    if not users:
        return frozenset()
    return frozenset(UserId(row.user_id) for row in uow.rows(_ABSENT, tenant=tenant_id, users=users))


def patients_with_items_of(
    uow: UnitOfWork, tenant_id: TenantId, user_id: UserId
) -> tuple[PatientContextId, ...]:
    """The patients about whom there are open items for this user in person, in id order."""
    rows = uow.rows(_ITEMS_OF, tenant=tenant_id, user=user_id)
    return tuple(PatientContextId(row.patient_context_id) for row in rows)


def clear_due(uow: UnitOfWork, tenant_id: TenantId, patient_context_id: PatientContextId) -> None:
    """Nothing is due for this patient any more. Under the patient's lock; the caller commits."""
    uow.run(_CLEAR_DUE, tenant=tenant_id, context=patient_context_id)


def clear_reassess(uow: UnitOfWork, tenant_id: TenantId, patient_context_id: PatientContextId) -> None:
    """The patient was decided anew. Under the patient's lock; the caller commits."""
    uow.run(_CLEAR_REASSESS, tenant=tenant_id, context=patient_context_id)


def postpone_reassess(uow: UnitOfWork, tenant_id: TenantId, patient_context_id: PatientContextId) -> None:
    """The patient could not be decided anew: in a minute again. Under the patient's lock."""
    uow.run(_POSTPONE_REASSESS, tenant=tenant_id, context=patient_context_id)


def all_tenants(engine: Engine) -> tuple[TenantId, ...]:
    """Every tenant, as the worker sees them."""
    with unit_of_work(engine, None) as uow:
        return tuple(TenantId(row.tenant_id) for row in uow.rows(_TENANTS))


def close_what_is_idle(engine: Engine, tenant_id: TenantId) -> int:
    """Closes the tabs that nobody came back to, with their sessions; returns how many. As the application."""
    with unit_of_work(engine, tenant_id) as uow:
        closed = int(uow.value(_TIDY, tenant=tenant_id))
        uow.commit()
    return closed
