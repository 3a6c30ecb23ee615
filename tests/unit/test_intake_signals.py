"""All signals of a patient together, and what of them is written."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops.demo_load import default_policy
from ops.intake.changes import Known, KnownSignal, Wanted, difference
from ops.intake.derived import Derived
from ops.intake.facts import DemographicsFact, NotTaken, Stamp
from ops.intake.patients import Shown
from ops.intake.signals import derive_signals
from shared.decisions.wording import render
from shared.model import PatientKey, SignalStatus
from tests.fhir_files import (
    AS_OF,
    account,
    appointment,
    claim_response,
    coverage,
    day,
    eligibility,
)
from tests.fhir_signals import Resource, derived, fact, request, signals

ALL = [
    coverage(end=day(-1)),
    coverage(2, end=day(10)),
    eligibility(created=day(-50)),
    request(),
    claim_response(2, "29"),
    account(),
    appointment(),
]


def test_every_detail_fits_the_sentence_that_the_default_policy_has_for_it() -> None:
    rules = default_policy().decisions.signals
    stamp = Stamp(names=("",), updated=None)
    facts = [told for told in map(fact, ALL) if not isinstance(told, NotTaken)]
    facts += [DemographicsFact(stamp=stamp, missing=("name",))]
    found = {s.code: s for s in derive_signals(facts, AS_OF)}  # type: ignore[arg-type] -- any facts
    found |= {s.code: s for s in derive_signals([fact(coverage(end=day(-1)))], AS_OF)}  # type: ignore[list-item] -- any facts
    assert set(found) == set(rules)
    for code, signal in found.items():
        if signal.status is SignalStatus.ACTIVE:
            assert "not given" not in render(rules[code].task, signal.detail)


@given(st.permutations(ALL))
def test_the_order_of_reading_changes_nothing(resources: list[Resource]) -> None:
    assert derived(*resources) == derived(*ALL)


@given(st.lists(st.sampled_from(ALL), max_size=4, unique_by=str), st.integers(-4000, 4000))
def test_whatever_the_day_only_what_was_told_is_concluded(resources: list[Resource], offset: int) -> None:
    told = {
        "Coverage": {"coverage.inactive", "coverage.expiring"},
        "CoverageEligibilityResponse": {"eligibility.unverified", "coverage.inactive"},
        "Claim": {"authorization.missing"},
        "ClaimResponse": {"claim.denied"},
        "Account": {"balance.outstanding"},
        "Appointment": {"appointment.upcoming"},
    }
    allowed: set[str] = set().union(*(told[r["resourceType"]] for r in resources))
    assert set(signals(*resources, as_of=AS_OF + timedelta(days=offset))) <= allowed


def test_a_signal_is_as_old_as_the_newest_resource_that_made_it() -> None:
    updated = datetime(2026, 2, 20, 8, tzinfo=UTC)
    old = coverage(1, meta={"lastUpdated": "2026-01-01T00:00:00Z"})
    new = coverage(2, meta={"lastUpdated": "2026-02-20T10:00:00+02:00"})
    assert derived(old, new)["coverage.inactive"].observed_at == updated
    assert derived(coverage())["coverage.inactive"].observed_at is None
    booked = appointment(created="2026-02-20T10:00:00+02:00")
    assert derived(booked)["appointment.upcoming"].observed_at == updated


# What is written ---------------------------------------------------------------------------------------


SHOWN = Shown(display_name="A B", id_label="MRN", id_masked="····1", dob=None)


def wanted(*found: Derived) -> Wanted:
    return Wanted(patient_key=PatientKey("p1x"), external_id_hash="00", shown=SHOWN, signals=found)


def known(*found: KnownSignal) -> Known:
    return Known(
        patient_key=PatientKey("p1x"),
        patient_context_id=UUID(int=1),
        version=0,
        snapshot_version=1,
        shown=SHOWN,
        signals=found,
    )


def test_the_same_status_and_detail_is_nothing_to_write() -> None:
    ended = derived(coverage(end=day(-1)))["coverage.inactive"]
    stored = KnownSignal(code=ended.code, status=ended.status, detail=dict(ended.detail))
    assert not difference(wanted(ended), known(stored))
    later = derived(coverage(end=day(-2)))["coverage.inactive"]
    assert difference(wanted(later), known(stored)).codes == ("coverage.inactive",)


@pytest.mark.parametrize(("stored", "written"), [(None, False), ("resolved", False), ("active", True)])
def test_what_is_no_word_on_coverage_is_resolved_only_where_it_was_active(
    stored: str | None, written: bool
) -> None:
    past = derived(appointment(start=f"{day(-1)}T09:30:00Z"))["appointment.upcoming"]
    rows = (
        [KnownSignal(code=past.code, status=SignalStatus(stored), detail={"starts_on": day(3)})]
        if stored
        else []
    )
    assert bool(difference(wanted(past), known(*rows))) is written
