"""Looking: what a user sees of a patient, what is surfaced by it, and what the look leaves behind."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TypeVar

import msgspec

from shared.attendance import invocation_of, stay
from shared.core.base import Doing, Undecided, glass_broken_until, permit
from shared.core.surfacing import Surfacing
from shared.decisions.detection import Sighting, detect_record
from shared.decisions.display import (
    Display,
    Surrounding,
    decide_display,
    is_permitted,
    variant_for,
    visible_snapshot,
)
from shared.decisions.engine import is_same_decision
from shared.decisions.policy import NameDisplay, Policy
from shared.errors import Collided, FieldError, InvalidFields, StillRunning
from shared.ledger.events import UserInteracted, UserSearched
from shared.messaging.outbox import ask_if_idle
from shared.model import Actor, InteractionKind, PatientKey, PatientState, SubjectType, Surface
from shared.persistence.changes import Subject
from shared.persistence.panel import read_for_panel, read_history
from shared.persistence.patients import read_patient
from shared.persistence.readings import NOTHING_OPEN, HistoryReading, PanelReading, PastEvent, PatientReading
from shared.persistence.search import search_patients
from shared.persistence.unit_of_work import UnitOfWork, unit_of_work
from shared.persistence.visits import write_visit
from shared.security.patient_keys import external_id_hash
from shared.security.search_terms import normalize_query
from shared.steps import events_of
from shared.views import Caller, Found, HistoryPage, PanelView, PatientView
from shared.web.logging import LogCode, log

R = TypeVar("R", bound=PatientReading)


class Looked(msgspec.Struct, frozen=True):
    """One look: who looked, at what, as it stands after the look. ``state`` None: nothing was surfaced."""

    actor: Actor
    policy: Policy
    display: Display
    state: PatientState | None
    undecided: bool
    surfaced: bool
    glass_until: datetime | None


class Viewing(Surfacing):
    """The use cases of somebody who looks."""

    def get_config(self, caller: Caller) -> PatientView:
        """Who the caller is and what the policy lets them see; about no patient."""

        def read(caller: Caller) -> PatientView:
            with unit_of_work(self._engine, caller.tenant_id) as uow:
                reading = read_patient(uow, caller.tenant_id, caller.asking, None)
                # Also for a role that may not use the surface: that it may not is part of the answer.
                actor, policy = self._admitted(uow, caller, reading, Doing.NEITHER)
                told = self._stay(uow, caller, reading, actor, policy)
            self._tell(caller, invocation_id=told)
            display = _display(caller, actor, policy)
            return PatientView(actor=actor, policy=policy, display=display, state=None)

        return self._settled(caller, read)

    def get_patient_state(
        self, caller: Caller, patient_key: PatientKey | None, *, detected_by: str | None = None
    ) -> PatientView:
        """The patient's state, decided anew; nothing is written when the decision is the one that shows.

        ``detected_by`` is the source system when the key was computed from an external id. What policy hides
        is not surfaced, so nobody owes it an acknowledgement. Raises InactiveUser or Unauthenticated for a
        user who may not come in, InvalidFields for a source system that the policy does not allow.
        """
        sighting = Sighting(
            patient_key=patient_key, source_system=detected_by, page_signature=caller.page_signature
        )

        def may_see(policy: Policy, display: Display) -> bool:
            detected = detect_record(sighting, policy)
            if detected.value is None and patient_key is not None:
                raise InvalidFields(
                    FieldError(
                        "detection.source_system",
                        "must be a source system that your tenant's policy allows, and the page's adapter's",
                    )
                )
            return caller.surface is not Surface.MINI or display.show_mini

        def look(caller: Caller) -> PatientView:
            looked, _ = self._look(
                caller, lambda uow: read_patient(uow, caller.tenant_id, caller.asking, patient_key), may_see
            )
            return PatientView(
                actor=looked.actor,
                policy=looked.policy,
                display=looked.display,
                state=looked.state,
                undecided=looked.undecided,
                glass_until=looked.glass_until,
            )

        return self._settled(caller, look)

    def get_panel_state(self, caller: Caller, patient_key: PatientKey) -> PanelView:
        """As ``get_patient_state``, with history and inbox."""

        def read(uow: UnitOfWork) -> PanelReading:
            return read_for_panel(uow, caller.tenant_id, caller.asking, patient_key)

        def look(caller: Caller) -> PanelView:
            looked, reading = self._look(caller, read, lambda _policy, _display: True)
            if looked.surfaced:
                # A new response is a new event: the history must end with it.
                with unit_of_work(self._engine, caller.tenant_id) as uow:
                    reading = read(uow)
            sidecar = looked.policy.allowlist.permissions.sidecar
            return PanelView(
                actor=looked.actor,
                policy=looked.policy,
                display=looked.display,
                state=reading.patient,
                undecided=looked.undecided,
                glass_until=looked.glass_until,
                history=_readable(
                    reading.history, looked.actor, looked.policy, all_of_it=looked.glass_until is not None
                ),
                # Who sees Sidecar only through broken glass sees one patient, and the inbox is about others.
                inbox=reading.inbox if is_permitted(sidecar, looked.actor.role) else NOTHING_OPEN,
            )

        return self._settled(caller, look)

    def ask_for_projection(self, caller: Caller, state: PatientState) -> None:
        """Has a document that subscribers miss, or that is behind, written again unless that is under way.

        Never raises: who looked has the truth already, and the drift check will find it.
        """
        try:
            version = ask_if_idle(self._engine, caller.tenant_id, state.patient_context_id)
        except Exception as error:  # noqa: BLE001 -- whatever it is, the answer is there
            log(LogCode.PROJECTION_NOT_ASKED, error=error, patient_context_id=state.patient_context_id)
            return
        if version is not None:
            log(LogCode.PROJECTION_ASKED_FOR, patient_context_id=state.patient_context_id, version=version)
            self._tell(caller, [Subject(SubjectType.PATIENT, state.patient_context_id, version)])

    def get_history(
        self, caller: Caller, patient_key: PatientKey, *, limit: int, before: int | None
    ) -> HistoryPage:
        """At most ``limit`` ledger events of a patient, the newest first, from before ``before``."""

        def look(caller: Caller) -> HistoryReading:
            with unit_of_work(self._engine, caller.tenant_id) as uow:
                reading = read_history(
                    uow, caller.tenant_id, caller.asking, patient_key, limit=limit + 1, before=before
                )
                actor, policy = self._admitted(uow, caller, reading, Doing.LOOKS)
                glass = glass_broken_until(reading, actor, policy) is not None
                if not glass:
                    permit(policy.allowlist.permissions.history, actor)
                if caller.session is None:
                    self._audit_view(uow, caller, reading, actor)
                told = self._attend(uow, caller, reading, actor, policy, reading.context)
                if told:
                    uow.commit()
            self._tell(caller, invocation_id=told)
            history = _readable(reading.history, actor, policy, all_of_it=glass)
            return msgspec.structs.replace(reading, history=history)

        events = self._settled(caller, look).history
        has_more, shown = len(events) > limit, events[:limit]
        return HistoryPage(events=shown, has_more=has_more, next_before=shown[-1].seq if has_more else None)

    def search_patients(self, caller: Caller, q: str, limit: int) -> tuple[Found, ...]:
        """Patients by name parts, by digits of a masked id, or by a full external id.

        What a role does not see it can't search by either, but for the full external id: it would read it
        letter by letter. Each search is told to the tenant's ledger, for it shows who is a patient here.
        """
        terms = normalize_query(q)

        def search(caller: Caller) -> tuple[Found, ...]:
            with unit_of_work(self._engine, caller.tenant_id) as uow:
                reading = read_patient(uow, caller.tenant_id, caller.asking, None)
                actor, policy = self._admitted(uow, caller, reading)
                variant = _display(caller, actor, policy).variant
                hashes = tuple(
                    (source, external_id_hash(self._master, caller.tenant_id, source, q))
                    for source in policy.allowlist.source_systems
                )
                patients = search_patients(
                    uow,
                    caller.tenant_id,
                    terms=terms,
                    hashes=hashes,
                    limit=limit,
                    names=variant.display_name is NameDisplay.FULL,
                    ids=variant.id_masked,
                )
                found = tuple(
                    Found(patient_key=each.patient_key, snapshot=visible_snapshot(each.snapshot, variant))
                    for each in patients
                )
                visit = stay(caller, reading, actor, policy)
                searched = UserSearched(
                    result_count=len(found),
                    surface=caller.surface,
                    shown=tuple(each.patient_context_id for each in patients),
                )
                write_visit(
                    uow,
                    caller.tenant_id,
                    visit,
                    invocation_id=invocation_of(reading),
                    context=None,
                    events=events_of(caller, actor.user_id, [searched]),
                )
                uow.commit()
            self._tell(caller, invocation_id=visit.invocation_id if visit else None)
            return found

        return self._settled(caller, search)

    def _audit_view(self, uow: UnitOfWork, caller: Caller, reading: PatientReading, actor: Actor) -> None:
        """Tells the ledger of a look without a session, each time: there is none that it was first in."""
        if reading.context is not None:
            viewed = UserInteracted(kind=InteractionKind.VIEWED, surface=caller.surface)
            write_visit(
                uow,
                caller.tenant_id,
                None,
                invocation_id=None,
                context=reading.context,
                events=events_of(caller, actor.user_id, [viewed]),
            )
            uow.commit()

    def _look(
        self,
        caller: Caller,
        read: Callable[[UnitOfWork], R],
        may_see: Callable[[Policy, Display], bool],
    ) -> tuple[Looked, R]:
        """Reads, decides, and writes what the look changes: a new response, the visit."""
        told = None
        with unit_of_work(self._engine, caller.tenant_id) as uow:
            reading = read(uow)
            actor, policy = self._admitted(uow, caller, reading, Doing.LOOKS)
            glass_until = glass_broken_until(reading, actor, policy)
            display = _display(caller, actor, policy, glass_broken=glass_until is not None)
            state = reading.patient if may_see(policy, display) else None
            is_same, undecided = self._holds(state, policy)
            if is_same:
                shows = reading.context if state else None
                told = self._attend(uow, caller, reading, actor, policy, shows)
                if told:
                    uow.commit()
        self._tell(caller, invocation_id=told)
        after = state
        if state is not None and not is_same:
            try:
                after = self.persist_system_response(caller, state.patient_key)
            except Collided:
                raise
            except (Undecided, StillRunning):
                # Somebody who only looks waits for no decision: the next look makes it. The look itself is
                # told to the ledger, or refused.
                undecided = True
                self._note_visit(caller, state.patient_key)
        surfaced = after is not None and state is not None and after.version != state.version
        return Looked(actor, policy, display, after, undecided, surfaced, glass_until), reading

    def _holds(self, state: PatientState | None, policy: Policy) -> tuple[bool, bool]:
        """Whether what shows is still what would be decided, and whether that could not be decided."""
        if state is None:
            return True, False
        try:
            return is_same_decision(self._decided(state, policy), state.response), False
        except Undecided:
            return True, True


def _display(caller: Caller, actor: Actor, policy: Policy, *, glass_broken: bool = False) -> Display:
    surrounding = Surrounding(site=caller.site, application=caller.application, role=actor.role)
    return decide_display(surrounding, policy, glass_broken=glass_broken).value


def _readable(
    history: tuple[PastEvent, ...], actor: Actor, policy: Policy, *, all_of_it: bool
) -> tuple[PastEvent, ...]:
    """What the actor's role may read of a history: nothing, the events, or their notes as well."""
    if all_of_it:
        return history
    if not is_permitted(policy.allowlist.permissions.history, actor.role):
        return ()
    notes = is_permitted(policy.allowlist.permissions.notes, actor.role)
    mode = variant_for(policy, actor.role)[1].show_mode
    if notes and mode:
        return history

    def readable(event: PastEvent) -> PastEvent:
        hidden = {} if mode or "execution_mode" not in event.payload else {"execution_mode": None}
        return msgspec.structs.replace(
            event, note=event.note if notes else None, payload={**event.payload, **hidden}
        )

    return tuple(readable(event) for event in history)
