"""One local address for many functions: each under functions-framework, at its canonical path.

Local only. Deployed, every endpoint is a function with an address of its own.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import flask
import functions_framework
from werkzeug.wrappers import Request

from ops.demo_page import FILES, HOME, demo_page
from shared.errors import MethodNotAllowed, MobiusError, NotFound
from shared.web.openapi import openapi_document
from shared.web.registry import ENDPOINTS
from shared.web.responses import problem_response, read_correlation_id, secure

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

ROOT = Path(__file__).parent.parent
HEALTH = "/healthz"
STANDING = "/health"
"""Where the scheduler's process says what is unconfirmed, parked, overdue and drifted."""
OPENAPI = "/openapi.json"
_LOOPBACK = re.compile(r"(?:127\.0\.0\.1|\[::1\]|localhost)(?::[0-9]{1,5})?", re.IGNORECASE)


class Misdirected(MobiusError):
    """Meant for another host."""

    status = 421
    title = "Misdirected request"


@dataclass(frozen=True)
class ScheduledTarget:
    """A function that Cloud Scheduler calls; locally a timer posts to it."""

    target: str
    every_s: float
    source: str = "functions/scheduler/main.py"

    @property
    def path(self) -> str:
        """Where the local scheduler process serves it."""
        return f"/{self.target}"


SCHEDULED = (
    ScheduledTarget("relay", every_s=1.0),
    ScheduledTarget("sweep", every_s=1.0),
    ScheduledTarget("tidy", every_s=60.0),
    ScheduledTarget("retention", every_s=60.0),
    ScheduledTarget("checkpoint", every_s=60.0),
    ScheduledTarget("drift_check", every_s=5.0),
)


class Gateway:
    """Passes each known path whole to its function, which answers wrong methods too; others get a 404.

    ``page`` answers for ``/`` and what is below ``/demo/``.

    A path is known as it is written in the request: %2F is no slash here, nor is /a/../b a way to /b.

    Only this machine's own names are answered to: a page of the web may have its own name lead here, which
    makes us its origin to the browser, and these functions take unsigned tokens.
    """

    def __init__(self, functions: Mapping[str, WSGIApplication], page: WSGIApplication | None = None) -> None:
        self._functions = functions
        self._page = page or _not_found

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answers one request."""
        if not _LOOPBACK.fullmatch(environ.get("HTTP_HOST", "")):
            return _another_host(environ, start_response)
        path = environ.get("RAW_URI", "").partition("?")[0]
        other = self._page if path == HOME or path.startswith(FILES) else _not_found
        function = self._functions.get(path) or _OWN_PAGES.get(path, other)
        return function(environ, start_response)


def api() -> WSGIApplication:
    """Every HTTP endpoint of the registry, for gunicorn."""
    functions = {endpoint.path: _function(endpoint.target, endpoint.source) for endpoint in ENDPOINTS}
    return Gateway(functions, demo_page)


def projector() -> WSGIApplication:
    """The function that Pub/Sub pushes to, for gunicorn."""
    return Gateway({"/": _function("project", "functions/projector/main.py")})


def scheduler() -> WSGIApplication:
    """Every target of Cloud Scheduler, and the health that watchers ask for, for gunicorn."""
    targets = {job.path: _function(job.target, job.source) for job in SCHEDULED}
    return Gateway({**targets, STANDING: _function("health", "functions/scheduler/main.py")})


def _function(target: str, source: str) -> WSGIApplication:
    function: WSGIApplication = functions_framework.create_app(target, str(ROOT / source))
    return function


@Request.application
def _another_host(request: Request) -> flask.Response:
    error = Misdirected("Call the local stack as 127.0.0.1, [::1] or localhost.")
    return secure(problem_response(error, read_correlation_id(request.headers.get)))


@Request.application
def _health(request: Request) -> flask.Response:
    return _page(request, json.dumps({"ok": True}))


@Request.application
def _openapi(request: Request) -> flask.Response:
    return _page(request, _openapi_text(request.host_url.rstrip("/")))


@lru_cache(maxsize=4)
def _openapi_text(server_url: str) -> str:
    return json.dumps(openapi_document(server_url))


@Request.application
def _not_found(request: Request) -> flask.Response:
    error = NotFound("No endpoint has this path.")
    return secure(problem_response(error, read_correlation_id(request.headers.get)))


def _page(request: Request, text: str) -> flask.Response:
    if request.method != "GET":
        wrong = MethodNotAllowed(("GET",))
        return secure(problem_response(wrong, read_correlation_id(request.headers.get)))
    return secure(flask.Response(text, mimetype="application/json"))


_OWN_PAGES: Mapping[str, WSGIApplication] = {HEALTH: _health, OPENAPI: _openapi}
