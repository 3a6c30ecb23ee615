"""Which faults there are, and which of them a seed draws: what, at which Send, for how long."""

from __future__ import annotations

import random
from collections import Counter
from typing import NamedTuple

PARTS = ("api", "projector", "scheduler", "pubsub", "firestore", "postgres")
PROXIED = ("postgres", "firestore", "pubsub")
DEADLY = ("kill", "deploy")
"""What ends a part's process: the stack gives up when that happens to one part too often."""

KINDS = (
    *("kill", "deploy", "crash", "freeze", "cut", "cut in mid-answer", "delay", "black hole"),
    *("repeat", "reverse", "refuse", "lose", "delete one", "delete all", "edit", "put back"),
)
DECK = (
    *(("kill", part) for part in PARTS),
    *(("deploy", part) for part in ("api", "projector")),
    ("crash", "postgres"),
    *(("freeze", part) for part in PARTS),
    *((kind, part) for kind in ("cut", "cut in mid-answer", "delay", "black hole") for part in PROXIED),
    *((kind, "push") for kind in ("repeat", "repeat", "reverse", "reverse", "refuse", "lose", "lose")),
    *((kind, "documents") for kind in ("delete one", "delete one", "delete all", "edit", "edit", "put back")),
)
_LONGEST_S = {"freeze": 4.0, "black hole": 3.0, "delay": 4.0, "reverse": 3.0}
_SHORTEST_S = 0.2


class Fault(NamedTuple):
    """One fault: ``target`` is a part, the pushes or the documents; due when ``at`` Sends have begun.

    ``seed`` draws what else there is to choose, when it happens.
    """

    kind: str
    target: str
    at: int
    for_s: float
    seed: int

    @property
    def chance(self) -> random.Random:
        """Draws the same for the same fault."""
        return random.Random(self.seed)  # noqa: S311 -- to be had again


def draw_faults(seed: int, sends: int, count: int) -> list[Fault]:
    """``count`` faults over ``sends`` Sends, in their order; every kind before one comes again.

    In a storm that is too short for it, no part dies twice.
    """
    chance = random.Random(f"{seed} faults")  # noqa: S311 -- to be had again
    drawn: list[tuple[str, str]] = []
    deaths: Counter[str] = Counter()
    while len(drawn) < count:
        deck = list(DECK)
        chance.shuffle(deck)
        for kind, target in deck:
            if kind in DEADLY:
                if count < len(DECK) and deaths[target]:
                    continue
                deaths[target] += 1
            drawn.append((kind, target))
    ats = sorted(chance.randint(max(1, sends // 50), sends) for _ in range(count))
    return [
        Fault(
            kind, target, at, chance.uniform(_SHORTEST_S, _LONGEST_S.get(kind, 0.2)), chance.getrandbits(32)
        )
        for (kind, target), at in zip(drawn, ats, strict=False)
    ]
