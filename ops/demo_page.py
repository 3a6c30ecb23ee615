"""The demo page of the local stack: its files, and the synthetic clinics that it shows.

Local only: it hands out unsigned tokens, which nothing that is deployed accepts.
"""

from __future__ import annotations

import json
import mimetypes
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import flask
from werkzeug.wrappers import Request

from ops.demo import DemoTenant, demo_tenants
from shared.errors import MethodNotAllowed, MobiusError, NotFound
from shared.security.identity import development_token
from shared.settings import settings
from shared.web.responses import problem_response, read_correlation_id, secure

HOME = "/"
FILES = "/demo/"
CLINICS = "/demo/clinics.json"
TOKEN_LIFETIME_S = 12 * 3600
_BUILT = Path(__file__).parent.parent / "extension" / "dist-demo"


@Request.application
def demo_page(request: Request) -> flask.Response:
    """Answers for every path below ``FILES``, and for ``HOME``."""
    try:
        if request.method != "GET":
            raise MethodNotAllowed(("GET",))
        return secure(_clinics() if request.path == CLINICS else _file(request.path))
    except MobiusError as error:
        return secure(problem_response(error, read_correlation_id(request.headers.get)))


def _file(path: str) -> flask.Response:
    name = path.removeprefix(FILES) if path != HOME else "index.html"
    built = _built()
    if name not in built:
        raise NotFound("There is no such file." if built else "The demo page is not built: make extension.")
    kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
    response = flask.Response(built[name].read_bytes(), mimetype=kind)
    response.headers["Content-Security-Policy"] = _policy()
    return response


def _built() -> dict[str, Path]:
    """The built files by name: what is not among them is not served, however a path is written."""
    return {each.relative_to(_BUILT).as_posix(): each for each in _BUILT.rglob("*") if each.is_file()}


def _policy() -> str:
    firestore = os.environ.get("FIRESTORE_EMULATOR_HOST", "")
    return (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        f"connect-src 'self' http://{firestore}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


def _clinics() -> flask.Response:
    now = datetime.now(UTC)
    told = {
        "project_id": settings().project_id,
        "firestore_emulator_host": os.environ.get("FIRESTORE_EMULATOR_HOST"),
        "clinics": [_clinic(each) for each in demo_tenants(now.date())],
    }
    return flask.Response(json.dumps(told), mimetype="application/json")


def _clinic(clinic: DemoTenant) -> dict[str, Any]:
    return {
        "tenant_id": str(clinic.tenant_id),
        "name": clinic.name,
        "users": [
            {
                "user_id": str(user.user_id),
                "role": user.role,
                "display_name": user.display_name,
                "token": development_token(
                    settings().project_id, user.user_id, clinic.tenant_id, TOKEN_LIFETIME_S
                ),
            }
            for user in clinic.users
        ],
        # What the clinic's own application knows of its patients, as any host application does.
        "patients": [
            {
                "source_system": patient.source_system,
                "external_id": patient.external_id,
                "display_name": patient.display_name,
                "dob": patient.dob.isoformat(),
            }
            for patient in clinic.patients
        ],
    }
