"""The identity provider behind a small port, and whose one of its identities is."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from enum import Enum
from typing import Protocol
from uuid import UUID

from ops.installation import Refused
from shared.model import Frozen, TenantId, UserId
from shared.settings import Settings

TENANT_CLAIM = "tenant_id"
_EMULATOR = "FIREBASE_AUTH_EMULATOR_HOST"


class ProviderFailed(Refused):
    """The identity provider can't be reached, or refuses; the message says why and how to mend it."""


class SignIn(Frozen, frozen=True):
    """An identity: somebody who can sign in. Its ``subject`` is the user's id, if it is one of ours."""

    subject: str
    email: str | None
    disabled: bool
    claims: Mapping[str, object]


class Whose(Enum):
    """Whose an identity is, as a tenant sees it."""

    OURS = "ours"
    UNFINISHED = "unfinished"
    """Made by us, without claims so far: whoever made it was interrupted."""
    FOREIGN = "foreign"
    """Another tenant's, or not made by us. It is never touched."""


class Identities(Protocol):
    """An identity provider. Each method raises ProviderFailed, none twice for what is done already."""

    @property
    def name(self) -> str:
        """What people call it."""

    def find(self, user_id: UserId) -> SignIn | None:
        """The identity of a user."""

    def find_by_email(self, email: str) -> SignIn | None:
        """The identity with that address."""

    def make(self, user_id: UserId, email: str, display_name: str) -> SignIn | None:
        """A new identity without claims; None when the address is taken meanwhile."""

    def change(
        self, user_id: UserId, *, claims: Mapping[str, object], display_name: str, disabled: bool
    ) -> None:
        """Makes the identity say this, at once."""

    def revoke(self, user_id: UserId) -> None:
        """Ends the user's sign-ins so far: their refresh tokens no longer count."""

    def remove(self, user_id: UserId) -> None:
        """Makes the user's identity go for good, and with it all sign-ins."""

    def reset_link(self, email: str) -> str:
        """A link at which the address's owner sets a password, as the provider makes it."""

    def everybody(self) -> Iterator[SignIn]:
        """All identities, whosever they are."""


def whose(identity: SignIn, tenant_id: TenantId) -> Whose:
    """Whose ``identity`` is: ours has a UUID for its subject and the tenant in its claims."""
    if user_id_of(identity) is None:
        return Whose.FOREIGN
    if identity.claims.get(TENANT_CLAIM) == str(tenant_id):
        return Whose.OURS
    return Whose.FOREIGN if identity.claims else Whose.UNFINISHED


def user_id_of(identity: SignIn) -> UserId | None:
    """The user's id, if the subject is one: a UUID as we write it."""
    try:
        user_id = UUID(identity.subject)
    except ValueError:
        return None
    return UserId(user_id) if str(user_id) == identity.subject else None


def claims_of(identity: SignIn, tenant_id: TenantId) -> Mapping[str, object]:
    """The claims that an identity of the tenant's must have; what others added to them stays."""
    return {**identity.claims, TENANT_CLAIM: str(tenant_id)}


def find_identities(settings: Settings, environ: Mapping[str, str] = os.environ) -> Identities | None:
    """The identity provider of an installation; None on a local stack, which has none.

    The Auth emulator where the environment names one. Raises ProviderFailed.
    """
    if settings.emulated and not environ.get(_EMULATOR):
        return None
    # Late: the library takes half a second to import, which nothing else should pay.
    from ops.users.firebase import FirebaseIdentities

    return FirebaseIdentities(settings.project_id, settings.bulk_timeout_s)
