"""The decorator that makes an HTTP function of a handler.

A handler states what comes in, what it calls and what goes out. Everything else is here, in this
order: correlation id, preflight, method, identity, fields, tenant, handler; then the answer or the
problem document, the headers that every answer has, and one log line.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import flask
import msgspec

from shared.errors import Forbidden, MethodNotAllowed, MobiusError
from shared.model import CorrelationId, DeniedReason, Surface
from shared.security.identity import Identity, verify_token
from shared.web.body import read_raw
from shared.web.cors import answer_options, origin_headers
from shared.web.fields import IDEMPOTENCY_KEY, read_fields, read_idempotency_key, refuse
from shared.web.logging import LogCode, log, log_context
from shared.web.messages import Request
from shared.web.problems import PROBLEM_TYPE, problem_body, problem_headers
from shared.web.registry import Endpoint, Q, R

HttpFunction = Callable[[flask.Request], flask.Response]
OnDenied = Callable[["Call", Request, DeniedReason], None]
CORRELATION_HEADER = "X-Correlation-Id"


class OtherTenant(Forbidden):
    """The request names another tenant than the token."""

    detail = "tenant_id is not the tenant that you are signed in to."
    denied = DeniedReason.OTHER_TENANT


@dataclass(frozen=True, kw_only=True)
class Call:
    """Who calls what, and under which name the call is found again."""

    identity: Identity
    correlation_id: CorrelationId
    surface: Surface
    endpoint: Endpoint[Any, Any]
    idempotency_key: str | None


def endpoint(
    spec: Endpoint[Q, R], *, on_denied: OnDenied
) -> Callable[[Callable[[Call, Q], R]], HttpFunction]:
    """Makes an HTTP function that answers as ``spec`` says.

    ``on_denied`` is told of every caller who is signed in and is refused; it must not raise.

    The handler gets a Call and a checked request, and raises MobiusError for what the caller is to be
    told. Anything else that it raises is logged without its message and answered with a bare 500.
    """

    def decorate(handler: Callable[[Call, Q], R]) -> HttpFunction:
        @functools.wraps(handler)
        def answer(request: flask.Request) -> flask.Response:
            started = time.perf_counter()
            correlation_id = _correlation_id(request)
            with log_context(correlation_id, request.headers.get):
                response = _answer_or_problem(spec, handler, on_denied, request, correlation_id)
                response.headers[CORRELATION_HEADER] = str(correlation_id)
                response.headers["Cache-Control"] = "no-store"
                response.headers["X-Content-Type-Options"] = "nosniff"
                response.headers.update(origin_headers(request))
                log(
                    LogCode.REQUEST_ANSWERED,
                    endpoint=spec.key,
                    status=response.status_code,
                    duration_ms=round((time.perf_counter() - started) * 1000, 1),
                )
            return response

        return answer

    return decorate


def _answer_or_problem(
    spec: Endpoint[Q, R],
    handler: Callable[[Call, Q], R],
    on_denied: OnDenied,
    request: flask.Request,
    correlation_id: CorrelationId,
) -> flask.Response:
    try:
        if request.method == "OPTIONS":
            return answer_options(request, spec.methods)
        call, message = _read_call(spec, request, correlation_id)
        try:
            _refuse_other_tenant(message, call.identity)
            body = msgspec.json.encode(handler(call, message))
        except Forbidden as error:
            on_denied(call, message, error.denied)
            raise
        return flask.Response(body, content_type="application/json")
    except MobiusError as error:
        return _problem(error, correlation_id)
    except Exception as error:  # noqa: BLE001 -- the framework would answer with the exception's text
        log(LogCode.UNEXPECTED_ERROR, endpoint=spec.key, error=error)
        return _problem(MobiusError(), correlation_id)


def _read_call(spec: Endpoint[Q, R], request: flask.Request, correlation_id: CorrelationId) -> tuple[Call, Q]:
    # HEAD is refused with the rest: a read leaves an audit event, so there is no harmless way to ask.
    if request.method not in spec.methods:
        raise MethodNotAllowed(spec.methods)
    identity = verify_token(request.headers.get("Authorization"))
    message, errors = read_fields(spec.request, read_raw(request), from_query=request.method == "GET")
    key = None
    if spec.idempotent:
        key, wrong = read_idempotency_key(request.headers.get(IDEMPOTENCY_KEY))
        errors += wrong
    refuse(errors)
    call = Call(
        identity=identity,
        correlation_id=correlation_id,
        surface=spec.surface,
        endpoint=spec,
        idempotency_key=key,
    )
    return call, message


def _refuse_other_tenant(message: Request, identity: Identity) -> None:
    if message.tenant_id is not None and message.tenant_id != identity.tenant_id:
        raise OtherTenant


def _correlation_id(request: flask.Request) -> CorrelationId:
    try:
        return CorrelationId(UUID(request.headers.get(CORRELATION_HEADER, "")))
    except ValueError:
        return CorrelationId(uuid4())


def _problem(error: MobiusError, correlation_id: CorrelationId) -> flask.Response:
    return flask.Response(
        problem_body(error, correlation_id),
        status=error.status,
        content_type=PROBLEM_TYPE,
        headers=problem_headers(error),
    )
