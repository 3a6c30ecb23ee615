"""Proceed, execution mode and tasking: what the system says about a patient."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import msgspec
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from shared.decisions.engine import decide, is_same_decision
from shared.decisions.execution_mode import decide_execution_mode
from shared.decisions.policy import Policy, decode_policy, encode_policy
from shared.decisions.proceed import decide_proceed
from shared.decisions.tasking import decide_tasking
from shared.model import (
    Decision,
    ExecutionMode,
    ProceedIndicator,
    Signal,
    SignalStatus,
    Surface,
    SystemResponse,
    SystemResponseId,
)

POLICY = decode_policy(
    yaml.safe_load((Path(__file__).parents[2] / "ops/default_policy.yaml").read_text("utf-8"))
)
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
SEVERITY = [ProceedIndicator.GREEN, ProceedIndicator.GREY, ProceedIndicator.YELLOW]
HUMAN = [ExecutionMode.AGENTIC, ExecutionMode.COPILOT, ExecutionMode.USER_DRIVEN]

details = st.dictionaries(
    st.sampled_from(["ends_on", "amount_minor", "currency"]),
    st.one_of(st.integers(), st.text(max_size=5), st.sampled_from(["2026-12-02", "USD"])),
    max_size=2,
)
known_signals = st.builds(
    Signal,
    code=st.sampled_from(sorted(POLICY.decisions.signals)),
    status=st.sampled_from(SignalStatus),
    detail=details,
    observed_at=st.integers(0, 9).map(lambda days: NOON - timedelta(days=days)),
    source_system=st.sampled_from(["billing", "scheduling"]),
)
strange_signals = st.builds(
    Signal,
    code=st.sampled_from(["unheard.of", "claim.denied ", "CLAIM.DENIED", ""]),
    status=st.sampled_from(SignalStatus),
    detail=details,
    observed_at=st.just(NOON),
    source_system=st.just("billing"),
)
facts = st.lists(known_signals, max_size=7).map(tuple)


def signal(code: str, status: SignalStatus = SignalStatus.ACTIVE, **detail: str | int) -> Signal:
    return Signal(code=code, status=status, detail=detail, observed_at=NOON, source_system="billing")


def resolved(code: str) -> Signal:
    return signal(code, SignalStatus.RESOLVED)


def with_rule(code: str, **changes: object) -> Policy:
    """The default policy with one signal rule edited, as somebody would edit the document."""
    document = encode_policy(POLICY)
    document["decisions"]["signals"][code] |= changes  # type: ignore[index] -- plain JSON in a test
    return decode_policy(document | {"version": 2})


def reworded(policy: Policy) -> Policy:
    """The policy in its next version: every line and every priority changed, no colour or mode."""
    document = encode_policy(policy)
    for number, rule in enumerate(document["decisions"]["signals"].values()):  # type: ignore[index] -- plain JSON in a test
        rule |= {"task": "Said in other words", "priority": 500 - number}
    return decode_policy(document | {"version": policy.version + 1})


REWORDED = reworded(POLICY)


def response_of(decision: Decision, **changes: object) -> SystemResponse:
    stored = SystemResponse(
        **msgspec.structs.asdict(decision),
        system_response_id=SystemResponseId(UUID(int=1)),
        surface_type=Surface.MINI,
        computed_at=NOON,
    )
    return msgspec.structs.replace(stored, **changes)


@dataclass(frozen=True)
class Surfaced:
    signals: tuple[Signal, ...]
    indicator: ProceedIndicator
    mode: ExecutionMode
    tasking: str
    task_count: int
    needs_ack: bool


@pytest.mark.parametrize(
    "expected",
    [
        pytest.param(
            Surfaced((), ProceedIndicator.GREY, ExecutionMode.COPILOT,
                     "Nothing known about this patient yet", 0, needs_ack=False),
            id="nobody has assessed a patient without signals",
        ),
        pytest.param(
            Surfaced((resolved("claim.denied"), resolved("coverage.expiring")),
                     ProceedIndicator.GREEN, ExecutionMode.COPILOT, "No open items", 0, needs_ack=False),
            id="all resolved is green",
        ),
        pytest.param(
            Surfaced((signal("appointment.upcoming", starts_on="2026-12-01"),),
                     ProceedIndicator.GREEN, ExecutionMode.AGENTIC, "No open items", 0, needs_ack=False),
            id="an appointment informs and needs nothing",
        ),
        pytest.param(
            Surfaced((signal("eligibility.unverified", verified_on="2026-10-01"),
                      signal("appointment.upcoming", starts_on="2026-12-01")),
                     ProceedIndicator.GREY, ExecutionMode.AGENTIC,
                     "Eligibility last verified 1 Oct 2026: verify again", 1, needs_ack=False),
            id="unverified eligibility is grey",
        ),
        pytest.param(
            Surfaced((signal("coverage.expiring", ends_on="2026-12-02"),
                      signal("balance.outstanding", amount_minor=12500, currency="USD")),
                     ProceedIndicator.YELLOW, ExecutionMode.COPILOT,
                     "Coverage ends 2 Dec 2026 (+1 more)", 2, needs_ack=True),
            id="the first task is told, the others are counted",
        ),
        pytest.param(
            Surfaced((signal("balance.outstanding", amount_minor=12500, currency="USD"),),
                     ProceedIndicator.YELLOW, ExecutionMode.COPILOT,
                     "Balance of USD 125.00: agree on payment", 1, needs_ack=False),
            id="a balance is yellow without anybody's acknowledgement",
        ),
        pytest.param(
            Surfaced((signal("claim.denied", denied_on="2026-11-01", reason="filed late"),
                      signal("coverage.inactive", ended_on="2026-11-02")),
                     ProceedIndicator.YELLOW, ExecutionMode.USER_DRIVEN,
                     "Coverage ended 2 Nov 2026: ask for new coverage (+1 more)", 2, needs_ack=True),
            id="one item that only a person can advance makes it user driven",
        ),
        pytest.param(
            Surfaced((signal("demographics.incomplete", missing="phone number"),
                      signal("coverage.inactive", ended_on="2026-11-02")),
                     ProceedIndicator.YELLOW, ExecutionMode.COPILOT,
                     "Coverage ended 2 Nov 2026: ask for new coverage (+1 more)", 2, needs_ack=True),
            id="only the signals that made the indicator make the mode",
        ),
    ],
)  # fmt: skip
def test_a_worker_sees(expected: Surfaced) -> None:
    decision = decide(expected.signals, POLICY)

    assert decision.proceed_indicator is expected.indicator
    assert decision.execution_mode is expected.mode
    assert decision.tasking_summary == expected.tasking
    assert decision.task_count == expected.task_count
    assert decision.needs_ack is expected.needs_ack
    assert decision.policy_version == POLICY.version


def test_the_rationale_tells_the_deciding_signals_first_and_then_the_rest() -> None:
    decision = decide(
        (
            signal("appointment.upcoming", starts_on="2026-12-01"),
            signal("eligibility.unverified"),
            resolved("coverage.inactive"),
            signal("claim.denied", denied_on="2026-11-01", reason="filed late"),
        ),
        POLICY,
    )

    assert [(reason.signal, reason.decided) for reason in decision.rationale] == [
        ("claim.denied", True),
        ("eligibility.unverified", False),
        ("appointment.upcoming", False),
    ]
    assert decision.rationale[0].text == "Claim denied 1 Nov 2026 (filed late): correct or appeal"
    assert decision.rationale[0].source_system == "billing"
    assert decision.rationale[0].observed_at == NOON


def test_each_agent_names_the_signals_that_its_value_rests_on() -> None:
    signals = (signal("coverage.inactive"), signal("claim.denied"), signal("appointment.upcoming"))

    def named(finding: object) -> list[str]:
        return [reason.signal for reason in finding.rationale]  # type: ignore[attr-defined] -- plain JSON in a test

    assert named(decide_proceed(signals, POLICY)) == [
        "coverage.inactive",
        "claim.denied",
        "appointment.upcoming",
    ]
    assert named(decide_execution_mode(signals, POLICY)) == ["claim.denied"]
    assert named(decide_tasking(signals, POLICY)) == ["coverage.inactive", "claim.denied"]


def test_a_changed_colour_or_a_new_code_is_an_edit_in_the_policy() -> None:
    expiring = (signal("coverage.expiring", ends_on="2026-12-02"),)
    assert decide(expiring, POLICY).proceed_indicator is ProceedIndicator.YELLOW
    green = with_rule("coverage.expiring", proceed="green", needs_ack=False)
    assert decide(expiring, green).proceed_indicator is ProceedIndicator.GREEN

    document = encode_policy(POLICY)
    rules = document["decisions"]["signals"]  # type: ignore[index] -- plain JSON in a test
    rules["referral.expired"] = rules["coverage.inactive"] | {"task": "Referral expired"}
    decision = decide((signal("referral.expired"),), decode_policy(document))
    assert decision.tasking_summary == "Referral expired"


@given(facts, st.data())
def test_the_order_of_signals_never_matters(signals: tuple[Signal, ...], data: st.DataObject) -> None:
    shuffled = tuple(data.draw(st.permutations(signals)))
    assert decide(shuffled, POLICY) == decide(signals, POLICY)


@given(facts, st.lists(strange_signals, max_size=3))
def test_a_signal_that_the_policy_does_not_know_changes_nothing(
    signals: tuple[Signal, ...], strange: list[Signal]
) -> None:
    assert decide((*strange, *signals), POLICY) == decide(signals, POLICY)


@given(facts.filter(bool), known_signals)
def test_another_signal_never_makes_it_less_severe(signals: tuple[Signal, ...], more: Signal) -> None:
    before, after = decide(signals, POLICY), decide((*signals, more), POLICY)
    assert SEVERITY.index(after.proceed_indicator) >= SEVERITY.index(before.proceed_indicator)
    assert after.needs_ack >= before.needs_ack
    assert after.task_count >= before.task_count


@given(facts)
def test_the_indicator_the_mode_and_the_count_follow_from_the_rules(signals: tuple[Signal, ...]) -> None:
    rules = [POLICY.decisions.signals[s.code] for s in signals if s.status is SignalStatus.ACTIVE]
    decision = decide(signals, POLICY)

    if rules:
        assert decision.proceed_indicator is max((r.proceed for r in rules), key=SEVERITY.index)
        deciding = [r for r in rules if r.proceed is decision.proceed_indicator]
        assert decision.execution_mode is max((r.mode for r in deciding), key=HUMAN.index)
        assert sum(reason.decided for reason in decision.rationale) == len(deciding)
    assert decision.needs_ack is any(r.needs_ack for r in rules)
    assert decision.task_count == sum(r.proceed is not ProceedIndicator.GREEN for r in rules)
    assert decision.proceed_indicator is not ProceedIndicator.BLUE
    assert 0 < len(decision.tasking_summary) <= 200


@given(facts, st.timedeltas(timedelta(0), timedelta(days=30)))
def test_the_same_facts_seen_again_are_the_same_decision(
    signals: tuple[Signal, ...], later: timedelta
) -> None:
    when = {"observed_at": NOON + later}
    seen_again = tuple(msgspec.structs.replace(s, **when) for s in signals)
    assert is_same_decision(decide(seen_again, POLICY), response_of(decide(signals, POLICY)))


@given(facts)
def test_wording_priority_policy_version_and_surface_make_no_new_response(
    signals: tuple[Signal, ...],
) -> None:
    latest = response_of(decide(signals, POLICY), surface_type=Surface.SYSTEM)
    assert is_same_decision(decide(signals, REWORDED), latest)


def test_what_does_not_decide_makes_no_new_response() -> None:
    denied = signal("claim.denied", denied_on="2026-11-01")
    latest = response_of(decide((denied,), POLICY))
    assert is_same_decision(decide((denied, signal("eligibility.unverified")), POLICY), latest)


@pytest.mark.parametrize(
    "signals",
    [
        (),
        (resolved("claim.denied"),),
        (signal("claim.denied", denied_on="2026-11-02"),),
        (signal("claim.denied", denied_on="2026-11-01"), signal("balance.outstanding")),
        (signal("coverage.inactive", denied_on="2026-11-01"),),
    ],
)
def test_another_indicator_another_deciding_signal_or_detail_is_a_new_response(
    signals: tuple[Signal, ...],
) -> None:
    latest = response_of(decide((signal("claim.denied", denied_on="2026-11-01"),), POLICY))
    assert not is_same_decision(decide(signals, POLICY), latest)


@pytest.mark.parametrize("change", [{"proceed": "grey"}, {"mode": "agentic"}, {"needs_ack": False}])
def test_another_rule_for_the_same_signal_is_a_new_response(change: dict[str, object]) -> None:
    denied = (signal("claim.denied", denied_on="2026-11-01"),)
    latest = response_of(decide(denied, POLICY))
    assert not is_same_decision(decide(denied, with_rule("claim.denied", **change)), latest)


def test_the_first_decision_about_a_patient_is_new() -> None:
    assert not is_same_decision(decide((), POLICY), None)


def test_the_digest_is_a_fixed_text_that_tomorrow_and_another_machine_compute_too() -> None:
    decision = decide((signal("claim.denied", denied_on="2026-11-01"),), POLICY)
    assert decision.facts_digest == "4997b98009f6eb285f9cf89be985e895fe4c1028c0fa2d38d2ff0201e642e184"
