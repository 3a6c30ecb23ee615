"""A tenant's users as Postgres has them: each change is one transaction with its event and outbox rows."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from sqlalchemy import Engine, text

from ops.installation import Refused
from ops.policy.publication import RATE
from ops.transaction import tell_ledger, transaction
from shared.ledger.events import AccessChanged
from shared.model import Frozen, TenantId, UserId, UserStatus
from shared.persistence.unit_of_work import UnitOfWork


class StaffUser(Frozen, frozen=True):
    """Somebody who works, or worked, at the tenant."""

    user_id: UserId
    role: str
    display_name: str
    status: UserStatus
    last_login_at: datetime | None = None


class Staff(Protocol):
    """A tenant's users. Who may do nothing here, or asks for a tenant that is none, is Refused."""

    tenant_id: TenantId

    def roles(self) -> tuple[str, ...]:
        """The roles that the installation knows."""

    def everybody(self) -> tuple[StaffUser, ...]:
        """All users, by name."""

    def find(self, user_id: UserId) -> StaffUser | None:
        """One of them."""

    def add(self, user: StaffUser) -> bool:
        """Lets a new user in, whose role may be new too; False when the user is there already."""

    def change(self, before: StaffUser, after: StaffUser, *, revoke: bool = False) -> None:
        """Makes ``before`` into ``after``, whose role may be new; ``revoke``: sign-ins until now don't count.

        Refused when somebody else changed the user meanwhile.
        """


_TENANT = text("SELECT closed_at IS NOT NULL FROM tenant WHERE tenant_id = :tenant")
_ROLES = text("SELECT name FROM role ORDER BY name")
_USERS = text("""SELECT user_id, role, display_name, status, last_login_at FROM app_user
    WHERE tenant_id = :tenant AND user_id = coalesce(CAST(:user AS uuid), user_id)
    ORDER BY display_name, user_id""")
_ADD_ROLE = text("INSERT INTO role (name) VALUES (:role) ON CONFLICT DO NOTHING")
_ADD = text("""INSERT INTO app_user (tenant_id, user_id, role, display_name)
    VALUES (:tenant, :user, :role, :name) ON CONFLICT (tenant_id, user_id) DO NOTHING""")
# Not read for update before: what the statement's trigger locks comes before any row (hold_items).
_CHANGE = text("""UPDATE app_user SET role = :role, status = :status
    WHERE tenant_id = :tenant AND user_id = :user AND role = :old_role AND status = :old_status""")
_REVOKE = text("""UPDATE app_user SET tokens_valid_after = clock_timestamp()
    WHERE tenant_id = :tenant AND user_id = :user""")
_RENAME = text("""UPDATE app_user SET display_name = :name
    WHERE tenant_id = :tenant AND user_id = :user AND display_name = :old_name""")
# The documents that tell the name: of patients whose latest Send was this user's. The row gets a new id where
# one waits already: a projector that read the old name confirms by id what it has read.
_DOCUMENTS = text("""
INSERT INTO outbox (tenant_id, outbox_id, subject_type, subject, version, forced, next_attempt_at)
SELECT c.tenant_id, gen_random_uuid(), 'patient', c.patient_context_id, c.version, true,
    now() + make_interval(secs => row_number() OVER (ORDER BY c.patient_context_id) / CAST(:rate AS float8))
FROM (SELECT DISTINCT patient_context_id FROM mini_submission
    WHERE tenant_id = :tenant AND user_id = :user) s
JOIN patient_context c ON c.tenant_id = :tenant AND c.patient_context_id = s.patient_context_id
WHERE :user = (SELECT m.user_id FROM mini_submission m
    WHERE m.tenant_id = c.tenant_id AND m.patient_context_id = c.patient_context_id
    ORDER BY m.submitted_at DESC, m.mini_submission_id DESC LIMIT 1)
ON CONFLICT (tenant_id, subject_type, subject, version)
DO UPDATE SET forced = true, outbox_id = excluded.outbox_id, attempts = 0, parked_at = NULL""")


class StoredStaff:
    """The users of ``tenant_id`` in the database that ``engine`` opens, as its owner."""

    def __init__(self, engine: Engine, tenant_id: TenantId) -> None:
        self._engine = engine
        self.tenant_id = tenant_id

    def roles(self) -> tuple[str, ...]:
        """The roles that the installation knows."""
        with transaction(self._engine, self.tenant_id) as uow:
            self._check_tenant(uow)
            return tuple(row.name for row in uow.rows(_ROLES))

    def everybody(self) -> tuple[StaffUser, ...]:
        """All users, by name."""
        with transaction(self._engine, self.tenant_id) as uow:
            self._check_tenant(uow)
            return _users(uow, self.tenant_id, None)

    def find(self, user_id: UserId) -> StaffUser | None:
        """One of them."""
        with transaction(self._engine, self.tenant_id) as uow:
            self._check_tenant(uow)
            return next(iter(_users(uow, self.tenant_id, user_id)), None)

    def add(self, user: StaffUser) -> bool:
        """Lets a new user in, whose role may be new too; False when the user is there already."""
        with transaction(self._engine, self.tenant_id) as uow:
            self._check_open(uow)
            uow.run(_ADD_ROLE, role=user.role)
            added = uow.run(
                _ADD, tenant=self.tenant_id, user=user.user_id, role=user.role, name=user.display_name
            )
            if added:
                tell_ledger(uow, self.tenant_id, _access(user))
                uow.commit()
        return bool(added)

    def change(self, before: StaffUser, after: StaffUser, *, revoke: bool = False) -> None:
        """Makes ``before`` into ``after``, whose role may be new; ``revoke``: sign-ins until now don't count.

        Refused when somebody else changed the user meanwhile.
        """
        who = {"tenant": self.tenant_id, "user": after.user_id}
        access = (before.role, before.status) != (after.role, after.status)
        renamed = before.display_name != after.display_name
        with transaction(self._engine, self.tenant_id) as uow:
            if renamed or after.status is UserStatus.ACTIVE:
                self._check_open(uow)
            if access:
                uow.run(_ADD_ROLE, role=after.role)
                old = {"old_role": before.role, "old_status": before.status.value}
                _expect_one(uow.run(_CHANGE, **who, role=after.role, status=after.status.value, **old))
            if revoke:
                uow.run(_REVOKE, **who)
            if renamed:
                _expect_one(uow.run(_RENAME, **who, name=after.display_name, old_name=before.display_name))
                uow.run(_DOCUMENTS, **who, rate=RATE)
            if access or revoke:
                tell_ledger(uow, self.tenant_id, _access(after))
            uow.commit()

    def _check_tenant(self, uow: UnitOfWork) -> None:
        if uow.value(_TENANT, tenant=self.tenant_id) is None:
            raise Refused(f"There is no tenant {self.tenant_id}.")

    def _check_open(self, uow: UnitOfWork) -> None:
        if uow.value(_TENANT, tenant=self.tenant_id):
            raise Refused("This tenant has left: nobody comes in any more. Nothing was changed.")


def _access(user: StaffUser) -> AccessChanged:
    return AccessChanged(user_id=user.user_id, role=user.role, status=user.status)


def _users(uow: UnitOfWork, tenant_id: TenantId, user_id: UserId | None) -> tuple[StaffUser, ...]:
    return tuple(
        StaffUser(
            user_id=UserId(row.user_id),
            role=row.role,
            display_name=row.display_name,
            status=UserStatus(row.status),
            last_login_at=row.last_login_at,
        )
        for row in uow.rows(_USERS, tenant=tenant_id, user=user_id)
    )


def _expect_one(rows: int) -> None:
    if rows != 1:
        raise Refused(
            "Somebody else changed this user at the same moment; nothing was changed. Run it again."
        )
