"""Firestore's rules, asked by visitors of every kind: what data.md allows, and nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from msgspec.structs import replace
from sqlalchemy import create_engine

from ops.demo_load import default_policy
from ops.policy.publication import publish
from shared.errors import Unauthenticated
from shared.messaging.outbox import ask_for_everything
from shared.model import Actor, SubjectType, TenantId, UserId, UserStatus
from shared.persistence import database
from shared.persistence.database import driver_url
from shared.persistence.unit_of_work import unit_of_work
from shared.projections.projector import project
from shared.projections.store import FirestoreDocuments
from shared.projections.subjects import PostgresTruths
from shared.security.actor import admit
from shared.security.identity import Identity
from tests.integration.firestore_client import PERMISSION_DENIED, Change, Firestore, Json, unsigned_token
from tests.integration.firestore_deeds import (
    MAY,
    MAY_BUT_SEE_NOTHING,
    MAY_NOT,
    OF_ANOTHER_TENANT,
    WRITES,
    Deed,
    get,
)
from tests.integration.firestore_visitors import A_FEW, ADMITTED, EVERYBODY, NO, NOW, YES, World, moment
from tests.integration.product import BY_HAND, Clinic
from tests.stack import Stack

SEEN = "seen of"


@pytest.fixture(scope="module")
def world(stack: Stack) -> Iterator[World]:
    described = stack.description
    firestore = Firestore(described["firestore_emulator_host"], described["project_id"])
    yield World(firestore)
    firestore.close()


def let_pass(world: World, deed: Deed, visitors: Iterable[str] = EVERYBODY) -> set[str]:
    """Who may do it; whoever may not is shown nothing."""
    names = sorted(visitors)
    with ThreadPoolExecutor(4) as threads:
        answers = dict(zip(names, threads.map(lambda name: deed(world, name), names), strict=True))
    assert [name for name, answer in answers.items() if not answer.allowed and SEEN in answer.text] == []
    return {name for name, answer in answers.items() if answer.allowed}


@pytest.mark.parametrize("deed", MAY)
def test_who_is_let_in_and_nobody_else_may(world: World, deed: str) -> None:
    assert let_pass(world, MAY[deed]) == set(ADMITTED)
    shown = [MAY[deed](world, name).text for name in ADMITTED]
    assert all(f"{SEEN} {world.own}" in text and world.other not in text for text in shown)


@pytest.mark.parametrize("deed", MAY_BUT_SEE_NOTHING)
def test_who_is_let_in_and_nobody_else_may_although_there_is_nothing_to_see(world: World, deed: str) -> None:
    assert let_pass(world, MAY_BUT_SEE_NOTHING[deed]) == set(ADMITTED)
    assert not [name for name in ADMITTED if SEEN in MAY_BUT_SEE_NOTHING[deed](world, name).text]


@pytest.mark.parametrize("deed", MAY_NOT)
def test_nobody_may(world: World, deed: str) -> None:
    assert let_pass(world, MAY_NOT[deed]) == set()


@pytest.mark.parametrize("deed", OF_ANOTHER_TENANT)
def test_nobody_may_of_another_tenant(world: World, deed: str) -> None:
    assert let_pass(world, OF_ANOTHER_TENANT[deed], set(EVERYBODY) - {"a user of another tenant"}) == set()


@pytest.mark.parametrize("deed", WRITES)
def test_nobody_may_write_to(world: World, deed: str) -> None:
    before = [world.firestore.below(f"tenants/{tenant}") for tenant in (world.own, world.other)]
    assert all(SEEN in each for each in before)
    assert let_pass(world, WRITES[deed], A_FEW) == set()
    assert before == [world.firestore.below(f"tenants/{tenant}") for tenant in (world.own, world.other)]


@pytest.mark.parametrize(
    "path",
    [
        "tenants/OWN/../OTHER/patient_state/KEY",
        "tenants/OWN/%2E%2E/OTHER/patient_state/KEY",
        "tenants/OWN%2F..%2FOTHER/patient_state/KEY",
        "tenants/OWN%2f%2e%2e%2fOTHER/patient_state/KEY",
        "tenants/OWN/patient_state/..%2F..%2F..%2FOTHER%2Fpatient_state%2FKEY",
        "tenants/OWN/patient_state/%252e%252e/%252e%252e/OTHER/patient_state/KEY",
        "tenants/OTHER%2Fpatient_state%2FKEY",
        "tenants%2FOTHER%2Fpatient_state%2FKEY",
        "tenants/OTHER/patient_state%2FKEY",
        "tenants/OTHER/patient_state/KEY/",
        "tenants//OTHER/patient_state/KEY",
        "tenants/OTHER%00OWN/patient_state/KEY",
        "tenants/OWN%00/patient_state/KEY",
        "tenants/OTHER%20/patient_state/KEY",
        "tenants/OTHER;OWN/patient_state/KEY",
        "tenants/OTHER?parent=tenants/OWN",
        "tenants/OWN/patient_state/KEY/../../../OTHER/patient_state/KEY",
        "tenants/OWN/user_inbox/USER/../../../OTHER/user_inbox/colleague",
        "tenants/*/patient_state/KEY",
        "tenants/OTHER/patient_state/KEY?access_token=owner",
        "tenants/OTHER/patient_state/KEY?key=owner&uid=owner",
        "/v1/projects/elsewhere/../DATABASE/documents/tenants/OTHER/patient_state/KEY",
        "/v1/DATABASE/documents/tenants/OWN/../../documents/tenants/OTHER/patient_state/KEY",
        "/v1/DATABASE%2Fdocuments%2Ftenants%2FOTHER%2Fpatient_state%2FKEY",
        "/v1beta1/DATABASE/documents/tenants/OTHER/patient_state/KEY",
        "/v1/projects/elsewhere/databases/(default)/documents/tenants/OTHER/patient_state/KEY",
        "/v1/ARCHIVE/documents/tenants/OTHER/patient_state/KEY",
    ],
)
def test_no_spelling_of_a_path_leads_to_another_tenant(world: World, path: str) -> None:
    for name in ADMITTED:
        answer = get(path)(world, name)
        assert SEEN not in answer.text


# A revoked sign-in ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("since_now_s", [-3600, 0, 0.25, 3600])
@pytest.mark.parametrize("later_us", [-1_000_000, -1, 0, 1, 250_000, 250_001, 999_999, 1_000_000])
def test_a_sign_in_counts_in_firestore_exactly_when_it_does_in_the_api(
    world: World, since_now_s: float, later_us: int
) -> None:
    signed_in_at = NOW + since_now_s
    valid_after = datetime.fromtimestamp(int(signed_in_at), UTC) + timedelta(microseconds=later_us)
    user = str(uuid4())
    limit = {"timestampValue": valid_after.strftime("%Y-%m-%dT%H:%M:%S.%fZ")}
    fields = {"active": {"booleanValue": True}, "tokens_valid_after": limit}
    world.firestore.put(f"tenants/{world.own}/user_inbox/{user}", fields)
    token = world.token_of(user, auth_time=signed_in_at)
    seen = world.firestore.ask("GET", f"tenants/{world.own}/patient_state/KEY", token)
    assert seen.allowed is admitted(world, user, signed_in_at, valid_after)


def admitted(world: World, user: str, signed_in_at: float, valid_after: datetime) -> bool:
    actor = Actor(
        user_id=UserId(UUID(user)),
        role="front_desk",
        display_name="Somebody",
        status=UserStatus.ACTIVE,
        tokens_valid_after=valid_after,
    )
    identity = Identity(
        tenant_id=TenantId(UUID(world.own)),
        user_id=actor.user_id,
        issued_at=datetime.fromtimestamp(signed_in_at, UTC),
    )
    try:
        admit(actor, identity)
    except Unauthenticated:
        return False
    return True


@pytest.mark.parametrize("changed", ["patient_state/k", "invocation_presence/i", "user_inbox/u"])
@pytest.mark.parametrize(
    "put_out",
    [{"active": NO}, {"active": YES, "tokens_valid_after": moment(NOW + 60)}],
    ids=["disabled", "signed out"],
)
def test_who_listens_already_hears_nothing_more_once_they_are_put_out(
    world: World, changed: str, put_out: Json
) -> None:
    firestore, tenant = world.firestore, str(uuid4())
    collection = changed.partition("/")[0]
    for path in (changed, "user_inbox/u"):
        firestore.put(f"tenants/{tenant}/{path}", {"active": YES})
    everything = {"structuredQuery": {"from": [{"collectionId": collection}]}}
    name = f"{firestore.database}/documents/tenants/{tenant}"
    target = (
        {"query": {"parent": name, **everything}}
        if collection == "invocation_presence"
        else {"documents": {"documents": [f"{name}/{changed}"]}}
    )
    heard, was_current = "", False
    for said in firestore.listening(world.token_of("u", tenant_id=tenant), target):
        heard += str(said)
        change = said.target_change
        if change.target_change_type == Change.REMOVE:
            assert change.cause.code == PERMISSION_DENIED
            break
        if change.target_change_type == Change.CURRENT and not was_current:
            was_current = True
            firestore.put(f"tenants/{tenant}/user_inbox/u", put_out)
            firestore.put(f"tenants/{tenant}/{changed}", {**put_out, "what": {"stringValue": "too late"}})
    assert was_current
    assert "too late" not in heard


# What the projector writes --------------------------------------------------------------------------------


@pytest.mark.usefixtures("held")
def test_what_the_projector_writes_is_what_the_rules_read(clinic: Clinic) -> None:
    described, (desk, counselor, _) = clinic.product.stack, clinic.users
    firestore = Firestore(described["firestore_emulator_host"], described["project_id"])
    patient = f"tenants/{clinic.tenant_id}/patient_state/{clinic.key(BY_HAND)}"

    def see_the_patient(*, signed_in_at: int = NOW) -> tuple[bool, bool]:
        """Whether each of the two does, once everything is projected."""
        for row in clinic.rows("outbox"):
            kind = SubjectType(row.subject_type)
            project(
                PostgresTruths(database.engine()), FirestoreDocuments(), clinic.tenant_id, kind, row.subject
            )
        tokens = [
            unsigned_token(sub=str(user.user_id), tenant_id=str(clinic.tenant_id), auth_time=signed_in_at)
            for user in (desk, counselor)
        ]
        first, second = (firestore.ask("GET", patient, token).allowed for token in tokens)
        return first, second

    clinic.status(BY_HAND)
    assert see_the_patient() == (False, False)  # there is no inbox yet
    with unit_of_work(database.engine(), clinic.tenant_id) as uow:
        ask_for_everything(uow, clinic.tenant_id)
        uow.commit()
    assert see_the_patient() == (True, True)

    change = "UPDATE app_user SET {} WHERE tenant_id = :tenant AND user_id = :user"
    clinic.sql(change.format(f"tokens_valid_after = to_timestamp({NOW} - 9.5)"), user=desk.user_id)
    assert see_the_patient(signed_in_at=NOW - 10) == (False, True)
    assert see_the_patient(signed_in_at=NOW - 9) == (True, True)

    owner = create_engine(driver_url(clinic.product.urls.owner))
    document = default_policy()
    for roles, sidecar, expected in (
        ((desk.role,), (), (True, False)),
        ((), (counselor.role,), (False, True)),
        ((), (), (False, False)),
        (("*",), (), (True, True)),
    ):
        permissions = replace(document.allowlist.permissions, sidecar=sidecar)
        allowlist = replace(document.allowlist, roles=roles, permissions=permissions)
        version = publish(owner, clinic.tenant_id, replace(document, allowlist=allowlist)).version
        document = replace(document, version=version)
        assert see_the_patient() == expected
    owner.dispose()

    clinic.sql(change.format("status = 'disabled'"), user=desk.user_id)
    assert see_the_patient() == (False, True)
    firestore.close()
