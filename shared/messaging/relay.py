"""Publishes again what Firestore does not have yet, until the projector confirms it."""

from __future__ import annotations

from typing import NamedTuple
from uuid import UUID

from sqlalchemy import Engine, text

from shared.messaging.codec import ProjectMessage
from shared.messaging.publisher import Publisher
from shared.model import CorrelationId, SubjectType, TenantId
from shared.persistence.unit_of_work import unit_of_work

BATCH = 500
LONGEST_WAIT_S = 15
"""The backoff's end: a stuck subject costs four messages a minute, and heals within this of its cure."""

_NOW = text("SELECT now()")

# By state and with SKIP LOCKED: ids would lose rows that commit late, and relays may run side by side.
_CLAIM = text(f"""
WITH due AS (
    SELECT tenant_id, outbox_id FROM outbox WHERE next_attempt_at <= CAST(:began AS timestamptz)
    ORDER BY next_attempt_at LIMIT {BATCH} FOR UPDATE SKIP LOCKED
)
UPDATE outbox o
SET attempts = o.attempts + 1,
    next_attempt_at = now() + interval '1 second'
        * least({LONGEST_WAIT_S}, power(2, least(o.attempts, 10) + 1))
FROM due d WHERE o.tenant_id = d.tenant_id AND o.outbox_id = d.outbox_id
RETURNING o.tenant_id, o.subject_type, o.subject, o.version
""")


class Relayed(NamedTuple):
    """What one round did: outbox rows that were due, and messages that were published for them."""

    rows: int
    messages: int


def relay(engine: Engine, publisher: Publisher, correlation_id: CorrelationId) -> Relayed:
    """Publishes one message for each subject that was unconfirmed and due when the round began.

    ``engine`` connects as the scheduler. A publish that fails raises; what it claimed is due again after
    its backoff.
    """
    rows = messages = 0
    began = None
    while True:
        with unit_of_work(engine, None) as uow:
            # What was due when the round began: a long round would meet its own backoff again.
            began = began or uow.value(_NOW)
            claimed = uow.rows(_CLAIM, began=began)
            uow.commit()
        if not claimed:
            return Relayed(rows, messages)
        newest: dict[tuple[TenantId, SubjectType, UUID], int] = {}
        for row in claimed:
            subject = (row.tenant_id, SubjectType(row.subject_type), row.subject)
            newest[subject] = max(newest.get(subject, 0), row.version)
        publisher.publish(
            [
                ProjectMessage(
                    subject_type=kind,
                    subject=subject,
                    tenant_id=tenant_id,
                    version=version,
                    correlation_id=correlation_id,
                )
                for (tenant_id, kind, subject), version in newest.items()
            ]
        )
        rows, messages = rows + len(claimed), messages + len(newest)
