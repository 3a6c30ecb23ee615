"""What Cloud Scheduler calls: work that nobody waits for."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache
from uuid import uuid4

import flask
import functions_framework

from shared.core import SharedPatientStateCore
from shared.errors import MethodNotAllowed, MobiusError
from shared.messaging.publisher import TopicPublisher
from shared.messaging.relay import relay as relay_unconfirmed
from shared.model import CorrelationId, PatientContextId
from shared.persistence.database import app_engine, engine
from shared.persistence.pending import DueColumn, all_tenants, close_what_is_idle, due_patients
from shared.settings import settings
from shared.views import System
from shared.web.logging import LogCode, log, log_context
from shared.web.responses import harden

settings()  # A wrong configuration stops the start, not the first call.
harden()

Answer = tuple[dict[str, object], int, dict[str, str]]

_HALF_S = 22.0
"""How long one half of a sweep goes on: the rest is the next one's, and Cloud Scheduler calls each minute."""


@functions_framework.http
def relay(request: flask.Request) -> Answer:
    """Publishes again what Firestore does not have yet. 503 when it could not, so that it shows."""

    def work(correlation_id: CorrelationId) -> dict[str, int]:
        rows, messages = relay_unconfirmed(engine(), TopicPublisher(), correlation_id)
        if rows:
            log(LogCode.RELAYED, count=messages)
        return {"rows": rows, "messages": messages}

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


class _SomeFailed(Exception):
    """Not everything could be done; what could not was logged."""


def _each(
    column: DueColumn,
    work: Callable[[System, PatientContextId], bool],
    correlation_id: CorrelationId,
) -> tuple[int, int]:
    """Does ``work`` for whom it is due; returns for how many it was done and for how many it failed."""
    done, failed, until = 0, 0, time.monotonic() + _HALF_S
    for due in due_patients(engine(), column, datetime.now(UTC)):
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
