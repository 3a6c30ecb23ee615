"""What Cloud Scheduler calls: work that nobody waits for."""

from __future__ import annotations

from uuid import uuid4

import flask
import functions_framework

from shared.errors import MethodNotAllowed, MobiusError
from shared.messaging.publisher import TopicPublisher
from shared.messaging.relay import relay as relay_unconfirmed
from shared.model import CorrelationId
from shared.persistence.database import engine
from shared.settings import settings
from shared.web.logging import LogCode, log, log_context

settings()  # A wrong configuration stops the start, not the first call.


@functions_framework.http
def relay(request: flask.Request) -> tuple[dict[str, object], int, dict[str, str]]:
    """Publishes again what Firestore does not have yet. 503 when it could not, so that it shows."""
    if request.method != "POST":
        wrong = MethodNotAllowed(("POST",))
        return {"ok": False, "error": wrong.detail}, wrong.status, {"Allow": "POST"}
    correlation_id = CorrelationId(uuid4())
    with log_context(correlation_id):
        try:
            rows, messages = relay_unconfirmed(engine(), TopicPublisher(), correlation_id)
        except Exception as error:  # noqa: BLE001 -- the framework would answer with the exception's text
            log(LogCode.RELAY_FAILED, error=error)
            return {"ok": False, "error": MobiusError.detail}, 503, {}
        if rows:
            log(LogCode.RELAYED, count=messages)
    return {"ok": True, "rows": rows, "messages": messages}, 200, {}
