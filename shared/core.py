"""SharedPatientStateCore: the use cases that both surfaces call (plan 4.1).

Each reads as load, decide, record, commit, publish. What a surface shows of the result is its own
business; what is true is decided here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta

import msgspec
from sqlalchemy import Engine
from uuid_utils.compat import uuid7

from shared.decisions.detection import is_allowed_source
from shared.decisions.display import show_mini, variant_for, visible_snapshot
from shared.decisions.engine import decide, is_same_decision
from shared.decisions.policy import Policy
from shared.errors import FieldError, InvalidFields, MobiusError, NotFound, StillRunning
from shared.ledger.events import (
    AssignmentCreated,
)
from shared.messaging.codec import ProjectMessage
from shared.messaging.publisher import Publisher
from shared.model import (
    Actor,
    AssignmentId,
    Decision,
    PatientKey,
    PatientState,
    Surface,
    SystemResponse,
    UserId,
)
from shared.persistence.changes import (
    Change,
    NewAssignment,
    Subject,
    write_change,
)
from shared.persistence.patients import (
    PanelReading,
    PatientReading,
    SendReading,
    StoredSubmission,
    read_for_panel,
    read_for_send,
    read_patient,
)
from shared.persistence.policies import policy_in
from shared.persistence.search import search_patients
from shared.persistence.unit_of_work import UnitOfWork, unit_of_work
from shared.security.actor import admit
from shared.security.patient_keys import client_text_hash, external_id_hash
from shared.security.search_terms import normalize_query
from shared.steps import events_of, new_response, responded, sent, stored_submission
from shared.views import Caller, Found, PanelView, PatientView, Send
from shared.web.logging import LogCode, log


class Undecided(MobiusError):
    """A decision raised: the surface draws blue, and nothing is stored."""


class SharedPatientStateCore:
    """One patient state behind two surfaces. Safe to share between threads."""

    def __init__(
        self,
        engine: Engine,
        publisher: Publisher,
        master_secret: bytes,
        *,
        decide: Callable[..., Decision] = decide,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._engine = engine
        self._publisher = publisher
        self._master = master_secret
        self._decide = decide
        self._now = now

    # Reading ----------------------------------------------------------------------------------------

    def get_patient_state(
        self,
        caller: Caller,
        patient_key: PatientKey | None,
        *,
        detected_by: str | None = None,
        site: str | None = None,
        application: str | None = None,
    ) -> PatientView:
        """The patient's state, decided anew; nothing is written when the decision is the one that shows.

        ``detected_by`` is the source system when the key was computed from an external id;
        ``site`` and ``application`` are where Mini would show, and policy may hide it there. Raises
        InactiveUser or Unauthenticated for a user who may not come in, InvalidFields for a source system
        that the policy does not allow.
        """
        with unit_of_work(self._engine, caller.tenant_id) as uow:
            reading = read_patient(uow, caller.tenant_id, caller.identity.user_id, patient_key)
            actor, policy = self._admitted(uow, caller, reading)
        if detected_by is not None and not is_allowed_source(policy, detected_by):
            error = FieldError(
                "detection.source_system", "must be a source system that your tenant's policy allows"
            )
            raise InvalidFields(error)
        shown = caller.surface is not Surface.MINI or show_mini(policy, site, application, actor.role)
        # What is hidden is not surfaced, so nobody owes it an acknowledgement.
        state, undecided = self._current(caller, reading.patient if shown else None, policy)
        return PatientView(actor=actor, policy=policy, shown=shown, state=state, undecided=undecided)

    def get_panel_state(self, caller: Caller, patient_key: PatientKey) -> PanelView:
        """As ``get_patient_state``, with history and inbox."""
        reading, actor, policy = self._read_panel(caller, patient_key)
        state, undecided = self._current(caller, reading.patient, policy)
        if state is not reading.patient:
            # A new response is a new event: the history must end with it.
            reading, actor, policy = self._read_panel(caller, patient_key)
        return PanelView(
            actor=actor,
            policy=policy,
            state=reading.patient,
            undecided=undecided,
            history=reading.history,
            inbox=reading.inbox,
        )

    def search_patients(self, caller: Caller, q: str, limit: int) -> tuple[Found, ...]:
        """Patients by name parts, by digits of a masked id, or by a full external id."""
        with unit_of_work(self._engine, caller.tenant_id) as uow:
            reading = read_patient(uow, caller.tenant_id, caller.identity.user_id, None)
            actor, policy = self._admitted(uow, caller, reading)
            hashes = tuple(
                (source, external_id_hash(self._master, caller.tenant_id, source, q))
                for source in policy.allowlist.source_systems
            )
            found = search_patients(
                uow, caller.tenant_id, terms=normalize_query(q), hashes=hashes, limit=limit
            )
        _, variant = variant_for(policy, actor.role)
        return tuple(
            Found(patient_key=patient.patient_key, snapshot=visible_snapshot(patient.snapshot, variant))
            for patient in found
        )

    # Writing ----------------------------------------------------------------------------------------

    def persist_system_response(self, caller: Caller, patient_key: PatientKey) -> PatientState:
        """Decides under the patient's lock and appends the response if it is a new one (data.md).

        Returns the state after it. Raises NotFound for an unknown patient.
        """
        with unit_of_work(self._engine, caller.tenant_id, lock=patient_key) as uow:
            reading = read_patient(uow, caller.tenant_id, caller.identity.user_id, patient_key)
            _, policy = self._admitted(uow, caller, reading)
            state = _existing(reading)
            decision = self._decided(state, policy)
            if is_same_decision(decision, state.response):
                return state
            response = new_response(decision, caller.surface, self._now())
            change = Change(
                patient_context_id=state.patient_context_id,
                ack_due_at=self._ack_due_at(decision, state, policy),
                response=response,
                events=events_of(caller, None, [responded(response)]),
            )
            written = write_change(uow, caller.tenant_id, change)
            state = _existing(read_patient(uow, caller.tenant_id, caller.identity.user_id, patient_key))
            uow.commit()
        self._tell(caller, written.subjects)
        return state

    def persist_submission_ack(
        self, caller: Caller, send: Send, *, endpoint: str, idempotency_key: str | None
    ) -> StoredSubmission:
        """Stores a Send with its events, what it resolves and its outbox rows: all of it, or none.

        The same idempotency key with the same Send gives the first answer again. Raises NotFound for an
        unknown patient, InvalidFields when the response is not this patient's or the key was used for
        something else, StillRunning when another change holds the patient.
        """
        key_hash, request_hash = self._idempotency(caller, send, endpoint, idempotency_key)
        with unit_of_work(self._engine, caller.tenant_id, lock=send.patient_key) as uow:
            reading = read_for_send(
                uow,
                caller.tenant_id,
                caller.identity.user_id,
                send.patient_key,
                key_hash=key_hash,
                answered=send.system_response_id,
            )
            actor = admit(reading.actor, caller.identity)
            state = _existing(reading)
            if reading.repeated is not None:
                return _first_answer(reading.repeated, request_hash)
            latest = _answerable(reading, send)
            change = sent(caller, actor, send, reading, state, latest, key_hash, request_hash)
            written = write_change(uow, caller.tenant_id, change)
            uow.commit()
        self._tell(caller, written.subjects)
        return stored_submission(change, written.at, request_hash)

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
            reading = read_patient(uow, caller.tenant_id, caller.identity.user_id, patient_key)
            actor, _ = self._admitted(uow, caller, reading)
            state = _existing(reading)
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
            created = AssignmentCreated(
                assignment_id=opened.assignment_id,
                reason_code=reason_code,
                assigned_to_user=user_id,
                assigned_to_role=role,
            )
            change = Change(
                patient_context_id=state.patient_context_id,
                ack_due_at=state.ack_due_at,
                opened=opened,
                events=events_of(caller, actor.user_id, [created]),
            )
            written = write_change(uow, caller.tenant_id, change)
            uow.commit()
        self._tell(caller, written.subjects)
        return opened.assignment_id

    # How it is done ---------------------------------------------------------------------------------

    def _admitted(self, uow: UnitOfWork, caller: Caller, reading: PatientReading) -> tuple[Actor, Policy]:
        actor = admit(reading.actor, caller.identity)
        return actor, policy_in(uow, caller.tenant_id, reading.policy_version)

    def _read_panel(self, caller: Caller, patient_key: PatientKey) -> tuple[PanelReading, Actor, Policy]:
        with unit_of_work(self._engine, caller.tenant_id) as uow:
            reading = read_for_panel(uow, caller.tenant_id, caller.identity.user_id, patient_key)
            return reading, *self._admitted(uow, caller, reading)

    def _current(
        self, caller: Caller, state: PatientState | None, policy: Policy
    ) -> tuple[PatientState | None, bool]:
        """The state with the decision that holds now, and whether it could not be decided."""
        if state is None:
            return None, False
        try:
            if is_same_decision(self._decided(state, policy), state.response):
                return state, False
            return self.persist_system_response(caller, state.patient_key), False
        except (Undecided, StillRunning):
            # Somebody who only looks waits for nobody: the next look decides it.
            return state, True

    def _decided(self, state: PatientState, policy: Policy) -> Decision:
        try:
            return self._decide(state.signals, policy)
        except Exception as error:
            log(LogCode.DECISION_FAILED, error=error, patient_context_id=state.patient_context_id)
            raise Undecided from error

    def _ack_due_at(self, decision: Decision, state: PatientState, policy: Policy) -> datetime | None:
        if not decision.needs_ack:
            return None
        due = self._now() + timedelta(seconds=policy.timeouts.acknowledgement_due_s)
        return min(due, state.ack_due_at) if state.ack_due_at else due

    def _idempotency(
        self, caller: Caller, send: Send, endpoint: str, key: str | None
    ) -> tuple[bytes | None, bytes | None]:
        if key is None:
            return None, None
        request = hashlib.sha256(endpoint.encode() + b"\0" + msgspec.json.encode(send)).digest()
        return client_text_hash(self._master, caller.tenant_id, "idempotency-key", key), request

    def _tell(self, caller: Caller, subjects: Iterable[Subject]) -> None:
        """Publishes after the commit. The change is safe by now, so a failure is only a delay."""
        messages = [
            ProjectMessage(
                subject_type=subject.subject_type,
                subject=subject.subject,
                tenant_id=caller.tenant_id,
                version=subject.version,
                correlation_id=caller.correlation_id,
            )
            for subject in subjects
        ]
        try:
            self._publisher.publish(messages)
        except Exception as error:  # noqa: BLE001 -- whatever the client raises, the relay will do it
            log(LogCode.PUBLISH_FAILED, error=error, count=len(messages))


def _existing(reading: PatientReading) -> PatientState:
    if reading.patient is None:
        raise NotFound
    return reading.patient


def _first_answer(repeated: StoredSubmission, request_hash: bytes | None) -> StoredSubmission:
    if request_hash is None or repeated.request_hash != request_hash.hex():
        raise InvalidFields(FieldError("Idempotency-Key", "was used for another request: use a new one"))
    return repeated


def _answerable(reading: SendReading, send: Send) -> SystemResponse:
    """The patient's latest response, once it is clear that the Send answers one of this patient's."""
    response = reading.patient.response if reading.patient else None
    if response is None:
        raise InvalidFields(
            FieldError("system_response_id", "can't be answered: nothing was surfaced for this patient yet")
        )
    if send.system_response_id is not None and not reading.answered:
        raise InvalidFields(FieldError("system_response_id", "must be a response of this patient"))
    return response
