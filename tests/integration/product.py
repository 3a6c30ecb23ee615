"""The product as the integration tests hold it: the real functions over the real parts of the stack."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache, lru_cache
from itertools import pairwise
from typing import Any, TypeVar
from unittest.mock import patch
from uuid import UUID, uuid4

import functions_framework
import msgspec
import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import Engine, create_engine, make_url, text
from werkzeug.test import TestResponse

from ops import demo_load
from ops.demo import DemoTenant, demo_tenants
from ops.schema import DatabaseUrls, prepare_database
from shared import runtime, settings
from shared.core import SharedPatientStateCore
from shared.decisions.policy import decode_policy, encode_policy
from shared.messaging import publisher
from shared.messaging.codec import Message
from shared.model import CorrelationId, PatientContextId, Surface, TenantId, UserId
from shared.persistence import database
from shared.persistence.database import driver_url
from shared.projections import reader, store
from shared.security.identity import Identity, development_token
from shared.views import Caller
from shared.web.registry import ENDPOINTS
from tests.stack import Stack, eventually

T = TypeVar("T")

ORIGIN = "chrome-extension://abcdefghijklmnop"
NOTE = "Called the payer about Member-4711."

# What the demo clinics' patients have, by their number: the same in every clinic made here.
EXPIRING, GREEN, INACTIVE, BY_HAND, NO_SIGNALS, MANY = 0, 1, 2, 5, 6, 11

_TARGETS = {
    **{each.key: (each.target, each.source, "http") for each in ENDPOINTS},
    "projector/project": ("project", "functions/projector/main.py", "cloudevent"),
    "scheduler/relay": ("relay", "functions/scheduler/main.py", "http"),
    "scheduler/sweep": ("sweep", "functions/scheduler/main.py", "http"),
    "scheduler/tidy": ("tidy", "functions/scheduler/main.py", "http"),
    "scheduler/checkpoint": ("checkpoint", "functions/scheduler/main.py", "http"),
    "scheduler/health": ("health", "functions/scheduler/main.py", "http"),
    "scheduler/retention": ("retention", "functions/scheduler/main.py", "http"),
}

_WRITTEN = (
    "system_response",
    "mini_submission",
    "response_outcome",
    "assignment",
    "event_log",
    "invocation",
    "session",
    "session_view",
)


class RecordingPublisher:
    """Keeps what is published, or raises ``failure``."""

    def __init__(self, failure: Exception | None = None) -> None:
        self.failure = failure
        self.messages: list[Message] = []

    def publish(self, messages: Sequence[Message]) -> None:
        if self.failure is not None:
            raise self.failure
        self.messages.extend(messages)


@cache
def _app(endpoint: str) -> Flask:
    """The real entry point; what it shares with others is in ``shared``, which ``forget`` starts anew."""
    target, source, signature = _TARGETS[endpoint]
    return functions_framework.create_app(target, source, signature)


class Product:
    """The functions of this process, configured as the stack's are."""

    def __init__(self, stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
        self.stack = stack.description
        self.urls = _urls(stack)
        self._monkeypatch = monkeypatch
        for name in ("K_SERVICE", "CLOUD_SQL_INSTANCE"):
            monkeypatch.delenv(name, raising=False)
        self.configure(
            GOOGLE_CLOUD_PROJECT=self.stack["project_id"],
            DATABASE_URL=self.stack["app_database_url"],
            FIRESTORE_EMULATOR_HOST=self.stack["firestore_emulator_host"],
            PUBSUB_EMULATOR_HOST=self.stack["pubsub_emulator_host"],
            MOBIUS_MASTER_SECRET=(stack.state_dir / "master-secret").read_text(),
            PUBSUB_TOPIC="mobius-events",
            ALLOWED_ORIGINS=ORIGIN,
            LOG_LEVEL="INFO",
            # Far more than a busy machine needs: the tests of these limits lower them.
            DATABASE_POOL_SIZE="20",
            DATABASE_POOL_TIMEOUT_S="60",
            DATABASE_STATEMENT_TIMEOUT_S="60",
            DATABASE_LOCK_TIMEOUT_S="60",
            REQUEST_DEADLINE_S="60",
            OUTSIDE_TIMEOUT_S="30",
            RATE_LIMIT_PER_USER_S="1000000",
            RATE_LIMIT_BURST="1000000",
        )

    def configure(self, **variables: str) -> None:
        """Starts anew, as a process with these variables would."""
        for name, value in variables.items():
            self._monkeypatch.setenv(name, value)
        forget()

    def client(self, endpoint: str) -> FlaskClient:
        return _app(endpoint).test_client()

    def core(self, **parts: Any) -> SharedPatientStateCore:
        """A core over this database that tells nobody, unless ``parts`` say otherwise."""
        told = parts.pop("publisher", None) or RecordingPublisher()
        return SharedPatientStateCore(database.engine(), told, settings.settings().master_secret, **parts)

    def use(self, core: SharedPatientStateCore) -> None:
        """Has the functions call ``core`` until the test ends."""
        self._monkeypatch.setattr(runtime, "SharedPatientStateCore", lambda *_: core)
        runtime.core.cache_clear()


class Clinic:
    """A tenant that one test has for itself, with a user of each role and patients of every kind."""

    def __init__(self, product: Product, clinic: DemoTenant, described: dict[str, Any]) -> None:
        self.product = product
        self.tenant_id = clinic.tenant_id
        self.users = clinic.users
        self.patients = clinic.patients
        self._keys = [patient["patient_key"] for patient in described["patients"]]

    def key(self, number: int) -> str:
        return self._keys[number]

    def context(self, number: int) -> PatientContextId:
        return self.patients[number].patient_context_id

    def headers(self, user: int = 0) -> dict[str, str]:
        project = self.product.stack["project_id"]
        token = development_token(project, self.users[user].user_id, self.tenant_id, 600)
        return {"Authorization": f"Bearer {token}"}

    def caller(
        self, user: int = 0, *, session: bytes | None = None, signed_in_at: datetime | None = None
    ) -> Caller:
        identity = Identity(
            tenant_id=self.tenant_id,
            user_id=self.users[user].user_id,
            issued_at=signed_in_at or datetime.now(UTC),
        )
        return Caller(
            identity=identity,
            surface=Surface.MINI,
            correlation_id=CorrelationId(uuid4()),
            session=session,
        )

    def post(
        self, endpoint: str, body: object, *, user: int = 0, headers: dict[str, str] | None = None
    ) -> TestResponse:
        sent = {**self.headers(user), **(headers or {})}
        return self.product.client(endpoint).post("/", json=body, headers=sent)

    def answer(self, endpoint: str, body: object, **options: Any) -> dict[str, Any]:
        response = self.post(endpoint, body, **options)
        assert response.status_code == 200, response.get_data(as_text=True)
        answer: dict[str, Any] = response.get_json()
        assert answer["ok"] is True
        return answer

    def status(self, number: int, **options: Any) -> dict[str, Any]:
        return self.answer("mini/status", self.names(number), **options)

    def names(self, number: int, session: str = "s-1") -> dict[str, Any]:
        return {"session_id": session, "patient_key": self.key(number)}

    def says(self, number: int, **fields: Any) -> dict[str, Any]:
        return {**self.names(number), "note_text": NOTE, "override_tasking": "review", **fields}

    def sql(self, statement: str, **values: object) -> list[Any]:
        """Runs a statement as the owner with this tenant set; ``:tenant`` is bound."""
        with _owner(self.product.urls.owner).begin() as connection:
            connection.execute(
                text("SELECT set_config('app.tenant_id', :tenant, true)"), {"tenant": str(self.tenant_id)}
            )
            found = connection.execute(text(statement), {"tenant": self.tenant_id, **values})
            return list(found) if found.returns_rows else []

    @contextmanager
    def holding(self, statement: str, **values: object) -> Iterator[Callable[[int], None]]:
        """Keeps a transaction open in which the owner ran ``statement``, and commits it in the end.

        Gives a function that returns once so many others wait for it, or for those who do.
        """
        with _owner(self.product.urls.owner).begin() as connection:
            connection.execute(text(f"SET LOCAL app.tenant_id = '{self.tenant_id}'"))
            connection.execute(text(statement), {"tenant": self.tenant_id, **values})

            def waits_for(count: int) -> None:
                query = "SELECT count(*) FROM pg_stat_activity WHERE cardinality(pg_blocking_pids(pid)) > 0"
                assert eventually(lambda: self.sql(query)[0][0] == count, within_s=10)

            yield waits_for

    def rows(self, table: str, where: str = "true") -> list[Any]:
        """This tenant's rows of ``table``, the oldest first."""
        return self.sql(f"SELECT * FROM {table} WHERE tenant_id = :tenant AND {where} ORDER BY created_at")  # noqa: S608 -- our own names

    def count(self, table: str, where: str = "true") -> int:
        return int(self.sql(f"SELECT count(*) FROM {table} WHERE tenant_id = :tenant AND {where}")[0][0])  # noqa: S608 -- our own names

    def counts(self) -> dict[str, int]:
        """How many rows there are of everything that a request may write."""
        counted = ", ".join(
            f"(SELECT count(*) FROM {table} WHERE tenant_id = :tenant) AS {table}"  # noqa: S608 -- our own names
            for table in _WRITTEN
        )
        version = "(SELECT sum(version) FROM patient_context WHERE tenant_id = :tenant) AS version"
        (row,) = self.sql(f"SELECT {counted}, {version}")
        return {name: int(count) for name, count in row._mapping.items()}

    def written_since(self, before: dict[str, int]) -> dict[str, int]:
        """What ``counts`` has more than before, by name; nothing else changed."""
        after = self.counts()
        return {name: after[name] - before[name] for name in after if after[name] != before[name]}

    def outbox(self, subject: UUID) -> list[Any]:
        return self.sql(
            "SELECT * FROM outbox WHERE tenant_id = :tenant AND subject = :subject ORDER BY version",
            subject=subject,
        )

    def context_row(self, number: int) -> Any:
        (row,) = self.sql(
            "SELECT * FROM patient_context WHERE tenant_id = :tenant AND patient_context_id = :context",
            context=self.context(number),
        )
        return row

    def signal(self, number: int, code: str, status: str) -> None:
        self.sql(
            """UPDATE patient_signal SET status = :status
               WHERE tenant_id = :tenant AND patient_context_id = :context AND code = :code""",
            status=status,
            context=self.context(number),
            code=code,
        )

    def events(self, number: int | None) -> list[Any]:
        """What happened in a patient's chain of the ledger since loading; None: in the tenant's own."""
        return [event for event in self.chain(number) if event.seq > (number is None)]

    def chain(self, number: int | None) -> list[Any]:
        """A patient's chain of the ledger from its beginning; None: the tenant's own."""
        return self.sql(
            """SELECT * FROM event_log WHERE tenant_id = :tenant
               AND patient_context_id IS NOT DISTINCT FROM CAST(:context AS uuid) ORDER BY seq""",
            context=None if number is None else self.context(number),
        )

    def told(self, number: int | None) -> list[str]:
        """What happened in a chain, in order: event types, of interactions and outcomes their kind."""
        return [
            event.payload_json.get("kind") or event.payload_json.get("outcome") or event.event_type
            for event in self.events(number)
        ]

    def chain_holds(self, number: int | None) -> bool:
        """Whether the events are numbered without a gap and each carries the hash of the one before it."""
        events = self.chain(number)
        numbered = [event.seq for event in events] == list(range(1, len(events) + 1))
        linked = all(b.prev_hash == a.hash for a, b in pairwise(events))
        row = self.rows("tenant")[0] if number is None else self.context_row(number)
        head = (events[-1].seq, events[-1].hash) if events else (0, None)
        return numbered and linked and (row.ledger_seq, row.ledger_head) == head

    def publish(self, **changes: Mapping[str, object]) -> int:
        """Publishes the default policy with ``changes`` merged into its parts; returns its version."""
        version = self.sql("SELECT max(version) FROM policy_config WHERE tenant_id = :tenant")[0][0] + 1
        document = _merged(encode_policy(demo_load.default_policy()), {**changes, "version": version})
        policy = msgspec.json.encode(encode_policy(decode_policy(document))).decode()
        self.sql(
            """INSERT INTO policy_config (tenant_id, version, allowlist_rules_json, ui_variants_json,
                timeout_rules_json, notification_rules_json, decision_rules_json, retention_rules_json)
            SELECT :tenant, :version, p -> 'allowlist', p -> 'ui_variants', p -> 'timeouts',
                p -> 'notifications', p -> 'decisions', p -> 'retention'
            FROM (SELECT CAST(:policy AS jsonb) AS p) p""",
            version=version,
            policy=policy,
        )
        return int(version)

    def leave(self) -> None:
        """Asks for nothing any more, so that the stack's own relay has nothing to do here."""
        self.sql("DELETE FROM outbox WHERE tenant_id = :tenant")


def new_clinic(product: Product) -> Clinic:
    """Loads a clinic of its own, as the demo's are loaded."""
    template = demo_tenants(datetime.now(UTC).date())[0]
    users = tuple(msgspec.structs.replace(user, user_id=UserId(uuid4())) for user in template.users)
    patients = tuple(
        msgspec.structs.replace(patient, patient_context_id=PatientContextId(uuid4()))
        for patient in template.patients[:16]
    )
    clinic = msgspec.structs.replace(template, tenant_id=TenantId(uuid4()), users=users, patients=patients)
    with patch.object(demo_load, "demo_tenants", lambda _day: (clinic,)):
        (described,) = demo_load.load_demo(product.urls, settings.settings())
    made = Clinic(product, clinic, described)
    # Its new users' inboxes: a test that is about them asks for them.
    made.leave()
    return made


class CountingProxy:
    """Stands before Postgres and counts round trips: how often the client speaks after the server did."""

    def __init__(self, url: str) -> None:
        target = make_url(url)
        self._target = (target.host, target.port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = target.set(host="127.0.0.1", port=self._listener.getsockname()[1]).render_as_string(
            hide_password=False
        )
        self._lock = threading.Lock()
        self._flights = 0
        self._sockets: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def flights(self, doing: Callable[[], Any]) -> int:
        """How many round trips ``doing`` takes."""
        with self._lock:
            before = self._flights
        doing()
        with self._lock:
            return self._flights - before

    def close(self) -> None:
        for each in (self._listener, *self._sockets):
            each.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(self._target)
            self._sockets += [client, server]
            speaker = ["server"]
            for source, sink, name in ((client, server, "client"), (server, client, "server")):
                threading.Thread(target=self._pump, args=(source, sink, name, speaker), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket, name: str, speaker: list[str]) -> None:
        try:
            while data := source.recv(65536):
                with self._lock:
                    if name == "client" and speaker[0] == "server":
                        self._flights += 1
                    speaker[0] = name
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            return


def problem_of(response: TestResponse, status: int) -> dict[str, Any]:
    """The problem document of a response, once it is one."""
    assert response.status_code == status, response.get_data(as_text=True)
    assert response.mimetype == "application/problem+json"
    problem: dict[str, Any] = response.get_json(force=True)
    assert problem["status"] == status
    assert problem["error"] == problem["detail"]
    assert problem["correlation_id"] == response.headers["X-Correlation-Id"]
    assert problem["type"].startswith("urn:mobius:problem:")
    assert problem["title"]
    assert set(problem) <= {"type", "title", "status", "detail", "error", "correlation_id", "errors"}
    return problem


def closed_port() -> int:
    """A port of this machine at which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def at_once(doings: Sequence[Callable[[], T]]) -> list[T]:
    """Does all of ``doings`` at the same moment, each in a thread of its own; returns what came of them."""
    start = threading.Barrier(len(doings))

    def do(doing: Callable[[], T]) -> T:
        start.wait()
        return doing()

    with ThreadPoolExecutor(len(doings)) as pool:
        return list(pool.map(do, doings))


def forget() -> None:
    """Forgets everything that a process makes once of its settings."""
    for engine in (database.engine, database.app_engine):
        if engine.cache_info().currsize:
            engine().dispose()
    for made_once in (
        settings.settings,
        database.engine,
        database.app_engine,
        runtime.core,
        store._client,
        publisher._client,
        publisher._rest,
        reader._rest,
    ):
        made_once.cache_clear()


def _merged(document: Mapping[str, object], changes: Mapping[str, object]) -> dict[str, object]:
    merged = dict(document)
    for name, change in changes.items():
        old = merged.get(name)
        both = isinstance(old, Mapping) and isinstance(change, Mapping)
        merged[name] = _merged(old, change) if both else change
    return merged


@lru_cache(maxsize=2)
def _urls(stack: Stack) -> DatabaseUrls:
    # As the stack itself does it: repeating is safe, and only here the scheduler's role is told.
    port = make_url(stack.description["database_url"]).port
    password = stack.state_dir / "postgres-password"
    given = os.environ.get("DATABASE_URL")
    return prepare_database(
        given or f"postgresql://postgres:{password.read_text().encode().hex()}@127.0.0.1:{port}/postgres"
    )


@lru_cache(maxsize=2)
def _owner(url: str) -> Engine:
    # Pooled: a test asks dozens of times, and signing in takes longer than most of its questions.
    return create_engine(driver_url(url), pool_pre_ping=True)
