"""A small ledger of two tenants, as the application writes it, under a checkpoint, and with documents."""

# SQL is our own text.
# ruff: noqa: S608

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any
from uuid import uuid4

import msgspec
from sqlalchemy import Connection, text

from ops.ledger.verifying import Report, Sources, verify_missing, verify_tenant
from shared.ledger.chain import Head
from shared.ledger.checkpoints.log import ChainHead, Checkpoint, TenantRoot
from shared.ledger.digests import shown_digest
from shared.ledger.events import Event, OutcomeComputed, SystemResponded, UserAcknowledged
from shared.ledger.verification.documents import DocumentHead
from shared.model import (
    AssertedProceed,
    CorrelationId,
    ExecutionMode,
    OutcomeKind,
    PatientContextId,
    PatientKey,
    ProceedIndicator,
    SubmissionId,
    Surface,
    SystemResponse,
    SystemResponseId,
    TenantId,
    UserId,
)
from shared.persistence.changes import Change, NewOutcome, NewSubmission, write_change
from shared.persistence.unit_of_work import unit_of_work
from shared.security.patient_keys import text_digest
from tests.integration.databases import Database, run

MASTER = b"x" * 32
EVENTS = 10
"""About so many in each chain."""

_TENANT = """
    WITH t AS (INSERT INTO tenant (tenant_id, name) VALUES (:tenant, 'A clinic')),
    u AS (INSERT INTO app_user (tenant_id, user_id, role, display_name)
        VALUES (:tenant, :user_id, 'biller', 'Somebody')),
    c AS (INSERT INTO patient_context (tenant_id, patient_context_id, patient_key)
        SELECT :tenant, p.id, p.key FROM unnest(CAST(:ids AS uuid[]), CAST(:keys AS text[])) p(id, key))
    INSERT INTO policy_config (tenant_id, version, allowlist_rules_json, ui_variants_json, timeout_rules_json,
        notification_rules_json, decision_rules_json) VALUES (:tenant, 1, '{}', '{}', '{}', '{}', '{}')"""
_LOOKED = """
    INSERT INTO event_log (tenant_id, patient_context_id, event_id, event_type, actor_user_id, payload_json)
    VALUES (:tenant, :context, gen_random_uuid(), 'User.Interaction', :user_id,
        '{"kind": "viewed", "surface": "mini"}')"""
THIS = "tenant_id = :tenant AND patient_context_id IS NOT DISTINCT FROM CAST(:context AS uuid)"


@dataclass
class Chain:
    """One of the ledger's chains. ``covered``: how many of its events the checkpoint has."""

    tenant_id: TenantId
    context: PatientContextId | None
    key: PatientKey | None
    user_id: UserId
    covered: int = 0
    length: int = 0


@dataclass
class Ledger:
    """The ledger, its checkpoint, and Firestore's documents."""

    database: Database
    chains: list[Chain]
    heads: dict[TenantId, list[ChainHead]] = field(default_factory=dict)
    documents: dict[TenantId, dict[str, DocumentHead]] = field(default_factory=dict)

    @property
    def checkpoint(self) -> Checkpoint:
        roots = tuple(
            TenantRoot(tenant_id, len(heads), sum(head.seq for head in heads), b"")
            for tenant_id, heads in sorted(self.heads.items())
        )
        return Checkpoint(number=1, created_at=datetime.now(UTC), events=1, root=b"", tenants=roots, note="")

    def verified(self, connection: Connection, *, page: int = 5_000) -> Report:
        """What verification says of what ``connection``'s transaction sees."""
        documents = _Documents(connection, self)
        sources = Sources(
            ask=lambda tenant_id, statement: ask(connection, tenant_id, statement),
            text_digest=partial(text_digest, MASTER),
            checkpoint=self.checkpoint,
            heads=lambda _, tenant_id: iter(self.heads[tenant_id]),
            documents=documents,
            page=page,
        )
        report = Report()
        # As the owner sees it, row security or not.
        known = {TenantId(row[0]) for row in connection.execute(text("SELECT tenant_id FROM tenant"))}
        for tenant_id in sorted(known & set(self.heads)):
            verify_tenant(sources, tenant_id, report)
        verify_missing(sources, frozenset(known), report)
        return report


@dataclass
class _Documents:
    connection: Connection
    ledger: Ledger

    def heads(self, tenant_id: TenantId, _key: PatientKey | None) -> Iterator[DocumentHead]:
        return iter(self.ledger.documents[tenant_id].values())


def ask(connection: Connection, tenant_id: TenantId, statement: str) -> list[Any]:
    """Runs a statement in the transaction that is open."""
    driver: Any = connection.connection.driver_connection
    found = driver.execute_simple(f"SET LOCAL app.tenant_id = '{tenant_id}'; {statement}")
    return list(found.rows or [])


def new_ledger(database: Database, chance: random.Random, *, tenants: int = 2, patients: int = 5) -> Ledger:
    """Tenants with a chain of their own and their patients', two thirds of all under a checkpoint."""
    chains = []
    for _ in range(tenants):
        tenant, user = TenantId(uuid4()), UserId(uuid4())
        contexts = [PatientContextId(uuid4()) for _ in range(patients)]
        keys = [PatientKey(f"p1-{context.hex}") for context in contexts]
        run(database.owner, tenant, "INSERT INTO role VALUES ('biller') ON CONFLICT DO NOTHING")
        run(
            database.owner, tenant, _TENANT, tenant=tenant, user_id=user,
            ids=[str(c) for c in contexts], keys=list(keys),
        )  # fmt: skip
        chains += [Chain(tenant, None, None, user)]
        chains += [Chain(tenant, c, k, user) for c, k in zip(contexts, keys, strict=True)]
    ledger = Ledger(database, chains)
    for chain in chains:
        _grow(ledger, chain, chance, EVENTS * 2 // 3)
    for chain, head in _stored_heads(ledger):
        chain.covered = head.seq
        ledger.heads.setdefault(chain.tenant_id, []).append(
            ChainHead(chain.context, chain.key, head.seq, head.hash)
        )
    for heads in ledger.heads.values():
        heads.sort(key=lambda head: str(head.patient_context_id or ""))
    for chain in chains[1:]:
        # Some stay as the checkpoint has them.
        if chance.random() < 0.8:
            _grow(ledger, chain, chance, EVENTS // 3)
    for chain, head in _stored_heads(ledger):
        chain.length = head.seq
    for chain in chains:
        if chain.key is not None:
            ledger.documents.setdefault(chain.tenant_id, {})[chain.key] = stored_document(ledger, chain)
    return ledger


def stored_document(ledger: Ledger, chain: Chain, connection: Connection | None = None) -> DocumentHead:
    """The document as the projector would write it now."""
    statement = f"SELECT version, version_seq, version_head FROM patient_context WHERE {THIS}"
    values = {"tenant": chain.tenant_id, "context": chain.context}
    if connection is None:
        ((version, seq, head),) = run(ledger.database.owner, chain.tenant_id, statement, **values)
    else:
        ((version, seq, head),) = connection.execute(text(statement), values)
    return DocumentHead(chain.key or "", version, Head(seq, head) if head is not None else None)


def _stored_heads(ledger: Ledger) -> Iterator[tuple[Chain, Head]]:
    for chain in ledger.chains:
        table, column = ("tenant", "tenant_id")
        if chain.context is not None:
            table, column = "patient_context", "patient_context_id"
        ((seq, head),) = run(
            ledger.database.owner,
            chain.tenant_id,
            f"SELECT ledger_seq, ledger_head FROM {table} WHERE {column} = :chain",
            chain=chain.context or chain.tenant_id,
        )
        yield chain, Head(seq, head)


def _grow(ledger: Ledger, chain: Chain, chance: random.Random, events: int) -> None:
    """So many events more, or a few: looks, responses and Sends."""
    done = 0
    while done < events:
        if chain.context is None or chance.random() < 0.3:
            run(
                ledger.database.app, chain.tenant_id, _LOOKED,
                tenant=chain.tenant_id, context=chain.context, user_id=chain.user_id,
            )  # fmt: skip
            done += 1
            continue
        change = _change(chain, chain.context, chance)
        with unit_of_work(ledger.database.app, chain.tenant_id, lock=chain.context) as uow:
            write_change(uow, chain.tenant_id, change)
            uow.commit()
        done += len(change.events)


def _change(chain: Chain, context: PatientContextId, chance: random.Random) -> Change:
    response = SystemResponse(
        system_response_id=SystemResponseId(uuid4()),
        surface_type=Surface.MINI,
        computed_at=datetime.now(UTC),
        proceed_indicator=chance.choice([ProceedIndicator.GREEN, ProceedIndicator.YELLOW]),
        execution_mode=ExecutionMode.COPILOT,
        tasking_summary="Look at the claim.",
        task_count=1,
        rationale=(),
        needs_ack=True,
        policy_version=1,
        facts_digest=f"{chance.getrandbits(64):x}",
    )
    sent = NewSubmission(
        mini_submission_id=SubmissionId(uuid4()),
        system_response_id=response.system_response_id,
        user_id=chain.user_id,
        override_proceed=AssertedProceed.GREEN,
        override_tasking=None,
        note_text="Called.",
        confirmed=False,
        superseded=False,
        needs_ack_after=False,
        idempotency_key_hash=None,
        request_hash=None,
    )
    payloads = (
        SystemResponded(
            system_response_id=response.system_response_id,
            proceed_indicator=response.proceed_indicator,
            execution_mode=response.execution_mode,
            task_count=1,
            needs_ack=True,
            policy_version=1,
            surface=Surface.MINI,
            facts_digest=response.facts_digest,
            shown_digest=shown_digest(response.tasking_summary, msgspec.json.encode(response.rationale)),
        ),
        UserAcknowledged(
            mini_submission_id=sent.mini_submission_id,
            system_response_id=response.system_response_id,
            override_proceed=sent.override_proceed,
            override_tasking=None,
            confirmed=False,
            superseded=False,
            note_digest=text_digest(MASTER, chain.tenant_id, sent.mini_submission_id, sent.note_text),
            surface=Surface.MINI,
        ),
        OutcomeComputed(system_response_id=response.system_response_id, outcome=OutcomeKind.ACKNOWLEDGED),
    )
    correlation = CorrelationId(uuid4())
    return Change(
        patient_context_id=context,
        ack_due_at=None,
        correlation_id=correlation,
        events=tuple(
            Event(event_id=uuid4(), payload=p, actor_user_id=chain.user_id, correlation_id=correlation)
            for p in payloads
        ),
        response=response,
        submission=sent,
        outcome=NewOutcome(
            response_outcome_id=uuid4(),
            system_response_id=response.system_response_id,
            outcome=OutcomeKind.ACKNOWLEDGED,
            user_id=chain.user_id,
        ),
    )
