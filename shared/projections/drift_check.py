"""The regular walk over every tenant's projections, a slice at a time; what differs is asked for again.

How long a full cycle takes: ``DRIFT_CYCLE_S``, or where that is longer, and with one call a minute, a minute
for each 2,000 documents and each 20,000 names of documents: an hour for up to some 100,000 documents, nine
hours for 1,000,000. What it costs: two reads of Firestore for each document and cycle (one compares, one is
its name's, which shows documents of nobody), and two more for each that differs; one query of Postgres for
200 documents.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import msgspec
from sqlalchemy import Engine

from shared.errors import DatabaseUnavailable, Overloaded
from shared.model import SubjectType, TenantId, WalkPurpose, WalkStage
from shared.persistence.pending import all_tenants
from shared.persistence.unit_of_work import unit_of_work
from shared.persistence.walks import Stretch, Walk, due_walks, move_on, take_up
from shared.projections.comparison import Difference, Drift
from shared.projections.drift import PAGE, Compared, PagedTruths, ask_for_differing, compare_page
from shared.projections.names import DocumentNames
from shared.projections.orphans import Orphans, folders_of_nobody
from shared.projections.store import DocumentStore

SUBJECTS = 2_000
"""How many documents one call compares, over all tenants."""

SECONDS = 20.0
"""How long one call goes on, over all tenants; Cloud Scheduler calls each minute."""

_NAMES_FOR_ONE = 10
"""So many names are looked at for the effort of one document."""

_KINDS = {WalkStage.PATIENT: SubjectType.PATIENT, WalkStage.USER: SubjectType.USER}
_NEXT = {WalkStage.PATIENT: WalkStage.USER, WalkStage.USER: WalkStage.ORPHAN, WalkStage.ORPHAN: None}


@dataclass
class Checked:
    """What one call did. ``effort`` in documents; ``failed``: the tenants that could not be compared."""

    checked: int = 0
    differing: int = 0
    unrepairable: int = 0
    effort: int = 0
    failed: list[tuple[TenantId, Exception]] = field(default_factory=list)


class FirestoreAway(Exception):
    """Firestore did not answer: every walk stays where it is."""


@dataclass(frozen=True)
class DriftCheck:
    """The walks of all tenants. ``worker`` sees every tenant, ``app`` works with one tenant set."""

    worker: Engine
    app: Engine
    truths: PagedTruths
    documents: DocumentStore
    names: DocumentNames
    every_s: float
    on_difference: Callable[[TenantId | None, Difference], None] = lambda _tenant, _difference: None

    def go_on(self, *, subjects: int = SUBJECTS, seconds: float = SECONDS) -> Checked:
        """Goes on with each walk that is due, for a share of ``subjects`` and ``seconds`` each.

        Called twice at once, one of both counts and tells. Raises FirestoreAway, and as ``unit_of_work`` when
        Postgres is away; whatever else is wrong with one tenant is not the others'.
        """
        did, until = Checked(), time.monotonic() + seconds
        due = due_walks(self.worker, self.every_s)
        first = min(all_tenants(self.worker), default=None)
        for number, tenant_id in enumerate(due):
            left, now = subjects - did.effort, time.monotonic()
            if left <= 0 or now >= until:
                break
            share = max(PAGE, left // (len(due) - number))
            share_s = (until - now) / (len(due) - number)
            try:
                walk = take_up(self.app, tenant_id, WalkPurpose.CHECK, every_s=self.every_s)
                if walk is not None and walk.is_new and tenant_id == first:
                    self._tell_of_nobodys(did)
                self._walk(walk, min(share, left), now + share_s, did)
            except (DatabaseUnavailable, Overloaded):
                raise
            except Exception as error:  # whatever is wrong with one tenant is not the others'
                if _is_away(error):
                    raise FirestoreAway from error
                did.failed.append((tenant_id, error))
        return did

    def _walk(self, walk: Walk | None, share: int, until: float, did: Checked) -> None:
        end = did.effort + share
        while walk is not None and (left := end - did.effort) > 0:
            stage = WalkStage.ORPHAN if walk.closed else walk.stage
            compared = self._compare(walk, stage, min(PAGE, left))
            walk = self._keep(walk, stage, compared, did)
            if time.monotonic() >= until:
                return

    def _compare(self, walk: Walk, stage: WalkStage, limit: int) -> Compared:
        # A tenant may have left since: then it is another walk, from the beginning.
        place = walk.place if stage is walk.stage else ""
        if stage is WalkStage.ORPHAN:
            orphans = Orphans(self.app, self.truths, self.documents, self.names)
            return orphans.of_tenant(walk.tenant_id, place, closed=walk.closed)
        return compare_page(self.truths, self.documents, walk.tenant_id, _KINDS[stage], place, limit)

    def _keep(self, walk: Walk, stage: WalkStage, compared: Compared, did: Checked) -> Walk | None:
        """Keeps the place and asks again for what differs, all or nothing; returns the walk behind it."""
        again = [each for each in compared.differences if each.drift.is_repairable]
        following = stage if compared.last is not None else _NEXT[stage]
        stretch = Stretch(
            stage=following,
            place=compared.last or "",
            checked=0 if stage is WalkStage.ORPHAN else compared.looked_at,
            differing=len(again),
            unrepairable=len(compared.differences) - len(again),
        )
        with unit_of_work(self.app, walk.tenant_id) as uow:
            if not move_on(uow, walk, stretch):
                return None
            ask_for_differing(uow, walk.tenant_id, again)
            uow.commit()
        did.checked += stretch.checked
        # At least one, or else a thousand empty tenants would cost nothing.
        did.effort += max(1, stretch.checked or compared.looked_at // _NAMES_FOR_ONE)
        did.differing += stretch.differing
        did.unrepairable += stretch.unrepairable
        for each in compared.differences:
            self.on_difference(walk.tenant_id, each)
        if following is None:
            return None
        return msgspec.structs.replace(walk, stage=following, place=stretch.place)

    def _tell_of_nobodys(self, did: Checked) -> None:
        for name in folders_of_nobody(self.names, lambda: all_tenants(self.worker)):
            did.unrepairable += 1
            self.on_difference(None, Difference(None, None, name, Drift.ORPHAN))


def _is_away(error: Exception) -> bool:
    from google.api_core.exceptions import GoogleAPIError
    from google.auth.exceptions import GoogleAuthError

    return isinstance(error, GoogleAPIError | GoogleAuthError)
