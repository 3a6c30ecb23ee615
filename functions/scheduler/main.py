"""What Cloud Scheduler calls: work that nobody waits for."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import lru_cache
from uuid import uuid4

import flask
import functions_framework

from functions.scheduler.checking import go_on_checking
from functions.scheduler.relaying import relay_for_s, tell_of_parked
from shared.core import SharedPatientStateCore
from shared.errors import MalformedRequest, MethodNotAllowed, MobiusError
from shared.ledger.checkpoints.configured import checkpoint_log, ledger_signer
from shared.ledger.checkpoints.growth import Fault
from shared.ledger.checkpoints.log import BrokenCheckpoint
from shared.ledger.checkpoints.making import Refused, make_checkpoint
from shared.messaging.publisher import TopicPublisher
from shared.messaging.relay import count_parked, relay_for
from shared.model import CorrelationId, PatientContextId, TenantId
from shared.persistence.database import app_engine, engine
from shared.persistence.erasure import due_erasures, erase_by_retention
from shared.persistence.health import health_answer, read_health
from shared.persistence.pending import DueColumn, all_tenants, close_what_is_idle, due_patients
from shared.persistence.unit_of_work import unit_of_work
from shared.settings import settings
from shared.views import System
from shared.web.logging import LogCode, log, log_context
from shared.web.responses import harden

settings()  # A wrong configuration stops the start, not the first call.
harden()

Answer = tuple[dict[str, object], int, dict[str, str]]

_HALF_S = 22.0
"""How long one half of a sweep goes on: the rest is the next one's, and Cloud Scheduler calls each minute."""

_RETENTION_S = 45.0
"""How long a call erases: within a function's usual minute. The rest is the next one's."""


@functions_framework.http
def relay(request: flask.Request) -> Answer:
    """Publishes again what Firestore does not have yet. 503 when it could not, so that it shows.

    ``for_s`` in the body, up to 55: goes on for so many seconds, about a round each, so that one call a
    minute relays all the time. It ends early once nothing is unconfirmed; what is lost after that waits for
    the next call, a minute at most.
    """
    try:
        for_s = relay_for_s(request)
    except MalformedRequest as wrong:
        return {"ok": False, "error": wrong.detail}, wrong.status, {}

    def work(correlation_id: CorrelationId) -> dict[str, int]:
        rows, messages = relay_for(
            for_s, engine(), TopicPublisher(rests=False), correlation_id, tell_of_parked
        )
        if rows:
            log(LogCode.RELAYED, count=messages)
        return {"rows": rows, "messages": messages, "parked": count_parked(engine())}

    return _answer(request, work, LogCode.RELAY_FAILED)


@functions_framework.http
def sweep(request: flask.Request) -> Answer:
    """Turns overdue responses into outcomes and open items, and decides anew where facts changed.

    One patient that can't be done holds nobody up: it stays due, and the answer is 503, so that it shows.
    """

    def work(correlation_id: CorrelationId) -> dict[str, int]:
        core = _core()
        unacknowledged, failed = _each("ack_due_at", core.settle_overdue, correlation_id)
        reassessed, failed_too = _each("reassess_at", core.reassess, correlation_id)
        if unacknowledged or reassessed:
            log(LogCode.SWEPT, count=unacknowledged + reassessed)
        if failed or failed_too:
            raise _SomeFailed
        return {"unacknowledged": unacknowledged, "reassessed": reassessed}

    return _answer(request, work, LogCode.SWEEP_FAILED)


@functions_framework.http
def tidy(request: flask.Request) -> Answer:
    """Closes the tabs and sessions that nobody came back to."""

    def work(_correlation_id: CorrelationId) -> dict[str, int]:
        closed, failed = 0, False
        for tenant_id in all_tenants(engine()):
            try:
                closed += close_what_is_idle(app_engine(), tenant_id)
            except Exception as error:  # noqa: BLE001 -- whatever is wrong with one tenant is not the others'
                failed = True
                log(LogCode.TIDY_FAILED, error=error, tenant_id=tenant_id)
        if failed:
            raise _SomeFailed
        return {"closed": closed}

    return _answer(request, work, LogCode.TIDY_FAILED)


@functions_framework.http
def retention(request: flask.Request) -> Answer:
    """Erases what the tenants' policies keep no longer; deployed, Cloud Scheduler calls it once a day.

    One patient or tenant that can't be done holds nobody up: it stays due, and the answer is 503.
    """

    def work(correlation_id: CorrelationId) -> dict[str, int]:
        erased, failed, until = 0, 0, time.monotonic() + _RETENTION_S
        tenants = all_tenants(engine())
        for place, tenant_id in enumerate(tenants):
            now = time.monotonic()
            # Each has its share of the time that is left, so that a large one leaves some to the others.
            done, failed_here = _erase_due(
                tenant_id, correlation_id, now + (until - now) / (len(tenants) - place)
            )
            erased, failed = erased + done, failed + failed_here
        if erased:
            log(LogCode.ERASED, count=erased)
        if failed:
            raise _SomeFailed
        return {"erased": erased}

    return _answer(request, work, LogCode.RETENTION_FAILED)


@functions_framework.http
def checkpoint(request: flask.Request) -> Answer:
    """Signs how all chains of the ledger stand, if any moved since the last time.

    A tenant whose chains contradict the last checkpoint stays as that has it, is told of in the log, and the
    answer is 503 for as long as it does, so that it shows.
    """

    def work(_correlation_id: CorrelationId) -> dict[str, int]:
        signer, checkpoints = ledger_signer(settings()), checkpoint_log(settings())
        if signer is None or checkpoints is None:
            log(LogCode.CHECKPOINT_NOT_CONFIGURED)
            raise _SomeFailed
        try:
            made = make_checkpoint(checkpoints, signer, heads=engine(), events=app_engine())
        except BrokenCheckpoint as error:
            log(LogCode.CHECKPOINT_LOG_BROKEN, error=error)
            raise _SomeFailed from None
        if made.number is not None:
            log(LogCode.CHECKPOINT_MADE, version=made.number, count=made.events)
        for refused in made.refused:
            _tell_of(refused)
        if made.refused:
            raise _SomeFailed
        return {"number": made.number or 0, "events": made.events}

    return _answer(request, work, LogCode.CHECKPOINT_FAILED)


@functions_framework.http
def drift_check(request: flask.Request) -> Answer:
    """Goes on comparing every document with Postgres, and has written again what differs.

    One tenant that can't be compared holds nobody up: the answer is 503, and the next call tries again.
    """

    def work(_correlation_id: CorrelationId) -> dict[str, int]:
        did = go_on_checking()
        if did.failed:
            raise _SomeFailed
        return {"checked": did.checked, "differing": did.differing, "unrepairable": did.unrepairable}

    return _answer(request, work, LogCode.DRIFT_CHECK_FAILED)


@functions_framework.http
def health(request: flask.Request) -> Answer:
    """What is unconfirmed, parked, overdue and drifted, of all tenants; 503 when somebody should look.

    For whoever watches: an uptime check, an alarm, the local stack.
    """
    if request.method not in ("GET", "HEAD"):
        wrong = MethodNotAllowed(("GET", "HEAD"))
        return {"ok": False, "error": wrong.detail}, wrong.status, {"Allow": "GET, HEAD"}
    with log_context(CorrelationId(uuid4())):
        try:
            with unit_of_work(engine(), None) as uow:
                answer = health_answer(read_health(uow), settings().drift_cycle_s)
        except Exception as error:  # noqa: BLE001 -- the framework would answer with the exception's text
            log(LogCode.HEALTH_UNKNOWN, error=error)
            return {"ok": False, "error": MobiusError.detail}, 503, {}
    return answer, 200 if answer["ok"] else 503, {}


def _tell_of(refused: Refused) -> None:
    tenant_id, error = refused
    if isinstance(error, Fault) and error.patient_context_id is not None:
        log(
            LogCode.CHECKPOINT_CONTRADICTED,
            tenant_id=tenant_id,
            patient_context_id=error.patient_context_id,
            reason=error.kind,
        )
    elif isinstance(error, Fault):
        log(LogCode.CHECKPOINT_CONTRADICTED, tenant_id=tenant_id, reason=error.kind)
    elif isinstance(error, BrokenCheckpoint):
        log(LogCode.CHECKPOINT_LOG_BROKEN, tenant_id=tenant_id, error=error)
    else:
        log(LogCode.CHECKPOINT_FAILED, tenant_id=tenant_id, error=error)


class _SomeFailed(Exception):
    """Not everything could be done; what could not was logged."""


def _each(
    column: DueColumn,
    work: Callable[[System, PatientContextId], bool],
    correlation_id: CorrelationId,
) -> tuple[int, int]:
    """Does ``work`` for whom it is due; returns for how many it was done and for how many it failed."""
    done, failed, until = 0, 0, time.monotonic() + _HALF_S
    for due in due_patients(engine(), column):
        if time.monotonic() > until:
            break
        system = System(tenant_id=due.tenant_id, correlation_id=correlation_id)
        try:
            done += work(system, due.patient_context_id)
        except Exception as error:  # noqa: BLE001 -- whatever is wrong with one patient is not the others'
            failed += 1
            log(
                LogCode.SWEEP_FAILED,
                error=error,
                tenant_id=due.tenant_id,
                patient_context_id=due.patient_context_id,
            )
    return done, failed


def _erase_due(tenant_id: TenantId, correlation_id: CorrelationId, until: float) -> tuple[int, int]:
    """Erases what is due of a tenant's patients; returns of how many, and for how many it failed."""
    done, failed = 0, 0
    due = due_erasures(app_engine(), tenant_id)
    while time.monotonic() < until:
        patient_context_id = None
        try:
            if (erasable := next(due, None)) is None:
                break
            patient_context_id = erasable.patient_context_id
            done += erase_by_retention(app_engine(), tenant_id, erasable, correlation_id) is not None
        except Exception as error:  # noqa: BLE001 -- whatever is wrong with one is not the others'
            failed += 1
            if patient_context_id is None:
                # Nobody could be looked for.
                log(LogCode.RETENTION_FAILED, error=error, tenant_id=tenant_id)
                break
            log(
                LogCode.RETENTION_FAILED,
                error=error,
                tenant_id=tenant_id,
                patient_context_id=patient_context_id,
            )
    return done, failed


def _answer(
    request: flask.Request, work: Callable[[CorrelationId], dict[str, int]], failure: LogCode
) -> Answer:
    if request.method != "POST":
        wrong = MethodNotAllowed(("POST",))
        return {"ok": False, "error": wrong.detail}, wrong.status, {"Allow": "POST"}
    correlation_id = CorrelationId(uuid4())
    with log_context(correlation_id):
        try:
            done = work(correlation_id)
        except Exception as error:  # noqa: BLE001 -- the framework would answer with the exception's text
            log(failure, error=error)
            return {"ok": False, "error": MobiusError.detail}, 503, {}
    return {"ok": True, **done}, 200, {}


@lru_cache(maxsize=1)
def _core() -> SharedPatientStateCore:
    # The scheduler's own role sees ids and due times only; the work is the application's.
    return SharedPatientStateCore(app_engine(), TopicPublisher(), settings().master_secret)
