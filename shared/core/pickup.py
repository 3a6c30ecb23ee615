"""Offline pickup: what nobody acknowledged becomes open items, and somebody takes them on."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
from uuid_utils.compat import uuid7

from shared.attendance import invocation_of
from shared.core.base import Undecided, existing
from shared.core.surfacing import Surfacing
from shared.decisions.assignment import decide_successor
from shared.decisions.outcome import OutcomeFacts, compute_outcome
from shared.decisions.policy import Policy
from shared.errors import AlreadyClaimed, NotFound
from shared.ledger.events import AssignmentClaimed, AssignmentReassigned
from shared.model import (
    Actor,
    Assignment,
    AssignmentId,
    OutcomeKind,
    PatientContextId,
    PatientKey,
    PatientState,
    UserId,
)
from shared.persistence.changes import Change, NewAssignment, write_change
from shared.persistence.panel import InboxPlace, read_inbox, read_item
from shared.persistence.patients import read_patient
from shared.persistence.pending import absent_users, clear_due, clear_reassess, postpone_reassess
from shared.persistence.readings import NOTHING_OPEN, Inbox, InboxReading
from shared.persistence.unit_of_work import unit_of_work
from shared.steps import created, events_of, unanswered
from shared.views import Caller, InboxPage, System


class Pickup(Surfacing):
    """The use cases of open items: the scheduler's and the users'."""

    def settle_overdue(self, system: System, patient_context_id: PatientContextId) -> bool:
        """Records that nobody acknowledged a patient's latest response in time, and opens items by policy.

        False when there is nothing to do any more: somebody was faster, or is at it. However often and by
        however many it is called, it happens once.
        """
        with unit_of_work(self._engine, system.tenant_id, lock=patient_context_id, skip_locked=True) as uow:
            if uow.locked is None:
                return False
            reading = read_patient(uow, system.tenant_id, system.asking, uow.locked)
            state, (_, policy) = existing(reading), self._policy(uow, system, reading)
            if state.ack_due_at is None or state.ack_due_at > reading.at:
                return False
            facts = OutcomeFacts(
                needs_ack=state.response is not None and state.response.needs_ack,
                acknowledged=state.outcome is OutcomeKind.ACKNOWLEDGED,
                dismissed=state.outcome is OutcomeKind.DISMISSED,
                left=False,
                due_at=state.ack_due_at,
                now=reading.at,
            )
            outcome = compute_outcome(facts, policy).value
            if state.response is None or outcome is not OutcomeKind.UNACKNOWLEDGED:
                clear_due(uow, system.tenant_id, patient_context_id)
                uow.commit()
                return False
            absent = absent_users(uow, system.tenant_id, policy)
            change = unanswered(system, state, state.response, policy, absent)
            written = write_change(uow, system.tenant_id, change)
            uow.commit()
        self._tell(system, written.subjects)
        return True

    def reassess(self, system: System, patient_context_id: PatientContextId) -> bool:
        """Decides anew about a patient whose facts or policy changed; False when another is at it.

        When a decision raises, so does this (Undecided), and it is tried again a minute later.
        """
        with unit_of_work(self._engine, system.tenant_id, lock=patient_context_id, skip_locked=True) as uow:
            if uow.locked is None:
                return False
            reading = read_patient(uow, system.tenant_id, system.asking, uow.locked)
            _, policy = self._policy(uow, system, reading)
            try:
                written, _ = self._respond(uow, system, reading, None, policy)
            except Undecided:
                postpone_reassess(uow, system.tenant_id, patient_context_id)
                uow.commit()
                raise
            if written is None:
                clear_reassess(uow, system.tenant_id, patient_context_id)
            uow.commit()
        self._tell(system, written.subjects if written else ())
        return True

    def hand_over(self, system: System, patient_context_id: PatientContextId, user_id: UserId) -> int:
        """Gives a user's open items about a patient to whom the policy would give them without that user.

        Returns how many; none while the user works here, and none that the policy gives to nobody else.
        """
        with unit_of_work(self._engine, system.tenant_id, lock=patient_context_id) as uow:
            reading = read_patient(uow, system.tenant_id, system.asking, uow.locked)
            state, (_, policy) = existing(reading), self._policy(uow, system, reading)
            absent = absent_users(uow, system.tenant_id, policy, user_id)
            if user_id not in absent:
                return 0
            reassigned = tuple(_handed_over(state, user_id, policy, absent))
            if not reassigned:
                return 0
            change = Change(
                patient_context_id=patient_context_id,
                ack_due_at=state.ack_due_at,
                correlation_id=system.correlation_id,
                reassigned=reassigned,
                reassigned_from=user_id,
                events=events_of(system, None, reassigned),
            )
            written = write_change(uow, system.tenant_id, change)
            uow.commit()
        self._tell(system, written.subjects)
        return len(reassigned)

    def persist_assignment(
        self,
        caller: Caller,
        patient_key: PatientKey,
        reason_code: str,
        *,
        user_id: UserId | None = None,
        role: str | None = None,
    ) -> AssignmentId:
        """Opens an item about the latest response for exactly one of a user and a role.

        An open item for the same patient and reason is returned instead of a second one. Raises NotFound
        for an unknown patient or one that nothing was surfaced for, ValueError for two assignees or none.
        """
        if (user_id is None) == (role is None):
            raise ValueError("an assignment is for exactly one of a user and a role")
        with unit_of_work(self._engine, caller.tenant_id, lock=patient_key) as uow:
            reading = read_patient(uow, caller.tenant_id, caller.asking, patient_key)
            actor, _ = self._admitted(uow, caller, reading)
            state = existing(reading)
            for item in state.open_assignments:
                if item.reason_code == reason_code:
                    return item.assignment_id
            if state.response is None:
                raise NotFound("Nothing was surfaced for this patient yet.")
            opened = NewAssignment(
                assignment_id=AssignmentId(uuid7()),
                system_response_id=state.response.system_response_id,
                reason_code=reason_code,
                assigned_to_user=user_id,
                assigned_to_role=role,
            )
            change = Change(
                patient_context_id=state.patient_context_id,
                ack_due_at=state.ack_due_at,
                correlation_id=caller.correlation_id,
                opened=(opened,),
                invocation_id=invocation_of(reading),
                events=events_of(caller, actor.user_id, [created(opened)]),
            )
            written = write_change(uow, caller.tenant_id, change)
            uow.commit()
        self._tell(caller, written.subjects)
        return opened.assignment_id

    def claim_assignment(
        self, caller: Caller, assignment_id: AssignmentId, *, take_over: bool = False
    ) -> Assignment:
        """Takes an open item on, so that the others see that somebody has it; once more is the same.

        Raises NotFound for what is not an open item of the caller's inbox, AlreadyClaimed for what somebody
        else has, unless it is to be taken over.
        """
        with unit_of_work(self._engine, caller.tenant_id) as uow:
            found = read_item(uow, caller.tenant_id, caller.asking, assignment_id)
            self._admitted(uow, caller, found)
        none = NotFound("There is no such open item in your inbox.")
        if found.patient_key is None:
            raise none
        patient_key = found.patient_key

        def claim(caller: Caller) -> Assignment:
            with unit_of_work(self._engine, caller.tenant_id, lock=patient_key) as uow:
                reading = read_patient(uow, caller.tenant_id, caller.asking, patient_key)
                actor, policy = self._admitted(uow, caller, reading)
                state = existing(reading)
                item = _mine(state, assignment_id, actor)
                if item is None:
                    raise none
                if item.claimed_by == actor.user_id:
                    return item
                if item.claimed_by is not None and not take_over:
                    raise AlreadyClaimed
                claimed = AssignmentClaimed(
                    assignment_id=item.assignment_id,
                    reason_code=item.reason_code,
                    assigned_to_user=item.assigned_to_user,
                    assigned_to_role=item.assigned_to_role,
                )
                change = Change(
                    patient_context_id=state.patient_context_id,
                    ack_due_at=state.ack_due_at,
                    correlation_id=caller.correlation_id,
                    claimed=item.assignment_id,
                    claimed_by=actor.user_id,
                    events=events_of(caller, actor.user_id, [claimed]),
                )
                written, told = self._write(uow, caller, reading, actor, policy, change, looks=False)
                uow.commit()
            self._tell(caller, written.subjects, told)
            return msgspec.structs.replace(item, claimed_by=actor.user_id)

        return self._settled(caller, claim)

    def get_inbox(self, caller: Caller, *, limit: int, after: InboxPlace | None) -> InboxPage:
        """At most ``limit`` of the caller's open items, the oldest first, after ``after``."""

        def read(caller: Caller) -> InboxReading:
            with unit_of_work(self._engine, caller.tenant_id) as uow:
                reading = read_inbox(uow, caller.tenant_id, caller.asking, limit=limit + 1, after=after)
                actor, policy = self._admitted(uow, caller, reading)
                told = self._stay(uow, caller, reading, actor, policy)
            self._tell(caller, invocation_id=told)
            return reading

        reading = self._settled(caller, read)
        inbox = reading.inbox or NOTHING_OPEN
        has_more, listed = len(inbox.assignments) > limit, inbox.assignments[:limit]
        last = listed[-1] if has_more else None
        return InboxPage(
            inbox=Inbox(open_count=inbox.open_count, assignments=listed),
            has_more=has_more,
            next_after=InboxPlace(created_at=last.created_at, assignment_id=last.assignment_id)
            if last
            else None,
        )


def _handed_over(
    state: PatientState, user_id: UserId, policy: Policy, absent: frozenset[UserId]
) -> Iterator[AssignmentReassigned]:
    """Whose the open items of a user become who is among the ``absent``; not those that nobody else gets."""
    for item in state.open_assignments:
        if item.assigned_to_user != user_id:
            continue
        successor = decide_successor(item.reason_code, policy, absent).value
        if successor is not None:
            yield AssignmentReassigned(
                assignment_id=item.assignment_id,
                reason_code=item.reason_code,
                assigned_to_user=successor.user,
                assigned_to_role=successor.role,
            )


def _mine(state: PatientState, assignment_id: AssignmentId, actor: Actor) -> Assignment | None:
    """The open item, if it is in the actor's inbox."""
    for item in state.open_assignments:
        if item.assignment_id == assignment_id:
            own = item.assigned_to_user == actor.user_id or item.assigned_to_role == actor.role
            return item if own else None
    return None
