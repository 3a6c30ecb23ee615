"""Whether a signed-in user may come in at all: the database's word, after the token's."""

from __future__ import annotations

from shared.errors import Forbidden, Unauthenticated
from shared.model import Actor, DeniedReason, UserStatus
from shared.security.identity import Identity


class InactiveUser(Forbidden):
    """Nobody of this tenant, or somebody who was disabled: told apart for nobody."""

    detail = "Your account is not active in this tenant."
    denied = DeniedReason.INACTIVE_USER


def admit(actor: Actor | None, identity: Identity) -> Actor:
    """The actor, if this sign-in still counts.

    Raises InactiveUser for an unknown or disabled user, Unauthenticated when the sign-in is older than
    the user's ``tokens_valid_after``: signing in again mends that.
    """
    if actor is None or actor.status is not UserStatus.ACTIVE:
        raise InactiveUser
    if actor.tokens_valid_after is not None and identity.issued_at < actor.tokens_valid_after:
        raise Unauthenticated("Your sign-in was revoked: sign in again.")
    return actor
