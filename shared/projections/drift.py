"""Which documents are not what Postgres says, a page at a time: no false alarm while traffic goes on.

What has outbox rows is on its way, and no drift. What has none was written before its rows were deleted, and
whoever wrote it had read no older truth. So a document that lay still (its update time is the same before
and after) while Postgres was read, and was of a subject without outbox rows then, says what Postgres says,
or else somebody did something to it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple, Protocol
from uuid import UUID

from shared.messaging.outbox import ask_for_some
from shared.model import SubjectType, TenantId
from shared.persistence.unit_of_work import UnitOfWork
from shared.projections.chain_heads import named_head
from shared.projections.comparison import Difference, Drift, differing_fields
from shared.projections.documents import Document
from shared.projections.store import DocumentStore, Stored
from shared.projections.subjects import Truth

PAGE = 200

_MOST_ROUNDS = 5
_BEFORE_ALL = UUID(int=0)


class PagedTruths(Protocol):
    """What the comparison asks PostgreSQL. Each call is one snapshot."""

    def read_page(
        self, tenant_id: TenantId, subject_type: SubjectType, after: UUID, limit: int
    ) -> list[tuple[UUID, Truth]]:
        """The next subjects behind ``after`` that should have a document, in the order of their ids."""

    def read_some(
        self, tenant_id: TenantId, subject_type: SubjectType, stored: Mapping[UUID, Document | None]
    ) -> list[tuple[UUID, Truth]]:
        """The subjects; ``stored`` are their documents, read before, whose heads are looked for."""


class Compared(NamedTuple):
    """A page: how many it has, the last of them, and what is wrong. ``last`` None: it was the end."""

    looked_at: int
    last: str | None
    differences: list[Difference]


class Suspected(NamedTuple):
    """A document that seems to differ, as it was read."""

    path: str
    stored: Stored | None


def compare_page(
    truths: PagedTruths, store: DocumentStore, tenant_id: TenantId, kind: SubjectType, after: str, limit: int
) -> Compared:
    """Compares the documents of the next ``limit`` subjects behind ``after`` ('': from the beginning)."""
    page = truths.read_page(tenant_id, kind, UUID(after) if after else _BEFORE_ALL, limit)
    documents = store.read_many([truth.path for _, truth in page])
    suspected = {
        subject: Suspected(truth.path, stored)
        for (subject, truth), stored in zip(page, documents, strict=True)
        if _is_suspect(stored, truth)
    }
    differences = look_again(truths, store, tenant_id, kind, suspected)
    return Compared(len(page), str(page[-1][0]) if len(page) == limit else None, differences)


def _is_suspect(stored: Stored | None, truth: Truth) -> bool:
    if truth.outbox:
        # On its way, unless what it holds keeps it from being written for ever.
        return stored is not None and named_head(stored.content) != named_head(truth.document)
    return stored is None or bool(differing_fields(stored.content, truth.document))


def look_again(
    truths: PagedTruths,
    store: DocumentStore,
    tenant_id: TenantId,
    kind: SubjectType,
    suspected: Mapping[UUID, Suspected],
) -> list[Difference]:
    """What of the suspected is really drift: each looked at before and after Postgres, until it lay still.

    What never does is being written all the time: it is left to the next walk.
    """
    found: list[Difference] = []
    left = dict(suspected)
    for _ in range(_MOST_ROUNDS):
        if not left:
            break
        contents = {subject: each.stored and each.stored.content for subject, each in left.items()}
        read = dict(truths.read_some(tenant_id, kind, contents))
        after = store.read_many([each.path for each in left.values()])
        moved: dict[UUID, Suspected] = {}
        for (subject, before), now in zip(left.items(), after, strict=True):
            truth = read.get(subject)
            if truth is None:
                continue
            name = before.path.rpartition("/")[2]
            if not truth.head_known:
                # Certain, whatever moves: an event is in the chain before a document names it.
                found.append(Difference(kind, subject, name, Drift.UNKNOWN_HEAD, ("version_head",)))
            elif not truth.outbox and (before.stored and before.stored.update_time) == (
                now and now.update_time
            ):
                found += _difference(kind, subject, name, before.stored, truth)
            elif not truth.outbox:
                moved[subject] = Suspected(before.path, now)
        left = moved
    return found


def ask_for_differing(uow: UnitOfWork, tenant_id: TenantId, differences: Iterable[Difference]) -> int:
    """Puts what writing again mends back into the outbox, forced; returns how many. The caller commits."""
    asked: dict[SubjectType | None, list[UUID]] = {}
    for each in differences:
        if each.drift.is_repairable and each.subject is not None:
            asked.setdefault(each.subject_type, []).append(each.subject)
    return ask_for_some(uow, tenant_id, asked.get(SubjectType.PATIENT, ()), asked.get(SubjectType.USER, ()))


def _difference(
    kind: SubjectType, subject: UUID, name: str, stored: Stored | None, truth: Truth
) -> list[Difference]:
    if stored is None:
        return [Difference(kind, subject, name, Drift.MISSING)]
    fields = differing_fields(stored.content, truth.document)
    if not fields:
        return []
    return [Difference(kind, subject, name, Drift.DIFFERS, fields)]
