"""``mobius users list``: what doesn't fit together is told, with what mends it."""

from __future__ import annotations

from uuid import UUID

import pytest

from ops.users.identities import SignIn, Whose, whose
from ops.users.listing import identity_words, listed, mismatch
from shared.model import TenantId, UserStatus
from tests.unit.users_in_memory import ELSEWHERE, EMAIL, HERE, NO_UUID, World, identity, user

ID = str(user().user_id)


@pytest.mark.parametrize(
    ("status", "found", "says", "mend"),
    [
        ("active", identity(ID), f"enabled: {EMAIL}", None),
        ("disabled", identity(ID, disabled=True), f"disabled: {EMAIL}", None),
        ("disabled", None, "missing", None),
        ("disabled", identity(ID, ELSEWHERE), f"other claims: {EMAIL}", None),
        ("active", None, "missing", "mobius users create"),
        ("active", identity(ID, disabled=True), f"disabled: {EMAIL}", f"mobius users enable {ID}"),
        ("active", identity(ID, None), f"without claims: {EMAIL}", f"mobius users enable {ID}"),
        ("active", identity(ID, ELSEWHERE), f"other claims: {EMAIL}", f"mobius users disable {ID}"),
        ("disabled", identity(ID), f"enabled: {EMAIL}", f"mobius users disable {ID}"),
        ("disabled", identity(ID, None), f"without claims: {EMAIL}", f"mobius users disable {ID}"),
    ],
)
def test_what_does_not_fit_together_is_told_with_what_mends_it(
    status: str, found: SignIn | None, says: str, mend: str | None
) -> None:
    (line,) = listed([user(UserStatus(status))], [found] if found else [], HERE)
    assert identity_words(line, HERE) == says
    wrong = mismatch(line, HERE)
    assert (wrong is None) == (mend is None)
    assert mend is None or wrong is None or mend in wrong.mend


@pytest.mark.parametrize("status", UserStatus)
@pytest.mark.parametrize("disabled", [True, False])
@pytest.mark.parametrize("tenant_id", [HERE, None])
def test_what_the_list_says_mends_it_does(
    status: UserStatus, disabled: bool, tenant_id: TenantId | None
) -> None:
    world = World()
    world.staff.users[user().user_id] = user(status)
    world.identities.known[ID] = identity(ID, tenant_id, disabled=disabled)
    (line,) = listed(world.staff.everybody(), world.identities.everybody(), HERE)
    wrong = mismatch(line, HERE)
    if wrong is not None:
        (world.enable if "enable" in wrong.mend else world.disable)(ID)
    (line,) = listed(world.staff.everybody(), world.identities.everybody(), HERE)
    assert mismatch(line, HERE) is None


def test_an_identity_of_the_tenant_without_a_user_is_listed_and_others_are_not() -> None:
    left = identity(str(UUID(int=8)))
    others = [identity(str(UUID(int=9)), ELSEWHERE), identity(NO_UUID, None)]
    (line,) = listed([], [left, *others], HERE)
    assert (line.user, line.identity) == (None, left)
    wrong = mismatch(line, HERE)
    assert wrong is not None
    assert "mobius users create" in wrong.mend


def test_whose_an_identity_is() -> None:
    assert whose(identity(ID), HERE) is Whose.OURS
    assert whose(identity(ID, None), HERE) is Whose.UNFINISHED
    assert whose(identity(ID), ELSEWHERE) is Whose.FOREIGN
