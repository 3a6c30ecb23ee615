"""``mobius users`` on real PostgreSQL and the official Auth emulator: who may come in, and who no more."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import pytest

from ops.users.firebase import FirebaseIdentities
from shared.model import UserId
from shared.security.identity import TokenVerifier
from tests.auth_emulator.browser import asks, refreshes, sets_password, signs_in
from tests.auth_emulator.desk import access_changes, created, done, mobius, new_address, refused, row
from tests.auth_emulator.running import auth_emulator
from tests.integration.overdue import DESK, inbox_document, patient_document, unconfirmed, users_told
from tests.integration.product import EXPIRING, Clinic, Product, new_clinic, problem_of
from tests.integration.test_pickup import opened
from tests.stack import Stack

pytestmark = [pytest.mark.usefixtures("held"), pytest.mark.timeout(300)]  # two stacks start for the first


@pytest.fixture(scope="module")
def emulator(stack: Stack) -> Iterator[str]:
    """The Auth emulator of the stack's project."""
    with auth_emulator(stack.description["project_id"]) as host:
        yield host


@pytest.fixture
def provider(emulator: str, product: Product, monkeypatch: pytest.MonkeyPatch) -> FirebaseIdentities:
    """It as the identity provider of this process."""
    monkeypatch.setenv("FIREBASE_AUTH_EMULATOR_HOST", emulator)
    return FirebaseIdentities(product.stack["project_id"], 15)


@pytest.fixture
def email() -> str:
    return new_address()


def link_of(clinic: Clinic, email: str) -> str:
    said = done(mobius(clinic, "create", email, "--name", "Ana Ruiz", "--role", "front_desk"))
    return said.splitlines()[-1]


def looks(clinic: Clinic, id_token: str) -> Any:
    """Asks the API for a patient."""
    headers = {"Authorization": f"Bearer {id_token}"}
    return clinic.product.client("mini/status").post("/", json=clinic.names(EXPIRING), headers=headers)


def still_signed_out(clinic: Clinic, emulator: str, signed_in: Any) -> None:
    """Whether a sign-in that was revoked counts neither here nor there, however its token is renewed."""
    problem_of(looks(clinic, signed_in["idToken"]), 401)
    lookup = "identitytoolkit.googleapis.com/v1/accounts:lookup"
    assert asks(emulator, lookup, {"idToken": signed_in["idToken"]})["error"]["message"] == "TOKEN_EXPIRED"
    # The emulator renews it all the same, which Firebase itself does not.
    problem_of(looks(clinic, refreshes(emulator, signed_in)["id_token"]), 401)


def next_second() -> None:
    """A token says whole seconds, so what comes now is told from what was only after the next one began."""
    time.sleep(1.05)


# From coming to leaving -----------------------------------------------------------------------------------


def test_somebody_comes_signs_in_leaves_and_comes_back(
    clinic: Clinic, emulator: str, provider: FirebaseIdentities, email: str
) -> None:
    user = created(clinic, email)
    user_id = clinic.users[user].user_id
    assert users_told(clinic) == [user]
    assert inbox_document(clinic, user)["active"] is True

    sets_password(emulator, link_of(clinic, email))
    signed_in = signs_in(emulator, email)
    identity = TokenVerifier(clinic.product.stack["project_id"], None).verify(
        f"Bearer {signed_in['idToken']}"
    )
    assert (identity.user_id, identity.tenant_id) == (user_id, clinic.tenant_id)
    assert looks(clinic, signed_in["idToken"]).status_code == 200
    assert row(clinic, user).last_login_at == identity.issued_at

    next_second()  # the emulator, like Firebase, counts in whole seconds
    said = done(mobius(clinic, "disable", email))
    assert said.startswith(f"Disabled: Ana Ruiz, front_desk, disabled, user {user_id}\n")
    assert "0 open items were handed over." in said
    assert signs_in(emulator, email)["error"]["message"] == "USER_DISABLED"
    assert refreshes(emulator, signed_in)["error"]["message"] == "USER_DISABLED"
    problem_of(looks(clinic, signed_in["idToken"]), 403)
    assert inbox_document(clinic, user)["active"] is False

    next_second()
    done(mobius(clinic, "enable", email))
    assert inbox_document(clinic, user)["active"] is True
    # What was revoked stays revoked.
    still_signed_out(clinic, emulator, signed_in)
    assert looks(clinic, signs_in(emulator, email)["idToken"]).status_code == 200
    assert access_changes(clinic) == [
        (str(user_id), "front_desk", status) for status in ("active", "disabled", "active")
    ]


def test_revoked_sign_ins_count_no_more_and_a_new_one_does(
    clinic: Clinic, emulator: str, provider: FirebaseIdentities, email: str
) -> None:
    user = created(clinic, email)
    sets_password(emulator, link_of(clinic, email))
    signed_in = signs_in(emulator, email)
    assert looks(clinic, signed_in["idToken"]).status_code == 200
    next_second()
    assert "Every sign-in until now is revoked" in done(mobius(clinic, "revoke", email))
    still_signed_out(clinic, emulator, signed_in)
    next_second()
    assert looks(clinic, signs_in(emulator, email)["idToken"]).status_code == 200
    assert row(clinic, user).status == "active"
    assert len(access_changes(clinic)) == 2


def test_the_address_is_kept_by_the_identity_provider_alone(
    clinic: Clinic, provider: FirebaseIdentities, email: str
) -> None:
    created(clinic, email)
    for command in ("disable", "enable", "revoke"):
        done(mobius(clinic, command, email))
    tables = clinic.sql(
        """SELECT c.table_name FROM information_schema.columns c
           WHERE c.table_schema = 'public' AND c.column_name = 'tenant_id'"""
    )
    for table in (found.table_name for found in tables):
        for (stored,) in clinic.sql(f"SELECT CAST(t AS text) FROM {table} t WHERE tenant_id = :tenant"):  # noqa: S608 -- our own names
            assert email.split("@")[0] not in stored


# Created ----------------------------------------------------------------------------------------------------


def test_creating_again_makes_nothing_and_gives_a_new_link(
    clinic: Clinic, provider: FirebaseIdentities, email: str
) -> None:
    first = created(clinic, email)
    again = created(clinic, email)
    assert clinic.users[again] == clinic.users[first]
    assert len(access_changes(clinic)) == 1
    assert clinic.count("app_user", "display_name = 'Ana Ruiz'") == 1
    assert link_of(clinic, email) != link_of(clinic, email)


@pytest.mark.parametrize("with_claims", [True, False])
def test_what_an_interrupted_creation_left_is_finished_by_the_next(
    clinic: Clinic, emulator: str, provider: FirebaseIdentities, email: str, with_claims: bool
) -> None:
    left = UserId(uuid4())
    provider.make(left, email, "Ana")
    if with_claims:
        claims = {"tenant_id": str(clinic.tenant_id)}
        provider.change(left, claims=claims, display_name="Ana", disabled=False)
        listing = done(mobius(clinic, "list"))
        assert f"An identity without a user: {email}. To mend it: run mobius users create" in listing
    user = created(clinic, email)
    assert clinic.users[user].user_id == left
    sets_password(emulator, link_of(clinic, email))
    assert looks(clinic, signs_in(emulator, email)["idToken"]).status_code == 200


def test_an_address_of_another_tenant_or_application_is_refused_and_nothing_is_changed(
    clinic: Clinic, product: Product, provider: FirebaseIdentities, email: str
) -> None:
    other = new_clinic(product)
    created(other, email)
    before = provider.find_by_email(email)
    for command, args in (("create", ("--name", "Ana Ruiz", "--role", "front_desk")), ("disable", ())):
        assert "Nothing was changed" in refused(mobius(clinic, command, email, *args))
    assert provider.find_by_email(email) == before
    assert clinic.count("app_user") == 3
    assert access_changes(clinic) == []
    other.leave()


def test_a_wrong_role_name_or_address_is_told_and_nothing_is_changed(
    clinic: Clinic, provider: FirebaseIdentities, email: str
) -> None:
    role = f"porter_{uuid4().hex[:8]}"
    said = refused(mobius(clinic, "create", email, "--name", "Ana Ruiz", "--role", role))
    assert f"--role: there is no role '{role}' (allowed: " in said
    assert "front_desk" in said
    for args in (
        (email, "--name", " ", "--role", "front_desk"),
        (email, "--name", "Ana\nRuiz", "--role", "front_desk"),
        (email, "--name", "Ana Ruiz", "--role", "Front Desk", "--new-role"),
        ("ana", "--name", "Ana Ruiz", "--role", "front_desk"),
    ):
        assert " must be " in refused(mobius(clinic, "create", *args))
    assert provider.find_by_email(email) is None
    assert clinic.count("app_user") == 3
    with_role = mobius(clinic, "create", email, "--name", "Ana Ruiz", "--role", role, "--new-role")
    assert f"Created: Ana Ruiz, {role}, active" in done(with_role)
    assert clinic.count("app_user", f"role = '{role}'") == 1


def test_a_tenant_that_is_none_is_refused_before_anything_is_made(
    clinic: Clinic, provider: FirebaseIdentities, email: str
) -> None:
    clinic.tenant_id = uuid4()  # type: ignore[assignment] -- nobody's
    for command, args in (
        ("create", (email, "--name", "Ana Ruiz", "--role", "front_desk")),
        ("disable", (str(uuid4()),)),
        ("list", ()),
    ):
        assert f"There is no tenant {clinic.tenant_id}." in refused(mobius(clinic, command, *args))
    assert provider.find_by_email(email) is None


# Changed ----------------------------------------------------------------------------------------------------


def test_another_role_gives_the_roles_items_and_another_name_reaches_the_documents(
    clinic: Clinic, provider: FirebaseIdentities
) -> None:
    item = opened(clinic)
    clinic.status(EXPIRING)
    clinic.answer("mini/ack", clinic.says(EXPIRING))
    assert patient_document(clinic, EXPIRING)["last_mini_submission"]["user_display_name"] != "Dana Renamed"
    clinic.sql("DELETE FROM outbox WHERE tenant_id = :tenant")
    desk = str(clinic.users[DESK].user_id)
    args = (desk, "--role", "financial_counselor", "--name", "Dana Renamed")
    said = done(mobius(clinic, "change", *args))
    assert said.startswith("Changed: Dana Renamed, financial_counselor, active, user ")
    assert "has none for this user, who can't sign in" in said
    assert set(unconfirmed(clinic)) == {clinic.users[DESK].user_id, clinic.context(EXPIRING)}
    (listed,) = inbox_document(clinic, DESK)["open_assignments"]
    assert listed["assignment_id"] == item
    document = patient_document(clinic, EXPIRING)
    assert document["last_mini_submission"]["user_display_name"] == "Dana Renamed"
    assert access_changes(clinic) == [(desk, "financial_counselor", "active")]
    assert done(mobius(clinic, "change", *args)).startswith("As it was: ")
    assert len(access_changes(clinic)) == 1


def test_an_identity_that_is_removed_signs_in_no_more_and_no_other_is(
    clinic: Clinic, product: Product, emulator: str, provider: FirebaseIdentities, email: str
) -> None:
    other, strangers = new_clinic(product), new_address()
    created(other, strangers)
    user = created(clinic, email)
    sets_password(emulator, link_of(clinic, email))
    signed_in = signs_in(emulator, email)
    for _ in range(2):
        provider.remove(clinic.users[user].user_id)
    assert "EMAIL_NOT_FOUND" in signs_in(emulator, email)["error"]["message"]
    assert "error" in refreshes(emulator, signed_in)
    assert provider.find_by_email(strangers) is not None
    other.leave()


# Listed -----------------------------------------------------------------------------------------------------


def test_the_list_says_what_the_provider_says_and_what_mends_a_difference(
    clinic: Clinic, provider: FirebaseIdentities, email: str
) -> None:
    user = created(clinic, email)
    user_id = clinic.users[user].user_id
    whole = done(mobius(clinic, "list"))
    (line,) = [line for line in whole.splitlines() if str(user_id) in line]
    for word in ("Ana Ruiz", "front_desk", "active", "never", f"enabled: {email}"):
        assert word in line
    assert "Has no identity, so can't sign in: Dana Whitlow. To mend it: mobius users disable " in whole
    assert f"mobius users enable {user_id}" not in whole
    claims = {"tenant_id": str(clinic.tenant_id)}
    provider.change(user_id, claims=claims, display_name="Ana Ruiz", disabled=True)
    listing = done(mobius(clinic, "list"))
    assert f"disabled: {email}" in listing
    (mend,) = [line for line in listing.splitlines() if "the identity does not let them: Ana Ruiz" in line]
    assert f"mobius users enable {user_id}" in mend
    assert done(mobius(clinic, "enable", str(user_id))).startswith("Enabled already: ")
    assert f"enabled: {email}" in done(mobius(clinic, "list"))


def test_identities_of_other_tenants_are_not_listed(
    clinic: Clinic, product: Product, provider: FirebaseIdentities, email: str
) -> None:
    other = new_clinic(product)
    created(other, email)
    assert email not in done(mobius(clinic, "list"))
    assert email in done(mobius(other, "list"))
    other.leave()


def test_a_link_is_for_people_and_no_password_is_ever_asked_for(
    clinic: Clinic, provider: FirebaseIdentities, email: str
) -> None:
    created(clinic, email)
    assert parse_qs(urlsplit(link_of(clinic, email)).query)["mode"] == ["resetPassword"]
    assert "password" not in done(mobius(clinic, "list"))
