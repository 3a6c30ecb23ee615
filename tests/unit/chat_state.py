"""A patient about whom the chat is asked in tests, and how it is asked."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import yaml

from shared.chat import Answerer, Question, Reply, SourceKind, StateAnswerer
from shared.decisions.display import variant_for
from shared.decisions.engine import decide
from shared.decisions.policy import UiVariant, decode_policy
from shared.model import (
    AssertedProceed,
    AssertedTasking,
    Assignment,
    AssignmentId,
    AssignmentStatus,
    CorrelationId,
    PatientContextId,
    PatientKey,
    PatientState,
    Signal,
    SignalStatus,
    Snapshot,
    Submission,
    SubmissionId,
    Surface,
    SystemResponse,
    SystemResponseId,
    UserId,
)
from shared.persistence.readings import PastEvent

POLICY = decode_policy(
    yaml.safe_load((Path(__file__).parents[2] / "ops/default_policy.yaml").read_text("utf-8"))
)
VARIANT = variant_for(POLICY, "front_desk")[1]
NOW = datetime(2026, 11, 23, 14, 5, tzinfo=UTC)
ANA, BEN = UserId(UUID(int=9)), UserId(UUID(int=10))
NOTE = "she prefers mornings"


def signal(code: str, status: SignalStatus = SignalStatus.ACTIVE, **detail: str | int) -> Signal:
    seen = NOW - timedelta(days=1)
    return Signal(code=code, status=status, detail=detail, observed_at=seen, source_system="demo_ehr")


SIGNALS = (
    signal("coverage.expiring", ends_on="2026-12-02"),
    signal("eligibility.unverified", verified_on="2026-10-01"),
    signal("appointment.upcoming", starts_on="2026-12-01"),
    signal("claim.denied", SignalStatus.RESOLVED),
)


def response_to(signals: tuple[Signal, ...]) -> SystemResponse:
    return SystemResponse(
        **msgspec.structs.asdict(decide(signals, POLICY)),
        system_response_id=SystemResponseId(UUID(int=1)),
        surface_type=Surface.MINI,
        computed_at=NOW,
    )


RESPONSE = response_to(SIGNALS)
OVERRIDE = Submission(
    mini_submission_id=SubmissionId(UUID(int=3)),
    submitted_at=NOW - timedelta(hours=2),
    user_id=ANA,
    user_display_name="Ana Ruiz",
    system_response_id=SystemResponseId(UUID(int=77)),
    override_proceed=AssertedProceed.GREEN,
    override_tasking=AssertedTasking.NONE,
    confirmed=False,
)
ASSIGNMENT = Assignment(
    assignment_id=AssignmentId(UUID(int=5)),
    patient_key=PatientKey("p1_k"),
    system_response_id=RESPONSE.system_response_id,
    reason_code="coverage",
    created_at=NOW,
    status=AssignmentStatus.OPEN,
    assigned_to_user=None,
    assigned_to_role="financial_counselor",
    claimed_by=None,
)
SNAPSHOT = Snapshot(
    snapshot_version=1,
    display_name="Zerlina Quastenflosser",
    id_label="MRN",
    id_masked="····7731",
    dob=date(1951, 3, 2),
    updated_at=NOW,
)
STATE = PatientState(
    patient_context_id=PatientContextId(UUID(int=2)),
    patient_key=PatientKey("p1_k"),
    version=4,
    version_head=None,
    ack_due_at=NOW + timedelta(minutes=15),
    last_updated_at=NOW,
    snapshot=SNAPSHOT,
    signals=SIGNALS,
    response=RESPONSE,
    outcome=None,
    submission=None,
    open_assignments=(),
)


def event(seq: int, event_type: str, *, who: UserId | None = None, ago: int = 0, **payload: Any) -> PastEvent:
    return PastEvent(
        seq=seq,
        event_type=event_type,
        created_at=NOW - timedelta(minutes=ago),
        actor_user_id=who,
        actor_display_name={ANA: "Ana Ruiz", BEN: "Ben Oduya"}.get(who) if who else None,
        payload=payload,
        correlation_id=CorrelationId(UUID(int=ago + 1)),
        note=NOTE,
    )


HISTORY = (
    event(9, "User.Interaction", who=BEN, kind="viewed", surface="mini"),
    event(8, "System.Response", ago=1, proceed_indicator="yellow", execution_mode="copilot", task_count=2,
          needs_ack=True),
    event(7, "Patient.Updated", ago=2, snapshot_version=1, changed_signals=["coverage.expiring"]),
    event(6, "Outcome.Computed", ago=120, outcome="acknowledged"),
    event(5, "User.Acknowledged", who=ANA, ago=120, override_proceed="green", override_tasking="none",
          confirmed=False, superseded=False),
    event(4, "System.Response", ago=130, proceed_indicator="green", execution_mode="agentic", task_count=0,
          needs_ack=False),
)  # fmt: skip


def ask(message: str, *, history: tuple[PastEvent, ...] = HISTORY, **changes: Any) -> Reply:
    return ask_about(msgspec.structs.replace(STATE, **changes), message, history=history)


def ask_about(
    state: PatientState | None,
    message: str,
    *,
    history: tuple[PastEvent, ...] = (),
    variant: UiVariant = VARIANT,
) -> Reply:
    answerer: Answerer = StateAnswerer()
    return answerer.answer(
        Question(message=message, state=state, history=history, policy=POLICY, variant=variant)
    )


def kinds(reply: Reply) -> set[SourceKind]:
    return {source.kind for source in reply.sources}
