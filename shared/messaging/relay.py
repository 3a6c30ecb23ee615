"""Publishes again what Firestore does not have yet, until the projector confirms it.

What was told many times and is still unconfirmed is parked: reported, never dropped, and told less often,
after all that is not. What the projector confirms of it releases the rest (shared.projections.subjects).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Engine, text

from shared.errors import MobiusError
from shared.messaging.codec import ProjectMessage
from shared.messaging.publisher import Publisher
from shared.model import CorrelationId, SubjectType, TenantId
from shared.persistence.unit_of_work import unit_of_work

BATCH = 1_000
"""Pub/Sub takes so many messages at once."""
LONGEST_WAIT_S = 15
"""The backoff's end: a stuck subject costs four messages a minute, and heals within this of its cure."""
PARK_AFTER = 20
"""So often a row is told, which takes four and a half minutes, before it is parked."""
PARKED_WAIT_S = 60
PARKED_BATCH = 100
"""So many parked rows are told in one round, so that they don't fill the way of what has just changed."""

_ROUND_EVERY_S = 1.0

_NOW = text("SELECT now()")
_UNCONFIRMED = text("SELECT EXISTS (SELECT 1 FROM outbox)")
_PARKED = text("SELECT count(*) FROM outbox WHERE parked_at IS NOT NULL")

# After the database's clock was set back, what no backoff put so far ahead, and what comes from the future.
# Not what a policy's publication spreads over the minutes to come: that was never told.
_MEND_CLOCK = text(f"""
UPDATE outbox o SET next_attempt_at = now()
FROM (
    SELECT tenant_id, outbox_id FROM outbox WHERE next_attempt_at > now()
    AND CASE WHEN attempts = 0 THEN created_at > now()
        ELSE next_attempt_at > now() + interval '{PARKED_WAIT_S} seconds' END
    FOR UPDATE SKIP LOCKED
) d WHERE o.tenant_id = d.tenant_id AND o.outbox_id = d.outbox_id
""")


# The outbox is usually empty, and then the planner takes it for small when it is not: rows of one subject
# would be looked for by reading all of it, for each row.
_PLAN = text("SET LOCAL enable_nestloop = off")


def _claim(which: str, limit: int) -> Any:
    # By state and with SKIP LOCKED: ids would lose rows that commit late, and relays may run side by side.
    # Whoever reads a subject's truth covers all of its rows, so one that was told keeps the others waiting,
    # also those that come in meanwhile (their own requests have told them). Or else a subject that changes
    # often while the projector is behind would fill the topic.
    return text(f"""
WITH due AS (
    SELECT o.tenant_id, o.outbox_id FROM outbox o
    WHERE o.next_attempt_at <= CAST(:began AS timestamptz) AND o.parked_at IS {which}
    AND NOT EXISTS (SELECT 1 FROM outbox w WHERE w.tenant_id = o.tenant_id
        AND w.subject_type = o.subject_type AND w.subject = o.subject AND w.parked_at IS {which}
        AND w.attempts > 0 AND w.next_attempt_at > CAST(:began AS timestamptz))
    ORDER BY o.next_attempt_at LIMIT {limit} FOR UPDATE OF o SKIP LOCKED
)
UPDATE outbox o
SET attempts = o.attempts + 1,
    parked_at = CASE WHEN o.attempts >= {PARK_AFTER} THEN coalesce(o.parked_at, now()) END,
    next_attempt_at = now() + interval '1 second' * CASE WHEN o.attempts >= {PARK_AFTER} THEN {PARKED_WAIT_S}
        ELSE least({LONGEST_WAIT_S}, power(2, least(o.attempts, 10) + 2)) END
FROM due d WHERE o.tenant_id = d.tenant_id AND o.outbox_id = d.outbox_id
RETURNING o.tenant_id, o.outbox_id, o.subject_type, o.subject, o.version, o.attempts,
    o.parked_at = now() AS newly_parked
""")


_CLAIM = _claim("NULL", BATCH)
_CLAIM_PARKED = _claim("NOT NULL", PARKED_BATCH)

# What was not told is not counted, or an hour without Pub/Sub would park everything. It still waits: whoever
# could not publish one batch will not publish it at once. One attempt stays: what was put off on purpose has
# none.
_NOT_TOLD = text(f"""
UPDATE outbox o SET attempts = greatest(o.attempts - 1, 1),
    parked_at = CASE WHEN o.attempts > {PARK_AFTER + 1} THEN o.parked_at END
FROM unnest(CAST(:tenants AS uuid[]), CAST(:claimed AS uuid[])) AS c(tenant_id, outbox_id)
WHERE o.tenant_id = c.tenant_id AND o.outbox_id = c.outbox_id AND o.attempts > 0
""")


class Parked(NamedTuple):
    """A subject that was told ``attempts`` times and is now parked."""

    tenant_id: TenantId
    subject_type: SubjectType
    subject: UUID
    attempts: int


class Relayed(NamedTuple):
    """What was done: outbox rows that were due, and messages that were published for them."""

    rows: int
    messages: int


OnParked = Callable[[Parked], None]


def _tell_nobody(_parked: Parked) -> None:
    return


def relay(
    engine: Engine,
    publisher: Publisher,
    correlation_id: CorrelationId,
    on_parked: OnParked = _tell_nobody,
    *,
    mends_clock: bool = True,
) -> Relayed:
    """One round: publishes one message for each subject that was unconfirmed and due when it began.

    ``engine`` connects as the scheduler. ``on_parked`` is told of each subject that this round parks. A
    publish that fails raises; what it claimed is due again after its backoff. ``mends_clock``: what only a
    clock that was set back can have put so far ahead is due too; looking for it reads all that is not due.
    """
    return _Round(engine, publisher, correlation_id, on_parked).run(mends_clock)


def relay_for(
    seconds: float,
    engine: Engine,
    publisher: Publisher,
    correlation_id: CorrelationId,
    on_parked: OnParked = _tell_nobody,
    *,
    clock: Callable[[], float] = time.monotonic,
    wait: Callable[[float], None] = time.sleep,
) -> Relayed:
    """One round, and for ``seconds`` another about each second while anything is unconfirmed.

    It ends as soon as nothing is. What changes after that and is not published waits for the next call. A
    round that fails does not end it; raises when nothing could be published after it.
    """
    until, rows, messages, is_first = clock() + seconds, 0, 0, True
    failure: Exception | None = None
    while True:
        is_done = False
        try:
            done = relay(engine, publisher, correlation_id, on_parked, mends_clock=is_first)
            rows, messages, is_first = rows + done.rows, messages + done.messages, False
            is_done = not _ask(engine, _UNCONFIRMED)
            # A round in which nothing was due, for it backs off, mends nothing.
            failure = None if done.messages or is_done else failure
        except Exception as error:  # noqa: BLE001 -- a client may raise anything
            failure = error
        rest_s = until - clock()
        if is_done or rest_s <= 0:
            break
        wait(min(_ROUND_EVERY_S, rest_s))
    if failure is not None:
        raise failure
    return Relayed(rows, messages)


def count_parked(engine: Engine) -> int:
    """How many outbox rows of all tenants are parked now. ``engine`` connects as the scheduler."""
    return int(_ask(engine, _PARKED))


def _ask(engine: Engine, question: Any) -> Any:
    with unit_of_work(engine, None) as uow:
        return uow.value(question)


class _Round:
    def __init__(
        self, engine: Engine, publisher: Publisher, correlation_id: CorrelationId, on_parked: OnParked
    ) -> None:
        self._engine = engine
        self._publisher = publisher
        self._correlation_id = correlation_id
        self._on_parked = on_parked
        # What was due when the round began: a long round would meet its own backoff again.
        self._began: object = None

    def run(self, mends_clock: bool) -> Relayed:
        with unit_of_work(self._engine, None) as uow:
            if mends_clock:
                uow.run(_MEND_CLOCK)
            self._began = uow.value(_NOW)
            uow.commit()
        rows = messages = 0
        while claimed := self._claim(_CLAIM):
            rows, messages = rows + len(claimed), messages + self._tell(claimed)
        if claimed := self._claim(_CLAIM_PARKED):
            rows, messages = rows + len(claimed), messages + self._tell(claimed)
        return Relayed(rows, messages)

    def _claim(self, statement: Any) -> list[Any]:
        with unit_of_work(self._engine, None) as uow:
            uow.run(_PLAN)
            claimed = uow.rows(statement, began=self._began)
            uow.commit()
            return claimed

    def _tell(self, claimed: Sequence[Any]) -> int:
        """Publishes for what was claimed; returns how many messages."""
        newest: dict[tuple[TenantId, SubjectType, UUID], int] = {}
        parked: dict[tuple[TenantId, SubjectType, UUID], int] = {}
        for row in claimed:
            subject = (TenantId(row.tenant_id), SubjectType(row.subject_type), row.subject)
            newest[subject] = max(newest.get(subject, 0), row.version)
            if row.newly_parked:
                parked[subject] = max(parked.get(subject, 0), row.attempts)
        try:
            self._publisher.publish(
                [
                    ProjectMessage(
                        subject_type=kind,
                        subject=subject,
                        tenant_id=tenant_id,
                        version=version,
                        correlation_id=self._correlation_id,
                    )
                    for (tenant_id, kind, subject), version in newest.items()
                ]
            )
        except Exception:
            self._take_back(claimed)
            raise
        for (tenant_id, kind, parked_subject), attempts in parked.items():
            self._on_parked(Parked(tenant_id, kind, parked_subject, attempts))
        return len(newest)

    def _take_back(self, claimed: Sequence[Any]) -> None:
        try:
            with unit_of_work(self._engine, None) as uow:
                tenants, ids = [row.tenant_id for row in claimed], [row.outbox_id for row in claimed]
                uow.run(_NOT_TOLD, tenants=tenants, claimed=ids)
                uow.commit()
        except MobiusError:
            # One attempt too many is counted then.
            return
