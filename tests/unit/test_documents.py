"""Documents have fixed top-level keys, hold no note, and the same truth makes the same document."""

from __future__ import annotations

from datetime import UTC, date, datetime
from uuid import UUID

import msgspec
import pytest

from ops.demo_load import default_policy
from shared.model import (
    AssertedProceed,
    Assignment,
    AssignmentId,
    AssignmentStatus,
    ExecutionMode,
    LedgerHead,
    PatientContextId,
    PatientKey,
    PatientState,
    ProceedIndicator,
    Snapshot,
    Submission,
    SubmissionId,
    Surface,
    SystemResponse,
    SystemResponseId,
    UserId,
)
from shared.persistence.readings import Inbox
from shared.projections.documents import (
    already_says,
    lets_in,
    patient_state_document,
    user_inbox_document,
)

AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
RESPONSE = SystemResponse(
    system_response_id=SystemResponseId(UUID(int=1)),
    surface_type=Surface.MINI,
    computed_at=AT,
    proceed_indicator=ProceedIndicator.YELLOW,
    execution_mode=ExecutionMode.COPILOT,
    tasking_summary="Coverage ends",
    task_count=1,
    rationale=(),
    needs_ack=True,
    policy_version=1,
    facts_digest="0",
)
SUBMISSION = Submission(
    mini_submission_id=SubmissionId(UUID(int=2)),
    submitted_at=AT,
    user_id=UserId(UUID(int=3)),
    user_display_name="Dana",
    system_response_id=RESPONSE.system_response_id,
    override_proceed=AssertedProceed.GREEN,
    override_tasking=None,
    confirmed=False,
)
ITEM = Assignment(
    assignment_id=AssignmentId(UUID(int=4)),
    patient_key=PatientKey("p1key"),
    system_response_id=RESPONSE.system_response_id,
    reason_code="coverage_review",
    created_at=AT,
    status=AssignmentStatus.OPEN,
    assigned_to_user=None,
    assigned_to_role="billing_lead",
    claimed_by=None,
)
FULL = PatientState(
    patient_context_id=PatientContextId(UUID(int=5)),
    patient_key=PatientKey("p1key"),
    version=7,
    version_head=LedgerHead(seq=9, hash="ab"),
    ack_due_at=AT,
    last_updated_at=AT,
    snapshot=Snapshot(
        snapshot_version=1,
        display_name="Ada Abernale",
        id_label="MRN",
        id_masked="····4731",
        dob=date(1932, 5, 6),
        updated_at=AT,
    ),
    signals=(),
    response=RESPONSE,
    outcome=None,
    submission=SUBMISSION,
    open_assignments=(ITEM,),
)
EMPTY = PatientState(
    patient_context_id=PatientContextId(UUID(int=5)),
    patient_key=PatientKey("p1key"),
    version=0,
    version_head=None,
    ack_due_at=None,
    last_updated_at=AT,
    snapshot=None,
    signals=(),
    response=None,
    outcome=None,
    submission=None,
    open_assignments=(),
)
PATIENT_KEYS = {
    *("patient_key", "version", "version_head", "snapshot", "latest_system_response"),
    *("last_mini_submission", "outcome", "flags"),
}


def test_a_patients_document_has_the_same_keys_full_and_empty() -> None:
    policy = default_policy()
    assert set(patient_state_document(FULL, policy)) == PATIENT_KEYS
    assert set(patient_state_document(EMPTY, policy)) == PATIENT_KEYS


def test_a_patients_document_says_what_subscribers_need_in_the_shape_of_the_plan() -> None:
    document = patient_state_document(FULL, default_policy())
    assert document["version_head"] == {"seq": 9, "hash": "ab"}
    assert set(document["latest_system_response"]) == {
        *("system_response_id", "computed_at", "proceed_indicator", "execution_mode"),
        *("tasking_summary", "rationale", "needs_ack"),
    }
    assert document["last_mini_submission"]["override_proceed"] == "green"
    assert document["last_mini_submission"]["submitted_at"] == AT
    assert "note" not in str(document["last_mini_submission"])
    assert document["flags"] == {"needs_ack": True, "open_assignment_count": 1}


def test_an_inbox_lists_what_is_open_and_a_disabled_users_is_empty() -> None:
    inbox = Inbox(open_count=60, assignments=(ITEM,))
    document = user_inbox_document(active=True, tokens_valid_after=AT, inbox=inbox)
    assert (document["open_count"], document["tokens_valid_after"]) == (60, AT)
    assert set(document["open_assignments"][0]) == {
        *("assignment_id", "patient_key", "reason_code", "created_at", "status", "claimed_by")
    }
    assert user_inbox_document(active=False, tokens_valid_after=None, inbox=inbox) == {
        "active": False,
        "tokens_valid_after": None,
        "open_assignments": [],
        "open_count": 0,
    }


def test_a_patient_is_compared_by_version_and_head() -> None:
    document = patient_state_document(FULL, default_policy())
    assert already_says({**document, "updated_at": AT, "outcome": "other"}, document)
    assert not already_says({**document, "version": 6}, document)


def test_an_inbox_is_always_written_for_equal_content_may_hide_a_slower_projector() -> None:
    items = Inbox(open_count=1, assignments=(ITEM,))
    inbox = user_inbox_document(active=True, tokens_valid_after=None, inbox=items)
    assert not already_says({**inbox, "updated_at": AT}, inbox)


@pytest.mark.parametrize(
    ("mini", "sidecar", "admitted"),
    [
        (("*",), (), True),
        ((), ("*",), True),
        (("clerk",), (), True),
        ((), ("clerk",), True),
        (("clerk",), ("clerk",), True),
        ((), (), False),
        (("king",), ("queen",), False),
    ],
)
def test_a_role_is_let_in_that_may_use_one_of_the_surfaces(
    mini: tuple[str, ...], sidecar: tuple[str, ...], admitted: bool
) -> None:
    policy = default_policy()
    permissions = msgspec.structs.replace(policy.allowlist.permissions, sidecar=sidecar)
    allowlist = msgspec.structs.replace(policy.allowlist, roles=mini, permissions=permissions)
    assert lets_in(msgspec.structs.replace(policy, allowlist=allowlist), "clerk") is admitted
