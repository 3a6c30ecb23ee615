"""Breaking the glass: a user opens what policy keeps from their role, and the tenant's auditors see it."""

from __future__ import annotations

from datetime import datetime

from uuid_utils.compat import uuid7

from shared.attendance import invocation_of, stay
from shared.core.base import Doing, existing, glass_broken_until, permit
from shared.core.surfacing import Surfacing
from shared.ledger.events import GlassBroken
from shared.model import BreakGlassId
from shared.persistence.break_glass import (
    BrokenGlassPlace,
    BrokenGlassReading,
    is_said_already,
    read_broken_glass,
    write_broken_glass,
)
from shared.persistence.patients import read_patient
from shared.persistence.unit_of_work import unit_of_work
from shared.persistence.visits import write_visit
from shared.security.patient_keys import text_digest
from shared.steps import events_of
from shared.views import BreakGlass, BrokenGlassPage, Caller


class Glass(Surfacing):
    """The use cases of emergency access (45 CFR 164.312(a)(2)(ii)) and of those who look into it."""

    def break_glass(self, caller: Caller, asked: BreakGlass) -> datetime:
        """Opens one patient's state, history and notes to the caller; returns until when.

        What the caller may do does not change, only what they see. To say the same again soon writes nothing.
        Raises RoleForbidden where the policy does not let the role do this, NotFound for an unknown patient.
        """

        def store(caller: Caller) -> datetime:
            with unit_of_work(self._engine, caller.tenant_id, lock=asked.patient_key) as uow:
                reading = read_patient(uow, caller.tenant_id, caller.asking, asked.patient_key)
                # Not the surface's own permission: it may be just what is kept from the role.
                actor, policy = self._admitted(uow, caller, reading, Doing.NEITHER)
                permit(policy.allowlist.permissions.break_glass, actor)
                state = existing(reading)
                broken = glass_broken_until(reading, actor, policy)
                if broken and is_said_already(
                    uow, caller.tenant_id, actor, state.patient_context_id, asked.reason, asked.explanation
                ):
                    return broken
                break_glass_id = BreakGlassId(uuid7())
                event = GlassBroken(
                    break_glass_id=break_glass_id,
                    reason=asked.reason,
                    lasts_s=policy.timeouts.break_glass_s,
                    explanation_digest=text_digest(
                        self._master, caller.tenant_id, break_glass_id, asked.explanation
                    ),
                    surface=caller.surface,
                )
                visit = stay(caller, reading, actor, policy)
                write_visit(
                    uow,
                    caller.tenant_id,
                    visit,
                    invocation_id=invocation_of(reading),
                    context=state.patient_context_id,
                    events=events_of(caller, actor.user_id, [event]),
                )
                until = write_broken_glass(
                    uow,
                    caller.tenant_id,
                    break_glass_id=break_glass_id,
                    actor=actor,
                    patient_context_id=state.patient_context_id,
                    surface=caller.surface,
                    reason=asked.reason,
                    explanation=asked.explanation,
                    lasts_s=event.lasts_s,
                )
                uow.commit()
            self._tell(caller, invocation_id=visit.invocation_id if visit else None)
            return until

        return self._settled(caller, store)

    def get_broken_glass(
        self, caller: Caller, *, limit: int, before: BrokenGlassPlace | None
    ) -> BrokenGlassPage:
        """Who has broken the glass here, the newest first. Raises RoleForbidden for all but auditors."""

        def read(caller: Caller) -> BrokenGlassReading:
            with unit_of_work(self._engine, caller.tenant_id) as uow:
                reading = read_broken_glass(
                    uow, caller.tenant_id, caller.asking, limit=limit + 1, before=before
                )
                # An auditor need not work with patients.
                actor, policy = self._admitted(uow, caller, reading, Doing.NEITHER)
                permit(policy.allowlist.permissions.audit, actor)
                told = self._stay(uow, caller, reading, actor, policy)
            self._tell(caller, invocation_id=told)
            return reading

        broken = self._settled(caller, read).broken
        has_more, shown = len(broken) > limit, broken[:limit]
        place = None
        if has_more:
            place = BrokenGlassPlace(created_at=shown[-1].created_at, break_glass_id=shown[-1].break_glass_id)
        return BrokenGlassPage(broken=shown, has_more=has_more, next_before=place)
