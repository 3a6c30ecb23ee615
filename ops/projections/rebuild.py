"""Rebuilds a tenant's documents page by page, no faster than it may, and keeps how far it has come."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable

import msgspec
from sqlalchemy import Engine

from ops.installation import Refused
from ops.projections.asking import Advance
from ops.transaction import transaction
from shared.messaging.outbox import ask_for_some
from shared.model import SubjectType, TenantId, WalkPurpose, WalkStage
from shared.persistence.walks import Stretch, Walk, move_on, take_up
from shared.projections.rebuilding import PAGE, BulkStore, Page, Rebuilding, Rebuilt
from shared.projections.subjects import PostgresTruths

_KINDS = {WalkStage.PATIENT: SubjectType.PATIENT, WalkStage.USER: SubjectType.USER}


class Rate:
    """Lets so many a second pass, a page at a time."""

    def __init__(self, per_s: int, wait: Callable[[float], None] = time.sleep) -> None:
        self.per_s = per_s
        self._wait = wait
        self._free_at = time.monotonic()

    def pay(self, count: int) -> None:
        """Waits until what passed before is paid for; ``count`` more have passed."""
        now = time.monotonic()
        self._free_at = max(self._free_at, now - 1) + count / self.per_s
        if self._free_at > now:
            self._wait(self._free_at - now)


def begin_rebuild(engine: Engine, tenant_id: TenantId, *, again: bool) -> Walk | None:
    """The walk that an earlier run left, or a new one (``again``: in any case); None for no such tenant."""
    return take_up(engine, tenant_id, WalkPurpose.REBUILD, again=again)


def rebuild(engine: Engine, store: BulkStore, walk: Walk, rate: Rate, advance: Advance) -> Counter[Rebuilt]:
    """Rebuilds what is left of a tenant's walk; returns what became of how many documents.

    The place is kept after each page. Raises Refused when somebody else rebuilds the same tenant.
    """
    became: Counter[Rebuilt] = Counter()
    truths, going = PostgresTruths(engine), walk
    while going.stage in _KINDS:
        kind = _KINDS[going.stage]
        page = Rebuilding(truths, store, walk.tenant_id, kind).page(going.place, min(PAGE, rate.per_s))
        going = _keep(engine, going, kind, page)
        became.update(page.became.values())
        advance(len(page.became))
        rate.pay(len(page.became))
    return became


def _keep(engine: Engine, walk: Walk, kind: SubjectType, page: Page) -> Walk:
    following = walk.stage
    if page.last is None:
        following = WalkStage.USER if walk.stage is WalkStage.PATIENT else WalkStage.ORPHAN
    lost = sum(1 for each in page.became.values() if each is Rebuilt.LOST_HEAD)
    stretch = Stretch(
        stage=None if following is WalkStage.ORPHAN else following,
        place=page.last or "",
        checked=len(page.became),
        differing=sum(1 for each in page.became.values() if each is Rebuilt.WRITTEN),
        unrepairable=lost,
    )
    left = [subject for subject, each in page.became.items() if each is Rebuilt.LEFT]
    with transaction(engine, walk.tenant_id) as uow:
        if not move_on(uow, walk, stretch):
            raise Refused("Somebody else rebuilds this tenant at the same moment: let one of you do it.")
        is_patient = kind is SubjectType.PATIENT
        ask_for_some(uow, walk.tenant_id, left if is_patient else (), () if is_patient else left)
        uow.commit()
    return msgspec.structs.replace(walk, stage=following, place=stretch.place)
