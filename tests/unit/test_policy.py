"""The policy document: what is refused, and how it is said."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from shared.decisions.policy import Policy, PolicyError, decode_policy, encode_policy
from shared.model import ExecutionMode, ProceedIndicator

DOCUMENT: dict[str, Any] = yaml.safe_load(
    (Path(__file__).parents[2] / "ops/default_policy.yaml").read_text("utf-8")
)

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=12,
)


def edited(edit: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    document = copy.deepcopy(DOCUMENT)
    edit(document)
    return document


def problems_of(document: Any) -> dict[str, str]:
    with pytest.raises(PolicyError) as refused:
        decode_policy(document)
    return {problem.path: str(problem) for problem in refused.value.problems}


def test_the_default_policy_covers_every_signal_indicator_and_mode() -> None:
    rules = decode_policy(DOCUMENT).decisions.signals
    assert set(rules) == {
        "eligibility.unverified",
        "coverage.inactive",
        "coverage.expiring",
        "authorization.missing",
        "claim.denied",
        "balance.outstanding",
        "appointment.upcoming",
        "demographics.incomplete",
    }
    assert {rule.proceed for rule in rules.values()} == set(ProceedIndicator) - {ProceedIndicator.BLUE}
    assert {rule.mode for rule in rules.values()} == set(ExecutionMode)


def test_a_policy_survives_its_columns() -> None:
    policy = decode_policy(DOCUMENT)
    stored = msgspec.json.decode(msgspec.json.encode(encode_policy(policy)))
    assert decode_policy(stored) == policy
    assert set(stored) == set(Policy.__struct_fields__)


def test_every_mistake_is_named_at_once_with_path_reason_and_what_is_allowed() -> None:
    def edit(document: dict[str, Any]) -> None:
        document["decisions"]["signals"]["claim.denied"] |= {"proceed": "purple", "task": "{when:epoch}"}
        document["decisions"]["signals"]["coverage.inactive"]["mode"] = "robot"
        document["ui_variants"]["by_role"]["billing_lead"] = "ledger"
        document["allowlist"]["sites"].append("https://ehr.example")
        document["timeouts"]["acknowledgement_due_s"] = 0
        del document["notifications"]["otherwise"]
        document["colours"] = {}

    assert problems_of(edited(edit)) == {
        "decisions.signals['claim.denied'].proceed": (
            "decisions.signals['claim.denied'].proceed: is not an allowed value"
            " (allowed: grey, green, yellow)"
        ),
        "decisions.signals['claim.denied'].task": (
            "decisions.signals['claim.denied'].task: gives {when} the unknown format 'epoch'"
            " (allowed: text, date, money)"
        ),
        "decisions.signals['coverage.inactive'].mode": (
            "decisions.signals['coverage.inactive'].mode: is not an allowed value"
            " (allowed: agentic, copilot, user_driven)"
        ),
        "ui_variants.by_role.billing_lead": (
            "ui_variants.by_role.billing_lead: there is no variant 'ledger' (allowed: desk, office)"
        ),
        "allowlist.sites[1]": (
            "allowlist.sites[1]: must be '*', a lower-case host name, or '*.' and a host name"
            " (it and every host below it)"
        ),
        "timeouts.acknowledgement_due_s": (
            "timeouts.acknowledgement_due_s: must be a whole number of seconds, from 1 to a year"
        ),
        "notifications.otherwise": "notifications.otherwise: is missing",
        "colours": (
            "colours: is not a field here"
            " (allowed: version, allowlist, ui_variants, timeouts, notifications, decisions, retention)"
        ),
    }


@pytest.mark.parametrize(
    ("path", "edit"),
    [
        ("decisions.signals['claim.denied'].proceed",
         lambda d: d["decisions"]["signals"]["claim.denied"].update(proceed="blue")),
        ("decisions.signals['appointment.upcoming'].needs_ack",
         lambda d: d["decisions"]["signals"]["appointment.upcoming"].update(needs_ack=True)),
        ("decisions.signals['claim.denied'].task",
         lambda d: d["decisions"]["signals"]["claim.denied"].update(task="x" * 201)),
        ("decisions.nothing_open", lambda d: d["decisions"].update(nothing_open=" \t ")),
        ("decisions.proceed_texts.blue", lambda d: d["decisions"]["proceed_texts"].pop("blue")),
        ("decisions.signals", lambda d: d["decisions"].update(signals=["claim.denied"])),
        ("decisions.signals['Claim Denied']",
         lambda d: d["decisions"]["signals"].update({"Claim Denied": {}})),
        ("ui_variants.default", lambda d: d["ui_variants"].update(default="nobody")),
        ("ui_variants.variants.desk.dob", lambda d: d["ui_variants"]["variants"]["desk"].update(dob="month")),
        ("timeouts.session_idle_s", lambda d: d["timeouts"].update(session_idle_s=50_000)),
        ("timeouts.presence_s", lambda d: d["timeouts"].update(presence_s=True)),
        ("notifications.otherwise", lambda d: d["notifications"].update(otherwise={})),
        ("notifications.otherwise.user", lambda d: d["notifications"].update(otherwise={"user": "me"})),
        ("notifications.assign.copay",
         lambda d: d["notifications"]["assign"].update(copay={"role": "lead"})),
        ("notifications.on_outcomes[0]", lambda d: d["notifications"].update(on_outcomes=["acknowledged"])),
        ("allowlist.page_adapters[0].source_system",
         lambda d: d["allowlist"].update(source_systems=["fhir"])),
        ("allowlist.page_adapters[1].id",
         lambda d: d["allowlist"]["page_adapters"][1].update(id="demo-board")),
        ("allowlist.page_adapters[0].value",
         lambda d: d["allowlist"]["page_adapters"][0].update(kind="url_pattern")),
        ("allowlist.page_adapters[0].value",
         lambda d: d["allowlist"]["page_adapters"][0].update(value="patient")),
        ("allowlist.source_systems[0]", lambda d: d["allowlist"].update(source_systems=["*"])),
        ("retention", lambda d: d.update(retention=90)),
        ("retention.patient_days", lambda d: d.update(retention={"patient_days": 29})),
        ("retention.patient_days", lambda d: d.update(retention={"patient_days": 36_501})),
        ("retention.text_days", lambda d: d.update(retention={"text_days": "365"})),
        ("retention.text_days", lambda d: d.update(retention={"patient_days": 365, "text_days": 366})),
        ("retention.legal_hold", lambda d: d.update(retention={"legal_hold": 1})),
        ("retention.legal_hold", lambda d: d.update(retention={"legal_hold": None})),
        ("version", lambda d: d.update(version=0)),
        ("version", lambda d: d.update(version=True)),
        ("version", lambda d: d.pop("version")),
    ],
)  # fmt: skip
def test_a_mistake_is_found_where_it_is(path: str, edit: Callable[[dict[str, Any]], object]) -> None:
    assert path in problems_of(edited(edit))


@pytest.mark.parametrize(
    ("stored", "erases"),
    [
        ({}, False),
        ({"legal_hold": False}, False),
        ({"patient_days": 30}, True),
        ({"text_days": 30}, True),
        ({"patient_days": 36_500, "text_days": 36_500}, True),
        ({"patient_days": 365, "text_days": 30, "legal_hold": True}, False),
    ],
)
def test_nothing_goes_by_time_unless_the_policy_says_so(stored: dict[str, Any], erases: bool) -> None:
    assert decode_policy(DOCUMENT | {"retention": stored}).retention.erases is erases


@given(json_values)
def test_any_json_is_a_policy_or_refused(value: Any) -> None:
    problems = problems_of(value)
    assert all(problems.values())


@given(st.data(), json_values)
def test_any_value_anywhere_in_a_policy_is_taken_or_refused_with_a_path(
    data: st.DataObject, value: Any
) -> None:
    document = copy.deepcopy(DOCUMENT)
    part: Any = document
    while True:
        keys = list(part) if isinstance(part, dict) else range(len(part))
        key = data.draw(st.sampled_from(keys)) if keys else None
        if key is None or not isinstance(part[key], dict | list) or data.draw(st.booleans()):
            break
        part = part[key]
    if key is not None:
        part[key] = value
    try:
        policy = decode_policy(document)
    except PolicyError as refused:
        assert all(problem.path for problem in refused.problems)  # noqa: PT017 - both ends are right here
    else:
        assert decode_policy(encode_policy(policy)) == policy
