"""The loop that makes a document say what Postgres says (handbook: data.md, "The projector's loop").

Level-triggered: it is told which subject changed and reads the rest. Any number of tellings, in any order
and by any number of projectors, end in the same document; one too many costs one read of Postgres.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from enum import StrEnum
from uuid import UUID

from shared.model import SubjectType, TenantId
from shared.projections.documents import already_says, stamped
from shared.projections.store import Contended, DocumentStore, Stored
from shared.projections.subjects import Truths

YOUNG_S = 0.2
"""A document is written at most every this many seconds, so that a burst collapses into few writes."""

_MOST_ROUNDS = 100


class Projected(StrEnum):
    """How one telling ended."""

    NOTHING_TO_DO = "nothing_to_do"
    ALREADY_SAID = "already_said"
    WRITTEN = "written"
    HEAD_UNKNOWN = "head_unknown"


class StillContended(Contended):
    """The document changed under every try."""


def project(
    truths: Truths,
    store: DocumentStore,
    tenant_id: TenantId,
    subject_type: SubjectType,
    subject: UUID,
    *,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
    wait: Callable[[float], None] = time.sleep,
) -> Projected:
    """Brings one subject's document up to date and confirms what it covered.

    HEAD_UNKNOWN: the document holds a ledger head that is no row of the chain. Nothing is written, for what
    the screens show may be all that is left of the truth; the outbox row stays until a person has looked.
    Raises what the stores raise, and StillContended. After Contended the outbox row stays, so it will be told
    again.
    """
    path = truths.where_unconfirmed(tenant_id, subject_type, subject)
    if path is None:
        return Projected.NOTHING_TO_DO
    for _ in range(_MOST_ROUNDS):
        # The document first: the truth read after it can't be older than what another projector wrote.
        stored = store.read(path)
        truth = truths.read(tenant_id, subject_type, subject, stored and stored.content)
        if truth is None or not truth.outbox:
            return Projected.NOTHING_TO_DO
        if not truth.head_known:
            return Projected.HEAD_UNKNOWN
        if stored and not truth.forced and already_says(stored.content, truth.document):
            truths.confirm(tenant_id, truth.outbox)
            return Projected.ALREADY_SAID
        if (rest_s := _rest_of_youth_s(stored, now())) > 0:
            wait(rest_s)
        elif store.write_if_unchanged(path, stamped(truth.document, now()), stored):
            truths.confirm(tenant_id, truth.outbox)
            return Projected.WRITTEN
    raise StillContended


def _rest_of_youth_s(stored: Stored | None, now: datetime) -> float:
    if stored is None:
        return 0
    age_s = (now - stored.update_time).total_seconds()
    # A document from the future only says that two clocks differ.
    return YOUNG_S - age_s if 0 <= age_s < YOUNG_S else 0
