"""Which service somebody asks about, in words of our own, and when it takes place."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ops.intake.codes import service
from ops.intake.dates import first_day, last_day
from ops.intake.elements import Concept, Period
from ops.intake.facts import ServiceDay


def days_of(on: str | None, period: Period, kind: str | None) -> Iterator[ServiceDay]:
    """When a service takes place, if that is told; a period without an end is its first day."""
    first = first_day(on or period.start or period.end)
    last = last_day(on or period.end or period.start)
    if first and last:
        yield ServiceDay(first=first, last=max(first, last), service=kind)


def first_service(kinds: Iterable[tuple[Concept, ...]]) -> str | None:
    """The words for the first kind that has any."""
    return next((word for word in (service(*kind) for kind in kinds) if word), None)
