"""What no projector takes is kept, listed without its content, told again or thrown away."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from typer.testing import CliRunner, Result

from ops.cli import app
from ops.deadletters.subscription import Subscription
from ops.emulators import local_session
from ops.installation import Refused
from shared.messaging.codec import ProjectMessage, encode_message
from shared.model import CorrelationId, SubjectType, TenantId
from tests.integration.product import BY_HAND, Clinic, Product, closed_port
from tests.stack import Stack, eventually

pytestmark = pytest.mark.usefixtures("held")

NAME = "Maria Garcia"


class Desk:
    """The command line over topics of the test's own, in the emulator of the stack."""

    def __init__(self, stack: Stack) -> None:
        described = stack.description
        self._state_dir = stack.state_dir
        self.host, self.project = described["pubsub_emulator_host"], described["project_id"]
        self.name = f"letters-{uuid4().hex}"
        self._made: list[str] = []
        self.make(f"topics/{self.name}-dead", {})
        self.make(f"subscriptions/{self.name}", {"topic": self._path(f"topics/{self.name}-dead")})

    def make(self, what: str, body: dict[str, Any]) -> None:
        self.call("PUT", what, body)
        self._made.append(what)

    def call(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        url = f"http://{self.host}/v1/{self._path(path)}"
        answer = local_session().request(method, url, json=body, timeout=30)
        answer.raise_for_status()
        return dict(answer.json())

    def _path(self, what: str) -> str:
        return f"projects/{self.project}/{what}"

    def put(self, *messages: bytes, topic: str | None = None) -> list[str]:
        """Puts messages straight among the dead letters, or into ``topic``; returns their ids."""
        encoded = [{"data": base64.b64encode(each).decode()} for each in messages]
        published = self.call("POST", f"topics/{topic or self.name + '-dead'}:publish", {"messages": encoded})
        return list(published["messageIds"])

    def run(self, *arguments: str, subscription: str | None = None) -> Result:
        where = ("--state-dir", str(self._state_dir), "--subscription", subscription or self.name)
        return CliRunner().invoke(app, ["deadletters", *arguments, *where])

    def listed(self) -> list[dict[str, Any]]:
        result = self.run("list", "--json")
        assert result.exit_code == 0, result.output
        return list(json.loads(result.stdout))

    def subscription(self, topic: str = "mobius-events") -> Subscription:
        return Subscription(self.project, topic, self.name, timeout_s=0.5, emulator=self.host)

    def left(self) -> list[str]:
        """The ids of the letters that are there, in order."""
        with self.subscription().walk() as pages:
            return sorted((letter.letter_id for page in pages for letter in page), key=int)

    def clear(self) -> None:
        for each in reversed(self._made):
            self.call("DELETE", each)


@pytest.fixture
def desk(stack: Stack) -> Iterator[Desk]:
    made = Desk(stack)
    yield made
    made.clear()


@pytest.fixture
def refusing(product: Product) -> Iterator[ThreadingHTTPServer]:
    """The real projector behind an address of its own, for Pub/Sub to push to. Counts the pushes."""
    projector = product.client("projector/project")

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            pushed.append(self.path)
            body = self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(projector.post("/", data=body, content_type="application/json").status_code)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_arguments: object) -> None:
            return

    pushed: list[str] = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.pushed = pushed  # type: ignore[attr-defined] -- for the test to read
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def about(clinic: Clinic, subject: UUID) -> bytes:
    return encode_message(
        ProjectMessage(
            subject_type=SubjectType.PATIENT,
            subject=subject,
            tenant_id=clinic.tenant_id,
            version=1,
            correlation_id=CorrelationId(uuid4()),
        )
    )


def replay_all(subscription: Subscription) -> None:
    with subscription.walk() as pages:
        for page in pages:
            subscription.replay(page)


def nobodys(count: int) -> list[bytes]:
    return [
        encode_message(
            ProjectMessage(
                subject_type=SubjectType.USER,
                subject=uuid4(),
                tenant_id=TenantId(UUID(int=1)),
                version=1,
                correlation_id=CorrelationId(uuid4()),
            )
        )
        for _ in range(count)
    ]


def test_what_the_projector_refuses_five_times_ends_in_the_list_without_its_content(
    desk: Desk, refusing: ThreadingHTTPServer
) -> None:
    topic = f"{desk.name}-poisoned"
    desk.make(f"topics/{topic}", {})
    push_to = f"http://127.0.0.1:{refusing.server_port}/"
    desk.make(
        f"subscriptions/{topic}",
        {
            "topic": f"projects/{desk.project}/topics/{topic}",
            "pushConfig": {"pushEndpoint": push_to},
            "deadLetterPolicy": {
                "deadLetterTopic": f"projects/{desk.project}/topics/{desk.name}-dead",
                "maxDeliveryAttempts": 5,
            },
        },
    )
    poison = json.dumps({"kind": "project", "name": NAME}).encode()
    desk.put(poison, topic=topic)
    assert eventually(desk.left, within_s=40)
    (letter,) = desk.listed()
    assert (letter["kind"], letter["deliveries"], letter["size_bytes"]) == (None, 5, len(poison))
    assert len(refusing.pushed) == 5  # type: ignore[attr-defined] -- set by the fixture
    shown = desk.run("list").output
    assert "not ours" in shown
    assert NAME not in shown


def test_a_letter_says_whether_the_relay_goes_on_and_stays(desk: Desk, clinic: Clinic) -> None:
    clinic.status(BY_HAND)
    context = clinic.context(BY_HAND)
    waiting, done, foreign = desk.put(about(clinic, context), about(clinic, uuid4()), NAME.encode())
    letters = {letter["id"]: letter for letter in desk.listed()}
    assert letters[waiting]["subject"] == str(context)
    assert letters[waiting]["tenant_id"] == str(clinic.tenant_id)
    assert (letters[waiting]["unconfirmed"], letters[done]["unconfirmed"]) == (True, False)
    assert letters[foreign]["kind"] is None
    shown = desk.run("list").output
    assert "3 dead letters, 1 of them not ours." in shown
    assert "the changes of 1. The relay goes on" in shown


def test_replay_publishes_ours_and_leaves_what_is_not(desk: Desk, clinic: Clinic, product: Product) -> None:
    # The stack's own topic, and a subscription to it that records.
    recorder = f"{desk.name}-recorder"
    desk.make(f"subscriptions/{recorder}", {"topic": f"projects/{desk.project}/topics/mobius-events"})
    ours = about(clinic, uuid4())
    _, foreign = desk.put(ours, NAME.encode())
    result = desk.run("replay")
    assert result.exit_code == 0, result.output
    assert "Replayed: 1 letter." in result.output
    assert "still there: 1 message." in result.output
    pulled = desk.call("POST", f"subscriptions/{recorder}:pull", {"maxMessages": 100})["receivedMessages"]
    assert ours in [base64.b64decode(each["message"]["data"]) for each in pulled]
    assert desk.left() == [foreign]


def test_some_are_replayed_or_discarded_by_their_ids(desk: Desk) -> None:
    first, second, third, foreign = desk.put(*nobodys(3), NAME.encode())
    assert "Replayed: 1 letter." in desk.run("replay", second).output
    assert "Thrown away: 2 letters." in desk.run("discard", third, foreign).output
    assert desk.left() == [first]
    result = desk.run("discard", first, "0")
    assert result.exit_code == 1
    assert "Not among the dead letters: 0." in result.output
    assert "There are no dead letters." in desk.run("list").output


def test_thousands_are_told_apart_and_given_back(desk: Desk) -> None:
    put = set(desk.put(*nobodys(1000)) + desk.put(*nobodys(1000)) + desk.put(*nobodys(500)))
    assert desk.left() == sorted(put, key=int)
    shown = desk.run("list").output
    assert "2,500 dead letters" in shown
    assert "first 50" in shown
    assert "Replayed: 2,500 letters." in desk.run("replay").output
    assert desk.left() == []


def test_a_replay_that_is_killed_before_it_acknowledged_loses_nothing(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    (letter,) = desk.put(*nobodys(1))

    def killed(*_arguments: object) -> None:
        raise KeyboardInterrupt

    subscription = desk.subscription()
    monkeypatch.setattr(subscription, "discard", killed)
    with pytest.raises(KeyboardInterrupt):
        replay_all(subscription)
    assert desk.left() == [letter]


def test_what_is_not_there_is_said(desk: Desk) -> None:
    result = desk.run("list", subscription="no-such-subscription")
    assert result.exit_code == 1
    assert "has no subscription no-such-subscription" in result.output
    away = Subscription(
        desk.project, "mobius-events", desk.name, timeout_s=1, emulator=f"127.0.0.1:{closed_port()}"
    )
    with pytest.raises(Refused, match=r"Pub/Sub can't be reached"), away.walk():
        pass


def test_a_replay_to_a_topic_that_is_not_there_takes_nothing_away(desk: Desk) -> None:
    (letter,) = desk.put(*nobodys(1))
    with pytest.raises(Refused, match="no topic no-such-topic"):
        replay_all(desk.subscription("no-such-topic"))
    assert desk.left() == [letter]


def test_without_a_database_the_letters_are_listed_all_the_same(
    desk: Desk, product: Product, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (letter,) = desk.put(*nobodys(1))
    url = f"postgresql://nobody@127.0.0.1:{closed_port()}/mobius"
    # As deployed: no stack, all from the environment.
    monkeypatch.setenv("DATABASE_URL", url)
    monkeypatch.setenv("OUTSIDE_TIMEOUT_S", "2")
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, ["deadletters", "list", "--subscription", desk.name])
    assert result.exit_code == 0, result.output
    assert letter in result.output
    assert "database can't be reached" in result.output
