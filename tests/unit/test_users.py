"""``mobius users``: an identity and a row together, whatever interrupts the command that makes them."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

import pytest

from ops.installation import Refused
from ops.users.accounts import Accounts, Followed
from ops.users.identities import SignIn
from shared.model import UserStatus
from tests.unit.users_in_memory import (
    ELSEWHERE,
    EMAIL,
    HERE,
    NAME,
    NO_UUID,
    ROLE,
    Killed,
    World,
    identity,
    user,
)

# Interrupted ----------------------------------------------------------------------------------------------

USE_CASES: dict[str, Callable[[World], object]] = {
    "create": lambda world: world.create("ben@clinic.example", "porter", "Ben", new_role=True),
    "disable": lambda world: world.disable(EMAIL),
    "enable": lambda world: world.enable(EMAIL),
    "change": lambda world: world.change(EMAIL, role="billing_lead", display_name="Ana Ruiz-Sol"),
}


def prepared(use_case: str) -> World:
    world = World()
    world.create()
    if use_case == "enable":
        world.disable(EMAIL)
    world.interrupter.steps = 0
    return world


@pytest.mark.parametrize("use_case", USE_CASES)
def test_a_command_that_was_killed_anywhere_does_the_rest_when_it_is_run_again(use_case: str) -> None:
    do = USE_CASES[use_case]
    whole = prepared(use_case)
    do(whole)
    assert whole.interrupter.steps > 2
    for step in range(whole.interrupter.steps):
        world = prepared(use_case)
        world.interrupter.at = step
        with pytest.raises(Killed):
            do(world)
        for each in world.staff.users.values():
            # Whoever may come in has an identity, and who was let out is out before anything else.
            assert world.identities.find(each.user_id) is not None
        world.interrupter.at = None
        do(world)
        assert world.state() == whole.state(), step
        assert len(world.staff.told) == len(whole.staff.told), "each change is told once"
        assert len(world.staff.revoked) == len(whole.staff.revoked)


def test_an_interrupted_creation_lets_nobody_in() -> None:
    world = World()
    world.interrupter.at = 4  # identity and claims are there
    with pytest.raises(Killed):
        world.create()
    (made,) = world.identities.known.values()
    assert made.claims == {"tenant_id": str(HERE)}
    assert world.staff.users == {}
    with pytest.raises(Refused, match="run it again"):
        world.accounts.find(EMAIL)


# Created --------------------------------------------------------------------------------------------------


def test_the_identitys_subject_is_the_users_id_and_its_claims_name_the_tenant() -> None:
    world = World()
    made, is_new = world.accounts.create(EMAIL, ROLE, NAME)
    assert is_new
    found = world.identities.find(made.user_id)
    assert found is not None
    assert found == identity(str(made.user_id))
    assert world.staff.users == {made.user_id: made}
    assert world.staff.told == [(made.user_id, ROLE, UserStatus.ACTIVE)]


def test_creating_again_is_the_same() -> None:
    world = World()
    first = world.create()
    state, told = world.state(), list(world.staff.told)
    assert world.accounts.create(EMAIL, ROLE, NAME) == (first, False)
    assert (world.state(), world.staff.told) == (state, told)


@pytest.mark.parametrize(
    "foreign",
    [
        identity(str(UUID(int=5)), ELSEWHERE),
        identity(NO_UUID),
        identity(NO_UUID, None),
        identity(str(UUID(int=5)), claims={"admin": True}),
        identity(str(UUID(int=0xABC)).upper()),
    ],
    ids=["another tenant's", "no UUID", "nobody's", "another application's", "no UUID of ours"],
)
def test_an_identity_that_is_not_this_tenants_is_refused_and_nothing_is_changed(foreign: SignIn) -> None:
    world = World()
    world.identities.known[foreign.subject] = foreign
    with pytest.raises(Refused, match="Nothing was changed"):
        world.create()
    with pytest.raises(Refused, match="Nothing was changed"):
        world.accounts.find(EMAIL)
    assert world.identities.known == {foreign.subject: foreign}
    assert (world.staff.users, world.interrupter.steps) == ({}, 0)


def test_what_others_added_to_an_identitys_claims_stays() -> None:
    world = World()
    made = world.create()
    more = {"tenant_id": str(HERE), "beta": True}
    world.identities.known[str(made.user_id)] = identity(str(made.user_id), claims=more)
    assert world.disable(EMAIL) is Followed.DONE
    found = world.identities.find(made.user_id)
    assert found is not None
    assert (found.claims, found.disabled) == (more, True)


def test_an_unknown_role_is_refused_with_those_that_are_known_unless_it_is_to_be_a_new_one() -> None:
    world = World()
    known = r"--role: there is no role 'porter' \(allowed: billing_lead, front_desk\)"
    with pytest.raises(Refused, match=known):
        world.create(role="porter")
    assert world.interrupter.steps == 0
    made = world.create()
    with pytest.raises(Refused, match=known):
        world.change(EMAIL, role="porter")
    assert world.staff.users == {made.user_id: made}
    world.change(EMAIL, role="porter", new_role=True)
    assert "porter" in world.staff.roles()


@pytest.mark.parametrize(("role", "name"), [("billing_lead", NAME), (ROLE, "Somebody Else")])
def test_creating_somebody_who_is_there_as_somebody_else_is_refused(role: str, name: str) -> None:
    world = World()
    made = world.create()
    steps = world.interrupter.steps
    with pytest.raises(Refused, match=f"mobius users change {made.user_id}"):
        world.create(role=role, name=name)
    world.disable(EMAIL)
    with pytest.raises(Refused, match=f"mobius users enable {made.user_id}"):
        world.create()
    assert world.interrupter.steps > steps


def test_of_two_who_create_the_same_user_at_once_both_have_one() -> None:
    world = World()
    other = identity(str(UUID(int=5)))

    def find_too_early(email: str) -> SignIn | None:
        world.identities.find_by_email = super_find  # type: ignore[method-assign] -- the first look only
        world.identities.known[other.subject] = other
        return None

    super_find = world.identities.find_by_email
    world.identities.find_by_email = find_too_early  # type: ignore[method-assign]  # a fake, for this test
    assert world.create().user_id == UUID(int=5)
    assert list(world.identities.known) == [other.subject]


# In and out -----------------------------------------------------------------------------------------------


def test_who_is_disabled_is_so_at_both_places_and_signed_out() -> None:
    world = World()
    made = world.create()
    assert world.disable(EMAIL) is Followed.DONE
    found = world.identities.find(made.user_id)
    assert found is not None
    assert found.disabled
    assert world.identities.revoked == [made.user_id]
    assert world.staff.revoked == [made.user_id]
    assert world.staff.told[1:] == [(made.user_id, ROLE, UserStatus.DISABLED)]
    assert world.enable(str(made.user_id)) is Followed.DONE
    again = world.identities.find(made.user_id)
    assert again is not None
    assert not again.disabled
    # What was revoked stays revoked.
    assert world.staff.revoked == [made.user_id]


def test_disabling_again_moves_nothing_here_and_makes_sure_there() -> None:
    world = World()
    made = world.create()
    world.disable(EMAIL)
    told, revoked = list(world.staff.told), list(world.staff.revoked)
    world.identities.known[str(made.user_id)] = identity(str(made.user_id))
    world.disable(EMAIL)
    assert (world.staff.told, world.staff.revoked) == (told, revoked)
    assert world.identities.known[str(made.user_id)].disabled


def test_revoking_ends_the_sign_ins_and_nothing_else() -> None:
    world = World()
    made = world.create()
    world.accounts.revoke(made)
    assert world.accounts.follow(made, revoke=True) is Followed.DONE
    assert world.staff.users == {made.user_id: made}
    assert world.staff.revoked == world.identities.revoked == [made.user_id]
    assert world.staff.told[1:] == [(made.user_id, ROLE, UserStatus.ACTIVE)]


def test_another_tenants_identity_is_left_alone_whatever_the_row_says() -> None:
    world = World()
    world.staff.users[user().user_id] = user()
    theirs = identity(str(user().user_id), ELSEWHERE)
    world.identities.known[theirs.subject] = theirs
    assert world.disable(theirs.subject) is Followed.FOREIGN
    assert world.staff.users[user().user_id].status is UserStatus.DISABLED
    assert world.identities.known == {theirs.subject: theirs}
    assert world.identities.revoked == []


def test_a_user_without_an_identity_is_changed_all_the_same() -> None:
    world = World()
    world.staff.users[user().user_id] = user()
    assert world.disable(str(user().user_id)) is Followed.MISSING
    assert world.staff.users[user().user_id].status is UserStatus.DISABLED


@pytest.mark.parametrize("asked", [str(UUID(int=3)), "nobody@clinic.example", "Ana Ruiz"])
def test_whoever_is_not_known_is_refused(asked: str) -> None:
    with pytest.raises(Refused):
        World().accounts.find(asked)


# Without an identity provider -------------------------------------------------------------------------------


def test_without_a_provider_the_address_finds_the_same_user_again_in_its_tenant_only() -> None:
    world, other = World(provider=False), World(ELSEWHERE, provider=False)
    made = world.create()
    assert world.accounts.create(EMAIL.upper(), ROLE, NAME) == (made, False)
    assert world.accounts.find(EMAIL) == made
    assert other.create().user_id != made.user_id
    assert world.disable(EMAIL) is Followed.NO_PROVIDER


def test_the_address_can_not_be_guessed_from_the_users_id_without_the_secret() -> None:
    one, other = World(provider=False), World(provider=False)
    other.accounts = Accounts(other.staff, None, bytes(31) + b"1")
    assert one.create().user_id != other.create().user_id
