"""Breaking the glass: who may, what it opens, for how long, and how the tenant's auditors see it."""

from __future__ import annotations

from functools import partial
from typing import Any
from uuid import uuid4

import pytest

from shared import settings
from shared.model import PatientKey
from shared.security.patient_keys import text_digest
from tests.integration.product import BY_HAND, MANY, NOTE, Clinic, at_once, new_clinic, problem_of

DESK, COUNSELOR, LEAD = 0, 1, 2
WHY = {"reason": "emergency", "explanation": "The patient waits and her counselor is ill."}
# The front desk sees initials, no history and no Sidecar.
CLOSED: dict[str, Any] = {
    "allowlist": {
        "permissions": {
            "sidecar": ["financial_counselor", "billing_lead"],
            "history": ["billing_lead"],
            "break_glass": ["front_desk"],
            "audit": ["billing_lead"],
        }
    },
    "ui_variants": {
        "variants": {
            "veiled": {"display_name": "initials", "id_masked": False, "dob": "hidden", "show_mode": False}
        },
        "by_role": {"front_desk": "veiled"},
    },
}


@pytest.fixture
def closed(clinic: Clinic) -> Clinic:
    """A clinic whose front desk sees little, and may break the glass."""
    clinic.publish(**CLOSED)
    clinic.status(BY_HAND, user=LEAD)
    clinic.answer("mini/ack", clinic.says(BY_HAND), user=LEAD)
    return clinic


def break_glass(clinic: Clinic, number: int = BY_HAND, surface: str = "sidecar", **options: Any) -> str:
    answer = clinic.answer(f"{surface}/break-glass", {**clinic.names(number), **WHY}, **options)
    assert (answer["surface"], answer["session_id"]) == (surface, "s-1")
    return str(answer["glass_broken_until"])


def refused(clinic: Clinic, endpoint: str, number: int = BY_HAND, user: int = DESK, **fields: Any) -> None:
    problem_of(clinic.post(endpoint, {**clinic.says(number), **fields}, user=user), 403)


def entries(clinic: Clinic, **body: Any) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = clinic.answer("sidecar/break-glass/list", body, user=LEAD)["entries"]
    return listed


# What it opens ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("surface", ["mini", "sidecar"])
def test_it_opens_state_history_and_notes_of_that_patient_on_both_surfaces(
    closed: Clinic, surface: str
) -> None:
    for endpoint in ("sidecar/state", "sidecar/history"):
        refused(closed, endpoint)
    before = closed.status(BY_HAND)
    assert (before["patient"]["dob"], before["patient"]["id_masked"], before["mode"]) == (None, None, None)
    assert before["policy"] == {"show_mini": True, "ui_variant": "veiled", "glass_broken_until": None}

    until = break_glass(closed, surface=surface)

    after, patient = closed.status(BY_HAND), closed.patients[BY_HAND]
    assert after["patient"]["display_name"] == patient.display_name
    assert after["patient"]["id_masked"] == patient.id_masked
    assert after["patient"]["dob"] == patient.dob.isoformat()
    assert after["mode"] == "user_driven"
    policy = {"show_mini": True, "ui_variant": "broken_glass", "glass_broken_until": until}
    assert after["policy"] == policy
    state = closed.answer("sidecar/state", closed.names(BY_HAND))
    assert state["policy"] == policy
    assert state["patient_state"]["snapshot"]["dob"] == patient.dob.isoformat()
    assert [event["note"] for event in state["history"] if event["note"]] == [NOTE]
    history = closed.answer("sidecar/history", {"patient_key": closed.key(BY_HAND)})["events"]
    assert [event["note"] for event in history if event["note"]] == [NOTE]
    chat = closed.answer("sidecar/chat/message", {**closed.names(BY_HAND), "message": "Why yellow?"})
    assert chat["reply"]


def test_it_opens_nothing_else(closed: Clinic) -> None:
    break_glass(closed)
    refused(closed, "sidecar/state", MANY)
    refused(closed, "sidecar/history", MANY)
    assert closed.status(MANY)["patient"]["dob"] is None
    # To see is not to act, and the lists are about everybody.
    for endpoint in ("sidecar/ack", "sidecar/dismiss", "sidecar/inbox", "sidecar/break-glass/list"):
        refused(closed, endpoint, reason="other")
    refused(closed, "sidecar/interaction", kind="opened")
    (found,) = closed.answer("mini/patient/search", {"q": closed.patients[BY_HAND].external_id})["results"]
    assert found["id_masked"] is None


def test_the_inbox_beside_the_patient_stays_empty(closed: Clinic) -> None:
    core, key = closed.product.core(), PatientKey(closed.key(MANY))
    closed.status(MANY, user=LEAD)
    core.persist_assignment(closed.caller(LEAD), key, "claim", role="front_desk")
    break_glass(closed)
    shown = closed.answer("sidecar/state", closed.names(BY_HAND))
    assert shown["inbox_preview"] == {"open_count": 0, "assignments": []}


def test_it_opens_nothing_to_others(closed: Clinic) -> None:
    break_glass(closed)
    shown = closed.answer("sidecar/state", closed.names(BY_HAND), user=COUNSELOR)
    assert (shown["history"], shown["policy"]["glass_broken_until"]) == ([], None)
    refused(closed, "sidecar/history", user=COUNSELOR)


def test_mini_shows_where_it_is_hidden_from_the_role_and_not_where_it_is_hidden_from_the_site(
    clinic: Clinic,
) -> None:
    permissions = {"break_glass": ["front_desk"]}
    clinic.publish(
        allowlist={"roles": ["billing_lead"], "sites": ["ehr.example.org"], "permissions": permissions}
    )
    right, wrong = "ehr.example.org", "mail.example.org"
    here = {**clinic.names(BY_HAND), "site": right}
    assert clinic.answer("mini/status", here)["patient"]["found"] is False
    break_glass(clinic, surface="mini")
    assert clinic.answer("mini/status", here)["patient"]["found"] is True
    assert clinic.answer("mini/status", {**here, "site": wrong})["patient"]["found"] is False
    refused(clinic, "mini/ack", site=right)


# How it ends --------------------------------------------------------------------------------------------


def test_it_closes_again_when_its_time_is_over(clinic: Clinic) -> None:
    clinic.publish(**CLOSED, timeouts={"break_glass_s": 1})
    break_glass(clinic)
    clinic.sql("SELECT pg_sleep(1.1)")
    refused(clinic, "sidecar/state")
    assert clinic.status(BY_HAND)["policy"]["glass_broken_until"] is None


def test_it_closes_when_the_policy_takes_the_permission_away(closed: Clinic) -> None:
    break_glass(closed)
    closed.publish(
        **{**CLOSED, "allowlist": {"permissions": {"sidecar": ["billing_lead"], "break_glass": []}}}
    )
    refused(closed, "sidecar/state")
    assert closed.status(BY_HAND)["policy"]["glass_broken_until"] is None


def test_it_closes_when_the_user_gets_another_role(closed: Clinic) -> None:
    permissions = {**CLOSED["allowlist"]["permissions"], "break_glass": ["*"], "history": []}
    closed.publish(**{**CLOSED, "allowlist": {"permissions": permissions}})
    break_glass(closed)
    closed.answer("sidecar/history", {"patient_key": closed.key(BY_HAND)})
    closed.sql(
        "UPDATE app_user SET role = 'financial_counselor' WHERE tenant_id = :tenant AND user_id = :user",
        user=closed.users[DESK].user_id,
    )
    refused(closed, "sidecar/history")
    assert entries(closed)[0]["user"]["role"] == "front_desk"


def test_it_closes_when_the_sign_in_is_revoked(closed: Clinic) -> None:
    break_glass(closed)
    # A second ago: the tokens of this test are made anew for each call, and count in whole seconds.
    closed.sql(
        """UPDATE app_user SET tokens_valid_after = (SELECT max(created_at) + interval '1 millisecond'
            FROM break_glass WHERE tenant_id = :tenant) WHERE tenant_id = :tenant AND user_id = :user""",
        user=closed.users[DESK].user_id,
    )
    closed.sql("SELECT pg_sleep(1.1)")
    refused(closed, "sidecar/state")


# What is left behind ------------------------------------------------------------------------------------


def test_it_is_told_in_the_patients_chain_without_the_explanation(closed: Clinic) -> None:
    before = closed.counts()
    break_glass(closed)
    assert closed.written_since(before) == {"event_log": 1, "invocation": 1, "session": 1}
    event, (row,) = closed.events(BY_HAND)[-1], closed.rows("break_glass")
    assert (event.event_type, event.actor_user_id) == ("Glass.Broken", closed.users[DESK].user_id)
    assert (event.version, event.invocation_id) == (None, closed.rows("invocation")[-1].invocation_id)
    assert event.payload_json == {
        "break_glass_id": str(row.break_glass_id),
        "reason": "emergency",
        "lasts_s": 3600,
        "explanation_digest": text_digest(
            settings.settings().master_secret, closed.tenant_id, row.break_glass_id, WHY["explanation"]
        ),
        "surface": "sidecar",
    }
    assert closed.chain_holds(BY_HAND)
    assert row.explanation == WHY["explanation"]


def test_who_says_something_else_tells_it_and_has_the_whole_time_again(closed: Clinic) -> None:
    first = break_glass(closed)
    other = {**closed.names(BY_HAND), "reason": "supervision", "explanation": "Now she wants to complain."}
    assert closed.answer("sidecar/break-glass", other)["glass_broken_until"] > first
    assert [entry["reason"] for entry in entries(closed)] == ["supervision", "emergency"]
    assert closed.told(BY_HAND).count("Glass.Broken") == 2


def test_who_has_little_time_left_gets_the_whole_again(clinic: Clinic) -> None:
    clinic.publish(**CLOSED, timeouts={"break_glass_s": 2})
    first = break_glass(clinic)
    clinic.sql("SELECT pg_sleep(1.1)")
    assert break_glass(clinic) > first
    assert clinic.count("break_glass") == 2


def test_breaking_it_again_writes_nothing_also_at_the_same_moment(closed: Clinic) -> None:
    closed.status(BY_HAND)
    untils = at_once([partial(break_glass, closed, surface="mini") for _ in range(8)])
    assert len({*untils, break_glass(closed)}) == 1
    assert closed.told(BY_HAND).count("Glass.Broken") == closed.count("break_glass") == 1


def test_nothing_changes_what_was_written(closed: Clinic) -> None:
    break_glass(closed)
    for statement in (
        "UPDATE break_glass SET explanation = 'Nothing.' WHERE tenant_id = :tenant",
        "DELETE FROM break_glass WHERE tenant_id = :tenant",
        "UPDATE policy_config SET version = 9 WHERE tenant_id = :tenant",
    ):
        with pytest.raises(Exception, match="append-only"):
            closed.sql(statement)


# Who is refused -----------------------------------------------------------------------------------------


def test_a_role_that_may_not_is_refused_and_told_of(closed: Clinic) -> None:
    before = closed.counts()
    refused(closed, "sidecar/break-glass", user=COUNSELOR, **WHY)
    assert closed.written_since(before) == {"event_log": 1}
    assert closed.events(None)[-1].payload_json == {"reason": "role", "surface": "sidecar"}
    assert closed.count("break_glass") == 0


def test_a_patient_whom_nobody_knows_or_who_is_anothers_is_not_found(closed: Clinic) -> None:
    other = new_clinic(closed.product)
    for key in ("v1-nobody-at-all", other.key(BY_HAND)):
        body = {"session_id": "s-1", "patient_key": key, **WHY}
        problem_of(closed.post("mini/break-glass", body), 404)
    assert closed.count("break_glass") == other.count("break_glass") == 0


def test_no_reason_is_no_reason(closed: Clinic) -> None:
    body = closed.names(BY_HAND)
    problem = problem_of(closed.post("mini/break-glass", body), 422)
    assert {error["field"] for error in problem["errors"]} == {"reason", "explanation"}
    for wrong in ({"reason": "curious"}, {"explanation": " \n "}, {"explanation": "x" * 1001}):
        problem = problem_of(closed.post("mini/break-glass", {**body, **WHY, **wrong}), 422)
        assert {error["field"] for error in problem["errors"]} == set(wrong)
    assert closed.count("break_glass") == 0


# For auditors -------------------------------------------------------------------------------------------


def test_auditors_read_who_when_whom_and_why_the_newest_first(closed: Clinic) -> None:
    other = new_clinic(closed.product)
    other.publish(**CLOSED)
    break_glass(other, MANY)
    assert entries(closed) == []
    until = break_glass(closed)
    break_glass(closed, MANY, surface="mini")
    newest, oldest = entries(closed)
    assert (newest["patient_key"], newest["surface"]) == (closed.key(MANY), "mini")
    user = closed.users[DESK]
    assert oldest["user"] == {
        "user_id": str(user.user_id),
        "display_name": user.display_name,
        "role": "front_desk",
    }
    assert (oldest["patient_key"], oldest["expires_at"]) == (closed.key(BY_HAND), until)
    assert (oldest["reason"], oldest["explanation"]) == (WHY["reason"], WHY["explanation"])
    for user_number in (DESK, COUNSELOR):
        refused(closed, "sidecar/break-glass/list", user=user_number)


def test_an_auditor_need_not_work_with_patients(closed: Clinic) -> None:
    permissions = {"sidecar": ["front_desk"], "break_glass": ["front_desk"], "audit": ["billing_lead"]}
    closed.publish(allowlist={"roles": ["front_desk"], "permissions": permissions})
    break_glass(closed)
    assert len(entries(closed)) == 1
    refused(closed, "sidecar/state", user=LEAD)


def test_auditors_page_through_it(closed: Clinic) -> None:
    for number in range(5):
        break_glass(closed, number, surface="mini")
    seen, cursor = [], None
    while True:
        body = {"session_id": "a-1", "limit": 2, **({"cursor": cursor} if cursor else {})}
        page = closed.answer("sidecar/break-glass/list", body, user=LEAD)
        seen += [entry["patient_key"] for entry in page["entries"]]
        cursor = page["next_cursor"]
        assert page["has_more"] is (cursor is not None)
        if cursor is None:
            break
    assert seen == [closed.key(number) for number in (4, 3, 2, 1, 0)]
    for wrong in ("e30", "bm9uZQ", str(uuid4())):
        problem_of(closed.post("sidecar/break-glass/list", {"cursor": wrong}, user=LEAD), 422)


# Sites --------------------------------------------------------------------------------------------------


def test_from_a_site_or_application_that_mini_may_not_be_on_nothing_is_done(clinic: Clinic) -> None:
    clinic.publish(
        allowlist={
            "sites": ["ehr.example.org"],
            "applications": ["demo-board"],
            "sites_by_role": {"billing_lead": ["*.billing.example.org"]},
        }
    )
    place = {"site": "ehr.example.org", "application_id": "demo-board"}
    clinic.answer("mini/status", {**clinic.names(BY_HAND), **place})
    before = clinic.counts()
    writes = ("mini/ack", "mini/dismiss", "mini/interaction", "mini/patient/search")
    wrong = {"site": "mail.example.org", "application_id": "mail"}
    for name, value in wrong.items():
        for endpoint in writes * 2:
            more = {"reason": "other", "kind": "opened", "q": "a"}
            refused(clinic, endpoint, **{**more, **place, name: value})
    # Once for each reason in a session.
    assert clinic.written_since(before) == {"event_log": 2}
    told = [event.payload_json["reason"] for event in clinic.events(None)]
    assert told == ["site", "application"]
    refused(clinic, "mini/ack", user=LEAD, **place)
    clinic.answer("mini/ack", {**clinic.says(BY_HAND), **place})
    # A client that doesn't say where it is, as older ones don't, is not asked.
    clinic.answer("mini/ack", clinic.says(BY_HAND))
    lead = {**place, "site": "desk.billing.example.org"}
    clinic.answer("mini/ack", {**clinic.says(BY_HAND), **lead}, user=LEAD)
    config = clinic.answer("mini/config", lead, user=LEAD)
    assert (config["sites"], config["policy"]["show_mini"]) == (["*.billing.example.org"], True)
