"""What counts as trouble, how tenants add up, and what the local stack says of it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from ops.health_watch import HealthWatch
from ops.readable import Screen
from shared.persistence.health import Drifted, Health, Waiting, health_answer, together, troubles

NOTHING = Waiting(0, None)
WELL = Health(
    at=datetime(2030, 1, 1, tzinfo=UTC),
    unconfirmed=Waiting(3, 0.2),
    parked=NOTHING,
    overdue=Waiting(2, 30),
    undecided=NOTHING,
    drifted=Drifted(checked=1_000, differing=4, unrepairable=0, last_looked_s=900),
)
CYCLE_S = 3600


def test_what_is_on_its_way_or_was_put_right_is_no_trouble() -> None:
    answer = health_answer(WELL, CYCLE_S)
    assert answer["ok"] is True
    assert list(answer["troubles"]) == []
    assert answer["unconfirmed"] == {"count": 3, "oldest_s": 0.2}


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"unconfirmed": Waiting(7, 61)}, "7 changes are not in Firestore, the oldest for 61 s"),
        ({"parked": Waiting(1, 5)}, "told many times without success"),
        ({"overdue": Waiting(9, 121)}, "9 acknowledgements are overdue"),
        ({"undecided": Waiting(9, 121)}, "9 patients wait to be decided anew"),
        ({"drifted": Drifted(10, 0, 2, 1)}, "2 documents can't be put right without a person"),
        ({"drifted": Drifted(10, 0, 0, 99_999)}, "does the drift check run"),
    ],
    ids=["unconfirmed", "parked", "overdue", "undecided", "unrepairable", "not walked"],
)
def test_each_trouble_has_its_sentence(changed: dict[str, Any], says: str) -> None:
    answer = health_answer(msgspec.structs.replace(WELL, **changed), CYCLE_S)
    assert answer["ok"] is False
    (sentence,) = answer["troubles"]
    assert says in sentence


def test_tenants_add_up_and_the_oldest_counts() -> None:
    worse = msgspec.structs.replace(
        WELL, unconfirmed=Waiting(1, 100), drifted=Drifted(5, 1, 1, None), parked=Waiting(1, 100)
    )
    both = together([WELL, worse])
    assert both.unconfirmed == Waiting(4, 100)
    assert both.parked == Waiting(1, 100)
    assert both.drifted == Drifted(1_005, 5, 1, 900)
    assert together([WELL]) == WELL
    assert len(troubles(both, CYCLE_S)) == 3


class Said(Screen):
    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def say(self, part: str, message: str, severity: str = "INFO") -> None:
        self.lines.append(f"{part} {severity}: {message}")


def test_the_local_stack_says_it_when_something_is_late_and_when_it_is_over() -> None:
    now = [0.0]
    said = Said()
    watch = HealthWatch(said, clock=lambda: now[0])
    late = health_answer(msgspec.structs.replace(WELL, unconfirmed=Waiting(12, 4)), CYCLE_S)
    watch.saw(health_answer(WELL, CYCLE_S))
    assert said.lines == []
    watch.saw(late)
    watch.saw(late)
    assert said.lines == ["health WARNING: 12 changes are not in Firestore yet."]
    now[0] = 10
    watch.saw(late)
    assert len(said.lines) == 2
    watch.saw(health_answer(WELL, CYCLE_S))
    watch.saw(health_answer(WELL, CYCLE_S))
    assert said.lines[2:] == ["health INFO: every change is in Firestore again, and nothing is overdue"]
