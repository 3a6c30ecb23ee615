"""The dead letters' subscription: walked in pages that are held meanwhile, and given back in the end."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from ops.deadletters.letters import DeadLetter, read_letter
from ops.installation import Refused
from shared.messaging.codec import encode_message

MOST = 10_000
"""So many letters are held by one walk, which bounds its memory."""

_PAGE = 1000
_HELD_S = 60
"""A walk that is killed hides its letters for so long from the next one."""
_QUIET_ROUNDS = 3
_REST_S = 1.0
"""So long after the first page nothing may come before that was all."""


class Subscription:
    """The dead letters of ``project``, and the topic that they are replayed to.

    Every method raises Refused when Pub/Sub, or something in it, is not there. ``emulator`` is host:port.
    ``may_have_more``: the walk ended because it had as many as it may.
    """

    def __init__(
        self, project: str, topic: str, subscription: str, *, timeout_s: float, emulator: str | None
    ) -> None:
        self._project = project
        self._topic = f"projects/{project}/topics/{topic}"
        self._name = subscription
        self._path = f"projects/{project}/subscriptions/{subscription}"
        self._timeout_s = timeout_s
        with self._sentences():
            self._subscriber, self._publisher = _clients(emulator)
        self._held: dict[str, str] = {}
        self.may_have_more = False

    @contextmanager
    def walk(self) -> Iterator[Iterator[list[DeadLetter]]]:
        """Pages of letters, each letter once, at most MOST. What is left of them is given back in the end.

        Not more even when they are replayed meanwhile, for what dies again comes again.
        """
        with self._sentences():
            # Asked for first: of a pull alone nobody could tell whether it is away or has nothing.
            self._subscriber.get_subscription(subscription=self._path, timeout=self._timeout_s, retry=None)
        try:
            yield self._pages()
        finally:
            # They come back by themselves, later.
            with contextlib.suppress(Refused):
                self._give_back()

    def replay(self, letters: Sequence[DeadLetter]) -> None:
        """Publishes them anew, which must be ours, and only then takes them away.

        Killed in between, they come twice.
        """
        if not letters:
            return
        with self._sentences():
            self._publisher.publish(
                topic=self._topic,
                messages=[{"data": encode_message(each.message)} for each in letters if each.message],
                timeout=self._timeout_s,
                retry=None,
            )
        self.discard(letters)

    def discard(self, letters: Sequence[DeadLetter]) -> None:
        """Takes them away for good."""
        if not letters:
            return
        with self._sentences():
            self._subscriber.acknowledge(
                subscription=self._path,
                ack_ids=[self._held[letter.letter_id] for letter in letters],
                timeout=self._timeout_s,
                retry=None,
            )
        for letter in letters:
            del self._held[letter.letter_id]

    def _pages(self) -> Iterator[list[DeadLetter]]:
        seen: set[str] = set()
        quiet = 0
        while len(seen) < MOST and quiet < _QUIET_ROUNDS:
            wait_s = min(self._timeout_s, _REST_S) if seen else self._timeout_s
            received = self._pull(min(_PAGE, MOST - len(seen)), wait_s)
            if received is None:
                return
            # A letter whose hold is over comes again, with another handle.
            self._held |= {each.message.message_id: each.ack_id for each in received}
            self._hold([each.ack_id for each in received], _HELD_S)
            page = [_letter(each.message) for each in received if each.message.message_id not in seen]
            seen.update(letter.letter_id for letter in page)
            quiet = 0 if page else quiet + 1
            if page:
                yield page
        self.may_have_more = len(seen) >= MOST

    def _pull(self, most: int, wait_s: float) -> Sequence[Any] | None:
        """What comes; None when nothing did for so long."""
        from google.api_core.exceptions import DeadlineExceeded

        with self._sentences():
            try:
                answer = self._subscriber.pull(
                    subscription=self._path, max_messages=most, timeout=wait_s, retry=None
                )
            except DeadlineExceeded:
                return None
            return list(answer.received_messages)

    def _give_back(self) -> None:
        handles = list(self._held.values())
        self._held.clear()
        for place in range(0, len(handles), _PAGE):
            self._hold(handles[place : place + _PAGE], 0)

    def _hold(self, ack_ids: Collection[str], seconds: int) -> None:
        if ack_ids:
            with self._sentences():
                self._subscriber.modify_ack_deadline(
                    subscription=self._path,
                    ack_ids=list(ack_ids),
                    ack_deadline_seconds=seconds,
                    timeout=self._timeout_s,
                    retry=None,
                )

    @contextmanager
    def _sentences(self) -> Iterator[None]:
        # Late: their import takes a fifth of a second, which no other command should pay.
        from google.api_core.exceptions import (
            Forbidden,
            GoogleAPICallError,
            InvalidArgument,
            NotFound,
            Unauthorized,
        )
        from google.auth.exceptions import GoogleAuthError

        try:
            yield
        except NotFound:
            raise Refused(
                f"Project {self._project} has no subscription {self._name}, or no topic "
                f"{self._topic.rpartition('/')[2]}: say --subscription, or deploy them."
            ) from None
        except InvalidArgument:
            raise Refused("No subscription can have that name: look at --subscription.") from None
        except (Forbidden, Unauthorized, GoogleAuthError):
            raise Refused(
                f"Pub/Sub does not let you read {self._name} or publish to its topic: sign in with gcloud "
                "auth application-default login, as somebody who is subscriber and publisher there."
            ) from None
        except GoogleAPICallError:
            raise Refused("Pub/Sub can't be reached, or does not answer in time: try again later.") from None


def _letter(message: Any) -> DeadLetter:
    # The library has a kind of time of its own.
    dead_at = datetime.fromtimestamp(message.publish_time.timestamp(), UTC)
    return read_letter(message.message_id, dead_at, message.data, dict(message.attributes))


def _clients(emulator: str | None) -> tuple[Any, Any]:
    from google.pubsub_v1 import PublisherClient, SubscriberClient
    from google.pubsub_v1.services.publisher.transports import PublisherGrpcTransport
    from google.pubsub_v1.services.subscriber.transports import SubscriberGrpcTransport

    host = emulator or os.environ.get("PUBSUB_EMULATOR_HOST")
    if not host:
        return SubscriberClient(), PublisherClient()
    import grpc

    # As the library's own channels have it: one large message would otherwise hide all others.
    channel = grpc.insecure_channel(host, options=[("grpc.max_receive_message_length", -1)])
    return (
        SubscriberClient(transport=SubscriberGrpcTransport(channel=channel)),
        PublisherClient(transport=PublisherGrpcTransport(channel=channel)),
    )
