"""Whether a patient is covered, was verified, and needs an authorization (docs/intake.md has the rules)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta

from ops.intake.derived import Derived, active, age, resolved, said_at
from ops.intake.facts import (
    AppointmentFact,
    AuthorizationFact,
    CoverageFact,
    EligibilityFact,
    Fact,
    InsuranceAnswer,
    RequestFact,
)
from ops.intake.stamps import meant, owners

EXPIRES_WITHIN = timedelta(days=30)
"""A coverage that ends so soon is expiring."""

VERIFIED_FOR = timedelta(days=30)
"""How long an insurer's answer about eligibility counts."""

ASKED_WITHIN = timedelta(days=90)
"""How long a question for authorization stays open when it names no day of service."""


def coverage_signals(
    coverages: Sequence[CoverageFact], eligibility: Sequence[EligibilityFact], as_of: date
) -> Iterator[Derived]:
    """``coverage.inactive`` and ``coverage.expiring``.

    One coverage in force is enough. What an insurer has just answered about a coverage beats what the
    coverage says of itself.
    """
    facts: list[Fact] = [*coverages, *eligibility]
    answers = dict(_insurance_answers(eligibility, owners(coverages), as_of))
    kept_up = [c for c in coverages if c.active and not _is_denied(c, answers)]
    in_force = [c for c in kept_up if _begins(c) <= as_of <= _ends(c)]
    if in_force or any(answer.inforce for answer in answers.values()):
        yield resolved("coverage.inactive", facts)
    elif coverages or answers:
        ends = [c.end for c in coverages] + [answer.ended for answer in answers.values()]
        ended_on = max((end for end in ends if end and end < as_of), default=None)
        yield active("coverage.inactive", {"ended_on": _iso(ended_on)}, facts)
    if coverages:
        through = _covered_through(in_force, kept_up)
        if in_force and through - as_of <= EXPIRES_WITHIN:
            yield active("coverage.expiring", {"ends_on": through.isoformat()}, coverages)
        else:
            yield resolved("coverage.expiring", coverages)


def eligibility_signals(eligibility: Sequence[EligibilityFact], as_of: date) -> Iterator[Derived]:
    """``eligibility.unverified``: resolved by a complete answer of the last 30 days, whatever it says."""
    if not eligibility:
        return
    answered = [fact.asked_on for fact in eligibility if fact.complete and fact.asked_on]
    last = max(answered, default=None)
    if last is not None and as_of - last <= VERIFIED_FOR:
        yield resolved("eligibility.unverified", eligibility)
    else:
        yield active("eligibility.unverified", {"verified_on": _iso(last)}, eligibility)


def authorization_signals(
    requests: Sequence[RequestFact],
    answers: Sequence[AuthorizationFact],
    eligibility: Sequence[EligibilityFact],
    appointments: Sequence[AppointmentFact],
    as_of: date,
) -> Iterator[Derived]:
    """``authorization.missing``, for the service that comes first."""
    needing = [fact for fact in eligibility if fact.complete and fact.needs_authorization]
    facts: list[Fact] = [*requests, *answers, *needing]
    if not facts:
        return
    visits = [a.on for a in appointments if a.on and a.on >= as_of]
    latest = _latest_answers(answers, owners(requests))
    open_items = list(_missing(requests, latest, needing, as_of))
    if not open_items:
        yield resolved("authorization.missing", facts)
        return
    dated = [(needed_by or min(visits, default=None), service) for needed_by, service in open_items]
    needed_by, service = min(dated, key=lambda item: (item[0] or date.max, item[1] or ""))
    yield active("authorization.missing", {"service": service, "needed_by": _iso(needed_by)}, facts)


def _missing(
    requests: Sequence[RequestFact],
    answers: dict[str, AuthorizationFact],
    needing: Sequence[EligibilityFact],
    as_of: date,
) -> Iterator[tuple[date | None, str | None]]:
    """The day and the service of everything that still waits for an authorization."""
    requested = {request.stamp.own for request in requests}
    for request in requests:
        answer = answers.get(request.stamp.own)
        for day, service in () if request.void else _ahead(request, as_of):
            if answer is None or not _holds(answer, day or as_of):
                yield day, service
    for name, answer in answers.items():
        is_open = not answer.void and not answer.granted and said_at(answer).date() >= as_of - ASKED_WITHIN
        if name not in requested and is_open:
            yield None, None
    if not any(_holds(answer, as_of) for answer in answers.values()):
        for fact in needing:
            yield from _ahead(fact, as_of)


def _ahead(asking: RequestFact | EligibilityFact, as_of: date) -> Iterator[tuple[date | None, str | None]]:
    """The days of service that are not over, a lasting one as the first that is left, and the services."""
    for day in asking.days:
        if day.last >= as_of:
            yield max(day.first, as_of), day.service
    if not asking.days and said_at(asking).date() >= as_of - ASKED_WITHIN:
        yield None, asking.service


def _holds(answer: AuthorizationFact, on: date) -> bool:
    return answer.granted and not answer.void and (answer.until is None or answer.until >= on)


def _latest_answers(
    answers: Sequence[AuthorizationFact], known: Mapping[str, str]
) -> dict[str, AuthorizationFact]:
    """The newest answer to each request; of equally new ones the one that grants less."""

    def weight(answer: AuthorizationFact) -> tuple[object, ...]:
        holds = (answer.until or date.max).toordinal()
        return (*age(answer), answer.void or not answer.granted, not answer.void, -holds)

    return {meant(answer.request, known): answer for answer in sorted(answers, key=weight)}


def _insurance_answers(
    eligibility: Sequence[EligibilityFact], known: Mapping[str, str], as_of: date
) -> Iterator[tuple[str, InsuranceAnswer]]:
    """The fresh answers that say yes or no, with the coverage that each is about.

    The newest comes last; of equally new ones the one that says no.
    """
    fresh = [
        (*age(fact), not answer.inforce, answer.ended or date.min, meant(answer.coverage, known), answer)
        for fact in eligibility
        if fact.complete and fact.asked_on and as_of - fact.asked_on <= VERIFIED_FOR
        for answer in fact.insurance
        if answer.inforce is not None
    ]
    for *_, coverage, answer in sorted(fresh, key=lambda each: each[:4]):
        yield coverage, answer


def _is_denied(coverage: CoverageFact, answers: Mapping[str, InsuranceAnswer]) -> bool:
    answer = answers.get(coverage.stamp.own)
    return answer is not None and answer.inforce is False


def _covered_through(in_force: Sequence[CoverageFact], kept_up: Sequence[CoverageFact]) -> date:
    """The last day without a gap: a coverage that begins on the next day is the renewal."""
    through = max((_ends(c) for c in in_force), default=date.min)
    for coverage in sorted(kept_up, key=_begins):
        if through < date.max and _begins(coverage) <= through + timedelta(days=1):
            through = max(through, _ends(coverage))
    return through


def _begins(coverage: CoverageFact) -> date:
    return coverage.start or date.min


def _ends(coverage: CoverageFact) -> date:
    return coverage.end or date.max


def _iso(day: date | None) -> str | None:
    return day.isoformat() if day else None
