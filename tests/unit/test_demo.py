"""The synthetic clinics: enough of everything, and the same every time."""

from __future__ import annotations

import time
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
import yaml

from ops.demo import DemoTenant, demo_tenants
from shared.decisions.engine import decide
from shared.decisions.policy import decode_policy
from shared.model import ExecutionMode, ProceedIndicator, SignalStatus

POLICY = decode_policy(
    yaml.safe_load((Path(__file__).parents[2] / "ops/default_policy.yaml").read_text("utf-8"))
)
TODAY = date(2026, 11, 20)
TENANTS = demo_tenants(TODAY)

each_tenant = pytest.mark.parametrize("tenant", TENANTS, ids=lambda tenant: tenant.name)


def test_two_tenants_share_nothing_but_record_numbers() -> None:
    assert len(TENANTS) == 2
    first, second = TENANTS
    assert first.tenant_id != second.tenant_id
    for ids in (
        lambda t: {user.user_id for user in t.users},
        lambda t: {patient.patient_context_id for patient in t.patients},
        lambda t: {patient.display_name for patient in t.patients},
    ):
        assert not ids(first) & ids(second)
    numbers = [{patient.external_id for patient in t.patients} for t in TENANTS]
    assert numbers[0] & numbers[1]


@each_tenant
def test_a_tenant_has_three_users_in_different_roles_and_at_least_200_patients(tenant: DemoTenant) -> None:
    assert len({user.role for user in tenant.users}) == len(tenant.users) == 3
    assert len(tenant.patients) >= 200
    assert len({patient.external_id for patient in tenant.patients}) == len(tenant.patients)
    assert len({patient.display_name for patient in tenant.patients}) == len(tenant.patients)


@each_tenant
def test_every_code_indicator_mode_and_acknowledgement_occurs(tenant: DemoTenant) -> None:
    codes = {signal.code for patient in tenant.patients for signal in patient.signals}
    assert codes == set(POLICY.decisions.signals)
    decisions = [decide(patient.signals, POLICY) for patient in tenant.patients]
    assert {d.proceed_indicator for d in decisions} == set(ProceedIndicator) - {ProceedIndicator.BLUE}
    assert {d.execution_mode for d in decisions} == set(ExecutionMode)
    assert {d.needs_ack for d in decisions} == {True, False}
    assert any(d.task_count > 2 for d in decisions)
    assert any(not patient.signals for patient in tenant.patients)
    statuses = [{signal.status for signal in patient.signals} for patient in tenant.patients]
    assert {SignalStatus.RESOLVED} in statuses


@each_tenant
def test_every_line_can_be_written_out(tenant: DemoTenant) -> None:
    texts = [reason.text for p in tenant.patients for reason in decide(p.signals, POLICY).rationale]
    assert not [text for text in texts if "not given" in text]


@each_tenant
def test_the_record_number_itself_is_in_nothing_that_is_stored(tenant: DemoTenant) -> None:
    for patient in tenant.patients:
        assert patient.id_masked == f"····{patient.external_id[-4:]}"
        stored = (patient.display_name, patient.id_masked, str(patient.patient_context_id), patient.signals)
        assert patient.external_id not in repr(stored)
        assert date(1920, 1, 1) < patient.dob < TODAY


@each_tenant
def test_a_code_occurs_once_per_patient_and_was_seen_before_today(tenant: DemoTenant) -> None:
    for patient in tenant.patients:
        assert len({signal.code for signal in patient.signals}) == len(patient.signals)
        assert all(s.observed_at < datetime(2026, 11, 20, tzinfo=UTC) for s in patient.signals)


@each_tenant
def test_what_ends_lies_ahead_and_what_ended_lies_behind(tenant: DemoTenant) -> None:
    details = [signal.detail for patient in tenant.patients for signal in patient.signals]
    for name in ("ends_on", "needed_by"):
        assert all(detail[name] > "2026-11-20" for detail in details if name in detail)
    for name in ("ended_on", "denied_on", "verified_on"):
        assert all(detail[name] < "2026-11-20" for detail in details if name in detail)


def test_it_is_the_same_every_time_and_only_dates_follow_the_day() -> None:
    assert demo_tenants(TODAY) == TENANTS
    later = demo_tenants(date(2027, 2, 1))
    for tenant, same in zip(TENANTS, later, strict=True):
        assert tenant.users == same.users
        for patient, again in zip(tenant.patients, same.patients, strict=True):
            assert (patient.patient_context_id, patient.external_id, patient.display_name, patient.dob) == (
                again.patient_context_id,
                again.external_id,
                again.display_name,
                again.dob,
            )


def test_it_is_made_in_no_time() -> None:
    def seconds() -> float:
        started = time.perf_counter()
        demo_tenants(TODAY)
        return time.perf_counter() - started

    assert min(seconds() for _ in range(3)) < 0.1
