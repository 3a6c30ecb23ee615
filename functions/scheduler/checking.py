"""The regular check of the projections: one call of it, and the lines that tell what it found."""

from __future__ import annotations

from uuid import UUID

from shared.model import TenantId
from shared.persistence.database import app_engine, engine
from shared.projections.comparison import Difference
from shared.projections.drift_check import Checked, DriftCheck
from shared.projections.names import FirestoreNames
from shared.projections.store import FirestoreDocuments
from shared.projections.subjects import PostgresTruths
from shared.settings import settings
from shared.web.logging import Constant, LogCode, LogFields, log

_MOST = 20
"""So many lines of a kind in one call: if Firestore was emptied, the count says enough."""


def go_on_checking() -> Checked:
    """Goes on with the walks of all tenants. Raises as DriftCheck does."""
    documents = FirestoreDocuments()
    check = DriftCheck(
        worker=engine(),
        app=app_engine(),
        truths=PostgresTruths(app_engine()),
        documents=documents,
        names=FirestoreNames(documents),
        every_s=settings().drift_cycle_s,
        on_difference=DriftLines().tell,
    )
    did = check.go_on()
    if did.differing or did.unrepairable:
        log(LogCode.DRIFT_CHECKED, count=did.differing + did.unrepairable)
    for tenant_id, error in did.failed:
        log(LogCode.DRIFT_CHECK_FAILED, error=error, tenant_id=tenant_id)
    return did


class DriftLines:
    """The lines of one call."""

    def __init__(self) -> None:
        self._lines = {LogCode.PROJECTION_DRIFTED: 0, LogCode.PROJECTION_UNREPAIRABLE: 0}

    def tell(self, tenant_id: TenantId | None, difference: Difference) -> None:
        """Tells of one document; without a tenant, of the folder of none."""
        repairable = difference.drift.is_repairable
        code = LogCode.PROJECTION_DRIFTED if repairable else LogCode.PROJECTION_UNREPAIRABLE
        self._lines[code] += 1
        if self._lines[code] > _MOST:
            return
        fields: LogFields = {"reason": difference.drift}
        if tenant_id is not None:
            fields["tenant_id"] = tenant_id
        if difference.subject_type is not None:
            fields["subject_type"] = difference.subject_type
        if subject := difference.subject or _id_of(difference.name):
            fields["subject_id"] = subject
        if difference.fields:
            # The comparison names fields of ours alone, and whatever else with one word for all.
            fields["field"] = Constant(difference.fields[0])
            fields["count"] = len(difference.fields)
        log(code, **fields)


def _id_of(name: str) -> UUID | None:
    """An orphan's name where it is a user's or a tenant's; any other may be anything."""
    try:
        return UUID(name)
    except ValueError:
        return None
