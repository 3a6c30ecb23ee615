"""A clinic's projections, brought up to date and broken by hand, without the stack's own projector."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from shared.messaging.outbox import ask_for_everything
from shared.model import PatientKey, SubjectType, UserId
from shared.persistence import database
from shared.persistence.unit_of_work import unit_of_work
from shared.projections.documents import patient_state_path, user_inbox_path
from shared.projections.projector import Projected, project
from shared.projections.store import FirestoreDocuments, Stored
from shared.projections.subjects import PostgresTruths
from tests.integration.product import Clinic


def settle(clinic: Clinic) -> set[Projected]:
    """Projects whatever is in the outbox; returns how that went."""
    rows = clinic.sql("SELECT DISTINCT subject_type, subject FROM outbox WHERE tenant_id = :tenant")
    return {
        project(
            PostgresTruths(database.engine()),
            FirestoreDocuments(),
            clinic.tenant_id,
            SubjectType(row.subject_type),
            row.subject,
        )
        for row in rows
    }


def settle_everything(clinic: Clinic) -> None:
    """Projects all that there is of a clinic."""
    with unit_of_work(database.engine(), clinic.tenant_id) as uow:
        ask_for_everything(uow, clinic.tenant_id)
        uow.commit()
    settle(clinic)


def patient_path(clinic: Clinic, number: int) -> str:
    return patient_state_path(clinic.tenant_id, PatientKey(clinic.key(number)))


def inbox_path(clinic: Clinic, user: int) -> str:
    return user_inbox_path(clinic.tenant_id, UserId(clinic.users[user].user_id))


def document(clinic: Clinic, path: str) -> Any:
    """The library's own reference, with which anybody may do anything."""
    return FirestoreDocuments().client.document(path)


def asked_for(clinic: Clinic) -> set[UUID]:
    """Whose projections are asked for, forced."""
    rows = clinic.sql("SELECT subject FROM outbox WHERE tenant_id = :tenant AND forced")
    return {row.subject for row in rows}


class Busy(FirestoreDocuments):
    """Somebody sends, and it is projected, just before documents are read and just after."""

    def __init__(self, clinic: Clinic, number: int, times: int) -> None:
        super().__init__()
        self._clinic = clinic
        self._number = number
        self._times = times

    def read_many(self, paths: Sequence[str]) -> list[Stored | None]:
        self._send()
        read = super().read_many(paths)
        self._send()
        return read

    def _send(self) -> None:
        if self._times:
            self._times -= 1
            self._clinic.answer("mini/ack", self._clinic.says(self._number))
            settle(self._clinic)
