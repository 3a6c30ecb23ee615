"""A dead letter as a person may see it: ids, counts and times, and nothing of what is not ours."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from shared.messaging.codec import Message, NotOurMessage, ProjectMessage, decode_message
from shared.model import TenantId

# Set by Pub/Sub when it gives a message up.
_DELIVERIES = "CloudPubSubDeadLetterSourceDeliveryCount"
_COUNT = re.compile(r"[0-9]{1,9}")


class DeadLetter(NamedTuple):
    """A message that was given up, and its size in bytes, but not its bytes.

    ``message`` is None when it is not ours, ``deliveries`` when nobody says.
    """

    letter_id: str
    dead_at: datetime
    deliveries: int | None
    size: int
    message: Message | None

    @property
    def waits_for(self) -> tuple[TenantId, UUID] | None:
        """The subject whose outbox rows tell whether the relay goes on; a presence has none."""
        return (
            (self.message.tenant_id, self.message.subject)
            if isinstance(self.message, ProjectMessage)
            else None
        )


def read_letter(letter_id: str, dead_at: datetime, data: bytes, attributes: Mapping[str, str]) -> DeadLetter:
    """What a message of the dead letters' subscription is. Takes whatever comes."""
    told = attributes.get(_DELIVERIES, "")
    try:
        message: Message | None = decode_message(data)
    except NotOurMessage:
        message = None
    return DeadLetter(letter_id, dead_at, int(told) if _COUNT.fullmatch(told) else None, len(data), message)


def plain_letter(letter: DeadLetter, is_unconfirmed: bool | None) -> dict[str, object]:
    """The letter for --json. ``is_unconfirmed``: whether the relay goes on anyway; None when nobody knows."""
    message = letter.message
    plain: dict[str, object] = {
        "id": letter.letter_id,
        "dead_at": letter.dead_at,
        "deliveries": letter.deliveries,
        "size_bytes": letter.size,
        "kind": None,
    }
    if message is None:
        return plain
    return plain | {
        "kind": "project" if isinstance(message, ProjectMessage) else "presence",
        "subject_type": message.subject_type,
        "subject": message.subject,
        "tenant_id": message.tenant_id,
        "version": message.version,
        "correlation_id": message.correlation_id,
        "unconfirmed": is_unconfirmed,
    }
