"""A product of the canary's own beside the stack's: database, topic, documents and processes that log all."""

from __future__ import annotations

import base64
import gzip
import logging
import os
import signal
import subprocess
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4

import requests
from google.cloud import firestore
from sqlalchemy import Connection, text

from ops.emulators import DEAD_LETTER_SUBSCRIPTION, local_session, make_topics
from ops.function_parts import TOPIC, function_environment, function_part, local_url
from ops.ports import Ports
from tests.integration.canary import Piece
from tests.integration.databases import Database, new_database
from tests.integration.product import ORIGIN, closed_port
from tests.stack import MOBIUS, Stack, eventually

PROJECT = f"mobius-canary-{uuid4().hex[:8]}"
LIBRARY = "a library logged"
RECORDER = "canary-recorder"
"""A subscription of the topic to which nobody else listens."""

_COLUMNS = text("""
SELECT c.relname, a.attname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE c.relkind IN ('r', 'p', 'm', 'v', 'f') AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'
ORDER BY c.relname, a.attnum""")


class Served(NamedTuple):
    """A process that serves functions, and what it writes."""

    process: subprocess.Popen[bytes]
    log: Path
    url: str


class Site:
    """Where the canary lives."""

    def __init__(self, stack: Stack, database: Database, folder: Path) -> None:
        self.database = database
        self.folder = folder
        self.described = stack.description
        self.secret = (stack.state_dir / "master-secret").read_text()
        self.stack_logs = stack.state_dir / "logs"
        # What the stack wrote for earlier tests is theirs: no marker was made yet.
        self.earlier = {log.name: log.stat().st_size for log in self.stack_logs.glob("*.log")}
        self.started: dict[str, Served] = {}

    def serve(self, name: str, factory: str, **variables: str) -> Served:
        """A process of its own under gunicorn, as the stack has them; it may refuse to start."""
        port = closed_port()
        environment = {**self.environment(), **variables}
        part = function_part(name, factory=factory, port=port, environment=environment)
        log = self.folder / f"{name}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                part.command, env=part.env, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                start_new_session=True,
            )  # fmt: skip
        served = self.started[name] = Served(process, log, local_url(port))
        started = eventually(lambda: part.is_ready() or process.poll() is not None, within_s=30)
        assert started, f"{name} neither started nor refused"
        return served

    @property
    def variables(self) -> dict[str, str]:
        """What a function's process finds beside the stack's own: all is logged, nobody is too fast."""
        return {
            "GOOGLE_CLOUD_PROJECT": PROJECT,
            "DATABASE_URL": self.database.urls.app,
            "FIRESTORE_EMULATOR_HOST": self.described["firestore_emulator_host"],
            "PUBSUB_EMULATOR_HOST": self.described["pubsub_emulator_host"],
            "ALLOWED_ORIGINS": ORIGIN,
            "LOG_LEVEL": "DEBUG",
            "LEDGER_SIGNING_KEY": base64.b64encode(bytes(32)).decode(),
            "CHECKPOINT_STORE": str(self.folder / "checkpoints"),
            "RATE_LIMIT_PER_USER_S": "1000000",
            "RATE_LIMIT_BURST": "1000000",
        }

    def environment(self) -> dict[str, str]:
        return {**function_environment(Ports(), "", self.secret), **self.variables}

    def make_topics(self, push_to: str) -> None:
        """The topic with its push subscription to ``push_to``, and one that records."""
        host = self.described["pubsub_emulator_host"]
        make_topics(host=host, project_id=PROJECT, topic=TOPIC, push_to=push_to)
        self._pubsub("PUT", f"subscriptions/{RECORDER}", {"topic": f"projects/{PROJECT}/topics/{TOPIC}"})

    def messages(self, subscription: str = RECORDER) -> list[dict[str, Any]]:
        """All messages that came since the last call, with their attributes and ids."""
        found: list[dict[str, Any]] = []
        pull = {"maxMessages": 1000, "returnImmediately": True}
        while got := self._pubsub("POST", f"subscriptions/{subscription}:pull", pull).get("receivedMessages"):
            found += [each["message"] for each in got]
            acks = {"ackIds": [each["ackId"] for each in got]}
            self._pubsub("POST", f"subscriptions/{subscription}:acknowledge", acks)
        return found

    def dead_letters(self) -> list[dict[str, Any]]:
        return self.messages(DEAD_LETTER_SUBSCRIPTION)

    def send_around(self, message: Mapping[str, object]) -> list[dict[str, Any]]:
        """A message as it comes out of another topic than ours."""
        self._pubsub("PUT", "topics/planted", {})
        self._pubsub("PUT", "subscriptions/planted", {"topic": f"projects/{PROJECT}/topics/planted"})
        self._pubsub("POST", "topics/planted:publish", {"messages": [message]})
        return self.messages("planted")

    def stop(self) -> None:
        """Ends all processes, with those that they started."""
        running = [each.process for each in self.started.values() if each.process.poll() is None]
        for process in running:
            os.killpg(process.pid, signal.SIGTERM)
        for process in running:
            process.wait(timeout=10)
        # Or the emulator would push for ever to nobody.
        for kind in ("subscriptions", "topics"):
            for each in self._pubsub("GET", kind).get(kind, []):
                self._pubsub("DELETE", f"{kind}/{each['name'].rpartition('/')[2]}")

    def _pubsub(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        url = f"http://{self.described['pubsub_emulator_host']}/v1/projects/{PROJECT}/{path}"
        answer = local_session().request(method, url, json=body, timeout=10)
        if answer.status_code != requests.codes.conflict:
            answer.raise_for_status()
        return dict(answer.json())


@contextmanager
def site_beside(stack: Stack, folder: Path) -> Iterator[Site]:
    """The canary's site with its three processes; nothing of it is left afterwards."""
    with new_database(stack, "canary") as database:
        site = Site(stack, database, folder)
        try:
            with ThreadPoolExecutor() as pool:
                # As gcloud deploys functions: the framework then has a hand in every line.
                pool.submit(site.serve, "api", "api", LOG_EXECUTION_ID="true")
                pool.submit(site.serve, "projector", "projector")
                pool.submit(site.serve, "scheduler", "scheduler", DATABASE_URL=database.urls.worker)
            site.make_topics(f"{site.started['projector'].url}/")
            yield site
        finally:
            site.stop()


def rows(connection: Connection) -> Iterator[Piece]:
    """Each column of each table that the catalogue knows, all its values as text, binary ones in hex."""
    for table, column in connection.execute(_COLUMNS).all():
        query = f'SELECT string_agg("{column}"::text, chr(10)) FROM "{table}"'  # noqa: S608 -- the catalogue's names
        yield Piece(f"{table}.{column}", connection.scalar(text(query)) or "")


def checkpoints(folder: Path) -> Iterator[Piece]:
    """Every file that signed the ledger, unpacked."""
    for path in (each for each in (folder / "checkpoints").rglob("*") if each.is_file()):
        content = path.read_bytes()
        text = gzip.decompress(content) if path.suffix == ".gz" else content
        yield Piece(f"checkpoint file {path.parent.name}", text.decode())


def documents(client: firestore.Client) -> Iterator[Piece]:
    """Every document, wherever it is, with its path; of a patient's the snapshot apart."""
    collections = list(client.collections())
    while collections:
        for reference in collections.pop().list_documents():
            collections += reference.collections()
            content = reference.get().to_dict() or {}
            kind = reference.parent.id
            if kind == "patient_state":
                yield Piece("patient_state.snapshot", repr(content.pop("snapshot", None)))
            yield Piece(f"a document of {kind}", f"{reference.path} {content!r}")


def lines(log: Path, beyond: int = 0) -> list[str]:
    """The lines of a log, each once; without its first ``beyond`` bytes."""
    text = log.read_bytes()[beyond:].decode("utf-8", errors="replace")
    return list(dict.fromkeys(text.splitlines()))


@contextmanager
def output_to(path: Path) -> Iterator[None]:
    """Everything that this process says goes to ``path``: both streams, and what any library logs."""
    with path.open("a", buffering=1, encoding="utf-8") as file, ExitStack() as stack:
        stack.enter_context(redirect_stdout(file))
        stack.enter_context(redirect_stderr(file))
        for number in (1, 2):
            stack.callback(os.dup2, os.dup(number), number)
            os.dup2(file.fileno(), number)
        handler = logging.StreamHandler(file)
        handler.setFormatter(logging.Formatter(f"{LIBRARY} %(name)s: %(message)s"))
        root = logging.getLogger()
        stack.callback(root.setLevel, root.level)
        stack.callback(root.removeHandler, handler)
        root.addHandler(handler)
        root.setLevel(logging.DEBUG)
        yield


def mobius(site: Site, *arguments: str, status: int) -> str:
    """What the operator's command line writes on either stream, as a process of its own."""
    ran = subprocess.run(
        (MOBIUS, *arguments),
        env={**site.environment(), "DATABASE_URL": site.database.urls.owner},
        cwd=site.folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert ran.returncode == status, f"{arguments[0]} ended with {ran.returncode}"
    return ran.stdout
