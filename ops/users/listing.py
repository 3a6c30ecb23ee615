"""Every user of a tenant beside what the identity provider says, and what mends a difference: pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from ops.users.identities import SignIn, Whose, user_id_of, whose
from ops.users.staff import StaffUser
from shared.model import TenantId, UserId, UserStatus


class Listed(NamedTuple):
    """A user, an identity, or both; never neither."""

    user: StaffUser | None
    identity: SignIn | None


class Mismatch(NamedTuple):
    """What is wrong about a user, and the commands that mend it."""

    what: str
    mend: str


def listed(users: Iterable[StaffUser], identities: Iterable[SignIn], tenant_id: TenantId) -> Iterator[Listed]:
    """The users with their identities; after them the tenant's identities that have no user."""
    by_id: dict[UserId | None, SignIn] = {user_id_of(each): each for each in identities}
    for user in users:
        yield Listed(user, by_id.pop(user.user_id, None))
    for identity in by_id.values():
        if whose(identity, tenant_id) is Whose.OURS:
            yield Listed(None, identity)


def identity_words(line: Listed, tenant_id: TenantId) -> str:
    """What the identity provider says of a user."""
    if line.identity is None:
        return "missing"
    state = {
        Whose.OURS: "disabled" if line.identity.disabled else "enabled",
        Whose.UNFINISHED: "without claims",
        Whose.FOREIGN: "other claims",
    }[whose(line.identity, tenant_id)]
    return f"{state}: {line.identity.email or 'no address'}"


def mismatch(line: Listed, tenant_id: TenantId) -> Mismatch | None:
    """What doesn't fit together, if anything does not."""
    if line.user is None:
        return Mismatch("An identity without a user", "run mobius users create for this address again")
    user, identity = line.user, line.identity
    active, user_id = user.status is UserStatus.ACTIVE, user.user_id
    anew = f"mobius users disable {user_id}, and mobius users create with their address"
    if identity is None:
        return Mismatch("Has no identity, so can't sign in", anew) if active else None
    kind = whose(identity, tenant_id)
    if kind is Whose.FOREIGN:
        return Mismatch("The identity is another tenant's, so can't be used here", anew) if active else None
    if active and (identity.disabled or kind is Whose.UNFINISHED):
        return Mismatch(
            "May come in, but the identity does not let them",
            f"mobius users enable {user_id}, or mobius users disable {user_id}",
        )
    if not active and not identity.disabled:
        return Mismatch("May not come in, but can still sign in", f"mobius users disable {user_id}")
    return None
