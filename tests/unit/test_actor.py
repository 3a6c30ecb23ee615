"""Who may come in once the token holds."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from shared.errors import Forbidden, Unauthenticated
from shared.model import Actor, TenantId, UserId, UserStatus
from shared.security.actor import admit
from shared.security.identity import Identity

SIGNED_IN = datetime(2025, 1, 2, tzinfo=UTC)
WHO = Identity(tenant_id=TenantId(uuid4()), user_id=UserId(uuid4()), issued_at=SIGNED_IN)


def user(status: UserStatus = UserStatus.ACTIVE, valid_after: datetime | None = None) -> Actor:
    return Actor(
        user_id=WHO.user_id,
        role="front_desk",
        display_name="A",
        status=status,
        tokens_valid_after=valid_after,
    )


def test_an_active_user_comes_in() -> None:
    assert admit(user(), WHO) == user()


def test_an_unknown_and_a_disabled_user_are_refused_alike() -> None:
    with pytest.raises(Forbidden) as unknown:
        admit(None, WHO)
    with pytest.raises(Forbidden) as disabled:
        admit(user(UserStatus.DISABLED), WHO)
    assert unknown.value.detail == disabled.value.detail


def test_a_sign_in_counts_until_it_is_revoked() -> None:
    just_counts = user(valid_after=SIGNED_IN)
    assert admit(just_counts, WHO) == just_counts
    with pytest.raises(Unauthenticated):
        admit(user(valid_after=SIGNED_IN + timedelta(microseconds=1)), WHO)
