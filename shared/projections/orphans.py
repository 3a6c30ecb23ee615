"""Which documents are of nobody whom Postgres has.

Names are read first and Postgres is asked after: whoever has a document was there before it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from uuid import UUID

from sqlalchemy import Engine

from shared.model import PatientKey, SubjectType, TenantId
from shared.persistence.unit_of_work import flight
from shared.projections.comparison import Difference, Drift
from shared.projections.documents import patient_state_path
from shared.projections.drift import Compared, PagedTruths, Suspected, look_again
from shared.projections.names import DocumentNames
from shared.projections.store import DocumentStore

NAMES_AT_ONCE = 1_000
KINDS = {"patient_state": SubjectType.PATIENT, "user_inbox": SubjectType.USER}
"""The kinds of documents that are verified; presence is best effort."""

_KEY = re.compile(r"[A-Za-z0-9_-]{1,64}")


class Orphans:
    """Looks for the documents of nobody, of one tenant after another."""

    def __init__(
        self, engine: Engine, truths: PagedTruths, documents: DocumentStore, names: DocumentNames
    ) -> None:
        self._engine = engine
        self._truths = truths
        self._documents = documents
        self._names = names

    def of_tenant(self, tenant_id: TenantId, place: str, *, closed: bool) -> Compared:
        """Looks at the next names behind ``place``, which is 'kind/name', or '' for the first.

        Of a tenant that has left (``closed``) every document is an orphan, of whatever kind.
        """
        kinds = self._names.kinds(str(tenant_id)) if closed else sorted(KINDS)
        kind, _, after = place.partition("/")
        if not kind and not kinds:
            return Compared(0, None, [])
        kind = kind or kinds[0]
        found = self._names.page(str(tenant_id), kind, after, NAMES_AT_ONCE)
        if closed:
            differences = [Difference(KINDS.get(kind), None, name, Drift.ORPHAN) for name in found]
        elif KINDS[kind] is SubjectType.PATIENT:
            differences = list(self._of_patients(tenant_id, found))
        else:
            differences = list(self._of_users(tenant_id, found))
        if len(found) == NAMES_AT_ONCE:
            return Compared(len(found), f"{kind}/{found[-1]}", differences)
        following = next((each for each in kinds if each > kind), None)
        return Compared(len(found), following and f"{following}/", differences)

    def _of_patients(self, tenant_id: TenantId, names: list[str]) -> Iterator[Difference]:
        keys = [name for name in names if is_key(name)]
        quoted = ", ".join(f"'{key}'" for key in keys) or "''"
        rows = flight(
            self._engine,
            tenant_id,
            f"""SELECT patient_key, patient_context_id, version FROM patient_context
                WHERE tenant_id = '{tenant_id}' AND patient_key IN ({quoted})""",
        )
        known = {row[0] for row in rows}
        yield from (
            Difference(SubjectType.PATIENT, None, name, Drift.ORPHAN) for name in names if name not in known
        )
        # To whom nothing has happened yet has no document, unless the database was restored to before it had.
        early = {
            UUID(str(row[1])): patient_state_path(tenant_id, PatientKey(row[0]))
            for row in rows
            if row[2] == 0
        }
        stored = self._documents.read_many(list(early.values())) if early else []
        suspected = {
            subject: Suspected(path, each)
            for (subject, path), each in zip(early.items(), stored, strict=True)
            if each is not None
        }
        yield from look_again(self._truths, self._documents, tenant_id, SubjectType.PATIENT, suspected)

    def _of_users(self, tenant_id: TenantId, names: list[str]) -> Iterator[Difference]:
        ids = [name for name in names if is_user_id(name)]
        quoted = ", ".join(f"'{user_id}'" for user_id in ids)
        rows = (
            flight(
                self._engine,
                tenant_id,
                f"SELECT user_id FROM app_user WHERE tenant_id = '{tenant_id}' AND user_id IN ({quoted})",
            )
            if ids
            else []
        )
        known = {str(row[0]) for row in rows}
        return (Difference(SubjectType.USER, None, name, Drift.ORPHAN) for name in names if name not in known)


def folders_of_nobody(names: DocumentNames, known: Callable[[], Iterable[TenantId]]) -> list[str]:
    """The folders that hold documents of a tenant whom Postgres, which ``known`` asks, does not have."""
    folders = set(names.tenants())
    # Asked after the folders were read: a tenant was there before its documents.
    return sorted(folders.difference(map(str, known())))


def is_key(name: str) -> bool:
    """Whether a document's name can be a patient's key."""
    return _KEY.fullmatch(name) is not None


def is_user_id(name: str) -> bool:
    """Whether a document's name can be a user's id."""
    try:
        return str(UUID(name)) == name
    except ValueError:
        return False
