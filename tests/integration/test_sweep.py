"""The sweep: what nobody acknowledged in time becomes an outcome and open items, each exactly once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest
from sqlalchemy import create_engine, event, text
from sqlalchemy.exc import DBAPIError

from shared.core import Undecided
from shared.persistence import database
from shared.persistence.database import driver_url
from shared.persistence.pending import due_patients
from tests.integration import databases
from tests.integration.databases import REFUSED, Database, new_database
from tests.integration.overdue import (
    COUNSELOR,
    DESK,
    LEAD,
    empty_outbox,
    event_types,
    hire,
    inbox,
    inbox_document,
    items,
    listed,
    nobody_sent,
    outcomes,
    patient_document,
    publish_broken,
    sweep,
    system,
    timer,
    to_role,
    to_user,
    unconfirmed,
    users_told,
    wait_until_due,
)
from tests.integration.product import (
    BY_HAND,
    EXPIRING,
    GREEN,
    INACTIVE,
    MANY,
    NO_SIGNALS,
    Clinic,
    CountingProxy,
    Product,
    at_once,
    new_clinic,
)
from tests.stack import Stack

pytestmark = pytest.mark.usefixtures("held")

BALANCE = 9
"""The patient of whom only a balance is outstanding."""


@pytest.fixture
def neighbour(product: Product) -> Iterator[Clinic]:
    """Another tenant; whatever is broken there doesn't stay due."""
    made = new_clinic(product)
    yield made
    made.sql("UPDATE patient_context SET ack_due_at = NULL, reassess_at = NULL WHERE tenant_id = :tenant")
    made.leave()


# Nobody acknowledged ------------------------------------------------------------------------------------


def test_what_nobody_acknowledged_in_time_is_unacknowledged_and_somebodys_item(clinic: Clinic) -> None:
    shown = clinic.status(BY_HAND)
    wait_until_due(clinic, BY_HAND)
    empty_outbox(clinic)
    before = len(clinic.events(BY_HAND))
    assert sweep(clinic.product)["unacknowledged"] >= 1

    (outcome,) = clinic.sql("SELECT * FROM response_outcome WHERE tenant_id = :tenant")
    assert str(outcome.system_response_id) == shown["system_response_id"]
    assert (outcome.outcome, outcome.user_id, outcome.reason) == ("unacknowledged", None, None)
    (item,) = items(clinic, BY_HAND)
    assert str(item.system_response_id) == shown["system_response_id"]
    assert (item.reason_code, item.assigned_to_role) == ("authorization", "financial_counselor")
    assert (item.status, item.assigned_to_user, item.claimed_by) == ("open", None, None)
    computed, created = clinic.events(BY_HAND)[before:]
    assert computed.event_type == "Outcome.Computed"
    assert computed.payload_json == {
        "system_response_id": shown["system_response_id"],
        "outcome": "unacknowledged",
    }
    assert created.event_type == "Assignment.Created"
    assert created.payload_json == {
        "assignment_id": str(item.assignment_id),
        "reason_code": "authorization",
        "assigned_to_user": None,
        "assigned_to_role": "financial_counselor",
    }
    assert {computed.actor_user_id, created.actor_user_id} == {None}
    assert {computed.invocation_id, created.invocation_id} == {None}
    assert computed.correlation_id == created.correlation_id is not None
    assert (computed.version, created.version) == (2, 2)
    assert created.prev_hash == computed.hash
    row = clinic.context_row(BY_HAND)
    assert (row.version, row.version_head, row.ack_due_at) == (2, created.hash, None)
    assert [told_of.version for told_of in clinic.outbox(clinic.context(BY_HAND))] == [2]

    later = clinic.status(BY_HAND)
    assert later["system_response_id"] == shown["system_response_id"]
    assert (later["outcome"], later["needs_ack"]) == ("unacknowledged", True)


def test_every_active_user_of_the_role_is_told_and_nobody_else(clinic: Clinic) -> None:
    colleague = hire(clinic, "financial_counselor")
    gone = hire(clinic, "financial_counselor", status="disabled")
    clinic.status(MANY)
    wait_until_due(clinic, MANY)
    empty_outbox(clinic)
    sweep(clinic.product)
    # Two items for the counselors, one for the lead: each is told once.
    assert [item.reason_code for item in items(clinic, MANY)] == ["authorization", "claim", "coverage"]
    assert users_told(clinic) == [COUNSELOR, LEAD, colleague]
    assert clinic.users[gone].user_id not in unconfirmed(clinic)
    assert unconfirmed(clinic).count(clinic.context(MANY)) == 1


@pytest.mark.parametrize("to_one", [True, False])
@pytest.mark.parametrize("ruled", [True, False])
def test_policy_says_whose_an_item_is(clinic: Clinic, to_one: bool, ruled: bool) -> None:
    """By the reason's own rule, and where there is none, by ``otherwise``."""
    whose = to_user(clinic, LEAD) if to_one else to_role("billing_lead")
    nobodys = to_role("front_desk")
    clinic.publish(
        notifications={
            "assign": {"authorization": whose if ruled else nobodys},
            "otherwise": nobodys if ruled else whose,
        },
        decisions={"signals": {"balance.outstanding": {"needs_ack": True}}},
    )
    colleague = hire(clinic, "billing_lead")
    number = BY_HAND if ruled else BALANCE
    clinic.status(number)
    wait_until_due(clinic, number)
    empty_outbox(clinic)
    sweep(clinic.product)
    (item,) = items(clinic, number)
    assert (item.assigned_to_user, item.assigned_to_role) == (
        (clinic.users[LEAD].user_id, None) if to_one else (None, "billing_lead")
    )
    assert users_told(clinic) == ([LEAD] if to_one else [LEAD, colleague])


def test_an_item_that_is_open_for_the_same_reason_is_not_doubled(clinic: Clinic) -> None:
    nobody_sent(clinic, MANY)
    first = {item.assignment_id for item in items(clinic, MANY)}
    # Something else is computed, and nobody sends again.
    clinic.signal(MANY, "balance.outstanding", "resolved")
    nobody_sent(clinic, MANY)
    assert outcomes(clinic, MANY) == ["unacknowledged", "unacknowledged"]
    assert {item.assignment_id for item in items(clinic, MANY)} == first
    assert event_types(clinic, MANY).count("Assignment.Created") == len(first) == 3


def test_a_policy_that_assigns_nothing_to_an_absence_makes_an_outcome_and_no_item(clinic: Clinic) -> None:
    clinic.publish(notifications={"on_outcomes": ["dismissed"]})
    nobody_sent(clinic, BY_HAND)
    assert outcomes(clinic, BY_HAND) == ["unacknowledged"]
    assert items(clinic, BY_HAND) == []
    assert event_types(clinic, BY_HAND) == ["System.Response", "Outcome.Computed"]
    assert clinic.context_row(BY_HAND).ack_due_at is None


def test_what_became_settled_or_needs_nothing_is_only_no_longer_due(clinic: Clinic) -> None:
    clinic.status(GREEN)
    clinic.status(BY_HAND)
    clinic.answer("mini/ack", clinic.says(BY_HAND))
    before = clinic.counts()
    wait_until_due(clinic, GREEN, BY_HAND, NO_SIGNALS)
    sweep(clinic.product)
    assert clinic.counts() == before
    for number in (GREEN, BY_HAND, NO_SIGNALS):
        assert clinic.context_row(number).ack_due_at is None


def test_what_is_not_due_yet_is_left_alone(clinic: Clinic) -> None:
    clinic.status(BY_HAND)
    row, before = clinic.context_row(BY_HAND), clinic.counts()
    assert row.ack_due_at > datetime.now(UTC)
    sweep(clinic.product)
    assert clinic.context_row(BY_HAND) == row
    assert clinic.counts() == before
    # The core itself looks again, whoever calls it.
    assert clinic.product.core().settle_overdue(system(clinic), clinic.context(BY_HAND)) is False
    wait_until_due(clinic, BY_HAND)
    assert clinic.product.core().settle_overdue(system(clinic), clinic.context(BY_HAND)) is True
    assert outcomes(clinic, BY_HAND) == ["unacknowledged"]


def test_a_sweep_with_nothing_due_looks_twice_and_writes_nothing(clinic: Clinic, product: Product) -> None:
    clinic.status(BY_HAND)
    before, waiting = clinic.counts(), unconfirmed(clinic)
    counting, answers = CountingProxy(product.urls.worker), []
    with timer(product, through=counting.url) as call:
        call()
        flights = counting.flights(lambda: answers.append(call()))
    counting.close()
    assert [answer.get_json() for answer in answers] == [{"ok": True, "unacknowledged": 0, "reassessed": 0}]
    # Each look is a beginning, a statement and an end.
    assert 0 < flights <= 2 * 5
    assert clinic.counts() == before
    assert unconfirmed(clinic) == waiting


def test_the_timers_call_is_posted(product: Product) -> None:
    with timer(product) as call:
        refused = call("GET")
    assert (refused.status_code, refused.headers["Allow"]) == (405, "POST")


# At the same time ---------------------------------------------------------------------------------------


def test_eight_sweeps_at_once_do_each_patient_once(clinic: Clinic) -> None:
    numbers = (EXPIRING, INACTIVE, BY_HAND, MANY)
    for number in numbers:
        clinic.status(number)
    wait_until_due(clinic, *numbers)
    with timer(clinic.product) as call:
        answers = at_once([call] * 8)
    assert {answer.status_code for answer in answers} == {200}
    for number in numbers:
        assert outcomes(clinic, number) == ["unacknowledged"]
        assert event_types(clinic, number).count("Outcome.Computed") == 1
        assert clinic.context_row(number).version == 2
    assert sum(answer.get_json()["unacknowledged"] for answer in answers) >= len(numbers)
    assert clinic.count("assignment") == 1 + 1 + 1 + 3


def test_sweeps_and_sends_at_once_leave_every_patient_acknowledged_and_nothing_open(clinic: Clinic) -> None:
    numbers = (EXPIRING, INACTIVE, BY_HAND, MANY)
    for number in numbers:
        clinic.status(number)
    wait_until_due(clinic, *numbers)
    core = clinic.product.core()
    settling = [partial(core.settle_overdue, system(clinic), clinic.context(each)) for each in numbers]
    sending = [partial(clinic.answer, "mini/ack", clinic.says(each)) for each in numbers]
    at_once([*settling, *sending])
    for number in numbers:
        assert outcomes(clinic, number)[-1] == "acknowledged"
        assert clinic.context_row(number).ack_due_at is None
    assert clinic.count("assignment", "status = 'open'") == 0


def test_a_patient_that_somebody_is_at_is_passed_over_and_stays_due(clinic: Clinic) -> None:
    for number in (BY_HAND, MANY):
        clinic.status(number)
    wait_until_due(clinic, BY_HAND, MANY)
    lock = "SELECT 1 FROM patient_context WHERE patient_context_id = :context FOR NO KEY UPDATE"
    with clinic.holding(lock, context=clinic.context(BY_HAND)):
        sweep(clinic.product)
        assert outcomes(clinic, MANY) == ["unacknowledged"]
        assert outcomes(clinic, BY_HAND) == []
        assert clinic.context_row(BY_HAND).ack_due_at is not None
    sweep(clinic.product)
    assert outcomes(clinic, BY_HAND) == ["unacknowledged"]


# When something is broken -------------------------------------------------------------------------------


def facts_are_broken(clinic: Clinic) -> None:
    clinic.sql(
        """UPDATE patient_signal SET detail_json = '{"needed_by": [1]}'
           WHERE tenant_id = :tenant AND patient_context_id = :context""",
        context=clinic.context(BY_HAND),
    )


@pytest.mark.parametrize("breaks", [facts_are_broken, publish_broken])
@pytest.mark.parametrize("column", ["ack_due_at", "reassess_at"])
def test_one_that_is_broken_holds_nobody_up_and_stays_due(
    clinic: Clinic,
    neighbour: Clinic,
    breaks: Callable[[Clinic], None],
    column: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for each in (clinic, neighbour):
        each.status(BY_HAND)
    clinic.signal(BY_HAND, "authorization.missing", "resolved")
    # The broken one is the longest due.
    wait_until_due(neighbour, BY_HAND, column=column)
    wait_until_due(clinic, BY_HAND, column=column)
    breaks(neighbour)
    before = neighbour.counts()
    with timer(clinic.product) as call:
        answer = call()
    assert answer.status_code == 503
    assert answer.get_json()["ok"] is False
    assert clinic.context_row(BY_HAND).version == 2
    assert getattr(clinic.context_row(BY_HAND), column) is None
    assert neighbour.counts() == before
    assert getattr(neighbour.context_row(BY_HAND), column) < datetime.now(UTC)
    logged = capsys.readouterr().out
    assert str(neighbour.context(BY_HAND)) in logged
    assert "needed_by" not in logged


# Afterwards ---------------------------------------------------------------------------------------------


def test_a_late_send_leaves_both_outcomes_and_resolves_the_items_for_everybody(clinic: Clinic) -> None:
    nobody_sent(clinic, MANY)
    assert [inbox(clinic, user)["open_count"] for user in (DESK, COUNSELOR, LEAD)] == [0, 2, 1]
    document = patient_document(clinic, MANY)
    assert document["outcome"] == "unacknowledged"
    assert document["flags"] == {"needs_ack": True, "open_assignment_count": 3}
    assert [inbox_document(clinic, user)["open_count"] for user in (COUNSELOR, LEAD)] == [2, 1]
    empty_outbox(clinic)

    answer = clinic.answer("mini/ack", clinic.says(MANY), user=DESK)
    assert len(answer["resolved_assignments"]) == 3
    assert outcomes(clinic, MANY) == ["unacknowledged", "acknowledged"]
    assert {(item.status, str(item.resolved_by_submission)) for item in items(clinic, MANY)} == {
        ("resolved", answer["submission_id"])
    }
    assert users_told(clinic) == [COUNSELOR, LEAD]
    shown = clinic.status(MANY, user=LEAD)
    assert (shown["outcome"], shown["needs_ack"]) == ("acknowledged", False)
    assert [inbox(clinic, user)["open_count"] for user in (COUNSELOR, LEAD)] == [0, 0]
    document = patient_document(clinic, MANY)
    assert document["outcome"] == "acknowledged"
    assert document["flags"] == {"needs_ack": False, "open_assignment_count": 0}
    assert [inbox_document(clinic, user)["open_count"] for user in (COUNSELOR, LEAD)] == [0, 0]


def test_a_late_send_about_an_older_response_leaves_the_item_of_the_one_that_still_waits(
    clinic: Clinic,
) -> None:
    nobody_sent(clinic, MANY)
    older = clinic.status(MANY)["system_response_id"]
    clinic.signal(MANY, "balance.outstanding", "resolved")
    nobody_sent(clinic, MANY)
    assert clinic.status(MANY)["system_response_id"] != older
    answer = clinic.answer("mini/ack", clinic.says(MANY, system_response_id=older))
    assert answer["superseded"] is answer["needs_ack"] is True
    # Nothing is due any more, so without an open item nobody would ever pick the newer one up.
    assert clinic.context_row(MANY).ack_due_at is None
    assert len(listed(clinic, COUNSELOR)) == 2
    assert len(listed(clinic, LEAD)) == 1


# Decided anew -------------------------------------------------------------------------------------------


def test_a_changed_fact_makes_a_new_response_while_nobody_looks(clinic: Clinic) -> None:
    shown = clinic.status(MANY)
    assert patient_document(clinic, MANY)["version"] == 1
    due = clinic.context_row(MANY).ack_due_at
    clinic.signal(MANY, "authorization.missing", "resolved")
    wait_until_due(clinic, MANY, column="reassess_at")
    assert sweep(clinic.product)["reassessed"] >= 1
    row = clinic.context_row(MANY)
    assert (row.version, row.reassess_at, row.ack_due_at) == (2, None, due)
    (made,) = clinic.sql(
        "SELECT * FROM system_response WHERE tenant_id = :tenant AND surface_type = 'system'"
    )
    assert str(made.system_response_id) != shown["system_response_id"]
    last = clinic.events(MANY)[-1]
    assert (last.event_type, last.actor_user_id, last.invocation_id) == ("System.Response", None, None)
    assert last.payload_json["surface"] == "system"
    # Whoever watches the patient sees it without asking.
    watched = patient_document(clinic, MANY)
    assert watched["version"] == 2
    assert watched["latest_system_response"]["system_response_id"] == str(made.system_response_id)
    assert clinic.status(MANY)["system_response_id"] == str(made.system_response_id)
    assert clinic.count("system_response") == 2


def test_a_decision_that_stays_the_same_is_only_no_longer_due(clinic: Clinic) -> None:
    clinic.status(BY_HAND)
    wait_until_due(clinic, BY_HAND, column="reassess_at")
    empty_outbox(clinic)
    before, due = clinic.counts(), clinic.context_row(BY_HAND).ack_due_at
    sweep(clinic.product)
    row = clinic.context_row(BY_HAND)
    assert (row.reassess_at, row.ack_due_at) == (None, due)
    assert clinic.counts() == before
    assert unconfirmed(clinic) == []


def test_a_look_that_decides_anew_leaves_nothing_to_decide(clinic: Clinic) -> None:
    clinic.status(BY_HAND)
    clinic.signal(BY_HAND, "authorization.missing", "resolved")
    wait_until_due(clinic, BY_HAND, column="reassess_at")
    clinic.status(BY_HAND)
    assert clinic.context_row(BY_HAND).reassess_at is None


def test_a_decision_that_raises_is_put_off_by_a_minute(clinic: Clinic) -> None:
    def broken(*_: Any) -> Any:
        raise RuntimeError("a rule is broken")

    clinic.status(BY_HAND)
    wait_until_due(clinic, BY_HAND, column="reassess_at")
    before = clinic.counts()
    with pytest.raises(Undecided):
        clinic.product.core(decide=broken).reassess(system(clinic), clinic.context(BY_HAND))
    wait_s = (clinic.context_row(BY_HAND).reassess_at - datetime.now(UTC)).total_seconds()
    assert 30 < wait_s <= 60
    assert clinic.counts() == before
    sweep(clinic.product)
    assert clinic.context_row(BY_HAND).reassess_at is not None


def test_eight_sweeps_at_once_decide_anew_once(clinic: Clinic) -> None:
    numbers = (EXPIRING, INACTIVE, BY_HAND, MANY)
    for number in numbers:
        clinic.status(number)
    clinic.sql("UPDATE patient_signal SET status = 'resolved' WHERE tenant_id = :tenant")
    wait_until_due(clinic, *numbers, column="reassess_at")
    with timer(clinic.product) as call:
        answers = at_once([call] * 8)
    assert {answer.status_code for answer in answers} == {200}
    for number in numbers:
        row = clinic.context_row(number)
        assert (row.version, row.reassess_at, row.ack_due_at) == (2, None, None)
        assert event_types(clinic, number) == ["System.Response"] * 2


# How it finds them --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def crowd(stack: Stack) -> Iterator[tuple[Database, list[databases.Clinic]]]:
    """A database of two tenants with 20,000 patients, 450 of whom are due, all at the same moment."""
    with new_database(stack, "due") as made:
        clinics = [made.clinic(), made.clinic()]
        for tenant in clinics:
            databases.run(
                made.owner,
                tenant.tenant_id,
                """INSERT INTO patient_context (tenant_id, patient_context_id, patient_key, ack_due_at,
                    reassess_at)
                   SELECT :tenant, gen_random_uuid(), 'patient-' || n, due.at, due.at
                   FROM generate_series(1, 10000) n, LATERAL (SELECT CASE
                    WHEN n <= 225 THEN CAST('2030-01-01T00:00:00Z' AS timestamptz)
                    WHEN n <= 450 THEN CAST('2031-01-01T00:00:00Z' AS timestamptz) END AS at) due""",
                tenant=tenant.tenant_id,
            )
        databases.run(made.owner, None, "ANALYZE patient_context")
        yield made, clinics


@pytest.mark.parametrize("column", ["ack_due_at", "reassess_at"])
def test_those_who_are_due_are_each_found_once_over_all_tenants(
    crowd: tuple[Database, list[databases.Clinic]], column: Any
) -> None:
    made, clinics = crowd
    found = list(due_patients(made.worker, column, datetime(2030, 6, 1, tzinfo=UTC)))
    assert len(found) == len(set(found)) == 450
    assert {due.tenant_id for due in found} == {tenant.tenant_id for tenant in clinics}
    assert list(due_patients(made.worker, column, datetime(2029, 6, 1, tzinfo=UTC))) == []


@pytest.mark.parametrize("column", ["ack_due_at", "reassess_at"])
def test_those_who_are_due_are_found_by_the_index_alone(
    crowd: tuple[Database, list[databases.Clinic]], column: Any
) -> None:
    made, _ = crowd
    asked: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        asked.append((statement, parameters))

    event.listen(made.worker, "before_cursor_execute", note)
    list(due_patients(made.worker, column, datetime(2030, 6, 1, tzinfo=UTC)))
    event.remove(made.worker, "before_cursor_execute", note)
    assert len(asked) == 3  # stretches
    for statement, parameters in asked:
        with made.worker.connect() as connection:
            explained = connection.exec_driver_sql(f"EXPLAIN (ANALYZE, VERBOSE) {statement}", parameters)
            plan = "\n".join(row[0] for row in explained)
        assert f"ix_patient_context_{column}" in plan
        assert f"Index Cond: ((patient_context.{column} <= " in plan
        assert "Seq Scan" not in plan
        (columns,) = {line.partition("Output: ")[2] for line in plan.splitlines() if "Output: " in line}
        assert set(columns.split(", ")) == {"tenant_id", "patient_context_id", column}


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT display_name FROM patient_snapshot",
        "SELECT patient_identity_ref_id FROM patient_context",
        "SELECT version FROM patient_context",
        "SELECT note_text FROM mini_submission",
        "SELECT term FROM patient_search_term",
        "SELECT assignment_id FROM assignment",
        "SELECT display_name FROM app_user",
        "SELECT event_id FROM event_log",
        "UPDATE patient_context SET ack_due_at = NULL",
    ],
)
def test_whoever_finds_them_can_read_no_names_and_change_nothing(product: Product, statement: str) -> None:
    worker = create_engine(driver_url(product.urls.worker))
    with worker.connect() as connection, pytest.raises(DBAPIError) as raised:
        connection.execute(text(statement))
    worker.dispose()
    assert raised.value.orig.args[0]["C"] == REFUSED


def test_the_work_itself_sees_one_tenant_at_a_time(clinic: Clinic, product: Product) -> None:
    with timer(product), database.app_engine().connect() as connection:
        assert connection.scalar(text("SELECT current_user")) == database.APP_ROLE
        assert connection.scalar(text("SELECT count(*) FROM patient_snapshot")) == 0
        connection.execute(text(f"SET LOCAL app.tenant_id = '{clinic.tenant_id}'"))
        tenants = connection.execute(text("SELECT DISTINCT tenant_id FROM patient_snapshot")).scalars()
        assert list(tenants) == [clinic.tenant_id]
