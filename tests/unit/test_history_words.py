"""Whatever can be in a patient's chain has words, and what somebody forged in it breaks none of them."""

from __future__ import annotations

from typing import Any

import pytest

from shared.chat.history_words import event_line, event_words
from shared.ledger.events import Payload
from tests.unit.chat_state import BEN, event

OF_THE_TENANT = {
    "User.Searched",
    "Policy.Published",
    "Access.Changed",
    "Access.Denied",
    "Ledger.Read",
    "Tenant.Exported",
    "Tenant.Closed",
    "Tenant.Erased",
}
"""What concerns no patient, or several: it is in the tenant's own chain."""

TYPES = {each.event_type: each for each in Payload.__subclasses__()}
OF_A_PATIENT = sorted(TYPES.keys() - OF_THE_TENANT)


def test_every_event_is_of_a_patient_or_of_the_tenant() -> None:
    assert TYPES.keys() >= OF_THE_TENANT
    assert len(OF_A_PATIENT) >= 12


@pytest.mark.parametrize("event_type", OF_A_PATIENT)
def test_every_event_that_a_patients_chain_can_have_has_words(event_type: str) -> None:
    assert event_words(event(1, event_type, who=BEN)) is not None


@pytest.mark.parametrize("forged", [None, [], ["a", 1], {"a": 1}, 1.5, True, "\x1b[31m"])
@pytest.mark.parametrize("event_type", OF_A_PATIENT)
def test_no_forged_value_leaves_an_event_without_words(event_type: str, forged: Any) -> None:
    payload = dict.fromkeys(TYPES[event_type].__struct_fields__, forged)
    assert event_words(event(1, event_type, who=BEN, **payload))


@pytest.mark.parametrize(
    ("payload", "words"),
    [
        (
            {"scope": "all", "reason": "offboarding", "snapshot_count": 2, "note_count": 1,
             "explanation_count": 0},
            "everything that tells of the patient was erased (offboarding): 2 snapshots, 1 note, "
            "0 explanations",
        ),
        (
            {"scope": "texts", "reason": "retention", "snapshot_count": 0, "note_count": 3,
             "explanation_count": 1},
            "what people wrote about the patient was erased (retention): 3 notes, 1 explanation",
        ),
    ],
)  # fmt: skip
def test_an_erasure_says_what_is_gone_and_why(payload: dict[str, Any], words: str) -> None:
    assert event_line(event(1, "Patient.Erased", **payload)) == f"23 Nov 2026, 14:05 UTC: {words}."
