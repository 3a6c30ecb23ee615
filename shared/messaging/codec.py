"""The messages that a change makes: which subject changed, never what (handbook: data.md).

A field that this release does not know is passed over: while a newer one is being deployed, its messages
reach projectors of this one.
"""

from __future__ import annotations

from typing import Literal
from uuid import UUID

import msgspec

from shared.model import CorrelationId, Frozen, InvocationId, SubjectType, TenantId


class ProjectMessage(Frozen, frozen=True, kw_only=True, tag="project", tag_field="kind"):
    """Project this subject again. ``version`` is a hint for people; the projector reads the truth."""

    subject_type: SubjectType
    subject: UUID
    tenant_id: TenantId
    version: int
    correlation_id: CorrelationId


class PresenceMessage(Frozen, frozen=True, kw_only=True, tag="presence", tag_field="kind"):
    """Say again what this invocation shows and when it was last seen. Best effort: nothing repeats it."""

    subject_type: Literal["invocation"] = "invocation"
    subject: InvocationId
    tenant_id: TenantId
    version: Literal[0] = 0
    correlation_id: CorrelationId


Message = ProjectMessage | PresenceMessage

_DECODER: msgspec.json.Decoder[Message] = msgspec.json.Decoder(Message)


class NotOurMessage(ValueError):
    """The bytes are no message of ours. Says nothing of what they are."""


def encode_message(message: Message) -> bytes:
    """The message as the topic carries it."""
    return msgspec.json.encode(message)


def decode_message(data: bytes) -> Message:
    """The message in ``data``. Raises NotOurMessage for anything else."""
    try:
        return _DECODER.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise NotOurMessage("not a message of Mobius") from None
