"""Who has broken the glass: written once and for good, and read by the tenant's auditors."""

from __future__ import annotations

from datetime import datetime

import msgspec
from sqlalchemy import text

from shared.model import (
    Actor,
    BreakGlassId,
    BreakGlassReason,
    Frozen,
    PatientContextId,
    PatientKey,
    Surface,
    TenantId,
    UserId,
)
from shared.persistence.panel import TimedPlace
from shared.persistence.patients import SESSIONED, asked
from shared.persistence.readings import Asking, SessionedReading
from shared.persistence.unit_of_work import UnitOfWork


class BrokenGlass(Frozen, frozen=True):
    """One time that somebody opened what the policy keeps from their role, ``user_role``."""

    break_glass_id: BreakGlassId
    created_at: datetime
    expires_at: datetime
    user_id: UserId
    user_display_name: str
    user_role: str
    patient_key: PatientKey
    surface: Surface
    reason: BreakGlassReason
    explanation: str


class BrokenGlassPlace(TimedPlace, frozen=True):
    """A place in the list, which begins with the newest: what was listed last."""

    break_glass_id: BreakGlassId


class BrokenGlassReading(SessionedReading, frozen=True):
    """Beside the caller, a stretch of the list."""

    broken: tuple[BrokenGlass, ...]


_INSERT = text("""
INSERT INTO break_glass (tenant_id, break_glass_id, user_id, user_role, patient_context_id, surface_type,
    reason, explanation, created_at, expires_at)
SELECT :tenant, :id, :user, :role, :context, :surface, :reason, :explanation, n.now,
    n.now + make_interval(secs => :lasts_s)
FROM (SELECT clock_timestamp() AS now) n
RETURNING expires_at
""")

_READ = text(f"""SELECT json_build_object({SESSIONED}, 'broken', (
    SELECT coalesce(json_agg(b.item), '[]') FROM (SELECT json_build_object(
        'break_glass_id', g.break_glass_id, 'created_at', g.created_at,
        'expires_at', g.expires_at, 'user_id', g.user_id, 'user_display_name', w.display_name,
        'user_role', g.user_role, 'patient_key', c.patient_key, 'surface', g.surface_type, 'reason', g.reason,
        'explanation', g.explanation) AS item
    FROM break_glass g
    JOIN app_user w ON w.tenant_id = g.tenant_id AND w.user_id = g.user_id
    JOIN patient_context c ON c.tenant_id = g.tenant_id AND c.patient_context_id = g.patient_context_id
    WHERE g.tenant_id = :tenant AND (CAST(:at AS timestamptz) IS NULL
        OR (g.created_at, g.break_glass_id) < (CAST(:at AS timestamptz), CAST(:id AS uuid)))
    ORDER BY g.created_at DESC, g.break_glass_id DESC LIMIT :limit) b))::text""")


# Whoever gives another reason, or comes back late, tells it and has the whole time again.
_SAID = text("""
SELECT EXISTS (SELECT 1 FROM break_glass b WHERE b.tenant_id = :tenant AND b.user_id = :user
    AND b.patient_context_id = :context AND b.user_role = :role AND b.reason = :reason
    AND b.explanation = :explanation
    AND b.expires_at > clock_timestamp() + (b.expires_at - b.created_at) / 2)
""")


def is_said_already(
    uow: UnitOfWork,
    tenant_id: TenantId,
    actor: Actor,
    patient_context_id: PatientContextId,
    reason: BreakGlassReason,
    explanation: str,
) -> bool:
    """Whether the same was said of this patient, so lately that more than half of the time is left."""
    return bool(
        uow.value(
            _SAID,
            tenant=tenant_id,
            user=actor.user_id,
            role=actor.role,
            context=patient_context_id,
            reason=reason.value,
            explanation=explanation,
        )
    )


def write_broken_glass(
    uow: UnitOfWork,
    tenant_id: TenantId,
    *,
    break_glass_id: BreakGlassId,
    actor: Actor,
    patient_context_id: PatientContextId,
    surface: Surface,
    reason: BreakGlassReason,
    explanation: str,
    lasts_s: int,
) -> datetime:
    """Writes that the glass is broken from now on; returns until when. The caller commits."""
    expires_at: datetime = uow.value(
        _INSERT,
        tenant=tenant_id,
        id=break_glass_id,
        user=actor.user_id,
        role=actor.role,
        context=patient_context_id,
        surface=surface.value,
        reason=reason.value,
        explanation=explanation,
        lasts_s=lasts_s,
    )
    return expires_at


def read_broken_glass(
    uow: UnitOfWork, tenant_id: TenantId, asking: Asking, *, limit: int, before: BrokenGlassPlace | None
) -> BrokenGlassReading:
    """Reads the caller and at most ``limit`` entries, the newest first, from before ``before``."""
    found = uow.value(
        _READ,
        **asked(tenant_id, asking, None),
        limit=limit,
        at=before.created_at if before else None,
        id=before.break_glass_id if before else None,
    )
    return msgspec.json.decode(found, type=BrokenGlassReading)
