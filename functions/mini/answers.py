"""How Mini says what the core found: pure."""

from __future__ import annotations

from shared.decisions.display import mode_text, proceed_text
from shared.model import ExecutionMode, ProceedIndicator, Surface
from shared.views import PatientView
from shared.web.messages import (
    StatusPatient,
    StatusProceed,
    StatusRequest,
    StatusResponse,
    StatusSubmission,
    StatusTasking,
    SurfacePolicy,
)


def patient_answer(request: StatusRequest, view: PatientView) -> StatusResponse:
    """The one glance: blue when nothing could be decided, grey when nobody is known."""
    policy, variant = view.policy, view.display.variant
    response = view.state.response if view.state else None
    color = response.proceed_indicator if response else ProceedIndicator.GREY
    if view.undecided:
        color = ProceedIndicator.BLUE
    mode = response.execution_mode if response and variant.show_mode and not view.undecided else None
    needs_ack = view.state is not None and view.state.needs_ack
    summary = response.tasking_summary if response else policy.decisions.not_assessed
    return StatusResponse(
        session_id=request.session_id,
        surface=Surface.MINI,
        patient=_patient(view),
        version=view.state.version if view.state else 0,
        proceed=StatusProceed(color=color, text=proceed_text(policy, color)),
        tasking=StatusTasking(
            color=color,
            text=proceed_text(policy, color) if view.undecided else summary,
            needs_ack=needs_ack,
            mode=mode,
            mode_text=_mode_text(view, mode),
        ),
        mode=mode,
        has_tasks=response is not None and response.task_count > 0,
        task_count=response.task_count if response else 0,
        needs_ack=needs_ack,
        last_submission=_submission(view),
        outcome=view.state.outcome if view.state else None,
        system_response_id=response.system_response_id if response else None,
        computed_at=response.computed_at if response else None,
        policy=SurfacePolicy(
            show_mini=view.display.show_mini,
            ui_variant=view.display.variant_name,
            glass_broken_until=view.glass_until,
        ),
    )


def _patient(view: PatientView) -> StatusPatient:
    snapshot = view.snapshot
    return StatusPatient(
        found=view.state is not None,
        patient_key=view.state.patient_key if view.state else None,
        display_name=snapshot.display_name if snapshot else None,
        id_label=snapshot.id_label if snapshot else None,
        id_masked=snapshot.id_masked if snapshot else None,
        dob=snapshot.dob if snapshot else None,
    )


def _mode_text(view: PatientView, mode: ExecutionMode | None) -> str | None:
    return None if mode is None else mode_text(view.policy, mode)


def _submission(view: PatientView) -> StatusSubmission | None:
    last = view.state.submission if view.state else None
    if last is None:
        return None
    latest = view.state.response if view.state else None
    return StatusSubmission(
        who=last.user_display_name,
        when=last.submitted_at,
        override_proceed=last.override_proceed,
        override_tasking=last.override_tasking,
        confirmed=last.confirmed,
        superseded=latest is not None and last.system_response_id != latest.system_response_id,
    )
