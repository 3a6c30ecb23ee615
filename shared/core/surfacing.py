"""Surfacing: a decision that is new becomes a response, and a patient who is left is left behind."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from typing import TypeVar

import msgspec

from shared.attendance import shown_in, visit_of
from shared.core.base import CoreBase, Doing, StillShows, ack_due_at, existing
from shared.decisions.engine import is_same_decision
from shared.decisions.outcome import OutcomeFacts, compute_outcome
from shared.decisions.policy import Policy
from shared.errors import Collided
from shared.ledger.events import OutcomeComputed, Payload
from shared.model import Actor, InvocationId, OutcomeKind, PatientKey, PatientState
from shared.persistence.changes import Change, Written
from shared.persistence.patients import read_patient
from shared.persistence.readings import PatientReading
from shared.persistence.unit_of_work import UnitOfWork, unit_of_work
from shared.persistence.visits import was_invalidated, write_visit
from shared.steps import events_of, new_response, responded
from shared.views import Caller, Origin

T = TypeVar("T")
_TRIES = 5


class Surfacing(CoreBase):
    """What looking changes."""

    def _settled(self, caller: Caller, use_case: Callable[[Caller], T]) -> T:
        """Runs a use case, again when it collided with another request, as the first two of a tab may.

        A patient whom the caller's invocation showed until now is left first: whatever turns a tab to
        another record invalidates what it showed. Where many requests turn one tab at once, which no person
        does, nobody waits for their order.
        """
        for _ in range(_TRIES):
            try:
                return use_case(caller)
            except Collided:
                continue
            except StillShows as other:
                # Turned meanwhile by another request: the next try sees what it shows now.
                with suppress(Collided):
                    self.leave_patient(caller, other.patient_key)
        return use_case(msgspec.structs.replace(caller, insists=True))

    def persist_system_response(self, origin: Origin, patient_key: PatientKey) -> PatientState:
        """Decides under the patient's lock and appends the response if it is a new one (data.md).

        Returns the state after it. Raises NotFound for an unknown patient.
        """
        with unit_of_work(self._engine, origin.tenant_id, lock=patient_key) as uow:
            reading = read_patient(uow, origin.tenant_id, origin.asking, patient_key)
            actor, policy = self._policy(uow, origin, reading)
            written, told = self._respond(uow, origin, reading, actor, policy)
            state = existing(reading)
            if written is not None:
                state = existing(read_patient(uow, origin.tenant_id, origin.asking, patient_key))
            elif isinstance(origin, Caller) and actor is not None:
                told = self._attend(uow, origin, reading, actor, policy, state.patient_context_id)
            uow.commit()
        self._tell(origin, written.subjects if written else (), told)
        return state

    def leave_patient(self, caller: Caller, patient_key: PatientKey, *also: Payload) -> None:
        """The caller's invocation shows this patient no more; ``also`` are interactions to tell with it.

        A response that still needed acknowledgement is invalidated: on this invocation only, which the
        ledger says; the patient's state does not change.
        """
        with unit_of_work(self._engine, caller.tenant_id, lock=patient_key) as uow:
            reading = read_patient(uow, caller.tenant_id, caller.asking, patient_key)
            actor, policy = self._admitted(uow, caller, reading, Doing.NEITHER)
            state, tab = existing(reading), shown_in(reading)
            payloads = list(also)
            showed = tab is not None and tab.shows == state.patient_context_id
            if showed and state.response is not None and _is_invalidated(state, policy, reading.at):
                left = state.response.system_response_id
                if not was_invalidated(uow, caller.tenant_id, state.patient_context_id, left, tab):
                    payloads.append(OutcomeComputed(system_response_id=left, outcome=OutcomeKind.INVALIDATED))
            # Another request of this tab may have left it already, or shown another patient since.
            visit = visit_of(caller, reading, actor, policy, None) if showed else None
            if visit is None and not payloads:
                return
            write_visit(
                uow,
                caller.tenant_id,
                visit,
                invocation_id=tab.invocation_id if tab else None,
                context=state.patient_context_id,
                events=events_of(caller, actor.user_id, payloads),
            )
            uow.commit()
        self._tell(caller, invocation_id=visit.invocation_id if visit else None)

    def _respond(
        self, uow: UnitOfWork, origin: Origin, reading: PatientReading, actor: Actor | None, policy: Policy
    ) -> tuple[Written | None, InvocationId | None]:
        """Writes the response that holds now; None when it is the one that shows."""
        state = existing(reading)
        decision = self._decided(state, policy)
        if is_same_decision(decision, state.response):
            return None, None
        response = new_response(decision, origin.surface, reading.at)
        change = Change(
            patient_context_id=state.patient_context_id,
            ack_due_at=ack_due_at(decision, state, policy, reading.at),
            correlation_id=origin.correlation_id,
            response=response,
            events=events_of(origin, None, [responded(response)]),
        )
        return self._write(uow, origin, reading, actor, policy, change)

    def _note_visit(self, caller: Caller, patient_key: PatientKey) -> None:
        """Writes that the caller's invocation shows this patient now."""
        with unit_of_work(self._engine, caller.tenant_id) as uow:
            reading = read_patient(uow, caller.tenant_id, caller.asking, patient_key)
            actor, policy = self._admitted(uow, caller, reading, Doing.LOOKS)
            told = self._attend(uow, caller, reading, actor, policy, reading.context)
            uow.commit()
        self._tell(caller, invocation_id=told)


def _is_invalidated(state: PatientState, policy: Policy, now: datetime) -> bool:
    if state.outcome is not None:
        return False  # what became of the response is known already, leaving it adds nothing
    facts = OutcomeFacts(
        needs_ack=state.response is not None and state.response.needs_ack,
        acknowledged=False,
        dismissed=False,
        left=True,
        due_at=state.ack_due_at,
        now=now,
    )
    return compute_outcome(facts, policy).value is OutcomeKind.INVALIDATED
