"""Publishing a policy: who follows is exactly whom the preview counted, and nobody is lost on the way."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import chdir
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Barrier
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import Engine, create_engine, text
from typer.testing import CliRunner, Result

from ops.cli import app
from ops.demo_load import default_policy
from ops.installation import Refused
from ops.policy.document import write_policy
from ops.policy.preview import Impact
from ops.policy.publication import RATE, enqueue_patients, publish
from ops.policy.store import every_patient
from shared.decisions.policy import Policy, decode_policy, encode_policy
from shared.model import CorrelationId, SubjectType, TenantId
from shared.persistence import database
from shared.persistence.database import driver_url
from shared.persistence.unit_of_work import unit_of_work
from shared.projections.documents import user_inbox_path
from shared.projections.projector import project
from shared.projections.store import FirestoreDocuments
from shared.projections.subjects import PostgresTruths
from shared.views import System
from tests.integration.product import EXPIRING, GREEN, INACTIVE, MANY, Clinic

pytestmark = pytest.mark.usefixtures("held")

DEFAULT = default_policy()
SURFACED = (EXPIRING, GREEN, INACTIVE, 3, 7, 9, MANY, 15)

# What a request that began under the old policy may still write.
_OTHERWISE = text("""
    INSERT INTO system_response (tenant_id, patient_context_id, system_response_id, surface_type,
        proceed_indicator, execution_mode, tasking_summary, task_count, rationale, needs_ack, policy_version,
        facts_digest, correlation_id)
    SELECT :tenant, :context, gen_random_uuid(), 'mini', 'yellow', 'copilot', 'Look', 1, '[]', true, 1,
        'otherwise', gen_random_uuid()""")


@pytest.fixture
def owner(clinic: Clinic) -> Iterator[Engine]:
    """The database as the commands see it."""
    engine = create_engine(driver_url(clinic.product.urls.owner), pool_size=4)
    yield engine
    engine.dispose()


def edited(*edits: Callable[[dict[str, Any]], object]) -> Policy:
    document: Any = encode_policy(DEFAULT)
    for edit in edits:
        edit(document)
    return decode_policy(document)


def coverage_is_grey(document: dict[str, Any]) -> None:
    document["decisions"]["signals"]["coverage.expiring"].update(proceed="grey", needs_ack=False)


def eligibility_needs_somebody(document: dict[str, Any]) -> None:
    document["decisions"]["signals"]["eligibility.unverified"].update(proceed="yellow", needs_ack=True)


def balance_needs_somebody(document: dict[str, Any]) -> None:
    document["decisions"]["signals"]["balance.outstanding"].update(needs_ack=True)


def birth_dates_are_hidden(document: dict[str, Any]) -> None:
    document["ui_variants"]["variants"]["office"]["dob"] = "hidden"


NEW = edited(coverage_is_grey, eligibility_needs_somebody, balance_needs_somebody, birth_dates_are_hidden)


def mobius(clinic: Clinic, command: str, policy: Policy, folder: Path) -> Result:
    path = folder / "policy.yaml"
    path.write_text(write_policy(policy, "Edited."), "utf-8")
    arguments = ["policy", command, str(path), "--tenant", str(clinic.tenant_id)]
    with chdir("/"):  # where no stack runs: the environment names the database
        return CliRunner().invoke(app, arguments, env={"DATABASE_URL": clinic.product.urls.owner})


def waiting(clinic: Clinic) -> list[datetime]:
    """When the patients that wait to be decided anew are due, in id order."""
    found = clinic.sql(
        """SELECT reassess_at FROM patient_context WHERE tenant_id = :tenant AND reassess_at IS NOT NULL
           ORDER BY patient_context_id"""
    )
    return [row.reassess_at for row in found]


def let_everything_happen(clinic: Clinic) -> None:
    """Decides anew who waits, and lets the time to acknowledge what came of it run out."""
    core = clinic.product.core()
    system = System(tenant_id=clinic.tenant_id, correlation_id=CorrelationId(uuid4()))
    # What waited for an acknowledgement before is not what is counted here.
    clinic.sql("UPDATE patient_context SET ack_due_at = NULL WHERE tenant_id = :tenant")
    for number in SURFACED:
        if clinic.context_row(number).reassess_at is not None:
            assert core.reassess(system, clinic.context(number))
    clinic.sql(
        """UPDATE patient_context SET ack_due_at = now() - interval '1 second'
           WHERE tenant_id = :tenant AND ack_due_at IS NOT NULL"""
    )
    for number in SURFACED:
        core.settle_overdue(system, clinic.context(number))


def test_what_the_preview_counts_is_what_then_happens(clinic: Clinic, owner: Engine, tmp_path: Path) -> None:
    for number in SURFACED:
        clinic.status(number)
    clinic.leave()
    impact = Impact(DEFAULT, NEW)
    for batch in every_patient(owner, clinic.tenant_id):
        for facts in batch:
            impact.add(facts)
    assert (impact.patients, impact.surfaced) == (16, len(SURFACED))
    assert 0 < impact.new_responses < impact.surfaced
    assert impact.assignments.total() > 1

    before = clinic.counts()
    said = mobius(clinic, "preview", NEW, tmp_path).stdout
    assert f"In short: {impact.sentence}." in said
    assert re.search(r"To publish it: mobius policy publish \S+policy.yaml --tenant ", said)
    assert clinic.counts() == before
    assert waiting(clinic) == []

    assert mobius(clinic, "publish", NEW, tmp_path).exit_code == 0
    assert len(waiting(clinic)) == impact.new_responses
    assert clinic.count("outbox", "forced AND subject_type = 'patient'") == impact.documents == len(SURFACED)
    let_everything_happen(clinic)
    after = clinic.counts()
    assert after["system_response"] - before["system_response"] == impact.new_responses
    assert after["assignment"] == impact.assignments.total()
    made = clinic.sql(
        """SELECT assigned_to_role, reason_code, count(*) FROM assignment WHERE tenant_id = :tenant
           GROUP BY 1, 2"""
    )
    assert {(role, reason): count for role, reason, count in made} == impact.assignments


def test_patients_follow_one_after_the_other_and_who_is_due_earlier_stays_so(
    clinic: Clinic, tmp_path: Path
) -> None:
    for number in SURFACED:
        clinic.status(number)
    clinic.leave()
    early = datetime.now(UTC) - timedelta(minutes=1)
    clinic.sql(
        """UPDATE patient_context SET reassess_at = :early
           WHERE tenant_id = :tenant AND patient_context_id = :context""",
        early=early,
        context=clinic.context(EXPIRING),
    )
    mobius(clinic, "publish", NEW, tmp_path)
    assert clinic.context_row(EXPIRING).reassess_at == early
    due = [moment for moment in waiting(clinic) if moment != early]
    steps = {round((later - sooner) * RATE / timedelta(seconds=1)) for sooner, later in zip(due, due[1:])}  # noqa: B905, RUF007 -- neighbours
    assert steps <= {1, 2}  # 2 where the early one has its place
    documents = [
        row.next_attempt_at
        for row in clinic.sql(
            "SELECT next_attempt_at FROM outbox WHERE tenant_id = :tenant AND forced ORDER BY subject"
        )
    ]
    assert documents[-1] - documents[0] == (len(SURFACED) - 1) * timedelta(seconds=1) / RATE


def test_a_document_that_waits_is_asked_for_again_as_another_row(clinic: Clinic, tmp_path: Path) -> None:
    """A projector that has read the old policy deletes what it covered by id: not what came after."""
    clinic.status(GREEN)
    (waits,) = clinic.outbox(clinic.context(GREEN))
    mobius(clinic, "publish", edited(birth_dates_are_hidden), tmp_path)
    (asked,) = clinic.outbox(clinic.context(GREEN))
    assert (asked.version, asked.forced, waits.forced) == (waits.version, True, False)
    assert asked.outbox_id != waits.outbox_id
    assert asked.next_attempt_at == waits.next_attempt_at


def test_what_an_interruption_left_undone_the_same_command_does(
    clinic: Clinic, owner: Engine, tmp_path: Path
) -> None:
    for number in (EXPIRING, GREEN):
        clinic.status(number)
    policy = edited(coverage_is_grey)
    assert publish(owner, clinic.tenant_id, policy).version == 2
    assert waiting(clinic) == []  # the process ended here
    again = mobius(clinic, "publish", policy, tmp_path)
    assert again.stdout == (
        "Version 2 says this already: nothing was published.\n"
        "1 patient is decided anew: 50 a second, done in 1 second.\n"
    )
    assert len(waiting(clinic)) == 1
    assert [event.event_type for event in clinic.events(None)] == ["Policy.Published"]


def test_a_response_that_was_being_written_meanwhile_is_not_overlooked(clinic: Clinic, owner: Engine) -> None:
    clinic.status(GREEN)
    version = publish(owner, clinic.tenant_id, edited(coverage_is_grey)).version
    with unit_of_work(owner, clinic.tenant_id, lock=clinic.context(GREEN)) as writing:
        with ThreadPoolExecutor(1) as thread:
            enqueuing = thread.submit(enqueue_patients, owner, clinic.tenant_id, version, lambda _count: None)
            with pytest.raises(TimeoutError):
                enqueuing.result(0.5)
            writing.run(_OTHERWISE, tenant=clinic.tenant_id, context=clinic.context(GREEN))
            writing.commit()
        assert enqueuing.result() == len(waiting(clinic)) == 1


def test_of_two_publishers_at_once_one_wins_and_the_other_is_told(clinic: Clinic, owner: Engine) -> None:
    clinic.status(EXPIRING)
    policies = [edited(coverage_is_grey, birth_dates_are_hidden), edited(balance_needs_somebody)] * 2
    start = Barrier(len(policies))

    def attempt(policy: Policy) -> tuple[Policy, int] | str:
        start.wait()
        try:
            return policy, publish(owner, clinic.tenant_id, policy).version
        except Refused as refused:
            return str(refused)

    with ThreadPoolExecutor(len(policies)) as threads:
        ended = list(threads.map(attempt, policies))
    published = [each for each in ended if not isinstance(each, str)]
    told = [each for each in ended if isinstance(each, str)]
    # Who comes second with the same document is told that it is published.
    assert published
    assert all(each == (published[0][0], 2) for each in published)
    assert len(told) >= len(policies) // 2
    assert all(
        said.startswith("Somebody published version 2 since you began from version 1") for said in told
    )
    assert clinic.count("policy_config") == 2
    assert [event.event_type for event in clinic.events(None)] == ["Policy.Published"]


# Who is let in ------------------------------------------------------------------------------------------


def only_these_may(mini: list[str], sidecar: list[str]) -> Callable[[dict[str, Any]], None]:
    def edit(document: dict[str, Any]) -> None:
        document["allowlist"]["roles"] = mini
        document["allowlist"]["permissions"]["sidecar"] = sidecar

    return edit


def projected_inboxes(clinic: Clinic) -> list[bool]:
    """Whether each user's inbox is active, once what waits is projected."""
    documents = FirestoreDocuments()
    for row in clinic.rows("outbox", "subject_type = 'user'"):
        project(PostgresTruths(database.engine()), documents, clinic.tenant_id, SubjectType.USER, row.subject)
    found = [documents.read(user_inbox_path(clinic.tenant_id, user.user_id)) for user in clinic.users]
    return [bool(each and each.content["active"]) for each in found]


@pytest.mark.parametrize(
    "edit",
    [only_these_may(["front_desk"], ["*"]), only_these_may(["*"], ["front_desk"]), only_these_may([], [])],
    ids=["Mini", "Sidecar", "neither"],
)
def test_every_users_inbox_follows_when_other_roles_may_use_a_surface(
    clinic: Clinic, owner: Engine, edit: Callable[[dict[str, Any]], None]
) -> None:
    publish(owner, clinic.tenant_id, edited(edit))
    waits = clinic.rows("outbox")
    assert {row.subject for row in waits} == {user.user_id for user in clinic.users}
    assert len(waits) == len(clinic.users)
    assert all(row.next_attempt_at <= datetime.now(UTC) for row in waits)


def test_no_inbox_is_written_anew_when_the_same_roles_may(clinic: Clinic, owner: Engine) -> None:
    publish(owner, clinic.tenant_id, edited(coverage_is_grey, birth_dates_are_hidden))
    assert clinic.rows("outbox", "subject_type = 'user'") == []


def test_a_publication_that_lost_leaves_no_inbox_behind(clinic: Clinic, owner: Engine) -> None:
    publish(owner, clinic.tenant_id, edited(coverage_is_grey))
    with pytest.raises(Refused):
        publish(owner, clinic.tenant_id, edited(only_these_may([], [])))
    assert clinic.rows("outbox", "subject_type = 'user'") == []


def test_in_a_new_tenant_nobody_is_let_in_until_its_first_policy(clinic: Clinic, owner: Engine) -> None:
    clinic.tenant_id = TenantId(uuid4())
    clinic.sql("INSERT INTO tenant (tenant_id, name) VALUES (:tenant, 'Newcomer')")
    for user in clinic.users:
        clinic.sql(
            """INSERT INTO app_user (tenant_id, user_id, role, display_name)
               VALUES (:tenant, :user, :role, 'Somebody')""",
            user=user.user_id,
            role=user.role,
        )
    assert projected_inboxes(clinic) == [False, False, False]
    publish(owner, clinic.tenant_id, edited(only_these_may(["front_desk"], ["billing_lead"])))
    assert projected_inboxes(clinic) == [True, False, True]


def test_who_joins_while_a_policy_is_published_gets_its_inbox_by_the_new_one(
    clinic: Clinic, owner: Engine
) -> None:
    """Seen by the publication, or made under the new policy: whichever of the two comes second waits."""
    joins = """INSERT INTO app_user (tenant_id, user_id, role, display_name)
        VALUES (:tenant, :user, 'front_desk', 'Somebody')"""
    document = edited(only_these_may([], ["billing_lead"]))
    with ThreadPoolExecutor(1) as thread:
        with clinic.holding(joins, user=uuid4()) as waits_for:
            publishing = thread.submit(publish, owner, clinic.tenant_id, document)
            waits_for(1)
        publishing.result()
    assert clinic.count("outbox", "subject_type = 'user'") == 2 + len(clinic.users)
    waiting_for = clinic.sql("SELECT count(DISTINCT subject) FROM outbox WHERE tenant_id = :tenant")
    assert waiting_for[0][0] == 1 + len(clinic.users)
