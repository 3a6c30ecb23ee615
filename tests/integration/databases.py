"""Databases of one's own on the stack's real PostgreSQL, with two tenants that have a row in every table."""

from __future__ import annotations

import base64
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import URL, Connection, Engine, NullPool, create_engine, make_url, text
from sqlalchemy.exc import DBAPIError

from ops.postgres_server import admin_url
from ops.schema import DatabaseUrls, prepare_database
from shared.persistence.database import driver_url, make_engine
from shared.settings import read_settings
from tests.stack import Stack

REFUSED, NOT_NULL, UNIQUE, CHECK, FOREIGN_KEY = "42501", "23502", "23505", "23514", "23503"
ROLES = ("biller", "registrar")


@dataclass
class Clinic:
    """The ids of one tenant's rows: one user of each role, two patients."""

    tenant_id: UUID = field(default_factory=uuid4)
    user_id: UUID = field(default_factory=uuid4)
    colleague_id: UUID = field(default_factory=uuid4)
    patient_id: UUID = field(default_factory=uuid4)
    other_patient_id: UUID = field(default_factory=uuid4)
    identity_id: UUID = field(default_factory=uuid4)
    invocation_id: UUID = field(default_factory=uuid4)
    session_id: UUID = field(default_factory=uuid4)
    response_id: UUID = field(default_factory=uuid4)
    other_response_id: UUID = field(default_factory=uuid4)
    submission_id: UUID = field(default_factory=uuid4)
    word: str = "ehr"
    """What names the application, the patients and whatever else has a name."""
    number: int = 1
    digest: bytes = b"\0"
    settled_as: str = "acknowledged"

    @property
    def ids(self) -> dict[str, Any]:
        return dict(vars(self))


@dataclass(frozen=True)
class Database:
    """One migrated database through the eyes of its three roles."""

    name: str
    admin: str = field(repr=False)  # with its password
    urls: DatabaseUrls = field(repr=False)

    @cached_property
    def owner(self) -> Engine:
        return _pooled(self.urls.owner)

    @cached_property
    def app(self) -> Engine:
        return _pooled(self.urls.app)

    @cached_property
    def worker(self) -> Engine:
        return _pooled(self.urls.worker)

    @cached_property
    def superuser(self) -> Engine:
        """Whom no policy binds: sees what is really there."""
        return _pooled(make_url(self.admin).set(database=self.name))

    def clinic(self, clinic: Clinic | None = None) -> Clinic:
        """A new tenant with a row in every table; ``clinic`` says what its rows are to hold."""
        clinic = clinic or Clinic()
        with as_tenant(self.owner, clinic.tenant_id) as connection:
            connection.execute(
                text("INSERT INTO role SELECT unnest(CAST(:r AS text[])) ON CONFLICT DO NOTHING"),
                {"r": list(ROLES)},
            )
            for statement in _CLINIC:
                connection.execute(text(statement), clinic.ids)
        return clinic


@contextmanager
def as_tenant(engine: Engine, tenant_id: UUID | None) -> Iterator[Connection]:
    """A transaction that is committed at the end; without a tenant, none is set."""
    with engine.begin() as connection:
        if tenant_id is not None:
            connection.execute(text(f"SET LOCAL app.tenant_id = '{tenant_id}'"))
        yield connection


def run(engine: Engine, tenant_id: UUID | None, statement: str, /, **parameters: object) -> Any:
    """Runs one statement in a transaction of its own; returns its rows, or how many it touched."""
    with as_tenant(engine, tenant_id) as connection:
        result = connection.execute(text(statement), parameters)
        return result.all() if result.returns_rows else result.rowcount


def refusal(
    engine: Engine, tenant_id: UUID | None, statement: str, /, **parameters: object
) -> tuple[str, str]:
    """Runs a statement that must fail; returns the error's code and the constraint's name."""
    with pytest.raises(DBAPIError) as raised:
        run(engine, tenant_id, statement, **parameters)
    details = raised.value.orig.args[0]
    return details["C"], details.get("n", "")


@contextmanager
def new_database(stack: Stack, what: str, *, migrated: bool = True) -> Iterator[Database]:
    """A database that is gone afterwards, whoever is still connected to it.

    Not ``migrated``: it belongs to the owner and is empty.
    """
    name, admin = f"test_{what}_{uuid4().hex[:8]}", _admin_url(stack)
    try:
        urls = prepare_database(admin, name)
        if not migrated:
            _on_server(admin, f"DROP DATABASE {name}", f"CREATE DATABASE {name} OWNER mobius_owner")
        made = Database(name, admin, urls)
        yield made
        for engine in (made.owner, made.app, made.worker, made.superuser):
            engine.dispose()
    finally:
        _on_server(admin, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


@pytest.fixture(scope="module")
def database(stack: Stack) -> Iterator[Database]:
    """One migrated database for a module; its tests make clinics of their own in it."""
    with new_database(stack, "own") as made:
        yield made


@pytest.fixture
def clinic(database: Database) -> Clinic:
    """A tenant that no other test knows."""
    return database.clinic()


@pytest.fixture
def neighbour(database: Database) -> Clinic:
    """Another one, in the same database."""
    return database.clinic()


def application_engine(database: Database, connections: int) -> Engine:
    """The engine that the functions would make for this database, with so many connections."""
    return make_engine(
        read_settings(
            {
                "GOOGLE_CLOUD_PROJECT": "demo-test",
                "DATABASE_URL": database.urls.app,
                "MOBIUS_MASTER_SECRET": base64.b64encode(b"x" * 32).decode(),
                "DATABASE_POOL_SIZE": str(connections),
                # Far more than a busy machine needs.
                "DATABASE_POOL_TIMEOUT_S": "60",
                "DATABASE_STATEMENT_TIMEOUT_S": "60",
                "DATABASE_LOCK_TIMEOUT_S": "60",
            }
        )
    )


def _pooled(url: URL | str) -> Engine:
    # Pooled as in the functions: what one transaction leaves on a connection, the next test would meet.
    return create_engine(driver_url(url), pool_size=8, max_overflow=0)


def _admin_url(stack: Stack) -> str:
    if given := os.environ.get("DATABASE_URL"):
        return given
    # As the stack itself makes it: in hex, because it becomes part of a URL.
    password = (stack.state_dir / "postgres-password").read_text().encode().hex()
    url: URL = make_url(stack.description["database_url"])
    return admin_url(url.port or 5432, password)


def _on_server(admin: str, *statements: str) -> None:
    engine = create_engine(driver_url(admin), poolclass=NullPool, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        for statement in statements:
            connection.execute(text(statement))


RESPONSE = """
    INSERT INTO system_response (tenant_id, patient_context_id, system_response_id, surface_type,
        proceed_indicator, execution_mode, tasking_summary, task_count, rationale, needs_ack,
        policy_version, facts_digest, correlation_id)
    VALUES (:tenant_id, :{patient}, :{response}, {surface}, {proceed}, {mode}, 'nothing to do', 0, '[]',
        true, :number, 'digest', gen_random_uuid())"""
_DEFAULT = {"surface": "'mini'", "proceed": "'green'", "mode": "'copilot'"}

_CLINIC = (
    "INSERT INTO tenant (tenant_id, name) VALUES (:tenant_id, 'A clinic')",
    """INSERT INTO app_user (tenant_id, user_id, role, display_name) VALUES
        (:tenant_id, :user_id, 'biller', 'Somebody'), (:tenant_id, :colleague_id, 'registrar', 'Another')""",
    "INSERT INTO application (tenant_id, application_id, display_name) VALUES (:tenant_id, :word, 'A host')",
    """INSERT INTO policy_config (tenant_id, version, allowlist_rules_json, ui_variants_json,
        timeout_rules_json, notification_rules_json, decision_rules_json)
        VALUES (:tenant_id, :number, '{}', '{}', '{}', '{}', '{}')""",
    """INSERT INTO patient_identity_ref (tenant_id, patient_identity_ref_id, source_system,
        external_patient_id_hash) VALUES (:tenant_id, :identity_id, :word, :digest)""",
    """INSERT INTO patient_context (tenant_id, patient_context_id, patient_key, patient_identity_ref_id)
        VALUES (:tenant_id, :patient_id, concat(CAST(:word AS text), '-patient-1'), :identity_id),
        (:tenant_id, :other_patient_id, concat(CAST(:word AS text), '-patient-2'), null)""",
    """INSERT INTO invocation (tenant_id, invocation_id, user_id, application_id, surface_type,
        patient_context_id) VALUES (:tenant_id, :invocation_id, :user_id, :word, 'mini', :patient_id)""",
    """INSERT INTO session (tenant_id, session_id, invocation_id, user_id, client_session_hash)
        VALUES (:tenant_id, :session_id, :invocation_id, :user_id, :digest)""",
    """INSERT INTO session_view (tenant_id, session_id, patient_context_id)
        VALUES (:tenant_id, :session_id, :patient_id)""",
    """INSERT INTO patient_snapshot (tenant_id, patient_context_id, snapshot_version, display_name)
        VALUES (:tenant_id, :patient_id, :number, concat('Nobody at ', CAST(:word AS text)))""",
    """INSERT INTO patient_search_term (tenant_id, patient_context_id, term)
        VALUES (:tenant_id, :patient_id, :word)""",
    """INSERT INTO patient_signal (tenant_id, patient_signal_id, patient_context_id, code, status,
        detail_json, observed_at, source_system)
        VALUES (:tenant_id, gen_random_uuid(), :patient_id, 'claim.denied', 'active', '{}', now(),
            :word)""",
    RESPONSE.format(patient="patient_id", response="response_id", **_DEFAULT),
    RESPONSE.format(patient="other_patient_id", response="other_response_id", **_DEFAULT),
    """INSERT INTO response_outcome (tenant_id, response_outcome_id, patient_context_id, system_response_id,
        outcome) VALUES (:tenant_id, gen_random_uuid(), :patient_id, :response_id, :settled_as)""",
    """INSERT INTO mini_submission (tenant_id, mini_submission_id, patient_context_id, system_response_id,
        user_id, override_proceed, note_text, confirmed, superseded, needs_ack_after, idempotency_key_hash,
        request_hash)
        VALUES (:tenant_id, :submission_id, :patient_id, :response_id, :user_id, 'green', 'called', true,
            false, false, :digest, :digest)""",
    """INSERT INTO assignment (tenant_id, assignment_id, patient_context_id, system_response_id, reason_code,
        assigned_to_user)
        VALUES (:tenant_id, gen_random_uuid(), :patient_id, :response_id, :word, :user_id)""",
    """INSERT INTO break_glass (tenant_id, break_glass_id, user_id, user_role, patient_context_id,
        surface_type, reason, explanation, expires_at)
        VALUES (:tenant_id, gen_random_uuid(), :user_id, 'biller', :patient_id, 'mini', 'covering',
            'on the phone', now() + interval '1 hour')""",
    """INSERT INTO event_log (tenant_id, event_id, event_type, payload_json)
        VALUES (:tenant_id, gen_random_uuid(), 'Policy.Published', '{"version": 1}')""",
    """INSERT INTO event_log (tenant_id, event_id, event_type, payload_json, patient_context_id)
        VALUES (:tenant_id, gen_random_uuid(), 'User.Interaction', '{"kind": "viewed"}', :patient_id)""",
    """INSERT INTO outbox (tenant_id, outbox_id, subject_type, subject, version)
        VALUES (:tenant_id, gen_random_uuid(), 'patient', :patient_id, 1)""",
    """INSERT INTO projection_walk (tenant_id, purpose, stage)
        VALUES (:tenant_id, CASE CAST(:number AS int) WHEN 1 THEN 'check' ELSE 'rebuild' END, 'user')""",
)
