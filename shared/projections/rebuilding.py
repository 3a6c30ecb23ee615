"""Writes every document anew from Postgres, a page at a time, while traffic goes on.

As the projector does: documents are read first and truths after, and each is written only if nobody else has
since, so that none goes back in time. Unlike it, a page is one commit, and outbox rows stay with whoever
asked for them.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from enum import StrEnum
from typing import NamedTuple, Protocol
from uuid import UUID

from shared.model import SubjectType, TenantId
from shared.projections.comparison import differing_fields
from shared.projections.documents import stamped
from shared.projections.drift import PagedTruths
from shared.projections.projector import YOUNG_S
from shared.projections.store import Contended, DocumentStore, Stored, Write
from shared.projections.subjects import Truth

PAGE = 200

_MOST_ROUNDS = 10
_BEFORE_ALL = UUID(int=0)


class Rebuilt(StrEnum):
    """What became of one document.

    ``left``: somebody else writes or holds it, and it is to be asked for; ``lost_head``: it holds what
    Postgres no longer has, so nobody writes over it.
    """

    WRITTEN = "written"
    RIGHT = "right"
    LEFT = "left"
    LOST_HEAD = "lost_head"


class Page(NamedTuple):
    """What became of a page's subjects, in order; ``last`` None: it was the end."""

    last: str | None
    became: dict[UUID, Rebuilt]


class BulkStore(DocumentStore, Protocol):
    """Where projections are kept, many written at once."""

    def write_all_if_unchanged(self, writes: list[Write]) -> bool:
        """Writes all of them or none; False when one is not its ``previous`` any more. Raises Contended."""


class Rebuilding:
    """Rebuilds one tenant's documents of a kind."""

    def __init__(
        self,
        truths: PagedTruths,
        store: BulkStore,
        tenant_id: TenantId,
        kind: SubjectType,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._truths = truths
        self._store = store
        self._tenant_id = tenant_id
        self._kind = kind
        self._now = now

    def page(self, after: str, limit: int = PAGE) -> Page:
        """Rebuilds the next ``limit`` documents behind ``after`` ('': from the beginning)."""
        listed = self._truths.read_page(
            self._tenant_id, self._kind, UUID(after) if after else _BEFORE_ALL, limit
        )
        last = str(listed[-1][0]) if len(listed) == limit else None
        paths = {subject: truth.path for subject, truth in listed}
        if not paths:
            return Page(None, {})
        stored = dict(zip(paths, self._store.read_many(list(paths.values())), strict=True))
        contents = {subject: each and each.content for subject, each in stored.items()}
        became: dict[UUID, Rebuilt] = dict.fromkeys(paths, Rebuilt.LEFT)
        writes: dict[UUID, Write] = {}
        for subject, truth in self._truths.read_some(self._tenant_id, self._kind, contents):
            became[subject] = self._judge(stored[subject], truth)
            if became[subject] is Rebuilt.WRITTEN:
                writes[subject] = Write(truth.path, stamped(truth.document, self._now()), stored[subject])
        if writes and not self._write_all(list(writes.values())):
            for subject, write in writes.items():
                became[subject] = self._alone(subject, write.path)
        return Page(last, became)

    def _judge(self, stored: Stored | None, truth: Truth) -> Rebuilt:
        if not truth.head_known:
            return Rebuilt.LOST_HEAD
        if stored is None:
            return Rebuilt.WRITTEN
        if not differing_fields(stored.content, truth.document):
            return Rebuilt.RIGHT
        age_s = (self._now() - stored.update_time).total_seconds()
        # Somebody is at it, and one document takes about one write a second.
        return Rebuilt.LEFT if 0 <= age_s < YOUNG_S else Rebuilt.WRITTEN

    def _write_all(self, writes: list[Write]) -> bool:
        try:
            return self._store.write_all_if_unchanged(writes)
        except Contended:
            return False

    def _alone(self, subject: UUID, path: str) -> Rebuilt:
        """Compares and sets one document, as somebody changed or holds one of the page."""
        try:
            for _ in range(_MOST_ROUNDS):
                stored = self._store.read(path)
                read = self._truths.read_some(
                    self._tenant_id, self._kind, {subject: stored and stored.content}
                )
                if not read:
                    return Rebuilt.LEFT
                truth = read[0][1]
                judged = self._judge(stored, truth)
                if judged is not Rebuilt.WRITTEN:
                    return judged
                if self._store.write_if_unchanged(path, stamped(truth.document, self._now()), stored):
                    return Rebuilt.WRITTEN
        except Contended:
            pass
        return Rebuilt.LEFT
