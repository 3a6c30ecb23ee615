"""The projector: Pub/Sub pushes here what changed, and Firestore is made to say it."""

from __future__ import annotations

import base64

import functions_framework
from cloudevents.http import CloudEvent

from shared.errors import MobiusError
from shared.messaging.codec import Message, PresenceMessage, ProjectMessage, decode_message
from shared.persistence.database import engine
from shared.projections.presence import project_presence
from shared.projections.projector import Projected
from shared.projections.projector import project as project_subject
from shared.projections.store import Contended, FirestoreDocuments
from shared.projections.subjects import PostgresTruths
from shared.settings import settings
from shared.web.body import MAX_BODY
from shared.web.logging import LogCode, log, log_context
from shared.web.responses import harden

settings()  # A wrong configuration stops the start, not the first message.
harden(MAX_BODY)

_CODES = {
    Projected.WRITTEN: LogCode.PROJECTED,
    Projected.ALREADY_SAID: LogCode.NOTHING_TO_PROJECT,
    Projected.NOTHING_TO_DO: LogCode.NOTHING_TO_PROJECT,
    Projected.HEAD_UNKNOWN: LogCode.PROJECTION_HEAD_UNKNOWN,
}


class NotProjected(MobiusError):
    """Said to Pub/Sub so that it delivers again, or at last gives the message to the dead letters."""

    title = "Not projected"


@functions_framework.cloud_event
def project(event: CloudEvent) -> None:
    """Projects the subject of one message. Raises NotProjected, which holds nothing of the message.

    A document that is held is left to the relay, which waits longer each time. Pub/Sub would deliver at once,
    and few documents, held by one user, would keep every instance busy and everybody else waiting. A presence
    has no outbox row: its instance's next sign of life makes it good.
    """
    message = _message(event)
    with log_context(message.correlation_id):
        try:
            if isinstance(message, PresenceMessage):
                project_presence(engine(), FirestoreDocuments(), message.tenant_id, message.subject)
            else:
                _project_subject(message)
        except Contended as error:
            log(LogCode.PROJECTION_CONTENDED, error=error, subject_id=message.subject)
        except Exception as error:  # noqa: BLE001 -- a client may raise anything
            log(LogCode.PROJECTION_FAILED, error=error, subject_id=message.subject)
            raise NotProjected("The subject could not be projected.") from None


def _project_subject(message: ProjectMessage) -> None:
    result = project_subject(
        PostgresTruths(engine()),
        FirestoreDocuments(),
        message.tenant_id,
        message.subject_type,
        message.subject,
    )
    log(
        _CODES[result],
        reason=result,
        tenant_id=message.tenant_id,
        subject_type=message.subject_type,
        subject_id=message.subject,
        version=message.version,
    )


def _message(event: CloudEvent) -> Message:
    try:
        return decode_message(base64.b64decode(event.data["message"]["data"], validate=True))
    except (ValueError, KeyError, TypeError) as error:
        log(LogCode.MESSAGE_REFUSED, error=error)
        raise NotProjected("The message is not one of Mobius.") from None
