"""What differs between two policies, and what a policy names that isn't there."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from ops.policy.differences import differences
from ops.policy.document import parse_policy
from ops.policy.references import Known, reference_problems
from shared.decisions.policy import Policy, decode_policy, encode_policy

DOCUMENT = (Path(__file__).parents[2] / "ops/default_policy.yaml").read_text("utf-8")
POLICY = parse_policy(DOCUMENT)
KNOWN = Known(roles=("billing_lead", "financial_counselor", "front_desk"), users=(UUID(int=1),))
ADAPTERS = [
    DOCUMENT.index(word) for word in ("    - id: demo-board\n", "    - id: demo-board-ip", "  # Which roles")
]


def without(line: str, instead: str = "") -> str:
    assert line in DOCUMENT
    return DOCUMENT.replace(line, instead, 1)


def differing(text: str) -> list[str]:
    return [found.as_text().plain for found in differences(POLICY, parse_policy(text))]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (without("version: 1", "version: 9"), []),
        (without("proceed: yellow", "proceed: grey"),
         ["~ decisions.signals['coverage.inactive'].proceed: yellow → grey"]),
        (without("    claim: {role: billing_lead}\n"),
         ['- notifications.assign.claim: {"role": "billing_lead"}']),
        (without("presence_s: 120", "presence_s: 60").replace('sites: ["*"]', "sites: [a.example]"),
         ['~ allowlist.sites: ["*"] → ["a.example"]', "~ timeouts.presence_s: 120 → 60"]),
        (without("      site: 127.0.0.1", "      site: 127.0.0.2"),
         ["~ allowlist.page_adapters['demo-board-ip'].site: 127.0.0.1 → 127.0.0.2"]),
        (without("front_desk: desk", "front_desk: desk\n    porter: office"),
         ["+ ui_variants.by_role.porter: office"]),
        (DOCUMENT[: ADAPTERS[0]] + DOCUMENT[ADAPTERS[1] : ADAPTERS[2]] + DOCUMENT[ADAPTERS[0] : ADAPTERS[1]]
         + DOCUMENT[ADAPTERS[2] :],
         ["~ allowlist.page_adapters.order: "
          '["demo-board", "demo-board-ip"] → ["demo-board-ip", "demo-board"]']),
    ],
)  # fmt: skip
def test_a_difference_is_said_with_its_place(text: str, said: list[str]) -> None:
    assert differing(text) == said


def test_roles_and_users_that_the_database_does_not_have_are_named_with_those_it_has() -> None:
    def edited(policy: Any) -> Policy:
        policy["allowlist"]["roles"] = ["*", "porter"]
        policy["allowlist"]["permissions"]["notes"] = ["porter"]
        policy["ui_variants"]["by_role"]["no.body"] = "desk"
        policy["notifications"]["assign"]["claim"] = {"user": str(UUID(int=2))}
        policy["notifications"]["otherwise"] = {"role": "porter"}
        return decode_policy(policy)

    assert reference_problems(POLICY, KNOWN) == ()
    roles = "(allowed: billing_lead, financial_counselor, front_desk)"
    assert [str(problem) for problem in reference_problems(edited(encode_policy(POLICY)), KNOWN)] == [
        f"allowlist.roles[1]: there is no role 'porter' {roles}",
        f"allowlist.permissions.notes[0]: there is no role 'porter' {roles}",
        f"ui_variants.by_role['no.body']: there is no role 'no.body' {roles}",
        f"notifications.assign.claim.user: is no active user of this tenant (allowed: {UUID(int=1)})",
        f"notifications.otherwise.role: there is no role 'porter' {roles}",
    ]
