"""What signals are derived into, and what all rules share: which version and which answer is the newest."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import TypeVar

from ops.intake.facts import (
    AnswerFact,
    AppointmentFact,
    AuthorizationFact,
    EligibilityFact,
    Fact,
    RequestFact,
)
from shared.model import Frozen, SignalStatus

NEVER = datetime.min.replace(tzinfo=UTC)

F = TypeVar("F", bound=Fact)


class Derived(Frozen, frozen=True):
    """A signal as the facts of one patient make it. ``observed_at`` is None when no resource said when."""

    code: str
    status: SignalStatus
    detail: dict[str, str | int]
    observed_at: datetime | None


def active(code: str, detail: dict[str, str | int | None], facts: Iterable[Fact]) -> Derived:
    """A signal that stands in the way; what isn't known is left out of its detail."""
    known = {name: value for name, value in detail.items() if value is not None}
    return Derived(code=code, status=SignalStatus.ACTIVE, detail=known, observed_at=observed_at(facts))


def resolved(code: str, facts: Iterable[Fact]) -> Derived:
    """A signal that was looked at and stands in nobody's way."""
    return Derived(code=code, status=SignalStatus.RESOLVED, detail={}, observed_at=observed_at(facts))


def newest_versions(facts: Sequence[F]) -> list[F]:
    """One fact for each resource: of several versions the newest, else the last that was read."""
    newest: dict[str, F] = {}
    for fact in facts:
        known = newest.get(fact.stamp.own)
        if known is None or (fact.stamp.updated or NEVER) >= (known.stamp.updated or NEVER):
            newest[fact.stamp.own] = fact
    return list(newest.values())


def said_at(fact: Fact) -> datetime:
    """When the resource was made; where it doesn't say, when it was last changed."""
    match fact:
        case EligibilityFact() | AnswerFact() | RequestFact() | AuthorizationFact() | AppointmentFact():
            return fact.created or fact.stamp.updated or NEVER
    return fact.stamp.updated or NEVER


def age(fact: Fact) -> tuple[datetime, datetime]:
    """By which of two answers to one question the newer is told: when it was made, then when changed."""
    return said_at(fact), fact.stamp.updated or NEVER


def observed_at(facts: Iterable[Fact]) -> datetime | None:
    """The newest moment at which any of the resources was changed or made."""
    newest = max((max(fact.stamp.updated or NEVER, said_at(fact)) for fact in facts), default=NEVER)
    return None if newest == NEVER else newest
