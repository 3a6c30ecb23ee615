"""Which pages may call from a browser: the configured origins, the extension's among them."""

from __future__ import annotations

import flask

from shared.errors import Forbidden
from shared.settings import settings

_ALLOWED_HEADERS = "Authorization, Content-Type, Idempotency-Key, X-Correlation-Id"
_EXPOSED_HEADERS = "X-Correlation-Id, Retry-After, Server-Timing"
_PREFLIGHT_AGE_S = 600


class OriginRefused(Forbidden):
    """A page asks that nobody configured."""

    detail = "Pages of this origin may not call the API."


def origin_headers(request: flask.Request) -> dict[str, str]:
    """The headers of every answer: a browser shows it only to an origin that is configured."""
    headers = {"Vary": "Origin"}
    origin = request.headers.get("Origin")
    if origin in settings().allowed_origins:
        headers["Access-Control-Allow-Origin"] = str(origin)
        headers["Access-Control-Expose-Headers"] = _EXPOSED_HEADERS
    return headers


def refuse_other_origins(request: flask.Request) -> None:
    """Raises OriginRefused for what a page sends that nobody configured, whatever it asks and holds.

    A browser would hide the answer from that page; only a refusal keeps the request from being carried out.
    Among such pages are those that a content script of the extension runs in, and all that hide their
    origin ("null"). What is not a page, such as another service, sends none and passes.
    """
    origin = request.headers.get("Origin")
    if origin is not None and origin not in settings().allowed_origins:
        raise OriginRefused


def answer_options(request: flask.Request, methods: tuple[str, ...]) -> flask.Response:
    """The answer to a preflight of a configured origin, or to a plain OPTIONS, which has no origin."""
    response = flask.Response(status=204)
    if request.headers.get("Origin") is None:
        response.headers["Allow"] = ", ".join(methods)
        return response
    response.headers["Access-Control-Allow-Methods"] = ", ".join(methods)
    response.headers["Access-Control-Allow-Headers"] = _ALLOWED_HEADERS
    response.headers["Access-Control-Max-Age"] = str(_PREFLIGHT_AGE_S)
    return response
