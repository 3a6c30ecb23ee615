"""How far a walk over a tenant's projections has come: kept after each stretch, so that it can go on."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Engine, text

from shared.model import Frozen, TenantId, WalkPurpose, WalkStage
from shared.persistence.unit_of_work import UnitOfWork, unit_of_work


class Walk(Frozen, frozen=True):
    """One walk that is under way. ``place`` is the last that was looked at in its stage, '' before the first.

    ``closed``: the tenant has left.
    """

    tenant_id: TenantId
    purpose: WalkPurpose
    stage: WalkStage
    place: str
    began_at: datetime
    checked: int
    closed: bool

    @property
    def is_new(self) -> bool:
        """Whether nothing was looked at yet."""
        return self.stage is WalkStage.PATIENT and not self.place


class Stretch(Frozen, frozen=True):
    """What came of one stretch of a walk: where it stands (``stage`` None: at its end), what was found."""

    stage: WalkStage | None
    place: str
    checked: int
    differing: int = 0
    unrepairable: int = 0


# In no order, so that a tenant whose walk takes long holds up none behind it, call after call.
_DUE = text("""
SELECT t.tenant_id FROM tenant t
LEFT JOIN projection_walk w ON w.tenant_id = t.tenant_id AND w.purpose = 'check'
WHERE w.tenant_id IS NULL OR w.ended_at IS NULL OR w.began_at <= now() - make_interval(secs => :every_s)
ORDER BY random()""")

# A tenant that was just made has its projections from the outbox, and nothing that could have drifted.
_TAKE_UP = text("""
INSERT INTO projection_walk AS w (tenant_id, purpose, stage)
SELECT t.tenant_id, :purpose, 'patient' FROM tenant t
WHERE t.tenant_id = :tenant AND t.created_at <= now() - make_interval(secs => :every_s)
ON CONFLICT (tenant_id, purpose) DO UPDATE SET stage = excluded.stage, place = '', began_at = now(),
    looked_at = now(), ended_at = NULL, checked = 0, differing = 0, unrepairable = 0,
    unrepairable_before = w.unrepairable
WHERE CAST(:again AS boolean)
    OR w.ended_at IS NOT NULL AND w.began_at <= now() - make_interval(secs => :every_s)""")
_READ = text("""
SELECT w.tenant_id, w.purpose, w.stage, w.place, w.began_at, w.checked, t.closed_at IS NOT NULL AS closed
FROM projection_walk w JOIN tenant t ON t.tenant_id = w.tenant_id
WHERE w.tenant_id = :tenant AND w.purpose = :purpose AND w.ended_at IS NULL""")

# Only from where it stood: of two who walk the same stretch at once, one counts.
_MOVE_ON = text("""
UPDATE projection_walk SET stage = coalesce(:stage, stage), place = :place, looked_at = now(),
    ended_at = CASE WHEN CAST(:stage AS text) IS NULL THEN now() END,
    checked = checked + :checked, differing = differing + :differing,
    unrepairable = unrepairable + :unrepairable
WHERE tenant_id = :tenant AND purpose = :purpose AND stage = :from_stage AND place = :from_place
    AND began_at = :began_at AND ended_at IS NULL""")


def due_walks(engine: Engine, every_s: float) -> tuple[TenantId, ...]:
    """The tenants that a check has to look at now, in no order; as the worker, who sees all of them.

    A walk that is under way, and one that began ``every_s`` seconds ago or was never begun.
    """
    with unit_of_work(engine, None) as uow:
        return tuple(TenantId(row.tenant_id) for row in uow.rows(_DUE, every_s=every_s))


def take_up(
    engine: Engine, tenant_id: TenantId, purpose: WalkPurpose, *, every_s: float = 0, again: bool = False
) -> Walk | None:
    """The walk that is under way; a new one if the last ended and began ``every_s`` seconds ago.

    ``again`` begins a new one in any case. None when it is too early for one, also for a tenant that is
    younger than that.
    """
    asked = {"tenant": tenant_id, "purpose": purpose.value}
    with unit_of_work(engine, tenant_id) as uow:
        uow.run(_TAKE_UP, **asked, every_s=every_s, again=again)
        found = uow.rows(_READ, **asked)
        uow.commit()
    return None if not found else _walk(found[0])


def move_on(uow: UnitOfWork, walk: Walk, stretch: Stretch) -> bool:
    """Keeps that the walk stands behind ``stretch``; False when somebody else has moved it on.

    The caller commits.
    """
    moved = uow.run(
        _MOVE_ON,
        tenant=walk.tenant_id,
        purpose=walk.purpose.value,
        from_stage=walk.stage.value,
        from_place=walk.place,
        began_at=walk.began_at,
        stage=stretch.stage and stretch.stage.value,
        place=stretch.place,
        checked=stretch.checked,
        differing=stretch.differing,
        unrepairable=stretch.unrepairable,
    )
    return moved == 1


def _walk(row: Any) -> Walk:
    return Walk(
        tenant_id=TenantId(row.tenant_id),
        purpose=WalkPurpose(row.purpose),
        stage=WalkStage(row.stage),
        place=row.place,
        began_at=row.began_at,
        checked=row.checked,
        closed=row.closed,
    )
