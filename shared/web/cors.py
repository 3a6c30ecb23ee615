"""Which pages may call from a browser: the configured origins, the extension's among them."""

from __future__ import annotations

import flask

from shared.errors import Forbidden
from shared.settings import settings

_ALLOWED_HEADERS = "Authorization, Content-Type, Idempotency-Key, X-Correlation-Id"
_EXPOSED_HEADERS = "X-Correlation-Id, Retry-After"
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


def answer_options(request: flask.Request, methods: tuple[str, ...]) -> flask.Response:
    """The answer to a preflight, or to a plain OPTIONS, which has no origin.

    Raises OriginRefused for a page that nobody configured.
    """
    response = flask.Response(status=204)
    origin = request.headers.get("Origin")
    if origin is None:
        response.headers["Allow"] = ", ".join(methods)
        return response
    if origin not in settings().allowed_origins:
        raise OriginRefused
    response.headers["Access-Control-Allow-Methods"] = ", ".join(methods)
    response.headers["Access-Control-Allow-Headers"] = _ALLOWED_HEADERS
    response.headers["Access-Control-Max-Age"] = str(_PREFLIGHT_AGE_S)
    return response
