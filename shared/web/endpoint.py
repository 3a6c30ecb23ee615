"""The decorator that makes an HTTP function of a handler.

A handler states what comes in, what it calls and what goes out. Everything else is here, in this
order: correlation id, origin, preflight, method, identity, rate, fields, deadline, tenant, handler; then the
answer or the problem document, the headers that every answer has, and one log line.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import flask
import msgspec

from shared.errors import FieldError, Forbidden, MethodNotAllowed, MobiusError, Unauthenticated
from shared.model import CorrelationId, DeniedReason, Surface
from shared.patience import deadline
from shared.security.identity import Identity, verify_token
from shared.settings import settings
from shared.stages import server_timing, staged
from shared.web.body import drop_rest, read_raw, repeated_parameters
from shared.web.cors import answer_options, origin_headers, refuse_other_origins
from shared.web.fields import IDEMPOTENCY_KEY, read_fields, read_idempotency_key, refuse
from shared.web.logging import LogCode, log, log_caller, log_context
from shared.web.messages import Request
from shared.web.rate import heed_rate
from shared.web.registry import Endpoint, Q, R
from shared.web.responses import CORRELATION_HEADER, harden, problem_response, read_correlation_id

HttpFunction = Callable[[flask.Request], flask.Response]
OnDenied = Callable[["Call", Request, DeniedReason], None]
MAX_AUTHORIZATION = 8 * 1024


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
    harden()

    def decorate(handler: Callable[[Call, Q], R]) -> HttpFunction:
        @functools.wraps(handler)
        def answer(request: flask.Request) -> flask.Response:
            started = time.perf_counter()
            correlation_id = read_correlation_id(request.headers.get)
            with log_context(correlation_id, request.headers.get), staged() as stages:
                response = _answer_or_problem(spec, handler, on_denied, request, correlation_id)
                response.headers[CORRELATION_HEADER] = str(correlation_id)
                response.headers.update(origin_headers(request))
                drop_rest(request)
                stages["total"] = (time.perf_counter() - started) * 1000
                response.headers["Server-Timing"] = server_timing(stages)
                log(
                    LogCode.REQUEST_ANSWERED,
                    endpoint=spec.key,
                    status=response.status_code,
                    duration_ms=round(stages["total"], 1),
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
        refuse_other_origins(request)
        if request.method == "OPTIONS":
            return answer_options(request, spec.methods)
        call, message = _read_call(spec, request, correlation_id)
        # From here on: how slowly a body arrives is the caller's doing.
        with deadline(settings().request_deadline_s):
            try:
                _refuse_other_tenant(message, call.identity)
                body = msgspec.json.encode(handler(call, message))
            except Forbidden as error:
                on_denied(call, message, error.denied)
                raise
        return flask.Response(body, content_type="application/json")
    except MobiusError as error:
        return problem_response(error, correlation_id)
    except Exception as error:  # noqa: BLE001 -- the framework would answer with the exception's text
        log(LogCode.UNEXPECTED_ERROR, endpoint=spec.key, error=error)
        return problem_response(MobiusError(), correlation_id)


def _read_call(spec: Endpoint[Q, R], request: flask.Request, correlation_id: CorrelationId) -> tuple[Call, Q]:
    # HEAD is refused with the rest: a read leaves an audit event, so there is no harmless way to ask.
    if request.method not in spec.methods:
        raise MethodNotAllowed(spec.methods)
    identity = _identify(request.headers.get("Authorization"))
    log_caller(identity.tenant_id, identity.user_id)
    heed_rate(identity)
    message, errors = read_fields(spec.request, read_raw(request), from_query=request.method == "GET")
    repeated = repeated_parameters(request, spec.request.__struct_fields__)
    errors = [error for error in errors if error.field not in repeated]
    errors += [FieldError(name, "must be given once") for name in repeated]
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


def _identify(authorization: str | None) -> Identity:
    # Before it is taken apart: what a token of ours holds fits eight times into this.
    if authorization is not None and len(authorization) > MAX_AUTHORIZATION:
        raise Unauthenticated("The Authorization header may hold at most 8 KiB.")
    return verify_token(authorization)


def _refuse_other_tenant(message: Request, identity: Identity) -> None:
    if message.tenant_id is not None and message.tenant_id != identity.tenant_id:
        raise OtherTenant
