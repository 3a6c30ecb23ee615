"""What Sidecar shows beside the patient: the ledger as a history, and the user's inbox; both by cursor."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from typing import Annotated

import msgspec
from sqlalchemy import TextClause, text

from shared.model import AssignmentId, Frozen, PatientKey, TenantId
from shared.persistence.patients import ACTOR, ASSIGNMENT, READING, SESSIONED, asked
from shared.persistence.readings import Asking, HistoryReading, InboxReading, ItemReading, PanelReading
from shared.persistence.unit_of_work import UnitOfWork

HISTORY_LENGTH = 10
PREVIEW_LENGTH = 5

_FIRST = 9_223_372_036_854_775_807
"""Before the newest event: more than any sequence number."""


class TimedPlace(Frozen, frozen=True):
    """A place in a list that goes by time: when what was listed last was made."""

    created_at: Annotated[datetime, msgspec.Meta(tz=True)]

    def __post_init__(self) -> None:
        """Raises OverflowError for a time that is none in UTC."""
        self.created_at.astimezone(UTC)


class InboxPlace(TimedPlace, frozen=True):
    """A place in an inbox: the item that was listed last. What comes in later is listed after it."""

    assignment_id: AssignmentId


class HistoryPlace(Frozen, frozen=True):
    """A place in a patient's ledger: the event that was listed last. What happens later comes before it."""

    seq: Annotated[int, msgspec.Meta(ge=1, le=2**63 - 1)]


def inbox_json(limit: int, after: str = "") -> str:
    """SQL: the inbox of the user ``w``: what is for that user or for that user's role, the oldest first.

    ``after`` is a further condition on the assignment ``a`` for what is listed; ``open_count`` counts all.
    """
    whose = """a.tenant_id = w.tenant_id AND a.status = 'open'
        AND (a.assigned_to_user = w.user_id OR a.assigned_to_role = w.role)"""
    return f"""json_build_object(
    'open_count', (SELECT count(*) FROM assignment a WHERE {whose}),
    'assignments', (SELECT coalesce(json_agg(i.item ORDER BY i.created_at, i.assignment_id), '[]') FROM (
        SELECT {ASSIGNMENT} AS item, a.created_at, a.assignment_id
        FROM assignment a JOIN patient_context ac
        ON ac.tenant_id = a.tenant_id AND ac.patient_context_id = a.patient_context_id
        WHERE {whose} {after}
        ORDER BY a.created_at, a.assignment_id LIMIT {limit:d}) i))"""


_HISTORY = """'history', (SELECT coalesce(json_agg(h.item ORDER BY h.seq DESC), '[]') FROM (
        SELECT e.seq, json_build_object('seq', e.seq, 'event_type', e.event_type,
            'created_at', e.created_at, 'actor_user_id', e.actor_user_id,
            'actor_display_name', eu.display_name, 'payload', e.payload_json,
            'correlation_id', e.correlation_id, 'note', (SELECT m.note_text FROM mini_submission m
                WHERE e.event_type = 'User.Acknowledged' AND m.tenant_id = e.tenant_id
                AND m.mini_submission_id = CAST(e.payload_json ->> 'mini_submission_id' AS uuid))) AS item
        FROM patient_context c
        JOIN event_log e ON e.tenant_id = c.tenant_id AND e.patient_context_id = c.patient_context_id
        LEFT JOIN app_user eu ON eu.tenant_id = e.tenant_id AND eu.user_id = e.actor_user_id
        WHERE c.tenant_id = :tenant AND c.patient_key = :patient_key AND e.seq < :before
        ORDER BY e.seq DESC LIMIT :limit) h)"""

_READ_HISTORY = text(f"SELECT json_build_object({READING}, {_HISTORY})::text")

_READ_FOR_PANEL = text(f"""SELECT json_build_object({READING}, {_HISTORY},
'inbox', coalesce((SELECT {inbox_json(PREVIEW_LENGTH)} FROM app_user w
    WHERE w.tenant_id = :tenant AND w.user_id = :user),
    '{{"open_count": 0, "assignments": []}}'::json))::text""")


def read_for_panel(
    uow: UnitOfWork, tenant_id: TenantId, asking: Asking, patient_key: PatientKey
) -> PanelReading:
    """Reads the caller, a patient, the latest 10 events and the oldest 5 items of the caller's inbox."""
    parameters = asked(tenant_id, asking, patient_key)
    found = uow.value(_READ_FOR_PANEL, **parameters, before=_FIRST, limit=HISTORY_LENGTH)
    return msgspec.json.decode(found, type=PanelReading)


def read_history(
    uow: UnitOfWork,
    tenant_id: TenantId,
    asking: Asking,
    patient_key: PatientKey,
    *,
    limit: int,
    before: int | None,
) -> HistoryReading:
    """Reads the caller, a patient and at most ``limit`` events, the newest first, from before ``before``."""
    parameters = asked(tenant_id, asking, patient_key)
    found = uow.value(_READ_HISTORY, **parameters, before=before or _FIRST, limit=limit)
    return msgspec.json.decode(found, type=HistoryReading)


def read_inbox(
    uow: UnitOfWork, tenant_id: TenantId, asking: Asking, *, limit: int, after: InboxPlace | None
) -> InboxReading:
    """Reads the caller and at most ``limit`` of their open assignments, the oldest first, after ``after``."""
    place = {} if after is None else {"at": after.created_at, "id": after.assignment_id}
    found = uow.value(
        _inbox_statement(limit, paged=after is not None), **asked(tenant_id, asking, None), **place
    )
    return msgspec.json.decode(found, type=InboxReading)


@lru_cache(maxsize=256)
def _inbox_statement(limit: int, *, paged: bool) -> TextClause:
    after = "AND (a.created_at, a.assignment_id) > (CAST(:at AS timestamptz), CAST(:id AS uuid))"
    inbox = inbox_json(limit, after if paged else "")
    return text(f"""SELECT json_build_object({SESSIONED}, 'inbox', (SELECT {inbox} FROM app_user w
        WHERE w.tenant_id = :tenant AND w.user_id = :user))::text""")


_READ_ITEM = text(f"""SELECT json_build_object({ACTOR}, 'patient_key', (
    SELECT c.patient_key FROM assignment a JOIN patient_context c
    ON c.tenant_id = a.tenant_id AND c.patient_context_id = a.patient_context_id
    WHERE a.tenant_id = :tenant AND a.assignment_id = :assignment AND a.status = 'open'))::text""")


def read_item(
    uow: UnitOfWork, tenant_id: TenantId, asking: Asking, assignment_id: AssignmentId
) -> ItemReading:
    """Reads the caller and which patient an open assignment is about, None when there is none such."""
    found = uow.value(_READ_ITEM, tenant=tenant_id, user=asking.user_id, assignment=assignment_id)
    return msgspec.json.decode(found, type=ItemReading)
