"""Tells the topic what changed, after the commit, and waits until it is told.

An instance may be frozen as soon as its answer is out, so nothing is left to a background thread. A
failure is logged and harmless: the outbox row is still there and the relay publishes it again.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Protocol

from shared.messaging.codec import Message, encode_message
from shared.settings import settings


class Publisher(Protocol):
    """Where changes are told."""

    def publish(self, messages: Sequence[Message]) -> None:
        """Publishes all of ``messages`` and returns when they are accepted; raises when they are not."""


class TopicPublisher:
    """The Pub/Sub topic of the settings."""

    def publish(self, messages: Sequence[Message]) -> None:
        """Publishes in one call; raises the client's error when it is not accepted in time."""
        config = settings()
        _client().publish(
            topic=f"projects/{config.project_id}/topics/{config.pubsub_topic}",
            messages=[{"data": encode_message(message)} for message in messages],
            timeout=config.outside_timeout_s,
            # No retry here: the person waits, and the relay will do it.
            retry=None,
        )


@lru_cache(maxsize=1)
def _client() -> Any:
    # The generated client: the batching one waits 10 ms for more, on a thread that may freeze. Imported
    # late: it takes a fifth of a second, which only a request that changes something should pay.
    from google.pubsub_v1 import PublisherClient
    from google.pubsub_v1.services.publisher.transports import PublisherGrpcTransport

    host = os.environ.get("PUBSUB_EMULATOR_HOST")
    if not host:
        return PublisherClient()
    import grpc

    return PublisherClient(transport=PublisherGrpcTransport(channel=grpc.insecure_channel(host)))
