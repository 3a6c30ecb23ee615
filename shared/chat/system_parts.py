"""The parts of an answer that tell what the system says: indicator, reasons, tasks, mode."""

from __future__ import annotations

from shared.chat.port import Question
from shared.chat.sources import Part, listed, reason_source, resolved_source, response_source, sentence
from shared.decisions.display import mode_text, proceed_text
from shared.decisions.policy import Policy
from shared.model import (
    ExecutionMode,
    PatientState,
    ProceedIndicator,
    Reason,
    SignalStatus,
    SystemResponse,
)


def proceed_part(policy: Policy, response: SystemResponse, named: tuple[ProceedIndicator, ...]) -> Part:
    """What the indicator is; and what it isn't, where the message names only others."""
    indicator = response.proceed_indicator
    others = "" if indicator in named else "".join(f", not {each}" for each in named)
    text = f"The indicator is {indicator}{others}: {sentence(proceed_text(policy, indicator))}"
    if ProceedIndicator.BLUE in named:
        text += " Blue is drawn while Mobius can't tell; it is never stored."
    return Part(text, (response_source(response),))


def why_parts(
    policy: Policy, response: SystemResponse, named: tuple[ProceedIndicator, ...]
) -> tuple[Part, ...]:
    """Why the indicator is what it is: the signals that decided, then the others."""
    indicator = response.proceed_indicator
    decided = tuple(reason for reason in response.rationale if reason.decided)
    others = tuple(reason for reason in response.rationale if not reason.decided)
    parts = [proceed_part(policy, response, named)]
    if decided:
        parts.append(listed(f"What makes it {indicator}:", map(reason_source, decided)))
    elif indicator is ProceedIndicator.GREEN:
        parts.append(Part("Nothing that is known about this patient stands in the way."))
    else:
        parts.append(Part("No signal that the policy gives a meaning is known about this patient."))
    if tasks := [reason for reason in others if _is_task(reason, policy)]:
        parts.append(listed("Also open:", map(reason_source, tasks)))
    if known := [reason for reason in others if not _is_task(reason, policy)]:
        parts.append(listed("Also known:", map(reason_source, known)))
    return tuple(parts)


def tasks_part(policy: Policy, response: SystemResponse) -> Part:
    """What is open by the system's tasking."""
    tasks = [reason for reason in response.rationale if _is_task(reason, policy)]
    if response.task_count == 0 or not tasks:
        return Part(f"Tasking: {sentence(response.tasking_summary)}", (response_source(response),))
    head = "There is 1 open task:" if len(tasks) == 1 else f"There are {len(tasks)} open tasks:"
    return listed(head, map(reason_source, tasks))


def signals_part(state: PatientState, codes: tuple[str, ...]) -> Part:
    """What is known by signals of these codes: what stands, and what was looked at and doesn't."""
    rationale = state.response.rationale if state.response else ()
    found = [reason_source(reason) for reason in rationale if reason.signal in codes]
    found += [
        resolved_source(signal)
        for signal in state.signals
        if signal.code in codes and signal.status is SignalStatus.RESOLVED
    ]
    if found:
        return listed("What is known about that:", found)
    asked = " or ".join(dict.fromkeys(code.partition(".")[0] for code in codes))
    return Part(f"No signal about {asked} is known for this patient.")


def mode_part(question: Question, response: SystemResponse) -> Part:
    """Who can advance it, unless policy hides that."""
    if not question.variant.show_mode:
        return Part("Who can advance it isn't shown to your role.")
    mode = response.execution_mode
    means = {
        ExecutionMode.AGENTIC: "it can be advanced without a person",
        ExecutionMode.COPILOT: "a person advances it, with help",
        ExecutionMode.USER_DRIVEN: "only a person can advance it",
    }[mode]
    return Part(f"The mode is {mode_text(question.policy, mode)}: {means}.", (response_source(response),))


def _is_task(reason: Reason, policy: Policy) -> bool:
    """Whether a reason is something to do: a green signal informs only."""
    rule = policy.decisions.signals.get(reason.signal)
    return rule is None or rule.proceed is not ProceedIndicator.GREEN
