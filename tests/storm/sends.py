"""What the clients do: each Send by its number alone, so that the same seed makes the same Sends."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from tests.storm.ground import Ground

MARK = "Zephyrquill"
"""Stands in every note and nowhere else: a log that holds it quotes one."""

_PROCEED = ("green", "yellow", "grey", None)
_TASKING = ("none", "review", "act", None)
_REASONS = ("not_applicable", "already_handled", "not_now", "wrong_patient", "other")
_WORDS = (
    "paid",
    "Rückruf",
    "señora",
    "保険",
    "asked\nagain",
    "'; --",
    "\\x00",
    '"quoted"',
    "½ €",
    "🙂",
    "NULL",
)
_BURST = 0.15
"""The share of Sends that go to one and the same patient of a clinic."""


class Aside(NamedTuple):
    """A call beside a Send: asked once, whatever comes of it."""

    endpoint: str
    body: dict[str, Any]


@dataclass
class Send:
    """One Send, and what became of it. Times are monotonic seconds."""

    number: int
    tenant_id: str
    user_id: str
    token: str
    endpoint: str
    key: str
    body: dict[str, Any]
    before: list[Aside]
    after: list[Aside]
    claims: bool
    twice_at_once: bool
    again: bool
    gives_up_soon: bool
    began: float | None = None
    answered: float | None = None
    attempts: int = 0
    refused: int | None = None
    submission_ids: set[str] = field(default_factory=set)

    @property
    def patient_key(self) -> str:
        return str(self.body["patient_key"])


def draw_send(ground: Ground, seed: int, number: int) -> Send:
    """The Send of this number."""
    chance = random.Random(f"{seed} send {number}")  # noqa: S311 -- to be had again
    tenant = chance.choice(ground.tenants)
    user = chance.choice(tenant["users"])
    patient = tenant["patients"][0] if chance.random() < _BURST else chance.choice(tenant["patients"])
    named = {
        "session_id": f"storm-{user['user_id'][:8]}-{number % 20}",
        "patient_key": patient["patient_key"],
    }
    proceed, tasking = chance.choice(_PROCEED), chance.choice(_TASKING)
    if proceed is None and tasking is None:
        tasking = "review"
    words = chance.choices(_WORDS, k=chance.choice((1, 1, 3, 40)))
    asserted = {"override_proceed": proceed, "override_tasking": tasking}
    return Send(
        number=number,
        tenant_id=tenant["tenant_id"],
        user_id=user["user_id"],
        token=user["token"],
        endpoint=chance.choice(("mini/ack", "mini/ack", "sidecar/ack")),
        key=f"storm-{seed}-{number}",
        body={**named, **asserted, "note_text": f"{MARK} {number} {' '.join(words)}"},
        before=[
            Aside(endpoint, named)
            for endpoint, share in (("mini/status", 0.3), ("sidecar/state", 0.1))
            if chance.random() < share
        ],
        after=[
            Aside(endpoint, {**named, "reason": chance.choice(_REASONS)}) for endpoint in _dismissal(chance)
        ],
        claims=chance.random() < 0.04,
        twice_at_once=chance.random() < 0.03,
        again=chance.random() < 0.05,
        gives_up_soon=chance.random() < 0.03,
    )


def _dismissal(chance: random.Random) -> tuple[str, ...]:
    return (chance.choice(("mini/dismiss", "sidecar/dismiss")),) if chance.random() < 0.05 else ()
