"""Open items of somebody who works here no more go to whom the policy would give them without that user."""

from __future__ import annotations

from functools import partial
from typing import Any
from uuid import UUID

import pytest

from shared.core import SharedPatientStateCore
from shared.model import PatientContextId
from shared.persistence import database
from shared.persistence.pending import patients_with_items_of
from shared.persistence.unit_of_work import unit_of_work
from tests.auth_emulator.desk import access_changes, done, mobius
from tests.integration.overdue import (
    COUNSELOR,
    DESK,
    LEAD,
    change_user,
    empty_outbox,
    hire,
    inbox_document,
    items,
    listed,
    nobody_sent,
    patient_document,
    publish_broken,
    system,
    to_role,
    to_user,
    unconfirmed,
    users_told,
)
from tests.integration.product import BY_HAND, EXPIRING, INACTIVE, MANY, Clinic, at_once
from tests.integration.test_pickup import claimed, opened

pytestmark = pytest.mark.usefixtures("held")


def disable(clinic: Clinic, user: int) -> Any:
    return mobius(clinic, "disable", str(clinic.users[user].user_id))


def hand_over(clinic: Clinic, user: int, number: int = BY_HAND, **parts: Any) -> int:
    core: SharedPatientStateCore = clinic.product.core(**parts)
    return core.hand_over(system(clinic), clinic.context(number), clinic.users[user].user_id)


def whose(clinic: Clinic, number: int) -> list[tuple[UUID | None, str | None]]:
    return [(item.assigned_to_user, item.assigned_to_role) for item in items(clinic, number)]


def reassigned(clinic: Clinic, number: int) -> list[Any]:
    return [event for event in clinic.events(number) if event.event_type == "Assignment.Reassigned"]


def test_an_item_goes_where_everything_goes_that_the_policy_gives_nobody(clinic: Clinic) -> None:
    clinic.publish(
        notifications={
            "assign": {"authorization": to_user(clinic, DESK)},
            "otherwise": to_role("billing_lead"),
        }
    )
    nobody_sent(clinic, BY_HAND)
    (item,) = items(clinic, BY_HAND)
    assert item.assigned_to_user == clinic.users[DESK].user_id
    change_user(clinic, DESK, status="disabled")
    empty_outbox(clinic)
    version, before = clinic.context_row(BY_HAND).version, clinic.counts()
    assert hand_over(clinic, DESK) == 1
    assert whose(clinic, BY_HAND) == [(None, "billing_lead")]
    assert clinic.written_since(before) == {"event_log": 1, "version": 1}
    (event,) = reassigned(clinic, BY_HAND)
    assert (event.actor_user_id, event.version) == (None, version + 1)
    assert event.payload_json == {
        "assignment_id": str(item.assignment_id),
        "reason_code": "authorization",
        "assigned_to_user": None,
        "assigned_to_role": "billing_lead",
    }
    assert clinic.chain_holds(BY_HAND)
    assert users_told(clinic) == [DESK, LEAD]
    assert unconfirmed(clinic).count(clinic.context(BY_HAND)) == 1
    assert listed(clinic, LEAD) == [str(item.assignment_id)]
    assert inbox_document(clinic, LEAD)["open_count"] == 1
    assert inbox_document(clinic, DESK)["open_count"] == 0
    assert patient_document(clinic, BY_HAND)["version"] == version + 1


def test_an_item_that_the_policy_gives_to_a_role_anyway_goes_to_it(clinic: Clinic) -> None:
    item = opened(clinic, BY_HAND, "authorization", user=DESK)
    change_user(clinic, DESK, status="disabled")
    assert hand_over(clinic, DESK) == 1
    assert whose(clinic, BY_HAND) == [(None, "financial_counselor")]
    assert listed(clinic, COUNSELOR) == [item]


def test_an_item_goes_past_others_who_work_here_no_more(clinic: Clinic) -> None:
    gone = hire(clinic, "front_desk", status="disabled")
    clinic.publish(
        notifications={"assign": {"coverage": to_user(clinic, gone)}, "otherwise": to_user(clinic, LEAD)}
    )
    opened(clinic, EXPIRING, "coverage", user=DESK)
    change_user(clinic, DESK, status="disabled")
    assert hand_over(clinic, DESK, EXPIRING) == 1
    assert whose(clinic, EXPIRING) == [(clinic.users[LEAD].user_id, None)]


def test_items_of_others_and_of_roles_stay_whose_they_are(clinic: Clinic) -> None:
    opened(clinic, MANY, "coverage", user=DESK)
    opened(clinic, MANY, "claim", user=COUNSELOR)
    opened(clinic, MANY, "authorization")
    change_user(clinic, DESK, status="disabled")
    assert hand_over(clinic, DESK, MANY) == 1
    assert whose(clinic, MANY) == [
        (None, "financial_counselor"),
        (clinic.users[COUNSELOR].user_id, None),
        (None, "financial_counselor"),
    ]
    assert len(reassigned(clinic, MANY)) == 1


def test_somebody_who_works_here_keeps_what_is_open(clinic: Clinic) -> None:
    opened(clinic, user=DESK)
    before = clinic.counts()
    assert hand_over(clinic, DESK) == 0
    assert clinic.counts() == before


def test_what_somebody_answered_meanwhile_is_handed_over_to_nobody(clinic: Clinic) -> None:
    opened(clinic, user=DESK)
    change_user(clinic, DESK, status="disabled")
    clinic.answer("mini/ack", clinic.says(BY_HAND), user=LEAD)
    before = clinic.counts()
    assert hand_over(clinic, DESK) == 0
    assert clinic.counts() == before


def test_of_ten_at_once_one_hands_over(clinic: Clinic) -> None:
    opened(clinic, user=DESK)
    change_user(clinic, DESK, status="disabled")
    assert sorted(at_once([partial(hand_over, clinic, DESK) for _ in range(10)])) == [0] * 9 + [1]
    assert len(reassigned(clinic, BY_HAND)) == 1


def test_a_claim_by_who_left_is_void_and_somebody_else_takes_the_item_on(clinic: Clinic) -> None:
    item = opened(clinic, user=DESK)
    claimed(clinic, item, DESK)
    done(disable(clinic, DESK))
    assert claimed(clinic, item, COUNSELOR)["claimed_by"] == str(clinic.users[COUNSELOR].user_id)


# mobius users disable -------------------------------------------------------------------------------------


def test_disabling_hands_over_what_is_open_about_every_patient(clinic: Clinic) -> None:
    for number, reason in ((BY_HAND, "authorization"), (MANY, "coverage"), (MANY, "claim"), (INACTIVE, "x")):
        opened(clinic, number, reason, user=DESK)
    assert "4 open items were handed over." in done(disable(clinic, DESK))
    assert clinic.count("assignment", "assigned_to_user IS NOT NULL") == 0
    assert [len(reassigned(clinic, number)) for number in (BY_HAND, MANY, INACTIVE)] == [1, 2, 1]
    assert "0 open items were handed over." in done(disable(clinic, DESK))
    desk = str(clinic.users[DESK].user_id)
    assert access_changes(clinic) == [(desk, "front_desk", "disabled")]
    # Coming back takes nothing back.
    done(mobius(clinic, "enable", desk))
    assert inbox_document(clinic, DESK)["open_count"] == 0


def test_a_claim_does_not_come_back_with_who_made_it(clinic: Clinic) -> None:
    clinic.publish(notifications={"assign": {"coverage": {"role": "front_desk"}}})
    opened(clinic, BY_HAND, "coverage", user=DESK)
    (item,) = clinic.rows("assignment")
    clinic.product.core().claim_assignment(clinic.caller(DESK), item.assignment_id)
    done(disable(clinic, DESK))
    done(mobius(clinic, "enable", str(clinic.users[DESK].user_id)))
    (item,) = clinic.rows("assignment")
    assert (item.assigned_to_role, item.claimed_by) == ("front_desk", None)


def test_an_interrupted_handing_over_goes_on_when_the_command_is_run_again(clinic: Clinic) -> None:
    for number in (BY_HAND, MANY, INACTIVE):
        opened(clinic, number, "coverage", user=DESK)
    change_user(clinic, DESK, status="disabled")
    clinic.product.configure(DATABASE_URL=clinic.product.urls.owner)
    with unit_of_work(database.engine(), clinic.tenant_id) as uow:
        patients = patients_with_items_of(uow, clinic.tenant_id, clinic.users[DESK].user_id)
    assert set(patients) == {clinic.context(number) for number in (BY_HAND, MANY, INACTIVE)}
    first = PatientContextId(patients[0])
    assert clinic.product.core().hand_over(system(clinic), first, clinic.users[DESK].user_id) == 1
    said = done(disable(clinic, DESK))
    assert said.startswith("Disabled already: ")
    assert "2 open items were handed over." in said
    assert clinic.count("event_log", "event_type = 'Assignment.Reassigned'") == 3


def test_what_the_policy_gives_to_nobody_else_stays_and_is_said_until_the_policy_names_somebody(
    clinic: Clinic,
) -> None:
    clinic.publish(notifications={"otherwise": to_user(clinic, DESK)})
    opened(clinic, BY_HAND, "paperwork", user=DESK)
    result = disable(clinic, DESK)
    assert result.exit_code == 1
    assert "0 open items were handed over." in result.stdout
    assert "Open items about 1 patient stay with this user" in result.stderr
    assert "notifications.otherwise" in result.stderr
    assert inbox_document(clinic, DESK)["active"] is False
    clinic.publish(notifications={"otherwise": to_role("billing_lead")})
    assert "1 open item was handed over." in done(disable(clinic, DESK))
    assert whose(clinic, BY_HAND) == [(None, "billing_lead")]


def test_a_policy_that_can_not_be_read_keeps_nobody_from_being_disabled(clinic: Clinic) -> None:
    opened(clinic, user=DESK)
    publish_broken(clinic)
    result = disable(clinic, DESK)
    assert result.exit_code == 1
    assert "the open items stay with the disabled user" in result.stderr
    assert inbox_document(clinic, DESK)["active"] is False
    assert whose(clinic, BY_HAND) == [(clinic.users[DESK].user_id, None)]


def test_the_patients_history_tells_it_to_whoever_may_read_it(clinic: Clinic) -> None:
    item = opened(clinic, user=DESK)
    done(disable(clinic, DESK))
    page = clinic.answer("sidecar/history", {**clinic.names(BY_HAND), "limit": 1}, user=LEAD)
    (event,) = page["events"]
    assert (event["event_type"], event["actor"]) == ("Assignment.Reassigned", None)
    assert event["payload"]["assignment_id"] == item
