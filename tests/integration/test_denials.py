"""Who is refused: told in the tenant's own chain once a session and reason, and nothing else is written."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import pytest

from shared.security.identity import development_token
from shared.web.registry import ENDPOINTS
from tests.integration.product import (
    BY_HAND,
    MANY,
    NOTE,
    Clinic,
    Product,
    at_once,
    new_clinic,
    problem_of,
)

MINI = [each.key for each in ENDPOINTS if each.surface == "mini"]
# What the role may do is told to every role.
SIDECAR = [each.key for each in ENDPOINTS if each.surface == "sidecar" and each.name != "config"]


def right(clinic: Clinic, session: str = "s-1") -> dict[str, Any]:
    """A body that every endpoint takes: each ignores what is another's, "other" is every enumeration's."""
    more = {"kind": "opened", "reason": "other", "message": "Why?", "q": "a", "assignment_id": str(uuid4())}
    return {**clinic.says(BY_HAND), **more, "explanation": "Because.", "session_id": session}


def refused(clinic: Clinic, endpoint: str, **fields: Any) -> None:
    problem_of(clinic.post(endpoint, {**right(clinic), **fields}), 403)


def denials(clinic: Clinic) -> list[tuple[str, str, UUID | None]]:
    """The reason, surface and actor of each refusal that was told."""
    events = clinic.events(None)
    assert {event.event_type for event in events} <= {"Access.Denied"}
    assert all(set(event.payload_json) == {"reason", "surface"} for event in events)
    assert clinic.chain_holds(None)
    return [(e.payload_json["reason"], e.payload_json["surface"], e.actor_user_id) for e in events]


def set_status(clinic: Clinic, status: str) -> None:
    clinic.sql(
        "UPDATE app_user SET status = :status WHERE tenant_id = :tenant AND user_id = :user",
        status=status,
        user=clinic.users[0].user_id,
    )


def look_twice(clinic: Clinic) -> dict[str, int]:
    """Begins a session on each surface, so that there is one to be refused in."""
    clinic.status(BY_HAND)
    clinic.answer("sidecar/state", clinic.names(BY_HAND))
    return clinic.counts()


# Nobody whom the tenant lets in -------------------------------------------------------------------------


def test_whoever_names_another_tenant_is_refused_everywhere_and_told_of_once_a_surface(
    clinic: Clinic, product: Product
) -> None:
    other = new_clinic(product)
    before = look_twice(clinic)
    for endpoint in (*MINI, *SIDECAR) * 2:
        refused(clinic, endpoint, tenant_id=str(other.tenant_id))
    mine = clinic.users[0].user_id
    assert denials(clinic) == [("other_tenant", "mini", mine), ("other_tenant", "sidecar", mine)]
    assert clinic.written_since(before) == {"event_log": 2}
    told = [event.invocation_id for event in clinic.events(None)]
    assert told == [row.invocation_id for row in clinic.rows("invocation")]
    assert other.events(None) == []
    other.leave()


def test_a_disabled_user_is_refused_everywhere_and_told_of_once_a_surface(clinic: Clinic) -> None:
    before = look_twice(clinic)
    set_status(clinic, "disabled")
    for endpoint in (*MINI, *SIDECAR) * 2:
        refused(clinic, endpoint)
    mine = clinic.users[0].user_id
    assert denials(clinic) == [("inactive_user", "mini", mine), ("inactive_user", "sidecar", mine)]
    assert clinic.written_since(before) == {"event_log": 2}
    # Another reason is another refusal, in the same session too.
    refused(clinic, "mini/status", tenant_id=str(uuid4()))
    assert denials(clinic)[2:] == [("other_tenant", "mini", mine)]


def test_a_stranger_is_refused_everywhere_and_told_of_once_without_a_name(clinic: Clinic) -> None:
    before = look_twice(clinic)
    project = clinic.product.stack["project_id"]
    for stranger in (uuid4(), uuid4()):
        token = development_token(project, stranger, clinic.tenant_id, 60)
        for endpoint in (*MINI, *SIDECAR):
            answer = clinic.post(endpoint, right(clinic), headers={"Authorization": f"Bearer {token}"})
            problem_of(answer, 403)
        assert str(stranger) not in str(clinic.events(None))
    # Two strangers, each once a surface: they begin no session, so it is once a day.
    told = [("inactive_user", "mini", None), ("inactive_user", "sidecar", None)]
    assert denials(clinic) == told * 2
    assert clinic.written_since(before) == {"event_log": 4}
    token = development_token(project, uuid4(), uuid4(), 60)
    nowhere = clinic.post("mini/ack", right(clinic), headers={"Authorization": f"Bearer {token}"})
    problem_of(nowhere, 403)
    assert clinic.written_since(before) == {"event_log": 4}


# Roles --------------------------------------------------------------------------------------------------

LEAD = ["billing_lead"]


def test_a_role_without_sidecar_has_mini(clinic: Clinic) -> None:
    clinic.publish(allowlist={"permissions": {"sidecar": LEAD, "break_glass": []}})
    clinic.status(BY_HAND)
    before = clinic.counts()
    for endpoint in SIDECAR * 2:
        refused(clinic, endpoint)
    assert denials(clinic) == [("role", "sidecar", clinic.users[0].user_id)]
    assert clinic.written_since(before) == {"event_log": 1}
    clinic.answer("mini/ack", clinic.says(BY_HAND))
    clinic.answer("sidecar/state", clinic.names(BY_HAND), user=2)


def test_a_role_without_override_may_confirm(clinic: Clinic) -> None:
    clinic.publish(allowlist={"permissions": {"override": LEAD}})
    before = look_twice(clinic)
    for endpoint in ("mini/ack", "sidecar/ack") * 2:
        refused(clinic, endpoint, override_proceed="green", override_tasking=None)
        refused(clinic, endpoint, override_proceed="yellow", override_tasking="none")
    mine = clinic.users[0].user_id
    assert denials(clinic) == [("role", "mini", mine), ("role", "sidecar", mine)]
    assert clinic.written_since(before) == {"event_log": 2}
    # In another tab it is told again: once a session.
    refused(clinic, "mini/ack", session_id="s-1")
    clinic.answer("mini/status", clinic.names(BY_HAND, "s-2"))
    refused(clinic, "mini/ack", session_id="s-2")
    assert denials(clinic)[2:] == [("role", "mini", mine)]
    confirmed = clinic.says(BY_HAND, override_proceed="yellow", override_tasking="act")
    for endpoint in ("mini/ack", "sidecar/ack"):
        assert clinic.answer(endpoint, confirmed)["confirmed"] is True
    assert clinic.answer("mini/ack", clinic.says(BY_HAND, override_proceed="green"), user=2)


def test_a_role_without_dismiss_leaves_the_response_open(clinic: Clinic) -> None:
    clinic.publish(allowlist={"permissions": {"dismiss": LEAD}})
    before = look_twice(clinic)
    for endpoint in ("mini/dismiss", "sidecar/dismiss") * 2:
        refused(clinic, endpoint)
    mine = clinic.users[0].user_id
    assert denials(clinic) == [("role", "mini", mine), ("role", "sidecar", mine)]
    assert clinic.written_since(before) == {"event_log": 2}
    assert clinic.status(BY_HAND)["needs_ack"] is True
    dismissal = {**clinic.names(BY_HAND), "reason": "not_now"}
    assert clinic.answer("sidecar/dismiss", dismissal, user=2)["outcome"] == "dismissed"


def test_a_role_without_history_sees_the_state_alone(clinic: Clinic) -> None:
    clinic.publish(allowlist={"permissions": {"history": LEAD}})
    before = look_twice(clinic)
    for _ in range(2):
        refused(clinic, "sidecar/history")
    assert denials(clinic) == [("role", "sidecar", clinic.users[0].user_id)]
    assert clinic.written_since(before) == {"event_log": 1}
    answer = clinic.answer("sidecar/state", clinic.names(BY_HAND))
    assert answer["patient_state"]["system_response"] is not None
    assert answer["history"] == []
    assert clinic.answer("sidecar/history", clinic.names(BY_HAND), user=2)["events"]


def test_a_role_that_mini_is_hidden_from_is_told_so_and_sends_nothing(clinic: Clinic) -> None:
    clinic.publish(allowlist={"roles": LEAD, "permissions": {"break_glass": []}})
    clinic.status(BY_HAND, user=2)
    hidden = clinic.status(BY_HAND)
    assert hidden["policy"]["show_mini"] is False
    assert hidden["patient"] == {**dict.fromkeys(hidden["patient"]), "found": False}
    assert clinic.answer("mini/config", {})["policy"]["show_mini"] is False
    before = clinic.counts()
    for endpoint in MINI * 2:
        if endpoint not in ("mini/status", "mini/config"):
            refused(clinic, endpoint)
    assert denials(clinic) == [("role", "mini", clinic.users[0].user_id)]
    assert clinic.written_since(before) == {"event_log": 1}
    # Sidecar is not Mini.
    assert clinic.answer("sidecar/state", clinic.names(BY_HAND))["patient_state"]["found"] is True


@pytest.mark.parametrize("readers", [None, [], ["front_desk"], ["*"]])
def test_notes_are_for_the_roles_that_may_read_them(clinic: Clinic, readers: list[str] | None) -> None:
    if readers is not None:
        clinic.publish(allowlist={"permissions": {"notes": readers}})
    clinic.status(MANY)
    clinic.answer("mini/ack", clinic.says(MANY), user=1)
    # As the policy ships: counselors and the billing lead.
    reading = {None: [1, 2], (): [], ("front_desk",): [0], ("*",): [0, 1, 2]}
    for user in range(3):
        may_read = user in reading[None if readers is None else tuple(readers)]
        for endpoint, listed in (("sidecar/state", "history"), ("sidecar/history", "events")):
            response = clinic.post(endpoint, clinic.names(MANY), user=user)
            assert response.status_code == 200
            notes = [event["note"] for event in response.get_json()[listed]]
            assert [note for note in notes if note] == [NOTE] * may_read
            assert (NOTE in response.get_data(as_text=True)) is may_read
    assert denials(clinic) == []


# At once ------------------------------------------------------------------------------------------------


@pytest.fixture(params=["in a session", "without one"])
def refuse(clinic: Clinic, request: pytest.FixtureRequest) -> Callable[[], Any]:
    """A request that is refused."""
    if request.param == "in a session":
        clinic.publish(allowlist={"permissions": {"dismiss": []}})
        clinic.status(BY_HAND)
        return partial(clinic.post, "mini/dismiss", right(clinic))
    set_status(clinic, "disabled")
    return partial(clinic.post, "mini/status", right(clinic))


def test_twenty_refusals_at_once_are_one_event_in_a_chain_that_holds(
    clinic: Clinic, refuse: Callable[[], Any]
) -> None:
    before = clinic.counts()
    answers = at_once([refuse] * 20)
    assert {answer.status_code for answer in answers} == {403}
    assert len(denials(clinic)) == 1
    assert clinic.written_since(before) == {"event_log": 1}


@pytest.mark.usefixtures("held")
def test_refusals_at_the_same_moment_are_no_reason_for_an_alarm(
    clinic: Clinic, refuse: Callable[[], Any], capsys: pytest.CaptureFixture[str]
) -> None:
    hold = "SELECT 1 FROM tenant WHERE tenant_id = :tenant FOR NO KEY UPDATE"
    with ThreadPoolExecutor(2) as pool:
        with clinic.holding(hold) as waits_for:
            answers = [pool.submit(refuse) for _ in range(2)]
            waits_for(2)
        assert [answer.result().status_code for answer in answers] == [403, 403]
    assert len(denials(clinic)) == 1
    assert '"ERROR"' not in capsys.readouterr().out


def test_a_role_without_override_may_confirm_what_it_was_shown_though_a_newer_response_exists(
    clinic: Clinic,
) -> None:
    clinic.publish(allowlist={"permissions": {"override": LEAD}})
    older = clinic.status(BY_HAND)
    clinic.sql("UPDATE patient_signal SET status = 'resolved' WHERE tenant_id = :tenant")
    assert clinic.status(BY_HAND)["proceed"]["color"] == "green"
    answers = {"system_response_id": older["system_response_id"], "override_tasking": None}
    problem_of(clinic.post("mini/ack", clinic.says(BY_HAND, **answers, override_proceed="green")), 403)
    confirmed = clinic.answer("mini/ack", clinic.says(BY_HAND, **answers, override_proceed="yellow"))
    assert (confirmed["confirmed"], confirmed["superseded"]) == (True, True)
    last = clinic.status(BY_HAND)["last_submission"]
    assert (last["override_proceed"], last["confirmed"], last["superseded"]) == ("yellow", True, True)


def test_to_say_again_what_was_said_of_an_earlier_response_is_an_override(clinic: Clinic) -> None:
    clinic.publish(allowlist={"permissions": {"override": LEAD}})
    older = clinic.status(BY_HAND)
    clinic.answer("mini/ack", clinic.says(BY_HAND, override_proceed="yellow", override_tasking=None))
    clinic.sql("UPDATE patient_signal SET status = 'resolved' WHERE tenant_id = :tenant")
    assert clinic.status(BY_HAND)["proceed"]["color"] == "green"
    again = {"system_response_id": older["system_response_id"], "override_proceed": "yellow"}
    for user, status in ((0, 403), (2, 200)):
        answer = clinic.post("mini/ack", clinic.says(BY_HAND, **again, override_tasking=None), user=user)
        assert answer.status_code == status


def test_who_is_refused_before_a_session_and_in_it_is_told_of_once(clinic: Clinic) -> None:
    clinic.publish(allowlist={"permissions": {"dismiss": LEAD}})
    body = {**clinic.names(BY_HAND), "reason": "other"}
    for _ in range(2):
        problem_of(clinic.post("mini/dismiss", body), 403)
        clinic.status(BY_HAND)
    problem_of(clinic.post("mini/dismiss", body), 403)
    assert denials(clinic) == [("role", "mini", clinic.users[0].user_id)]


def test_who_is_refused_in_another_session_is_told_of_again_though_none_began(clinic: Clinic) -> None:
    clinic.publish(allowlist={"permissions": {"sidecar": LEAD, "break_glass": []}})
    for session in ("s-1", "s-2", "s-2", "s-3", "s-1"):
        refused(clinic, "sidecar/state", session_id=session)
    assert denials(clinic) == [("role", "sidecar", clinic.users[0].user_id)] * 3


def test_a_mode_that_is_hidden_is_in_no_history(clinic: Clinic) -> None:
    variant = {"display_name": "full", "id_masked": True, "dob": "full", "show_mode": False}
    clinic.publish(ui_variants={"variants": {"desk": variant, "office": variant}})
    clinic.status(BY_HAND)
    panel = clinic.answer("sidecar/state", clinic.names(BY_HAND))
    history = clinic.answer("sidecar/history", clinic.names(BY_HAND))
    assert panel["patient_state"]["system_response"]["execution_mode"] is None
    told = [e["payload"] for e in (*panel["history"], *history["events"]) if "execution_mode" in e["payload"]]
    assert told
    assert {payload["execution_mode"] for payload in told} == {None}
