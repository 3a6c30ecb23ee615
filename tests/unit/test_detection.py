"""Record detection: whether what a page shows is a patient of this tenant."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from shared.decisions.detection import Sighting, detect_record, known_adapter
from shared.decisions.policy import AdapterKind, PageAdapter, Policy, decode_policy
from shared.model import PatientKey

DEFAULT = decode_policy(
    yaml.safe_load((Path(__file__).parents[2] / "ops/default_policy.yaml").read_text("utf-8"))
)
SCHEDULER = PageAdapter(
    id="scheduler-page",
    site="scheduler.example",
    kind=AdapterKind.URL_PATTERN,
    value="/patients/{id}",
    source_system="scheduler",
)
POLICY = msgspec.structs.replace(
    DEFAULT,
    allowlist=msgspec.structs.replace(
        DEFAULT.allowlist,
        source_systems=("demo_ehr", "scheduler"),
        page_adapters=(*DEFAULT.allowlist.page_adapters, SCHEDULER),
    ),
)
KEY = PatientKey("p1_abc")
ADAPTERS = sorted(adapter.id for adapter in POLICY.allowlist.page_adapters)

sightings = st.builds(
    Sighting,
    patient_key=st.none() | st.just(KEY),
    source_system=st.none() | st.sampled_from(["demo_ehr", "scheduler", "*", ""]) | st.text(max_size=9),
    page_signature=st.none() | st.sampled_from(ADAPTERS) | st.text(max_size=9),
)


def sighting(
    key: PatientKey | None = KEY, source: str | None = "demo_ehr", page: str | None = None
) -> Sighting:
    return Sighting(patient_key=key, source_system=source, page_signature=page)


def without_adapters(policy: Policy) -> Policy:
    return msgspec.structs.replace(
        policy, allowlist=msgspec.structs.replace(policy.allowlist, page_adapters=())
    )


def test_nobody_is_detected_where_nobody_is_on_the_page() -> None:
    assert detect_record(sighting(key=None, page="demo-board"), POLICY) == (None, ("Nobody is on the page.",))


def test_a_given_key_is_the_patient() -> None:
    assert detect_record(sighting(source=None, page="scheduler-page"), POLICY).value == KEY


def test_a_patient_of_an_allowed_source_system_is_detected() -> None:
    found = detect_record(sighting(page="demo-board"), POLICY)
    assert found.value == KEY
    assert found.rationale == (
        "The policy accepts patients of demo_ehr.",
        "The page adapter demo-board read this one.",
    )


@pytest.mark.parametrize("source", ["somewhere_else", "DEMO_EHR", "*", ""])
def test_a_patient_of_any_other_source_system_is_not(source: str) -> None:
    found = detect_record(sighting(source=source), POLICY)
    assert found == (None, ("The policy doesn't accept patients of this source system.",))


def test_an_adapter_that_reads_another_source_system_detects_nobody() -> None:
    found = detect_record(sighting(page="scheduler-page"), POLICY)
    assert found == (None, ("The page adapter scheduler-page reads scheduler, not demo_ehr.",))


@pytest.mark.parametrize("page", ["retired-adapter", "", "https://ehr.example/patients/12"])
def test_an_adapter_that_the_policy_does_not_have_is_no_reason_to_refuse(page: str) -> None:
    assert detect_record(sighting(page=page), POLICY).value == KEY


def test_only_an_adapter_of_the_policy_is_known_by_its_id() -> None:
    assert known_adapter("demo-board", POLICY) == "demo-board"
    assert known_adapter("demo-board", without_adapters(POLICY)) is None
    assert known_adapter("https://ehr.example/patients/12", POLICY) is None
    assert known_adapter(None, POLICY) is None


@given(st.text(max_size=40))
def test_what_a_client_types_is_never_an_adapter_that_is_stored(typed: str) -> None:
    assert known_adapter(typed, POLICY) in (None, *ADAPTERS)


@given(sightings)
def test_detection_answers_the_given_key_or_nobody_and_always_says_why(seen: Sighting) -> None:
    found = detect_record(seen, POLICY)
    assert found == detect_record(seen, POLICY)
    assert found.value in (seen.patient_key, None)
    assert found.rationale
    assert all(sentence.endswith(".") for sentence in found.rationale)


@given(st.text(alphabet="XYZ0123456789/", min_size=4), st.text(alphabet="XYZ0123456789/", min_size=4))
def test_no_sentence_holds_what_a_client_typed(source: str, page: str) -> None:
    found = detect_record(sighting(source=source, page=page), POLICY)
    assert not any(source in sentence or page in sentence for sentence in found.rationale)


@given(sightings, st.permutations(POLICY.allowlist.page_adapters))
def test_the_order_of_the_adapters_decides_nothing(seen: Sighting, adapters: list[PageAdapter]) -> None:
    reordered = msgspec.structs.replace(
        POLICY, allowlist=msgspec.structs.replace(POLICY.allowlist, page_adapters=tuple(adapters))
    )
    assert detect_record(seen, reordered) == detect_record(seen, POLICY)
