"""How a tenant leaves: nobody comes in any more, then everything that tells of its patients and users goes.

Each step does what is missing, so that the whole can be run again after whatever interrupted it. The chains
of the ledger stay, and every step is told in them.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager
from enum import Enum
from typing import NamedTuple, Protocol

from sqlalchemy import Engine, text
from uuid_utils.compat import uuid7

from ops.installation import Refused
from ops.tenants.standing import Standing, read_standing
from ops.transaction import tell_ledger, transaction
from ops.users.accounts import Accounts, Followed
from ops.users.identities import ProviderFailed
from ops.users.staff import Staff
from shared.ledger.events import TenantClosed, TenantErased
from shared.model import CorrelationId, PatientContextId, TenantId, UserStatus
from shared.persistence.erasure import erase_of_closed, what_is_left

FORMER = "Former user"
_HELD = "Nothing of it may go: publish a policy without the hold first, if it is over."

# FOR UPDATE, against the rule: whatever is just coming in holds the tenant's row for its reference, and so is
# waited for (tenant_is_open in the migrations).
_HOLD = text("SELECT 1 FROM tenant WHERE tenant_id = :tenant FOR UPDATE")
_CLOSE = text("UPDATE tenant SET closed_at = clock_timestamp() WHERE tenant_id = :tenant")
_ACTIVE = text("SELECT count(*) FROM app_user WHERE tenant_id = :tenant AND status = 'active'")
_RENAME = text("UPDATE app_user SET display_name = :name WHERE tenant_id = :tenant AND display_name <> :name")
_NO_MORE = text("DELETE FROM outbox WHERE tenant_id = :tenant")
_IS_TOLD = text("""SELECT EXISTS (SELECT 1 FROM event_log WHERE tenant_id = :tenant
    AND patient_context_id IS NULL AND event_type = :event_type)""")


class Documents(Protocol):
    """Where the tenant's projections are."""

    def remove(self, tenant_id: TenantId, on_removed: Callable[[int], None]) -> int:
        """Deletes them until none is left; returns how many."""


class Step(Enum):
    """What is being done, as it is shown."""

    USERS = "Disabling users"
    DOCUMENTS = "Deleting documents"
    PATIENTS = "Erasing patients"
    IDENTITIES = "Deleting identities"


Shown = Callable[[Step, int | None], AbstractContextManager[Callable[[int], None]]]
"""Shows a step of so many parts, if that is known; what it gives is told how many more are done."""


class Gone(NamedTuple):
    """What an erasure did. ``is_new`` False: all of it was done before."""

    patients: int
    users: int
    documents: int
    foreign_identities: int
    is_new: bool


class Leaving:
    """The steps by which one tenant leaves. Each raises Refused under a legal hold, having done nothing."""

    def __init__(
        self, engine: Engine, staff: Staff, accounts: Accounts, documents: Documents, shown: Shown
    ) -> None:
        self._engine = engine
        self._staff = staff
        self._accounts = accounts
        self._documents = documents
        self._shown = shown
        self._tenant_id = staff.tenant_id
        self._correlation_id = CorrelationId(uuid7())

    def erase(self, name: str, *, last_write_s: float) -> Gone:
        """Everything goes. ``name`` must be the tenant's; a projector writes for at most ``last_write_s``.

        Raises Refused or NotRemoved where it can't go on: run again, it does the rest.
        """
        standing = self._close(name)
        users = self._disable_users()
        self._empty_outbox()
        # Before the patients, who may take hours: without an inbox document nobody reads any other.
        documents = self._remove_documents()
        patients = self._erase_patients(standing.patients)
        # Once more what was just being written when the tenant left, by whoever had begun before.
        users += self._disable_users()
        renamed = self._forget_names()
        self._empty_outbox()
        documents += self._remove_documents()
        # A projector that had read its subject before the outbox was emptied writes it within this time.
        time.sleep(last_write_s)
        documents += self._remove_documents()
        removed, foreign = self._forget_identities()
        did = (standing.closed_at is None, users, documents, patients, renamed, removed)
        is_new = self._tell(standing, did_something=any(did))
        return Gone(patients, standing.users, documents, foreign, is_new)

    def _close(self, name: str) -> Standing:
        with transaction(self._engine, self._tenant_id) as uow:
            standing = read_standing(uow, self._tenant_id)
            if name != standing.name:
                raise Refused(
                    f"--confirm must be the tenant's name, letter by letter: {standing.name}. Nothing was "
                    "changed."
                )
            _refuse_held(standing)
            uow.rows(_HOLD, tenant=self._tenant_id)
            # Again, now that nobody publishes: a hold may just have come.
            standing = read_standing(uow, self._tenant_id)
            _refuse_held(standing)
            if standing.closed_at is None:
                uow.run(_CLOSE, tenant=self._tenant_id)
                active = uow.value(_ACTIVE, tenant=self._tenant_id)
                tell_ledger(uow, self._tenant_id, TenantClosed(user_count=active))
                uow.commit()
        return standing

    def _disable_users(self) -> int:
        active = [each for each in self._staff.everybody() if each.status is UserStatus.ACTIVE]
        with self._shown(Step.USERS, len(active)) as advance:
            for user in active:
                self._accounts.set_status(user, UserStatus.DISABLED)
                advance(1)
        return len(active)

    def _erase_patients(self, count: int) -> int:
        """Until nothing is left of anybody: whoever was just coming in when the tenant left is seen then."""
        erased = 0
        while True:
            left = 0
            with self._shown(Step.PATIENTS, count) as advance:
                for stretch in what_is_left(self._engine, self._tenant_id):
                    for due in stretch.due:
                        self._erase_patient(due.patient_context_id)
                    left += len(stretch.due)
                    advance(stretch.looked_at)
            if not left:
                return erased
            erased += left

    def _forget_names(self) -> int:
        with transaction(self._engine, self._tenant_id) as uow:
            _refuse_held(read_standing(uow, self._tenant_id))
            renamed = uow.run(_RENAME, tenant=self._tenant_id, name=FORMER)
            uow.commit()
        return renamed

    def _erase_patient(self, patient_context_id: PatientContextId) -> None:
        if erase_of_closed(self._engine, self._tenant_id, patient_context_id, self._correlation_id) is None:
            raise Refused(f"The tenant was put under a legal hold meanwhile. {_HELD}")

    def _empty_outbox(self) -> None:
        with transaction(self._engine, self._tenant_id) as uow:
            uow.run(_NO_MORE, tenant=self._tenant_id)
            uow.commit()

    def _remove_documents(self) -> int:
        with self._shown(Step.DOCUMENTS, None) as advance:
            return self._documents.remove(self._tenant_id, advance)

    def _forget_identities(self) -> tuple[int, int]:
        """How many identities were deleted, and how many left alone, because they are not the tenant's."""
        users = self._staff.everybody()
        found: Counter[Followed] = Counter()
        with self._shown(Step.IDENTITIES, len(users)) as advance:
            for user in users:
                try:
                    found[self._accounts.forget(user)] += 1
                except ProviderFailed as error:
                    raise Refused(
                        f"{error} Everything but identities is erased: once it answers, run the same command "
                        "again."
                    ) from None
                advance(1)
        return found[Followed.DONE], found[Followed.FOREIGN]

    def _tell(self, standing: Standing, *, did_something: bool) -> bool:
        """Has the ledger say that it is done, if it was not before; returns whether it does so now."""
        told = TenantErased(patient_count=standing.patients, user_count=standing.users)
        with transaction(self._engine, self._tenant_id) as uow:
            is_told = uow.value(_IS_TOLD, tenant=self._tenant_id, event_type=told.event_type)
            if is_told and not did_something:
                return False
            tell_ledger(uow, self._tenant_id, told)
            uow.commit()
        return True


def _refuse_held(standing: Standing) -> None:
    if standing.is_held:
        raise Refused(f"{standing.name} is under a legal hold. {_HELD}")
