"""What is erased, when, and how: what tells of a patient, or only what people wrote about them.

The database's own function erase_patient (migration 0006) does it, and looks itself whether it is due: as the
application nobody can erase what the policy still keeps. What is asked here only says where to look.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
from sqlalchemy import Engine, text
from uuid_utils.compat import uuid7

from shared.decisions.retention import RetentionRules
from shared.ledger.events import AssignmentResolved, Event
from shared.model import (
    AssignmentId,
    AssignmentStatus,
    CorrelationId,
    ErasureScope,
    Frozen,
    PatientContextId,
    TenantId,
)
from shared.persistence.changes import Change, write_change
from shared.persistence.unit_of_work import UnitOfWork, unit_of_work

PAGE = 1000
"""So many patients are looked at in one statement: some dozen milliseconds."""

_BEFORE_ALL = PatientContextId(UUID(int=0))

# Nothing for a tenant that has left: what is still there of it goes by mobius tenants erase.
_RULES = text("""SELECT p.retention_rules_json::text FROM policy_config p
    JOIN tenant t ON t.tenant_id = p.tenant_id AND t.closed_at IS NULL
    WHERE p.tenant_id = :tenant ORDER BY p.version DESC LIMIT 1""")

_TEXT_LEFT = """(EXISTS (SELECT 1 FROM mini_submission m WHERE m.tenant_id = c.tenant_id
        AND m.patient_context_id = c.patient_context_id {sent}
        AND (m.note_text <> '[erased]' OR m.request_hash IS NOT NULL))
    OR EXISTS (SELECT 1 FROM break_glass b WHERE b.tenant_id = c.tenant_id
        AND b.patient_context_id = c.patient_context_id {broken} AND b.explanation <> '[erased]'))"""
_ANYTHING_LEFT = f"""(c.patient_identity_ref_id IS NOT NULL
    OR EXISTS (SELECT 1 FROM patient_snapshot s WHERE s.tenant_id = c.tenant_id
        AND s.patient_context_id = c.patient_context_id
        AND num_nonnulls(s.display_name, s.id_label, s.id_masked, s.dob) > 0)
    OR EXISTS (SELECT 1 FROM patient_search_term w WHERE w.tenant_id = c.tenant_id
        AND w.patient_context_id = c.patient_context_id)
    OR EXISTS (SELECT 1 FROM patient_signal g WHERE g.tenant_id = c.tenant_id
        AND g.patient_context_id = c.patient_context_id)
    OR {_TEXT_LEFT.format(sent="", broken="")})"""
_OPEN_ITEM = """EXISTS (SELECT 1 FROM assignment a WHERE a.tenant_id = c.tenant_id
    AND a.patient_context_id = c.patient_context_id AND a.status = 'open')"""

# A stretch of patients, whoever is due, so that each costs the same. An erasure is an event, but nothing that
# happened with the patient: or else erased notes would keep a name for ever.
_DUE = text(f"""
WITH page AS MATERIALIZED (
    SELECT tenant_id, patient_context_id, patient_identity_ref_id, created_at, ack_due_at
    FROM patient_context WHERE tenant_id = :tenant AND patient_context_id > :after
    ORDER BY patient_context_id LIMIT {PAGE}
), judged AS (
    SELECT c.patient_context_id, coalesce(c.ack_due_at IS NULL
        AND coalesce((SELECT e.created_at FROM event_log e WHERE e.tenant_id = c.tenant_id
            AND e.patient_context_id = c.patient_context_id AND e.event_type <> 'Patient.Erased'
            ORDER BY e.seq DESC LIMIT 1), c.created_at)
            < now() - make_interval(days => CAST(:patient_days AS int))
        AND NOT {_OPEN_ITEM} AND {_ANYTHING_LEFT}, false) AS everything,
        CAST(:text_days AS int) IS NOT NULL AND {
    _TEXT_LEFT.format(
        sent="AND m.submitted_at < now() - make_interval(days => CAST(:text_days AS int))",
        broken="AND b.created_at < now() - make_interval(days => CAST(:text_days AS int))",
    )
} AS texts
    FROM page c
)
SELECT json_build_object(
    'last', (SELECT patient_context_id FROM page ORDER BY patient_context_id DESC LIMIT 1),
    'due', (SELECT coalesce(json_agg(json_build_object('patient_context_id', patient_context_id,
        'scope', CASE WHEN everything THEN 'all' ELSE 'texts' END) ORDER BY patient_context_id), '[]')
        FROM judged WHERE everything OR texts))::text
""")

# For a tenant that has left: who has anything left, open work included.
_LEFT = text(f"""
WITH page AS MATERIALIZED (
    SELECT * FROM patient_context WHERE tenant_id = :tenant AND patient_context_id > :after
    ORDER BY patient_context_id LIMIT {PAGE}
)
SELECT json_build_object('looked_at', (SELECT count(*) FROM page),
    'last', (SELECT patient_context_id FROM page ORDER BY patient_context_id DESC LIMIT 1),
    'due', (SELECT coalesce(json_agg(json_build_object('patient_context_id', c.patient_context_id,
        'scope', 'all') ORDER BY c.patient_context_id), '[]') FROM page c
        WHERE c.ack_due_at IS NOT NULL OR c.reassess_at IS NOT NULL
            OR {_OPEN_ITEM} OR {_ANYTHING_LEFT}))::text
""")

_ERASE = text("""SELECT snapshots, notes, explanations, others
    FROM erase_patient(:patient, :everything, :correlation)""")
_OPEN = text("""SELECT assignment_id, reason_code FROM assignment
    WHERE tenant_id = :tenant AND patient_context_id = :patient AND status = 'open' ORDER BY assignment_id""")


class Erasable(Frozen, frozen=True):
    """A patient of whom something is due to go, and how much."""

    patient_context_id: PatientContextId
    scope: ErasureScope


class Stretch(Frozen, frozen=True):
    """Some patients in id order, and who of them is ``due``; ``last`` None: there was none any more."""

    last: PatientContextId | None
    due: tuple[Erasable, ...]
    looked_at: int = 0


class Erased(NamedTuple):
    """How much of one patient was erased."""

    snapshots: int
    notes: int
    explanations: int
    others: int


def due_erasures(engine: Engine, tenant_id: TenantId) -> Iterator[Erasable]:
    """Of whom something is due to go by the tenant's newest policy; nobody under a legal hold."""
    with unit_of_work(engine, tenant_id) as uow:
        found = uow.value(_RULES, tenant=tenant_id)
    if found is not None:
        yield from due_under(engine, tenant_id, msgspec.json.decode(found, type=RetentionRules))


def due_under(engine: Engine, tenant_id: TenantId, rules: RetentionRules) -> Iterator[Erasable]:
    """Of whom something would be due to go if ``rules`` were published.

    Looked for in stretches of ids, so that a large tenant is never held up by one long statement.
    """
    after: PatientContextId | None = _BEFORE_ALL
    while rules.erases and after is not None:
        asked = {"patient_days": rules.patient_days, "text_days": rules.text_days}
        with unit_of_work(engine, tenant_id) as uow:
            stretch = _stretch(uow.value(_DUE, tenant=tenant_id, after=after, **asked))
        yield from stretch.due
        after = stretch.last


def what_is_left(engine: Engine, tenant_id: TenantId) -> Iterator[Stretch]:
    """All patients of a tenant that has left, stretch by stretch, with those of whom anything is left."""
    after: PatientContextId | None = _BEFORE_ALL
    while after is not None:
        with unit_of_work(engine, tenant_id) as uow:
            stretch = _stretch(uow.value(_LEFT, tenant=tenant_id, after=after))
        yield stretch
        after = stretch.last


def erase_by_retention(
    engine: Engine, tenant_id: TenantId, due: Erasable, correlation_id: CorrelationId
) -> Erased | None:
    """Erases what is due of one patient, with its event, at once or not at all.

    None when nothing is due any more: somebody is at the patient, something happened meanwhile, or a legal
    hold came. However often it is called, it happens once.
    """
    with unit_of_work(engine, tenant_id, lock=due.patient_context_id, skip_locked=True) as uow:
        if uow.locked is None:
            return None
        erased = _erase(uow, due, correlation_id)
        if erased is None or not any(erased):
            return None
        uow.commit()
    return erased


def erase_of_closed(
    engine: Engine, tenant_id: TenantId, patient_context_id: PatientContextId, correlation_id: CorrelationId
) -> Erased | None:
    """Erases all of a patient of a tenant that has left; open items are dismissed, nothing is due any more.

    None when the database lets nothing go: the tenant has not left, or there is a legal hold.
    """
    due = Erasable(patient_context_id=patient_context_id, scope=ErasureScope.ALL)
    with unit_of_work(engine, tenant_id, lock=patient_context_id) as uow:
        if items := uow.rows(_OPEN, tenant=tenant_id, patient=patient_context_id):
            _dismiss(uow, tenant_id, patient_context_id, items, correlation_id)
        erased = _erase(uow, due, correlation_id)
        if erased is None:
            return None
        uow.commit()
    return erased


def _stretch(found: str) -> Stretch:
    return msgspec.json.decode(found, type=Stretch)


def _erase(uow: UnitOfWork, due: Erasable, correlation_id: CorrelationId) -> Erased | None:
    """Has the database erase what is due of a patient, and say so in their chain; None when nothing was."""
    (row,) = uow.rows(
        _ERASE,
        patient=due.patient_context_id,
        everything=due.scope is ErasureScope.ALL,
        correlation=correlation_id,
    )
    return None if row.notes is None else Erased(*row)


def _dismiss(
    uow: UnitOfWork,
    tenant_id: TenantId,
    patient_context_id: PatientContextId,
    items: Sequence[Any],
    correlation_id: CorrelationId,
) -> None:
    """Sets a patient's open items aside, each with its event."""
    events = tuple(
        Event(
            event_id=uuid7(),
            payload=AssignmentResolved(
                assignment_id=AssignmentId(item.assignment_id),
                reason_code=item.reason_code,
                status=AssignmentStatus.DISMISSED,
                mini_submission_id=None,
            ),
            actor_user_id=None,
            correlation_id=correlation_id,
        )
        for item in items
    )
    change = Change(
        patient_context_id=patient_context_id,
        ack_due_at=None,
        correlation_id=correlation_id,
        closed=tuple(AssignmentId(item.assignment_id) for item in items),
        closed_as=AssignmentStatus.DISMISSED,
        events=events,
    )
    write_change(uow, tenant_id, change)
