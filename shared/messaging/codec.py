"""The message that a change makes: which subject changed, never what (handbook: data.md)."""

from __future__ import annotations

from typing import Literal
from uuid import UUID

import msgspec

from shared.model import CorrelationId, Frozen, SubjectType, TenantId


class ProjectMessage(Frozen, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Project this subject again. ``version`` is a hint for people; the projector reads the truth."""

    kind: Literal["project"] = "project"
    subject_type: SubjectType
    subject: UUID
    tenant_id: TenantId
    version: int
    correlation_id: CorrelationId


class NotOurMessage(ValueError):
    """The bytes are no message of ours. Says nothing of what they are."""


def encode_message(message: ProjectMessage) -> bytes:
    """The message as the topic carries it."""
    return msgspec.json.encode(message)


def decode_message(data: bytes) -> ProjectMessage:
    """The message in ``data``. Raises NotOurMessage for anything else."""
    try:
        return msgspec.json.decode(data, type=ProjectMessage)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise NotOurMessage("not a message of Mobius") from None
