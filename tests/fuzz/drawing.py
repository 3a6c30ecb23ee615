"""Which calls are made: drawn from the API's own description, borderline ones and wild ones among them."""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import islice
from typing import Any, NamedTuple

import hypothesis
import hypothesis.strategies as st
from schemathesis import APIOperation, Case, GenerationMode

_OF_A_ROUND = 50
_SETTINGS = hypothesis.settings(
    database=None,
    deadline=None,
    phases=[hypothesis.Phase.generate],
    suppress_health_check=list(hypothesis.HealthCheck),
)


class Drawn(NamedTuple):
    """A request to make: by the schema, or wildly without a ``case``. The rest is up to ``chance``."""

    operation: APIOperation
    case: Case | None
    chance: random.Random
    is_mixed: bool = False
    """Whether names that the stack knows are mixed in: else it is made as it was drawn."""
    people: int = 1
    """How many make it, one after the other."""


class Drawing:
    """The calls of one run; the same seed draws the same.

    For one thread alone: it has sources parsed, which CPython 3.11 can't do in two threads at once.
    """

    def __init__(self, schema: Any, seed: int) -> None:
        self.operations: tuple[APIOperation, ...] = tuple(each.ok() for each in schema.get_all_operations())
        # The token is the caller's, not a part of what is made up.
        self._strategies: dict[tuple[str, GenerationMode], st.SearchStrategy[Case]] = {
            (each.label, mode): each.as_strategy(generation_mode=mode, headers={"Authorization": "Bearer"})
            for each in self.operations
            for mode in GenerationMode
        }
        self._schema = schema
        self._seed = seed

    def rounds(self, calls: int, *, borderline: bool) -> Iterator[list[Drawn]]:
        """So many calls, about as many to each operation, those of a round in any order.

        Starts with all borderline cases if they are asked for: each limit met and passed by one.
        """
        edges = {each.label: self._edges(each) if borderline else iter(()) for each in self.operations}
        while calls > 0:
            chance = random.Random(f"{self._seed} {calls}")  # noqa: S311 -- to be had again
            drawn: list[Drawn] = []
            for operation in self.operations:
                times = min(_OF_A_ROUND, -(-calls // len(self.operations)))
                drawn += (first := list(islice(edges[operation.label], times)))
                drawn += self._round(operation, times - len(first), chance)
            chance.shuffle(drawn)
            yield list(_first(drawn, calls))
            calls -= sum(each.people for each in drawn)

    def _edges(self, operation: APIOperation) -> Iterator[Drawn]:
        modes, config = list(GenerationMode), self._schema.config.generation
        chance = random.Random(f"{self._seed} {operation.label}")  # noqa: S311 -- the same
        for case in self._schema.iter_coverage_cases(
            operation, generation_modes=modes, generation_config=config
        ):
            is_mixed = case.meta.generation.mode.is_positive and chance.random() < 0.8
            yield Drawn(operation, case, _next(chance), is_mixed)

    def _round(self, operation: APIOperation, times: int, chance: random.Random) -> Iterator[Drawn]:
        quarter = times // 4
        for _ in range(quarter):
            yield Drawn(operation, None, _next(chance))
        for case in self._cases(operation, GenerationMode.NEGATIVE, quarter, chance):
            yield Drawn(operation, case, _next(chance))
        # Drawing takes longer than calling: two people make the same request, each with names of their own.
        for case in self._cases(operation, GenerationMode.POSITIVE, (times - 2 * quarter + 1) // 2, chance):
            yield Drawn(operation, case, _next(chance), is_mixed=True, people=2)

    def _cases(
        self, operation: APIOperation, mode: GenerationMode, times: int, chance: random.Random
    ) -> list[Case]:
        cases: list[Case] = []
        if times:

            @hypothesis.seed(chance.getrandbits(32))
            @hypothesis.settings(_SETTINGS, max_examples=times)
            @hypothesis.given(self._strategies[operation.label, mode])
            def draw(case: Case) -> None:
                cases.append(case)

            draw()
        return cases


def _next(chance: random.Random) -> random.Random:
    return random.Random(chance.random())  # noqa: S311 -- the same


def _first(drawn: list[Drawn], calls: int) -> Iterator[Drawn]:
    for each in drawn:
        if calls > 0:
            yield each._replace(people=min(each.people, calls))
        calls -= each.people
