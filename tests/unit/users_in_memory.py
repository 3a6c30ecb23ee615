"""A tenant's users and an identity provider in memory; a test may end the process at each of their steps."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import wraps
from typing import Any
from uuid import UUID, uuid4

import msgspec

from ops.users.accounts import Accounts, Followed
from ops.users.identities import SignIn
from ops.users.staff import StaffUser
from shared.model import TenantId, UserId, UserStatus

HERE, ELSEWHERE = TenantId(UUID(int=1)), TenantId(UUID(int=2))
EMAIL, NAME, ROLE = "ana@clinic.example", "Ana Ruiz", "front_desk"
SECRET = bytes(32)
NO_UUID = "anaAnaAnaAnaAnaAnaAnaAnaAna1"
"""A subject of 28 letters and digits, as Firebase makes them for who signs up alone."""


class Killed(BaseException):
    """The process ended here."""


class Interrupter:
    """Ends the process at a step of its choice: before it was done, or after."""

    def __init__(self) -> None:
        self.steps = 0
        self.at: int | None = None

    def step(self) -> None:
        if self.steps == self.at:
            raise Killed
        self.steps += 1


def interrupted(method: Callable[..., Any]) -> Callable[..., Any]:
    """A step of a fake that writes: it may be the last thing before it is done, or right after."""

    @wraps(method)
    def step(self: Any, *args: Any, **kwargs: Any) -> Any:
        self.interrupter.step()
        result = method(self, *args, **kwargs)
        self.interrupter.step()
        return result

    return step


class FakeIdentities:
    """An identity provider in memory."""

    name = "a fake"

    def __init__(self, interrupter: Interrupter) -> None:
        self.interrupter = interrupter
        self.known: dict[str, SignIn] = {}
        self.names: dict[str, str] = {}
        self.revoked: list[UserId] = []

    def find(self, user_id: UserId) -> SignIn | None:
        return self.known.get(str(user_id))

    def find_by_email(self, email: str) -> SignIn | None:
        return next((each for each in self.known.values() if each.email == email), None)

    @interrupted
    def make(self, user_id: UserId, email: str, display_name: str) -> SignIn | None:
        if self.find_by_email(email):
            return None
        made = SignIn(subject=str(user_id), email=email, disabled=False, claims={})
        self.known[str(user_id)], self.names[str(user_id)] = made, display_name
        return made

    @interrupted
    def change(
        self, user_id: UserId, *, claims: Mapping[str, object], display_name: str, disabled: bool
    ) -> None:
        changed = msgspec.structs.replace(self.known[str(user_id)], claims=claims, disabled=disabled)
        self.known[str(user_id)], self.names[str(user_id)] = changed, display_name

    @interrupted
    def revoke(self, user_id: UserId) -> None:
        self.revoked.append(user_id)

    @interrupted
    def remove(self, user_id: UserId) -> None:
        self.known.pop(str(user_id), None)

    def reset_link(self, email: str) -> str:
        return f"https://sign-in.example/?{email}"

    def everybody(self) -> Iterator[SignIn]:
        return iter(self.known.values())


class FakeStaff:
    """A tenant's users in memory, and what the ledger would be told of them."""

    def __init__(self, interrupter: Interrupter, tenant_id: TenantId = HERE) -> None:
        self.interrupter = interrupter
        self.tenant_id = tenant_id
        self.users: dict[UserId, StaffUser] = {}
        self.known_roles = ["billing_lead", "front_desk"]
        self.told: list[tuple[UserId, str, UserStatus]] = []
        self.revoked: list[UserId] = []

    def roles(self) -> tuple[str, ...]:
        return tuple(self.known_roles)

    def everybody(self) -> tuple[StaffUser, ...]:
        return tuple(self.users.values())

    def find(self, user_id: UserId) -> StaffUser | None:
        return self.users.get(user_id)

    @interrupted
    def add(self, user: StaffUser) -> bool:
        if user.user_id in self.users:
            return False
        self.users[user.user_id] = user
        self.known_roles = sorted({*self.known_roles, user.role})
        self.told.append((user.user_id, user.role, user.status))
        return True

    @interrupted
    def change(self, before: StaffUser, after: StaffUser, *, revoke: bool = False) -> None:
        assert self.users[before.user_id] == before
        self.users[after.user_id] = after
        self.known_roles = sorted({*self.known_roles, after.role})
        if revoke:
            self.revoked.append(after.user_id)
        self.told.append((after.user_id, after.role, after.status))


class World:
    """Both fakes, and the use cases over them."""

    def __init__(self, tenant_id: TenantId = HERE, *, provider: bool = True) -> None:
        self.interrupter = Interrupter()
        self.identities = FakeIdentities(self.interrupter)
        self.staff = FakeStaff(self.interrupter, tenant_id)
        self.accounts = Accounts(self.staff, self.identities if provider else None, SECRET, uuid4)

    def create(self, email: str = EMAIL, role: str = ROLE, name: str = NAME, **options: bool) -> StaffUser:
        return self.accounts.create(email, role, name, **options)[0]

    def disable(self, asked: str) -> Followed:
        after = self.accounts.set_status(self.accounts.find(asked), UserStatus.DISABLED)
        return self.accounts.follow(after, revoke=True)

    def enable(self, asked: str) -> Followed:
        return self.accounts.follow(self.accounts.set_status(self.accounts.find(asked), UserStatus.ACTIVE))

    def change(self, asked: str, **fields: Any) -> Followed:
        fields = {"role": None, "display_name": None, **fields}
        return self.accounts.follow(self.accounts.change(self.accounts.find(asked), **fields))

    def state(self) -> tuple[object, ...]:
        """All that is remembered, but for ids: these are made."""
        users = [msgspec.structs.replace(user, user_id=UserId(HERE)) for user in self.staff.users.values()]
        identities = [
            (each.email, each.disabled, dict(each.claims), self.identities.names[each.subject])
            for each in self.identities.known.values()
        ]
        return users, identities, self.staff.known_roles


def identity(subject: str, tenant_id: TenantId | None = HERE, **fields: Any) -> SignIn:
    claims = {} if tenant_id is None else {"tenant_id": str(tenant_id)}
    return SignIn(**{"subject": subject, "email": EMAIL, "disabled": False, "claims": claims, **fields})


def user(status: UserStatus = UserStatus.ACTIVE, user_id: int = 7) -> StaffUser:
    return StaffUser(user_id=UserId(UUID(int=user_id)), role=ROLE, display_name=NAME, status=status)
