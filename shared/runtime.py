"""Puts the parts of a process together: made at the first request, kept for its life."""

from __future__ import annotations

from functools import lru_cache

from shared.core import SharedPatientStateCore
from shared.messaging.publisher import TopicPublisher
from shared.persistence.database import engine
from shared.settings import settings


@lru_cache(maxsize=1)
def core() -> SharedPatientStateCore:
    """The core over the database and the topic of the settings."""
    return SharedPatientStateCore(engine(), TopicPublisher(), settings().master_secret)
