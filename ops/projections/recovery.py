"""After the database was restored to an earlier point: no version falls behind what the screens have seen.

Firestore then tells of events that Postgres has no more. The projector writes none of these documents, for
they may be all that is left of the truth. Here each is reported, and then its patient's version is put above
the document's, by an event that names what was lost: from then on the projector knows that head.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import Engine, text
from uuid_utils.compat import uuid7

from ops.projections.asking import Advance
from ops.projections.lost_report import Lost, LostReport, told_of
from shared.ledger.events import VersionRaised
from shared.messaging.outbox import ask_for_some
from shared.model import CorrelationId, PatientContextId, SubjectType, TenantId
from shared.persistence.unit_of_work import UnitOfWork, flight, unit_of_work
from shared.projections.chain_heads import heads_known, named_head
from shared.projections.documents import Document
from shared.projections.orphans import is_key, is_user_id
from shared.projections.store import FirestoreDocuments
from shared.projections.subjects import PostgresTruths

ABOVE = 100
"""So far above the document: a screen may have been answered with versions that never reached Firestore."""

_AT_ONCE = 200
_MOST_LOST = 1_000_000

_RAISE = text("""UPDATE patient_context SET version = :version, last_updated_at = clock_timestamp()
    WHERE tenant_id = :tenant AND patient_context_id = :patient""")
_EVENT = text("""INSERT INTO event_log (tenant_id, patient_context_id, version, event_id, event_type,
        correlation_id, payload_json)
    VALUES (:tenant, :patient, :version, :event, :event_type, :correlation, CAST(:payload AS jsonb))""")
_HAS_SEND = text("""SELECT EXISTS (SELECT 1 FROM mini_submission
    WHERE tenant_id = :tenant AND mini_submission_id = CAST(:submission AS uuid))""")


class Recovery:
    """Recovers one tenant after another. Without a ``report`` it only counts what it would do."""

    def __init__(self, engine: Engine, documents: FirestoreDocuments, report: LostReport | None) -> None:
        self.did: Counter[Lost] = Counter()
        self._engine = engine
        self._documents = documents
        self._report = report
        self._truths = PostgresTruths(engine)
        self._correlation_id = CorrelationId(uuid7())

    def recover(self, tenant_id: TenantId, advance: Advance) -> None:
        """Raises the versions of the patients who lost something, and removes the documents of nobody.

        Wherever it is interrupted, it can be run again. A document that somebody writes meanwhile is left.
        """
        for page in self._pages(f"tenants/{tenant_id}/patient_state", whole=True):
            self._recover_patients(tenant_id, page)
            advance(len(page))
        for page in self._pages(f"tenants/{tenant_id}/user_inbox", whole=True):
            self._recover_users(tenant_id, page)

    def remove_all(self, folder: str) -> None:
        """Removes every document of a tenant that has left, or is none."""
        tenant = self._documents.client.document(f"tenants/{folder}")
        for kind in tenant.collections(timeout=self._documents.timeout_s, retry=None):
            for page in self._pages(f"tenants/{folder}/{kind.id}", whole=kind.id == "patient_state"):
                for each in page:
                    self._remove(folder, each, Lost.TENANT)

    def _recover_patients(self, tenant_id: TenantId, page: list[Any]) -> None:
        keys = [each.id for each in page if is_key(each.id)]
        known = self._known(tenant_id, "patient_context", "patient_key", keys)
        contents: dict[UUID, Document] = {}
        for each in page:
            if each.id in known:
                contents[known[each.id]] = each.to_dict()
            else:
                self._remove(tenant_id, each, Lost.PATIENT)
        if not contents:
            return
        for subject, truth in self._truths.read_some(tenant_id, SubjectType.PATIENT, contents):
            if not truth.head_known:
                name = truth.path.rpartition("/")[2]
                self._raise(tenant_id, PatientContextId(subject), name, contents[subject])

    def _recover_users(self, tenant_id: TenantId, page: list[Any]) -> None:
        ids = [each.id for each in page if is_user_id(each.id)]
        known = self._known(tenant_id, "app_user", "user_id", ids)
        contents: dict[UUID, Document] = {}
        for each in page:
            if each.id in known:
                contents[known[each.id]] = each.to_dict()
            else:
                self._remove(tenant_id, each, Lost.USER)
        if not contents:
            return
        # The document is the last that knows of it: it is told before anything writes it more open.
        for subject, truth in self._truths.read_some(tenant_id, SubjectType.USER, contents):
            if _was_shut_out(contents[subject], truth.document):
                self.did[Lost.ACCESS] += 1
                if self._report is not None:
                    name = truth.path.rpartition("/")[2]
                    self._report.add(
                        {"what": Lost.ACCESS.value, "tenant_id": str(tenant_id), "document": name}
                    )

    def _raise(self, tenant_id: TenantId, patient: PatientContextId, name: str, content: Document) -> None:
        """Reports what was lost, and then puts the version above it, its event and its projection with it."""
        if self._report is None:
            self.did[Lost.EVENTS] += 1
            return
        told, head = told_of(content), named_head(content)
        told_version = told["lost_version"] if isinstance(told["lost_version"], int) else 0
        with unit_of_work(self._engine, tenant_id, lock=patient) as uow:
            (row,) = uow.rows(
                text(f"""SELECT c.version, {heads_known({patient: content})} AS head_known
                    FROM patient_context c
                    WHERE c.tenant_id = :tenant AND c.patient_context_id = :patient"""),  # noqa: S608 -- our own text
                tenant=tenant_id,
                patient=patient,
            )
            if row.head_known:
                return  # Somebody else did it meanwhile.
            # Somebody may have written anything there: nobody has sent so often.
            lost = told_version if 0 <= told_version <= row.version + _MOST_LOST else 0
            version = max(lost, row.version) + ABOVE
            self._report.add(
                {
                    **self._line(uow, Lost.EVENTS, tenant_id, name, told),
                    "restored_version": row.version,
                    "version_now": version,
                }
            )
            raised = VersionRaised(
                lost_version=lost, lost_seq=head.seq if head else 0,
                lost_hash=head.hash if head else "", version=version,
            )  # fmt: skip
            uow.run(_RAISE, tenant=tenant_id, patient=patient, version=version)
            uow.run(
                _EVENT,
                tenant=tenant_id,
                patient=patient,
                version=version,
                event=uuid7(),
                event_type=raised.event_type,
                correlation=self._correlation_id,
                payload=msgspec.json.encode(raised).decode(),
            )
            ask_for_some(uow, tenant_id, (patient,), ())
            uow.commit()
        self.did[Lost.EVENTS] += 1

    def _remove(self, tenant: TenantId | str, document: Any, lost: Lost) -> None:
        from google.api_core.exceptions import Aborted, FailedPrecondition, NotFound

        if self._report is not None:
            content = document.to_dict()
            self._report.add(
                {**told_of(content), "what": lost.value, "tenant_id": str(tenant), "document": document.id}
            )
            # Whoever has come meanwhile, and is written under this name, stays.
            unchanged = self._documents.client.write_option(last_update_time=document.update_time)
            try:
                document.reference.delete(option=unchanged, timeout=self._documents.timeout_s, retry=None)
            except (Aborted, FailedPrecondition, NotFound):
                return
        self.did[lost] += 1

    def _line(
        self, uow: UnitOfWork, lost: Lost, tenant_id: TenantId, name: str, told: Mapping[str, object]
    ) -> dict[str, object]:
        line = {**told, "what": lost.value, "tenant_id": str(tenant_id), "document": name}
        if submission := told.get("mini_submission_id"):
            line["submission_is_lost"] = not uow.value(_HAS_SEND, tenant=tenant_id, submission=submission)
        return line

    def _known(self, tenant_id: TenantId, table: str, column: str, names: list[str]) -> dict[str, UUID]:
        """Which of the checked ``names`` Postgres has, with their ids."""
        if not names:
            return {}
        listed = ", ".join(f"'{name}'" for name in names)
        own_id = "patient_context_id" if table == "patient_context" else "user_id"
        rows = flight(
            self._engine,
            tenant_id,
            f"SELECT {column}, {own_id} FROM {table} "  # noqa: S608 -- our own names, and checked ones
            f"WHERE tenant_id = '{tenant_id}' AND {column} IN ({listed})",
        )
        return {str(row[0]): UUID(str(row[1])) for row in rows}

    def _pages(self, path: str, *, whole: bool) -> Iterator[list[Any]]:
        """The documents of a collection in the order of their names, page by page."""
        query = self._documents.client.collection(path).order_by("__name__").limit(_AT_ONCE)
        if not whole:
            query = query.select(["__name__"])
        page = query
        while some := list(page.stream(timeout=self._documents.timeout_s, retry=None)):
            yield some
            page = query.start_after(some[-1])


def _was_shut_out(stored: Document, built: Document) -> bool:
    if built["active"] and stored.get("active") is False:
        return True
    before, now = stored.get("tokens_valid_after"), built["tokens_valid_after"]
    return isinstance(before, datetime) and (now is None or before > now)
