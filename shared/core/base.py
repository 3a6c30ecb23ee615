"""What every use case needs: who may come in, what is decided, what is left behind, whom to tell."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from enum import Enum

from sqlalchemy import Engine

from shared.attendance import first_view, invocation_of, shown_in, stay, visit_of
from shared.decisions.display import Surrounding, barriers_to_mini, is_permitted
from shared.decisions.engine import decide
from shared.decisions.policy import Policy
from shared.errors import Forbidden, MobiusError, NotFound
from shared.messaging.codec import Message, PresenceMessage, ProjectMessage
from shared.messaging.publisher import Publisher
from shared.model import (
    Actor,
    Decision,
    DeniedReason,
    InvocationId,
    PatientContextId,
    PatientKey,
    PatientState,
    Surface,
)
from shared.persistence.changes import Change, Subject, Written, write_change
from shared.persistence.denials import write_denial
from shared.persistence.policies import policy_in
from shared.persistence.readings import ActorReading, PatientReading, SessionedReading
from shared.persistence.unit_of_work import UnitOfWork
from shared.persistence.visits import write_visit
from shared.security.actor import admit
from shared.stages import stage
from shared.views import Caller, Origin, System
from shared.web.logging import LogCode, log


class Undecided(MobiusError):
    """A decision raised: the surface draws blue, and nothing is stored."""


class RoleForbidden(Forbidden):
    """The tenant's policy does not let this role do it."""

    detail = "Your tenant's policy does not allow this to your role."


class SiteForbidden(Forbidden):
    """The tenant's policy does not allow Mini where the caller says that it shows."""

    detail = "Your tenant's policy does not allow Mini on this site."
    denied = DeniedReason.SITE


class ApplicationForbidden(Forbidden):
    """As SiteForbidden, of the host application."""

    detail = "Your tenant's policy does not allow Mini in this application."
    denied = DeniedReason.APPLICATION


class Doing(Enum):
    """What a caller is about to do with a surface: what it takes differs."""

    ACTS = "acts"
    LOOKS = "looks"
    NEITHER = "neither"
    """What the surface's own permission is not asked for: to leave it, to break its glass, to audit that."""


class StillShows(Exception):
    """The caller's invocation shows another patient, who is to be left first; never leaves the core."""

    def __init__(self, patient_key: PatientKey) -> None:
        self.patient_key = patient_key


class CoreBase:
    """The parts of the core, and what its use cases share. Safe to share between threads."""

    def __init__(
        self,
        engine: Engine,
        publisher: Publisher,
        master_secret: bytes,
        *,
        decide: Callable[..., Decision] = decide,
    ) -> None:
        self._engine = engine
        self._publisher = publisher
        self._master = master_secret
        self._decide = decide

    def record_denial(self, caller: Caller, reason: DeniedReason) -> None:
        """Writes to the ledger that the caller was refused, once for each session and reason.

        Never raises: the refusal stands whether or not it could be written.
        """
        try:
            write_denial(
                self._engine, caller.tenant_id, caller.asking, reason, caller.surface, caller.correlation_id
            )
        except Exception as error:  # noqa: BLE001 -- the caller is being told something else already
            log(LogCode.DENIAL_NOT_WRITTEN, error=error, reason=reason)

    def _admitted(
        self,
        uow: UnitOfWork,
        caller: Caller,
        reading: ActorReading,
        doing: Doing = Doing.ACTS,
    ) -> tuple[Actor, Policy]:
        """The caller and the policy, if the caller may come in.

        Raises InactiveUser or Unauthenticated; Forbidden for a role that may not use the surface, or from a
        site or application that Mini may not be on. Who looks is told by Mini's answer that it is hidden, and
        may look into Sidecar after breaking the glass. Who does neither is not asked for the surface at all.
        """
        actor = admit(reading.actor, caller.identity)
        policy = policy_in(uow, caller.tenant_id, reading.policy_version)
        looks = doing is Doing.LOOKS
        if doing is Doing.NEITHER:
            return actor, policy
        if caller.surface is Surface.SIDECAR:
            if not (looks and glass_broken_until(reading, actor, policy)):
                permit(policy.allowlist.permissions.sidecar, actor)
        elif not looks:
            _permit_mini(caller, actor, policy)
        return actor, policy

    def _policy(
        self, uow: UnitOfWork, origin: Origin, reading: PatientReading
    ) -> tuple[Actor | None, Policy]:
        """As ``_admitted`` for somebody who looks; the system itself is always let in, and is nobody."""
        if isinstance(origin, System):
            return None, policy_in(uow, origin.tenant_id, reading.policy_version)
        return self._admitted(uow, origin, reading, Doing.LOOKS)

    def _decided(self, state: PatientState, policy: Policy) -> Decision:
        try:
            return self._decide(state.signals, policy)
        except Exception as error:  # noqa: BLE001 -- whatever a decision raises, the surface shows blue
            log(LogCode.DECISION_FAILED, error=error, patient_context_id=state.patient_context_id)
            # Its words may quote what it was about.
            raise Undecided from None

    def _write(
        self,
        uow: UnitOfWork,
        origin: Origin,
        reading: PatientReading,
        actor: Actor | None,
        policy: Policy,
        change: Change,
        *,
        looks: bool = True,
    ) -> tuple[Written, InvocationId | None]:
        """Writes ``change`` with what the request leaves behind about its session.

        ``looks`` is false for what shows the user nothing of the patient. Returns also the invocation whose
        presence is to be told. Raises StillShows.
        """
        if isinstance(origin, System) or actor is None:
            return write_change(uow, origin.tenant_id, change), None
        if looks:
            refuse_other_patient(origin, reading, change.patient_context_id)
            visit = visit_of(origin, reading, actor, policy, change.patient_context_id)
        else:
            visit = stay(origin, reading, actor, policy)
        whole = change.visited(visit, invocation_of(reading), first_view(origin, actor, visit))
        written = write_change(uow, origin.tenant_id, whole)
        return written, visit.invocation_id if visit else None

    def _attend(
        self,
        uow: UnitOfWork,
        caller: Caller,
        reading: PatientReading,
        actor: Actor,
        policy: Policy,
        shows: PatientContextId | None,
    ) -> InvocationId | None:
        """Writes what a request that changes nothing else leaves behind about its session, if anything.

        Returns the invocation whose presence is to be told. The caller commits. Raises StillShows.
        """
        refuse_other_patient(caller, reading, shows)
        visit = visit_of(caller, reading, actor, policy, shows)
        if visit is None:
            return None
        write_visit(
            uow,
            caller.tenant_id,
            visit,
            invocation_id=invocation_of(reading),
            context=shows,
            events=first_view(caller, actor, visit),
        )
        return visit.invocation_id

    def _stay(
        self, uow: UnitOfWork, caller: Caller, reading: SessionedReading, actor: Actor, policy: Policy
    ) -> InvocationId | None:
        """Writes and commits that the caller is still there, if it is to be written; about no patient.

        Returns the invocation whose presence is to be told.
        """
        visit = stay(caller, reading, actor, policy)
        if visit is None:
            return None
        write_visit(uow, caller.tenant_id, visit, invocation_id=None, context=None, events=())
        uow.commit()
        return visit.invocation_id

    def _tell(
        self, origin: Origin, subjects: Iterable[Subject] = (), invocation_id: InvocationId | None = None
    ) -> None:
        """Publishes after the commit. The change is safe by now, so a failure is only a delay."""
        messages: list[Message] = [
            ProjectMessage(
                subject_type=subject.subject_type,
                subject=subject.subject,
                tenant_id=origin.tenant_id,
                version=subject.version,
                correlation_id=origin.correlation_id,
            )
            for subject in subjects
        ]
        if invocation_id is not None:
            messages.append(
                PresenceMessage(
                    subject=invocation_id, tenant_id=origin.tenant_id, correlation_id=origin.correlation_id
                )
            )
        if not messages:
            return
        try:
            with stage("publish"):
                self._publisher.publish(messages)
        except Exception as error:  # noqa: BLE001 -- whatever the client raises, the relay will do it
            log(LogCode.PUBLISH_FAILED, error=error, count=len(messages))


def ack_due_at(
    decision: Decision, state: PatientState, policy: Policy, decided_at: datetime
) -> datetime | None:
    """Until when somebody has to acknowledge what was decided; what was due earlier stays due then."""
    if not decision.needs_ack:
        return None
    due = decided_at + timedelta(seconds=policy.timeouts.acknowledgement_due_s)
    return min(due, state.ack_due_at) if state.ack_due_at else due


def permit(roles: tuple[str, ...], actor: Actor) -> None:
    """Raises RoleForbidden unless the policy names the actor's role for what they are about to do."""
    if not is_permitted(roles, actor.role):
        raise RoleForbidden


def glass_broken_until(reading: ActorReading, actor: Actor, policy: Policy) -> datetime | None:
    """Until when the caller sees all of the patient whom ``reading`` is about; None as the role sees them."""
    if not isinstance(reading, PatientReading):
        return None
    return reading.glass_until if is_permitted(policy.allowlist.permissions.break_glass, actor.role) else None


def _permit_mini(caller: Caller, actor: Actor, policy: Policy) -> None:
    """Raises unless Mini may be used. A client that doesn't say where it is, as older ones, is not asked."""
    permit(policy.allowlist.roles, actor)
    surrounding = Surrounding(site=caller.site, application=caller.application, role=actor.role)
    barriers = barriers_to_mini(surrounding, policy)
    if caller.site is not None and DeniedReason.SITE in barriers:
        raise SiteForbidden
    if caller.application is not None and DeniedReason.APPLICATION in barriers:
        raise ApplicationForbidden


def refuse_other_patient(caller: Caller, reading: PatientReading, shows: PatientContextId | None) -> None:
    """Raises StillShows when the caller's invocation shows another patient, who owes an acknowledgement."""
    tab = shown_in(reading)
    if caller.insists or tab is None or tab.shows_key is None:
        return
    if tab.shows != shows and tab.owes:
        raise StillShows(tab.shows_key)


def existing(reading: PatientReading) -> PatientState:
    """The patient that a write is about. Raises NotFound when there is none."""
    if reading.patient is None:
        raise NotFound
    return reading.patient
