"""How far everything that catches up by itself has come: counts and ages, in one statement."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import text

from shared.model import Frozen
from shared.persistence.unit_of_work import UnitOfWork

UNCONFIRMED_S = 60.0
"""A change that Firestore does not have after so many seconds is trouble."""

OVERDUE_S = 120.0
"""What was due so many seconds ago and is not done is trouble: the sweep comes each minute."""

_CYCLES = 2
"""Projections that nobody looked at for so many cycles are trouble."""


class Waiting(Frozen, frozen=True):
    """How many of a kind wait, and since when the oldest does; None where nothing waits."""

    count: int
    oldest_s: float | None


class Drifted(Frozen, frozen=True):
    """What the latest walk over the projections found.

    ``differing`` was put right or is about to be. ``unrepairable`` waits for a person: documents of an
    unknown head, or of nobody. ``last_looked_s``: how long the tenant waits that nobody looked at longest.
    """

    checked: int
    differing: int
    unrepairable: int
    last_looked_s: float | None


class Health(Frozen, frozen=True):
    """What is unconfirmed in Firestore, given up on for now, overdue and drifted, at one moment.

    ``parked`` is a part of ``unconfirmed``.
    """

    at: datetime
    unconfirmed: Waiting
    parked: Waiting
    overdue: Waiting
    undecided: Waiting
    drifted: Drifted


def read_health(uow: UnitOfWork) -> Health:
    """How the tenant of ``uow`` stands; without one all of them, which only the scheduler's role sees."""
    return msgspec.json.decode(uow.value(_READ), type=Health)


def together(healths: list[Health]) -> Health:
    """How all of ``healths``, at least one, stand as one."""
    return Health(
        at=max(each.at for each in healths),
        unconfirmed=_sum([each.unconfirmed for each in healths]),
        parked=_sum([each.parked for each in healths]),
        overdue=_sum([each.overdue for each in healths]),
        undecided=_sum([each.undecided for each in healths]),
        drifted=Drifted(
            checked=sum(each.drifted.checked for each in healths),
            differing=sum(each.drifted.differing for each in healths),
            unrepairable=sum(each.drifted.unrepairable for each in healths),
            last_looked_s=_oldest(each.drifted.last_looked_s for each in healths),
        ),
    )


def troubles(health: Health, cycle_s: float) -> tuple[str, ...]:
    """What a person should look at, a sentence each; nothing when all is well."""
    found = []
    if (health.unconfirmed.oldest_s or 0) > UNCONFIRMED_S:
        found.append(
            f"{_changes(health.unconfirmed.count)} not in Firestore, the oldest for "
            f"{health.unconfirmed.oldest_s:.0f} s."
        )
    if health.parked.count:
        found.append(
            f"{health.parked.count:,} of them were told many times without success: see the projector's log."
        )
    if (health.overdue.oldest_s or 0) > OVERDUE_S:
        found.append(
            f"{health.overdue.count:,} acknowledgements are overdue and nobody was told, the oldest for "
            f"{health.overdue.oldest_s:.0f} s: does the sweep run?"
        )
    if (health.undecided.oldest_s or 0) > OVERDUE_S:
        found.append(
            f"{health.undecided.count:,} patients wait to be decided anew, the first for "
            f"{health.undecided.oldest_s:.0f} s: does the sweep run?"
        )
    if health.drifted.unrepairable:
        found.append(
            f"{health.drifted.unrepairable:,} documents can't be put right without a person: "
            "see mobius projections verify."
        )
    if (health.drifted.last_looked_s or 0) > _CYCLES * cycle_s + OVERDUE_S:
        found.append(
            f"The projections were not compared for {health.drifted.last_looked_s:.0f} s: "
            "does the drift check run?"
        )
    return tuple(found)


def health_answer(health: Health, cycle_s: float) -> dict[str, Any]:
    """What an operator, or whoever watches, is told; ``ok`` when nobody has to look."""
    found = troubles(health, cycle_s)
    return {"ok": not found, **msgspec.to_builtins(health), "troubles": found}


def _changes(count: int) -> str:
    return "1 change is" if count == 1 else f"{count:,} changes are"


def _sum(waiting: list[Waiting]) -> Waiting:
    return Waiting(sum(each.count for each in waiting), _oldest(each.oldest_s for each in waiting))


def _oldest(ages: Iterable[float | None]) -> float | None:
    return max((age for age in ages if age is not None), default=None)


# What was put off on purpose (a publication spreads its consequences) waits from when it is due.
_READ = text("""SELECT json_build_object('at', clock_timestamp(),
    'unconfirmed', (SELECT json_build_object('count', count(*), 'oldest_s', CASE WHEN count(*) > 0 THEN
            greatest(0, extract(epoch FROM clock_timestamp() - min(CASE WHEN attempts = 0
                THEN greatest(created_at, next_attempt_at) ELSE created_at END))) END) FROM outbox),
    'parked', (SELECT json_build_object('count', count(*), 'oldest_s',
            extract(epoch FROM clock_timestamp() - min(created_at))) FROM outbox WHERE parked_at IS NOT NULL),
    'overdue', (SELECT json_build_object('count', count(*), 'oldest_s',
            extract(epoch FROM clock_timestamp() - min(ack_due_at)))
        FROM patient_context WHERE ack_due_at <= clock_timestamp()),
    'undecided', (SELECT json_build_object('count', count(*), 'oldest_s',
            extract(epoch FROM clock_timestamp() - min(reassess_at)))
        FROM patient_context WHERE reassess_at <= clock_timestamp()),
    'drifted', (SELECT json_build_object('checked', coalesce(sum(w.checked), 0),
            'differing', coalesce(sum(w.differing), 0),
            'unrepairable', coalesce(sum(greatest(w.unrepairable,
                CASE WHEN w.ended_at IS NULL THEN w.unrepairable_before ELSE 0 END)), 0),
            'last_looked_s', extract(epoch FROM clock_timestamp() - min(coalesce(w.looked_at, t.created_at))))
        FROM tenant t LEFT JOIN projection_walk w ON w.tenant_id = t.tenant_id AND w.purpose = 'check'
        -- The owner sees every tenant, and of the walks those of the tenant that is set alone.
        WHERE t.tenant_id = coalesce(nullif(current_setting('app.tenant_id', true), '')::uuid, t.tenant_id)
    ))::text""")
