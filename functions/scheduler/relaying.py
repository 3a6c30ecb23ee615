"""What a call of the relay brings and leaves: how long it goes on, and a line for each parked subject."""

from __future__ import annotations

from typing import Annotated

import flask
import msgspec

from shared.errors import MalformedRequest
from shared.messaging.relay import Parked
from shared.model import Frozen
from shared.web.logging import LogCode, log


class _RelayRequest(Frozen, frozen=True):
    for_s: Annotated[float, msgspec.Meta(ge=0, le=55)] = 0


def relay_for_s(request: flask.Request) -> float:
    """For how long the call asks. Raises MalformedRequest."""
    try:
        return msgspec.json.decode(request.get_data() or b"{}", type=_RelayRequest).for_s
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise MalformedRequest(
            'Give no body, or a JSON object such as {"for_s": 50}: a number of seconds from 0 to 55.'
        ) from None


def tell_of_parked(parked: Parked) -> None:
    """Logs it."""
    log(
        LogCode.SUBJECT_PARKED,
        tenant_id=parked.tenant_id,
        subject_type=parked.subject_type,
        subject_id=parked.subject,
        attempts=parked.attempts,
    )
