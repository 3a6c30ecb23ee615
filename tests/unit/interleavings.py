"""Walks every interleaving of a few processes over one world, and what may go wrong at each of their steps.

A process is deterministic but for what the world answers it. So where it stands follows from the answers that
it had, and its next request is found by running it over them again: no threads, and a state that can be
compared. What was reached before, by whatever way, is not walked again.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

Request = tuple[str, *tuple[Any, ...]]
Ask = Callable[..., Any]
Process = Callable[[Ask], object]
"""Runs to its end and asks the world for everything: ``ask(name, *arguments)`` returns or raises."""

_LONGEST = 400


DIED = "died"
"""Instead of an answer: the process ends at this step."""


class Raised(NamedTuple):
    """An answer that the process gets as an exception."""

    error: type[Exception]


class _Paused(BaseException):
    """The process has asked what it has no answer for yet."""

    def __init__(self, request: Request) -> None:
        self.request = request


class Place:
    """How far a process has come: the answers that it had, and what it asks next; None when it has ended."""

    __slots__ = ("_answers", "_next", "_process", "request")

    def __init__(self, process: Process, answers: tuple[Hashable, ...] = ()) -> None:
        self._process = process
        self._answers = answers
        self._next: dict[Hashable, Place] = {}
        self.request = self._run()

    def after(self, answer: Hashable) -> Place:
        """Where the process is once it has this answer; the same object each time."""
        if answer not in self._next:
            assert len(self._answers) < _LONGEST, "the process does not end"
            self._next[answer] = Place(self._process, (*self._answers, answer))
        return self._next[answer]

    def _run(self) -> Request | None:
        answers = iter(self._answers)

        def ask(*request: Any) -> Any:
            for answer in answers:
                if isinstance(answer, Raised):
                    raise answer.error
                return answer
            raise _Paused(request)

        try:
            self._process(ask)
        except _Paused as paused:
            return paused.request
        assert not list(answers), "the process is not deterministic"
        return None


W = TypeVar("W", bound=Hashable)


class System(Protocol[W]):
    """What the processes run in."""

    def answers(self, world: W, who: int, request: Request) -> Iterator[tuple[str, W, Hashable]]:
        """Everything that may come of a request: what happened, the world after it, the answer or DIED."""

    def happenings(self, world: W) -> Iterator[tuple[str, W]]:
        """What may happen by itself, at any moment."""

    def told(self, world: W, who: int, running: frozenset[int]) -> W | None:
        """The world after process ``who``, which is not running, was begun; None when nobody begins it."""

    def wrong(self, world: W, *, ended: bool) -> str | None:
        """What is wrong with a world; ``ended``: nothing more will happen in it."""


class Guilty(Exception):
    """A schedule that ends wrong: what is wrong, and the steps that lead there."""

    def __init__(self, wrong: str, schedule: list[str]) -> None:
        super().__init__("\n  ".join((wrong, *schedule)))
        self.wrong = wrong


class Explored(NamedTuple):
    """How much there was: different states, end states among them, and schedules that lead to these."""

    states: int
    ends: int
    schedules: int


class Explorer(Generic[W]):
    """Every schedule of ``processes`` in ``system``."""

    def __init__(self, system: System[W], processes: tuple[Process, ...]) -> None:
        self._system = system
        self._roots = tuple(Place(process) for process in processes)
        self._schedules: dict[tuple[W, tuple[Place | None, ...]], int] = {}
        self._path: list[str] = []
        self._ends = 0

    def explore(self, start: W) -> Explored:
        """Walks them all. Raises Guilty for the first that ends wrong, or does something wrong on its way."""
        schedules = self._walk(start, (None,) * len(self._roots))
        return Explored(len(self._schedules), self._ends, schedules)

    def _walk(self, world: W, places: tuple[Place | None, ...]) -> int:
        state = (world, places)
        if (known := self._schedules.get(state)) is not None:
            return known
        schedules = 0
        for label, after, then in self._steps(world, places):
            self._path.append(label)
            if wrong := self._system.wrong(after, ended=False):
                raise Guilty(wrong, self._path)
            schedules += self._walk(after, then)
            self._path.pop()
        if not schedules:
            if wrong := self._system.wrong(world, ended=True):
                raise Guilty(wrong, self._path)
            self._ends += 1
            schedules = 1
        self._schedules[state] = schedules
        return schedules

    def _steps(
        self, world: W, places: tuple[Place | None, ...]
    ) -> Iterator[tuple[str, W, tuple[Place | None, ...]]]:
        running = frozenset(who for who, place in enumerate(places) if place is not None)
        for label, after in self._system.happenings(world):
            yield label, after, places
        for who, place in enumerate(places):
            if place is None:
                begun = self._system.told(world, who, running)
                if begun is not None:
                    yield f"{who} begins", begun, _with(places, who, self._roots[who])
                continue
            assert place.request is not None
            for what, after, answer in self._system.answers(world, who, place.request):
                then = None if answer is DIED else place.after(answer)
                yield f"{who} {what}", after, _with(places, who, then if then and then.request else None)


def _with(places: tuple[Place | None, ...], who: int, place: Place | None) -> tuple[Place | None, ...]:
    return (*places[:who], place, *places[who + 1 :])
