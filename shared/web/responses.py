"""What every answer has, whoever makes it: our own code, Flask, or functions-framework."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from uuid import UUID, uuid4

import flask
from werkzeug.exceptions import HTTPException

from shared.errors import (
    BodyTooLarge,
    MalformedRequest,
    MethodNotAllowed,
    MobiusError,
    NotFound,
    UnsupportedMediaType,
)
from shared.model import CorrelationId
from shared.web.body import drop_rest
from shared.web.logging import LogCode, log, log_context
from shared.web.problems import PROBLEM_TYPE, problem_body, problem_headers

CORRELATION_HEADER = "X-Correlation-Id"
SECURITY_HEADERS: Mapping[str, str] = {
    # What is answered is one patient's, for one user, now.
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Strict-Transport-Security": "max-age=63072000; includeSubDomains",
    # Should a browser ever show an answer as a page: it loads nothing, runs nothing and is in no frame.
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    # For what is embedded without asking, as an image is; a fetch that CORS allows is not held up by it.
    "Cross-Origin-Resource-Policy": "same-origin",
}
"""After OWASP's REST security cheat sheet. An answer that says something else by itself keeps it."""

_HARDENED = "mobius"


def read_correlation_id(header: Callable[[str], str | None]) -> CorrelationId:
    """The caller's own when it is a UUID, else a new one."""
    try:
        return CorrelationId(UUID(header(CORRELATION_HEADER) or ""))
    except ValueError:
        return CorrelationId(uuid4())


def problem_response(error: MobiusError, correlation_id: CorrelationId) -> flask.Response:
    """The problem document of an error as an answer."""
    headers = {CORRELATION_HEADER: str(correlation_id), **problem_headers(error)}
    body = problem_body(error, correlation_id)
    return flask.Response(body, status=error.status, content_type=PROBLEM_TYPE, headers=headers)


def secure(response: flask.Response) -> flask.Response:
    """Adds the security headers that the response does not have."""
    for name, value in SECURITY_HEADERS.items():
        response.headers.setdefault(name, value)
    return response


def harden(max_body: int | None = None) -> None:
    """Makes all that a function's app answers as tight-lipped as our own answers.

    ``max_body`` is how many bytes the framework reads where it takes a request apart before we see it.

    To be called while the function's module is loaded: the framework does that in its app's context.
    Left alone, the framework answers some malformed requests with everything that was sent, headers
    included, writes tracebacks that quote it, and answers a few paths by itself, as HTML.
    """
    if not flask.has_app_context() or _HARDENED in flask.current_app.extensions:
        return
    app = flask.current_app
    app.extensions[_HARDENED] = True
    app.config["MAX_CONTENT_LENGTH"] = max_body
    app.after_request(secure)
    # 500 too: the framework registers its own, and a number goes before a class.
    for kind in (Exception, 500):
        app.register_error_handler(kind, _answer_error)
    # Flask writes down what it could not answer, with the words of the error.
    app.logger.disabled = True
    # Flask hands out the files of a folder "static" beside the process, should there be one.
    app.view_functions["static"] = _no_such_path
    for rule in app.url_map.iter_rules("static"):
        rule.provide_automatic_options = False  # type: ignore[attr-defined]  # Flask's addition


def _answer_error(error: Exception) -> flask.Response:
    """What our own code did not answer: a request that the framework could not take, or an error of ours."""
    request = flask.request
    drop_rest(request)
    correlation_id = read_correlation_id(request.headers.get)
    with log_context(correlation_id, request.headers.get):
        problem = _as_problem(error)
        if type(problem) is MobiusError:
            log(LogCode.UNEXPECTED_ERROR, error=error)
        log(LogCode.REQUEST_ANSWERED, status=problem.status)
    return problem_response(problem, correlation_id)


def _as_problem(error: Exception) -> MobiusError:
    if isinstance(error, MobiusError):
        return error
    # An exception's own words may quote the request.
    match error.code if isinstance(error, HTTPException) else None:
        case 400:
            return MalformedRequest()
        case 404:
            return NotFound("No endpoint has this path.")
        case 405:
            return MethodNotAllowed(tuple(getattr(error, "valid_methods", None) or ("POST",)))
        case 413:
            return BodyTooLarge()
        case 415:
            return UnsupportedMediaType()
    return MobiusError()


def _no_such_path(**_parts: object) -> flask.Response:
    flask.abort(404)
