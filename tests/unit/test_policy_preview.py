"""What publishing a policy would do, counted over patients that no database knows."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec
import pytest

from ops.demo_load import default_policy
from ops.policy.preview import Facts, Impact
from shared.decisions.engine import decide
from shared.decisions.policy import Policy, decode_policy, encode_policy
from shared.model import (
    PatientContextId,
    ProceedIndicator,
    Signal,
    SignalStatus,
    Surface,
    SystemResponse,
    SystemResponseId,
)

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
OLD = default_policy()
GREY, GREEN, YELLOW = ProceedIndicator.GREY, ProceedIndicator.GREEN, ProceedIndicator.YELLOW


def edited(code: str, **changes: object) -> Policy:
    document: Any = encode_policy(OLD)
    document["decisions"]["signals"][code] |= changes
    return decode_policy(document)


def signal(code: str, status: SignalStatus = SignalStatus.ACTIVE) -> Signal:
    return Signal(code=code, status=status, detail={}, observed_at=NOON, source_system="billing")


def patient(*codes: str, surfaced: bool, open_reasons: frozenset[str] = frozenset()) -> Facts:
    signals = tuple(signal(code) for code in codes)
    response = SystemResponse(
        **msgspec.structs.asdict(decide(signals, OLD)),
        system_response_id=SystemResponseId(UUID(int=1)),
        surface_type=Surface.MINI,
        computed_at=NOON,
    )
    return Facts(
        patient_context_id=PatientContextId(UUID(int=2)),
        has_document=surfaced,
        signals=signals,
        response=response if surfaced else None,
        open_reasons=open_reasons,
    )


def impact(new: Policy, *patients: Facts, old: Policy | None = OLD) -> Impact:
    counting = Impact(old, new)
    for each in patients:
        counting.add(each)
    return counting


TO_ACK = edited("eligibility.unverified", proceed="yellow", needs_ack=True)


def test_a_preview_says_in_a_sentence_who_turns_and_what_follows() -> None:
    found = impact(
        TO_ACK,
        *[patient("eligibility.unverified", surfaced=True)] * 30,
        *[patient("eligibility.unverified", surfaced=False)] * 382,
        *[patient("appointment.upcoming", surfaced=True)] * 5,
    )
    assert found.sentence == "412 turn yellow, 30 new responses, 30 new assignments"
    assert found.changes == ((GREY, YELLOW, 412), (GREEN, GREEN, 5))
    assert (found.patients, found.surfaced, found.new_responses) == (417, 35, 30)
    assert (found.needs_ack_newly, found.needs_ack_no_longer) == (412, 0)
    assert found.assignments == {("billing_lead", "eligibility"): 30}


def test_nothing_turns_where_the_policy_stays() -> None:
    reworded = edited("claim.denied", task="Another word", priority=7)
    found = impact(reworded, patient("claim.denied", surfaced=True), patient(surfaced=False))
    assert found.sentence == "no patient's state changes"
    assert found.changes == ((GREY, GREY, 1), (YELLOW, YELLOW, 1))


def test_a_patient_may_get_a_new_response_without_turning() -> None:
    found = impact(edited("claim.denied", mode="copilot"), patient("claim.denied", surfaced=True))
    assert found.sentence == "1 new response, 1 new assignment"


def test_an_item_that_is_open_already_is_not_assigned_again() -> None:
    found = impact(
        TO_ACK, patient("eligibility.unverified", surfaced=True, open_reasons=frozenset({"eligibility"}))
    )
    assert found.sentence == "1 turns yellow, 1 new response"


def test_what_no_longer_needs_an_acknowledgement_is_counted() -> None:
    found = impact(
        edited("claim.denied", proceed="grey", needs_ack=False),
        patient("claim.denied", surfaced=True),
        patient("claim.denied", "coverage.inactive", surfaced=False),
    )
    assert (found.needs_ack_newly, found.needs_ack_no_longer) == (0, 1)
    assert found.sentence == "1 turns grey, 1 new response"


def test_a_new_signal_code_counts_from_the_document_alone() -> None:
    document: Any = encode_policy(OLD)
    rule = dict(document["decisions"]["signals"]["claim.denied"], reason_code="referral")
    document["decisions"]["signals"]["referral.missing"] = rule
    found = impact(decode_policy(document), patient("referral.missing", surfaced=True))
    assert found.changes == ((GREY, YELLOW, 1),)
    assert found.assignments == {("billing_lead", "referral"): 1}


@pytest.mark.parametrize(
    ("field", "value", "rewritten"),
    [("dob", "hidden", 2), ("show_mode", False, 2), ("display_name", "initials", 2), ("dob", "full", 0)],
)
def test_documents_are_written_anew_when_all_may_see_something_else(
    field: str, value: object, rewritten: int
) -> None:
    # ``desk`` shows the whole birth date, ``office`` the year: everybody may see the year.
    document: Any = encode_policy(OLD)
    document["ui_variants"]["variants"]["desk"][field] = value
    facts = patient("claim.denied", surfaced=True)
    found = impact(decode_policy(document), facts, facts, patient("claim.denied", surfaced=False))
    assert found.documents == rewritten
    said = "2 documents are written anew" if rewritten else "no patient's state changes"
    assert found.sentence == said


def test_a_first_policy_turns_patients_from_none() -> None:
    found = impact(OLD, patient("claim.denied", surfaced=False), old=None)
    assert found.changes == ((None, YELLOW, 1),)
    assert found.needs_ack_newly == 1
