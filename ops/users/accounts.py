"""Letting people in and out: an identity and a row together, whatever interrupts it.

A new user's identity comes first, then the row, which alone lets anybody in: without it the API and Firestore
refuse. From then on the row is what holds, and the identity follows it. So each use case can be run again
from the beginning: it does what is missing, and nothing twice.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from enum import Enum
from uuid import UUID

import msgspec
from uuid_utils.compat import uuid7

from ops.installation import Refused
from ops.policy.document import told
from ops.users.identities import Identities, ProviderFailed, SignIn, Whose, claims_of, whose
from ops.users.staff import Staff, StaffUser
from shared.decisions.decoding import Problem
from shared.model import TenantId, UserId, UserStatus


class Followed(Enum):
    """What became of a user's identity when the row changed."""

    DONE = "done"
    NO_PROVIDER = "no provider"
    MISSING = "missing"
    FOREIGN = "foreign"


class Accounts:
    """The use cases for one tenant's users; ``identities`` None: there is no identity provider.

    Every one raises Refused, having changed nothing, and ProviderFailed or MobiusError where it could not go
    on: run again, it does the rest.
    """

    def __init__(
        self,
        staff: Staff,
        identities: Identities | None,
        master_secret: bytes,
        new_id: Callable[[], UUID] = uuid7,
    ) -> None:
        self._staff = staff
        self._identities = identities
        self._master = master_secret
        self._new_id = new_id

    def create(
        self, email: str, role: str, display_name: str, *, new_role: bool = False
    ) -> tuple[StaffUser, bool]:
        """Somebody with this address may come in; the second is False when they could before.

        Refused for an unknown role, unless it is to be a new one, for an identity that is not this tenant's,
        and for a user who is there already and is another one than asked for.
        """
        self._check_role(role, new_role)
        user_id, claims = self._local_id(email), None
        if self._identities is not None:
            identity = self._identity(self._identities, email, display_name)
            user_id, claims = UserId(UUID(identity.subject)), claims_of(identity, self._staff.tenant_id)
        asked = StaffUser(user_id=user_id, role=role, display_name=display_name, status=UserStatus.ACTIVE)
        before = self._staff.find(user_id)
        if before is not None:
            _check_same(before, asked)
        if self._identities is not None and claims is not None:
            self._identities.change(user_id, claims=claims, display_name=display_name, disabled=False)
        added = before is None and self._staff.add(asked)
        if not added:
            # Somebody else may have been faster.
            _check_same(self._staff.find(user_id) or asked, asked)
        return asked, added

    def find(self, asked: str) -> StaffUser:
        """The user with this id or email address. Refused when the tenant has no such user."""
        try:
            user_id = UserId(UUID(asked))
        except ValueError:
            if "@" not in asked:
                raise Refused(f"{asked} is neither a user's id nor an email address.") from None
            user_id = self._local_id(asked) if self._identities is None else self._id_by_email(asked)
        found = self._staff.find(user_id)
        if found is None:
            raise Refused(
                f"This tenant has no user {asked}: see mobius users list. If mobius users create was "
                "interrupted, run it again."
            )
        return found

    def set_status(self, user: StaffUser, status: UserStatus) -> StaffUser:
        """The user may come in, or may not any more and every sign-in until now is revoked."""
        after = msgspec.structs.replace(user, status=status)
        if after != user:
            self._staff.change(user, after, revoke=status is UserStatus.DISABLED)
        return after

    def change(
        self, user: StaffUser, *, role: str | None, display_name: str | None, new_role: bool = False
    ) -> StaffUser:
        """The user has another role or name. Refused for an unknown role, unless it is to be a new one."""
        if role is not None:
            self._check_role(role, new_role)
        after = msgspec.structs.replace(
            user, role=role or user.role, display_name=display_name or user.display_name
        )
        if after != user:
            self._staff.change(user, after)
        return after

    def revoke(self, user: StaffUser) -> None:
        """No sign-in until now counts any more; the user has to sign in again."""
        self._staff.change(user, user, revoke=True)

    def follow(self, user: StaffUser, *, revoke: bool = False) -> Followed:
        """Makes the user's identity say what the row says, if it is this tenant's; ends its sign-ins."""
        if self._identities is None:
            return Followed.NO_PROVIDER
        identity = self._identities.find(user.user_id)
        if identity is None:
            return Followed.MISSING
        if whose(identity, self._staff.tenant_id) is Whose.FOREIGN:
            return Followed.FOREIGN
        self._identities.change(
            user.user_id,
            claims=claims_of(identity, self._staff.tenant_id),
            display_name=user.display_name,
            disabled=user.status is UserStatus.DISABLED,
        )
        if revoke:
            self._identities.revoke(user.user_id)
        return Followed.DONE

    def forget(self, user: StaffUser) -> Followed:
        """Removes the user's identity, if it is this tenant's: of somebody who comes back no more."""
        if self._identities is None:
            return Followed.NO_PROVIDER
        identity = self._identities.find(user.user_id)
        if identity is None:
            return Followed.MISSING
        if whose(identity, self._staff.tenant_id) is Whose.FOREIGN:
            return Followed.FOREIGN
        self._identities.remove(user.user_id)
        return Followed.DONE

    def _identity(self, identities: Identities, email: str, display_name: str) -> SignIn:
        """The identity with this address, a new one if there is none. Refused when it is not the tenant's."""
        identity = identities.find_by_email(email)
        if identity is None:
            made = identities.make(UserId(self._new_id()), email, display_name)
            identity = made or identities.find_by_email(email)
        if identity is None:
            raise ProviderFailed(
                f"{identities.name} says of the address that it is taken, and that it is not."
            )
        _check_ours(identity, email, self._staff.tenant_id)
        return identity

    def _id_by_email(self, email: str) -> UserId:
        identity = self._identities.find_by_email(email) if self._identities else None
        if identity is None:
            raise Refused(f"Nobody signs in as {email}: see mobius users list.")
        _check_ours(identity, email, self._staff.tenant_id)
        return UserId(UUID(identity.subject))

    def _local_id(self, email: str) -> UserId:
        """The user's id where nobody keeps the address: made of it under the secret, always the same."""
        address = f"user\n{self._staff.tenant_id}\n{email.lower()}".encode()
        return UserId(UUID(bytes=hmac.digest(self._master, address, hashlib.sha256)[:16], version=5))

    def _check_role(self, role: str, new_role: bool) -> None:
        known = self._staff.roles()
        if role not in known and not new_role:
            problem = Problem("--role", f"there is no role '{role}'", known)
            raise Refused(told("Nothing was changed; --new-role makes a role.", (problem,)))


def _check_ours(identity: SignIn, email: str, tenant_id: TenantId) -> None:
    if whose(identity, tenant_id) is Whose.FOREIGN:
        raise Refused(
            f"{email} signs in to something else: another tenant, or an application that is not Mobius. "
            "Nothing was changed. Use another address, or have that identity removed at its provider."
        )


def _check_same(there: StaffUser, asked: StaffUser) -> None:
    """Refused when the user who is there is not who was asked for; nothing was changed."""
    how = "Nothing was changed; to change that: mobius users"
    if there.status is UserStatus.DISABLED:
        raise Refused(f"There is this user, who is disabled. {how} enable {there.user_id}")
    if (there.role, there.display_name) != (asked.role, asked.display_name):
        raise Refused(
            f"There is this user, {there.display_name}, with the role {there.role}. {how} change "
            f"{there.user_id}"
        )
