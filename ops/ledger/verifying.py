"""Walks the ledger and compares it with everything that knows where its chains ended."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from ops.ledger.policies import check_policies
from shared.ledger.checkpoints.log import BrokenCheckpoint, ChainHead, Checkpoint
from shared.ledger.verification.diagnosis import diagnose
from shared.ledger.verification.documents import DocumentHeads, check_documents
from shared.ledger.verification.findings import Finding, Kind
from shared.ledger.verification.guards import check_guards
from shared.ledger.verification.pages import PAGE, Advance, Ask
from shared.ledger.verification.records import check_records
from shared.ledger.verification.walking import Chain, walk
from shared.ledger.verification.words import TextDigest, check_words
from shared.model import PatientContextId, PatientKey, TenantId

KEPT = 100_000
"""How many findings are kept; more are only counted."""

TRIED = 1_000
"""After so many findings, nobody tries any more to find out what altered fields were: it takes long."""

Heads = Callable[[Checkpoint, TenantId], Iterator[ChainHead]]


@dataclass(frozen=True)
class Sources:
    """What is compared. ``checkpoint`` was read before; ``heads`` gives what it has of a tenant."""

    ask: Ask
    text_digest: TextDigest
    checkpoint: Checkpoint | None
    heads: Heads
    documents: DocumentHeads | None
    advance: Advance = lambda _: None
    page: int = PAGE


@dataclass
class Report:
    """What was looked at, and what is wrong: ``found`` of it, of which ``findings`` are kept."""

    events: int = 0
    chains: int = 0
    tenants: int = 0
    documents: int = 0
    covered: int = 0
    """How many events of what was looked at the checkpoint has."""
    found: int = 0
    findings: list[Finding] = field(default_factory=list)

    def add(self, finding: Finding) -> None:
        """Adds a finding."""
        self.found += 1
        if len(self.findings) < KEPT:
            self.findings.append(finding)


def verify_guards(sources: Sources, tenant_id: TenantId, report: Report) -> None:
    """What keeps the ledger append-only, in the whole database; any tenant does."""
    for says in check_guards(sources.ask, tenant_id):
        report.add(Finding(None, None, 0, Kind.GUARD, says))


def verify_missing(sources: Sources, known: frozenset[TenantId], report: Report) -> None:
    """Tenants that the checkpoint has, and the database has not."""
    for tenant in sources.checkpoint.tenants if sources.checkpoint else ():
        if tenant.tenant_id not in known:
            report.covered += tenant.events
            says = f"it is gone; the checkpoint covers {tenant.events:,} events of it"
            report.add(Finding(tenant.tenant_id, None, 0, Kind.TENANT, says))


def verify_tenant(sources: Sources, tenant_id: TenantId, report: Report) -> None:
    """Every chain of a tenant, its records and its documents."""
    report.tenants += 1
    root = sources.checkpoint.tenant(tenant_id) if sources.checkpoint else None
    report.covered += root.events if root else 0
    heads = _heads(sources, tenant_id, report)
    _walk(sources, tenant_id, heads, report, only=None)
    _compare(sources, tenant_id, None, None, report)


def verify_patient(
    sources: Sources, tenant_id: TenantId, key: PatientKey, found: PatientContextId | None, report: Report
) -> None:
    """One patient's chain, records and document. ``found`` is whom the database has under ``key``."""
    heads = [
        head
        for head in _heads(sources, tenant_id, report)
        if head.patient_context_id is not None
        and (head.patient_key == key or head.patient_context_id == found)
    ]
    report.covered += sum(head.seq for head in heads)
    contexts = {head.patient_context_id for head in heads} | {found} - {None}
    for context in sorted(each for each in contexts if each is not None):
        own = [head for head in heads if head.patient_context_id == context]
        _walk(sources, tenant_id, iter(own), report, only=context)
        _compare(sources, tenant_id, key, context, report)


def _walk(
    sources: Sources,
    tenant_id: TenantId,
    heads: Iterator[ChainHead],
    report: Report,
    only: PatientContextId | None,
) -> None:
    chains = walk(sources.ask, tenant_id, heads, only=only, advance=sources.advance, size=sources.page)
    for chain in chains:
        report.events += chain.events
        report.chains += chain.events > 0
        for trouble in diagnose(chain, tries=report.found < TRIED):
            report.add(Finding(tenant_id, _patient(chain), trouble.seq, trouble.kind, trouble.says))


def _compare(
    sources: Sources,
    tenant_id: TenantId,
    key: PatientKey | None,
    only: PatientContextId | None,
    report: Report,
) -> None:
    for finding in (
        *check_records(sources.ask, tenant_id, only=only),
        *check_words(sources.ask, tenant_id, sources.text_digest, only=only),
        *(check_policies(sources.ask, tenant_id) if only is None else ()),
    ):
        report.add(finding)
    if sources.documents is None:
        return
    for findings in check_documents(sources.ask, tenant_id, sources.documents.heads(tenant_id, key)):
        report.documents += 1
        for finding in findings:
            report.add(finding)


def _heads(sources: Sources, tenant_id: TenantId, report: Report) -> Iterator[ChainHead]:
    """What the checkpoint has of a tenant; nothing, which is then told, when its file does not hold."""
    if sources.checkpoint is None:
        return iter(())
    heads = sources.heads(sources.checkpoint, tenant_id)
    try:
        # Before the first is given, all are checked.
        first = next(heads, None)
    except BrokenCheckpoint as error:
        report.add(Finding(tenant_id, None, 0, Kind.CHECKPOINT, str(error)))
        return iter(())
    return _again(first, heads)


def _again(first: ChainHead | None, rest: Iterator[ChainHead]) -> Iterator[ChainHead]:
    if first is not None:
        yield first
    yield from rest


def _patient(chain: Chain) -> PatientKey | None:
    """Whose chain it is; what is left without a patient is named by its context."""
    if chain.context is None:
        return None
    if chain.anchor is not None and chain.anchor.patient_key is not None:
        return chain.anchor.patient_key
    if chain.covered is not None and chain.covered.patient_key is not None:
        return chain.covered.patient_key
    return PatientKey(str(chain.context))
