"""What a user does about a patient: Send, dismiss, interact."""

from __future__ import annotations

import hashlib
from functools import partial

import msgspec

from shared.attendance import closing_visit, first_view, invocation_of, stay, visit_of
from shared.core.base import Doing, existing, permit, refuse_other_patient
from shared.core.surfacing import Surfacing
from shared.decisions.acknowledgement import is_confirmation
from shared.decisions.outcome import OutcomeFacts, compute_outcome
from shared.decisions.policy import Policy
from shared.errors import FieldError, InvalidFields
from shared.ledger.events import UserInteracted
from shared.model import (
    Actor,
    InteractionKind,
    OutcomeKind,
    PatientKey,
    SystemResponse,
    SystemResponseId,
)
from shared.persistence.changes import Subject
from shared.persistence.patients import read_for_send, read_patient
from shared.persistence.pending import absent_users
from shared.persistence.readings import SendReading, StoredSubmission
from shared.persistence.unit_of_work import unit_of_work
from shared.persistence.visits import write_visit
from shared.security.patient_keys import client_text_hash, text_digest
from shared.steps import dismissed, events_of, sent, stored_submission
from shared.views import Caller, Dismissal, Send

_LEAVING = (InteractionKind.SWITCHED, InteractionKind.NAVIGATED)


class Sending(Surfacing):
    """The use cases of somebody who acts."""

    def persist_submission_ack(
        self, caller: Caller, send: Send, *, endpoint: str, idempotency_key: str | None
    ) -> StoredSubmission:
        """Stores a Send with its events, what it resolves and its outbox rows: all of it, or none.

        The same idempotency key with the same Send gives the first answer again. Raises NotFound for an
        unknown patient, InvalidFields when the response is not this patient's or the key was used for
        something else, RoleForbidden for a role that may only confirm, StillRunning when another change
        holds the patient.
        """
        key_hash, request_hash = self._idempotency(caller, send, endpoint, idempotency_key)

        def store(caller: Caller) -> StoredSubmission:
            with unit_of_work(self._engine, caller.tenant_id, lock=send.patient_key) as uow:
                reading = read_for_send(
                    uow,
                    caller.tenant_id,
                    caller.asking,
                    send.patient_key,
                    key_hash=key_hash,
                    answered=send.system_response_id,
                )
                actor, policy = self._admitted(uow, caller, reading)
                state = existing(reading)
                if reading.repeated is not None:
                    return _first_answer(reading.repeated, request_hash)
                latest, answered = _answered(reading, send.system_response_id)
                _permit_send(actor, policy, reading, latest, answered, send)
                digest = partial(text_digest, self._master, caller.tenant_id)
                change = sent(
                    caller, actor, send, reading, state, latest, answered, key_hash, request_hash, digest
                )
                written, told = self._write(uow, caller, reading, actor, policy, change)
                uow.commit()
            self._tell(caller, written.subjects, told)
            return stored_submission(change, written.at, request_hash)

        return self._settled(caller, store)

    def persist_dismissal(self, caller: Caller, dismissal: Dismissal) -> OutcomeKind:
        """Sets a response aside and says what became of it.

        What was acknowledged stays acknowledged, what was dismissed stays dismissed: then nothing is written.
        Raises as a Send does, RoleForbidden for a role that may not dismiss.
        """

        def store(caller: Caller) -> OutcomeKind:
            with unit_of_work(self._engine, caller.tenant_id, lock=dismissal.patient_key) as uow:
                reading = read_for_send(
                    uow,
                    caller.tenant_id,
                    caller.asking,
                    dismissal.patient_key,
                    key_hash=None,
                    answered=dismissal.system_response_id,
                )
                actor, policy = self._admitted(uow, caller, reading)
                permit(policy.allowlist.permissions.dismiss, actor)
                state = existing(reading)
                latest, answered = _answered(reading, dismissal.system_response_id)
                facts = OutcomeFacts(
                    needs_ack=answered.needs_ack,
                    acknowledged=OutcomeKind.ACKNOWLEDGED in reading.settled_as,
                    dismissed=True,
                    left=False,
                    due_at=state.ack_due_at,
                    now=reading.at,
                )
                outcome = compute_outcome(facts, policy).value or OutcomeKind.DISMISSED
                subjects: tuple[Subject, ...] = ()
                if outcome in reading.settled_as:
                    told = self._attend(uow, caller, reading, actor, policy, state.patient_context_id)
                else:
                    absent = absent_users(uow, caller.tenant_id, policy)
                    change = dismissed(caller, actor, dismissal, state, latest, policy, absent)
                    written, told = self._write(uow, caller, reading, actor, policy, change)
                    subjects = written.subjects
                uow.commit()
            self._tell(caller, subjects, told)
            return outcome

        return self._settled(caller, store)

    def record_interaction(
        self, caller: Caller, kind: InteractionKind, patient_key: PatientKey | None
    ) -> None:
        """Notes what a user did without committing anything: no state changes, no version, no outbox.

        A session's first look at a patient is always told to the ledger, the other kinds as often as the
        policy samples them. ``switched`` and ``navigated`` leave the patient, ``closed`` ends the session and
        its invocation. Raises NotFound for an unknown patient.
        """

        def note(caller: Caller) -> None:
            with unit_of_work(self._engine, caller.tenant_id) as uow:
                reading = read_patient(uow, caller.tenant_id, caller.asking, patient_key)
                # Where a surface was just taken from a role, it is let go all the same.
                ends = kind is InteractionKind.CLOSED or kind in _LEAVING
                doing = Doing.NEITHER if ends else Doing.ACTS
                actor, policy = self._admitted(uow, caller, reading, doing)
                if patient_key is not None:
                    existing(reading)
                told = _sampled(caller, kind, policy)
                if kind in _LEAVING:
                    visit = None  # it is the patient who is left that this is about: see below
                elif kind is InteractionKind.CLOSED:
                    visit = closing_visit(caller, reading, actor, policy)
                elif patient_key is None:
                    visit = stay(caller, reading, actor, policy)
                else:
                    refuse_other_patient(caller, reading, reading.context)
                    visit = visit_of(caller, reading, actor, policy, reading.context)
                if visit is not None or (told and kind not in _LEAVING):
                    write_visit(
                        uow,
                        caller.tenant_id,
                        visit,
                        invocation_id=invocation_of(reading),
                        context=reading.context,
                        events=(
                            *first_view(caller, actor, visit),
                            *events_of(caller, actor.user_id, told),
                        ),
                    )
                    uow.commit()
            if kind in _LEAVING and patient_key is not None:
                self.leave_patient(caller, patient_key, *told)
            else:
                self._tell(caller, invocation_id=visit.invocation_id if visit else None)

        self._settled(caller, note)

    def _idempotency(
        self, caller: Caller, send: Send, endpoint: str, key: str | None
    ) -> tuple[bytes | None, bytes | None]:
        if key is None:
            return None, None
        request = hashlib.sha256(endpoint.encode() + b"\0" + msgspec.json.encode(send)).digest()
        return client_text_hash(self._master, caller.tenant_id, "idempotency-key", key), request


def _sampled(caller: Caller, kind: InteractionKind, policy: Policy) -> tuple[UserInteracted, ...]:
    percent = policy.notifications.interaction_sample_percent
    # By the request, so that a repeated one is told as often as the first.
    if kind is InteractionKind.VIEWED or caller.correlation_id.int % 100 >= percent:
        return ()
    return (UserInteracted(kind=kind, surface=caller.surface),)


def _permit_send(
    actor: Actor,
    policy: Policy,
    reading: SendReading,
    latest: SystemResponse,
    answered: SystemResponse,
    send: Send,
) -> None:
    """Anybody may confirm what they were shown; to assert something else takes a permission.

    So does to say again of an earlier response what somebody has said of it already: that would only put the
    old value beside the new one.
    """
    confirms = is_confirmation(answered, send.override_proceed, send.override_tasking)
    is_latest = answered.system_response_id == latest.system_response_id
    if not confirms or (not is_latest and OutcomeKind.ACKNOWLEDGED in reading.settled_as):
        permit(policy.allowlist.permissions.override, actor)


def _first_answer(repeated: StoredSubmission, request_hash: bytes | None) -> StoredSubmission:
    if request_hash is None or repeated.request_hash != request_hash.hex():
        raise InvalidFields(FieldError("Idempotency-Key", "was used for another request: use a new one"))
    return repeated


def _answered(
    reading: SendReading, answers: SystemResponseId | None
) -> tuple[SystemResponse, SystemResponse]:
    """The patient's latest response, and the one of them that is answered: the latest, if it is not said."""
    latest = reading.patient.response if reading.patient else None
    if latest is None:
        raise InvalidFields(
            FieldError("system_response_id", "can't be answered: nothing was surfaced for this patient yet")
        )
    answered = latest if answers is None else reading.answered
    if answered is None:
        raise InvalidFields(FieldError("system_response_id", "must be a response of this patient"))
    return latest, answered
