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
from shared.patience import Rest, at_most
from shared.settings import settings

_REST_S = 5.0
_LEAST_S = 0.2

_RECONNECT = (
    # Left alone, a channel whose server was away for long tries again after as long as two minutes.
    ("grpc.max_reconnect_backoff_ms", 2_000),
    # A connection that is open and dead is found out.
    ("grpc.keepalive_time_ms", 30_000),
)


class Publisher(Protocol):
    """Where changes are told."""

    def publish(self, messages: Sequence[Message]) -> None:
        """Publishes all of ``messages`` and returns when they are accepted; raises when they are not."""


class NotAskedNow(Exception):
    """Publishing failed a moment ago."""


class TopicPublisher:
    """The Pub/Sub topic of the settings.

    After a failure it is not asked for 5 s, so that a topic that hangs doesn't cost every Send its time-out;
    the relay, which publishes what was not, doesn't rest.
    """

    def __init__(self, *, rests: bool = True) -> None:
        self._rests = rests

    def publish(self, messages: Sequence[Message]) -> None:
        """Publishes in one call; raises the client's error when it is not accepted in time; NotAskedNow."""
        if self._rests and not _rest().is_my_turn():
            raise NotAskedNow
        config = settings()
        try:
            _client().publish(
                topic=f"projects/{config.project_id}/topics/{config.pubsub_topic}",
                messages=[{"data": encode_message(message)} for message in messages],
                # Not so little that a Send which took its time finds the topic at fault.
                timeout=max(at_most(config.outside_timeout_s), _LEAST_S),
                # No retry here: the person waits, and the relay will do it.
                retry=None,
            )
        except Exception:
            if self._rests:
                _rest().begin()
            raise
        _rest().end()


@lru_cache(maxsize=1)
def _rest() -> Rest:
    return Rest(_REST_S)


@lru_cache(maxsize=1)
def _client() -> Any:
    # The generated client: the batching one waits 10 ms for more, on a thread that may freeze. Imported
    # late: it takes a fifth of a second, which only a request that changes something should pay.
    from google.pubsub_v1 import PublisherClient
    from google.pubsub_v1.services.publisher.transports import PublisherGrpcTransport

    host = os.environ.get("PUBSUB_EMULATOR_HOST")
    if not host:
        return PublisherClient(transport=PublisherGrpcTransport(channel=_channel))
    import grpc

    return PublisherClient(
        transport=PublisherGrpcTransport(channel=grpc.insecure_channel(host, options=_RECONNECT))
    )


def _channel(host: str, *, options: Sequence[tuple[str, object]], **named: Any) -> Any:
    from google.pubsub_v1.services.publisher.transports import PublisherGrpcTransport

    return PublisherGrpcTransport.create_channel(host, options=[*options, *_RECONNECT], **named)
