"""Compares every document of some tenants with Postgres, and says which are not as it says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

from ops.installation import Installation
from ops.projections.asking import Advance, has_left
from ops.transaction import transaction
from shared.model import SubjectType, TenantId
from shared.projections.comparison import Difference, Drift
from shared.projections.drift import PAGE, Compared, ask_for_differing, compare_page
from shared.projections.names import FirestoreNames
from shared.projections.orphans import Orphans, folders_of_nobody
from shared.projections.store import FirestoreDocuments
from shared.projections.subjects import PostgresTruths

SHOWN = 50


class Found(NamedTuple):
    """A difference and whose it is; ``tenant_id`` None: the folder of a tenant that is none."""

    tenant_id: TenantId | None
    difference: Difference


class Verification:
    """What was compared so far, and what was found: all of it counted, the first ones kept."""

    def __init__(self, installation: Installation, documents: FirestoreDocuments, *, repair: bool) -> None:
        self.looked_at = 0
        self.found: list[Found] = []
        self.counts: Counter[Drift] = Counter()
        self.asked_again = 0
        self._installation = installation
        self._documents = documents
        self._names = FirestoreNames(documents)
        self._truths = PostgresTruths(installation.engine)
        self._repair = repair

    def compare(self, tenant_id: TenantId, advance: Advance) -> None:
        """Compares all documents of a tenant, in pages."""
        closed = has_left(self._installation, tenant_id)
        if not closed:
            self.compare_subjects(tenant_id, advance)
        orphans = Orphans(self._installation.engine, self._truths, self._documents, self._names)
        for page in _pages(lambda place: orphans.of_tenant(tenant_id, place, closed=closed)):
            self._take(tenant_id, page.differences)

    def compare_subjects(self, tenant_id: TenantId, advance: Advance) -> None:
        """Compares the documents that a tenant should have."""
        for kind in (SubjectType.PATIENT, SubjectType.USER):
            compare = partial(compare_page, self._truths, self._documents, tenant_id, kind, limit=PAGE)
            for page in _pages(compare):
                self.looked_at += page.looked_at
                advance(page.looked_at)
                self._take(tenant_id, page.differences)

    def look_for_nobodys(self, known: Callable[[], tuple[TenantId, ...]]) -> None:
        """Looks for documents of tenants that are none."""
        for folder in folders_of_nobody(self._names, known):
            self._take(None, [Difference(None, None, folder, Drift.ORPHAN)])

    def _take(self, tenant_id: TenantId | None, differences: list[Difference]) -> None:
        self.counts.update(each.drift for each in differences)
        self.found += [Found(tenant_id, each) for each in differences[: SHOWN - len(self.found)]]
        if self._repair and tenant_id is not None and any(each.drift.is_repairable for each in differences):
            with transaction(self._installation.engine, tenant_id) as uow:
                self.asked_again += ask_for_differing(uow, tenant_id, differences)
                uow.commit()


def _pages(read: Callable[[str], Compared]) -> Iterator[Compared]:
    place: str | None = ""
    while place is not None:
        page = read(place)
        yield page
        place = page.last
