"""Derives a patient's signals from everything that one intake knows of the patient. Pure.

A code is told only when there is a resource that can tell it; the others stay as they are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from typing import TypeVar

from ops.intake.coverage import authorization_signals, coverage_signals, eligibility_signals
from ops.intake.derived import Derived, active, age, newest_versions, resolved, said_at
from ops.intake.facts import (
    AnswerFact,
    AnyFact,
    AppointmentFact,
    AuthorizationFact,
    BalanceFact,
    ClaimFact,
    CoverageFact,
    DemographicsFact,
    EligibilityFact,
    RequestFact,
)
from ops.intake.stamps import meant, owners

ASSESSING = frozenset(("coverage.inactive", "coverage.expiring", "eligibility.unverified"))
"""Codes that may come in as resolved. Any other is stored as resolved only where it was active: a patient of
whom nothing is known but that no claim was denied must not look assessed, and be waved through."""

OWED_FOR = timedelta(days=365)
"""How long an insurer's answer tells what a patient owes: nobody writes it anew once it was paid."""

F = TypeVar("F")


def derive_signals(facts: Sequence[AnyFact], as_of: date) -> tuple[Derived, ...]:
    """The signals of one patient, by code, as they are on the day ``as_of``."""
    newest = newest_versions(facts)
    coverages, eligibility = _of(newest, CoverageFact), _of(newest, EligibilityFact)
    appointments, answers = _of(newest, AppointmentFact), _of(newest, AnswerFact)
    requests, authorizations = _of(newest, RequestFact), _of(newest, AuthorizationFact)
    settled = _latest_answers(answers, _of(newest, ClaimFact))
    derived = (
        *coverage_signals(coverages, eligibility, as_of),
        *eligibility_signals(eligibility, as_of),
        *authorization_signals(requests, authorizations, eligibility, appointments, as_of),
        *_claim_signals(answers, settled),
        *_balance_signals(_of(newest, BalanceFact), settled, as_of),
        *_appointment_signals(appointments, as_of),
        *_demographics_signals(_of(newest, DemographicsFact)),
    )
    return tuple(sorted(derived, key=lambda signal: signal.code))


def _claim_signals(answers: Sequence[AnswerFact], settled: Sequence[AnswerFact]) -> Iterator[Derived]:
    if not answers:
        return
    denied = [answer for answer in settled if answer.denied]
    if not denied:
        yield resolved("claim.denied", answers)
        return
    last = max(denied, key=lambda answer: (said_at(answer), answer.reason or ""))
    denied_on = last.answered_on.isoformat() if last.answered_on else None
    yield active("claim.denied", {"denied_on": denied_on, "reason": last.reason}, answers)


def _balance_signals(
    balances: Sequence[BalanceFact], settled: Sequence[AnswerFact], as_of: date
) -> Iterator[Derived]:
    """What accounts say counts; without any, what insurers left to the patient within a year."""
    owed: Counter[str] = Counter()
    for balance in balances:
        owed[balance.currency] += balance.amount_minor
    told: list[BalanceFact] | list[AnswerFact] = list(balances)
    if not balances:
        told = [a for a in settled if a.owed_minor is not None and _is_recent(a, as_of)]
        for answer in told:
            owed[answer.currency or ""] += answer.owed_minor or 0
    if not told:
        return
    # Currencies can't be added up: the largest amount is the one to talk about.
    currency = max(sorted(owed), key=lambda each: owed[each])
    if owed[currency] > 0:
        detail: dict[str, str | int | None] = {"amount_minor": owed[currency], "currency": currency}
        yield active("balance.outstanding", detail, told)
    else:
        yield resolved("balance.outstanding", told)


def _appointment_signals(appointments: Sequence[AppointmentFact], as_of: date) -> Iterator[Derived]:
    if not appointments:
        return
    ahead = [appointment.on for appointment in appointments if appointment.on and appointment.on >= as_of]
    if ahead:
        yield active("appointment.upcoming", {"starts_on": min(ahead).isoformat()}, appointments)
    else:
        yield resolved("appointment.upcoming", appointments)


def _demographics_signals(patients: Sequence[DemographicsFact]) -> Iterator[Derived]:
    for patient in patients[-1:]:
        if patient.missing:
            yield active("demographics.incomplete", {"missing": ", ".join(patient.missing)}, patients)
        else:
            yield resolved("demographics.incomplete", patients)


def _latest_answers(answers: Sequence[AnswerFact], claims: Sequence[ClaimFact]) -> list[AnswerFact]:
    """The newest answer to each claim, unless it was taken back or another claim took that one's place."""
    known, answered = owners(claims), owners(answers)
    latest = {meant(answer.claim, known): answer for answer in sorted(answers, key=_weight)}
    names = {name for claim in claims for name in claim.replaces}
    names.update(name for answer in answers for name in answer.replaces)
    # What takes another's place names the claim or the answer to it.
    replaced = {whose.get(name, name) for name in names for whose in (known, answered)}
    return [
        answer
        for claim, answer in latest.items()
        if not answer.void and replaced.isdisjoint((claim, answer.stamp.own))
    ]


def _weight(answer: AnswerFact) -> tuple[object, ...]:
    """Of equally new answers the denial counts, and nothing depends on the order in which they were read."""
    said = (answer.denied and not answer.void, not answer.void, answer.reason or "")
    return (*age(answer), *said, answer.owed_minor or 0, answer.currency or "")


def _is_recent(answer: AnswerFact, as_of: date) -> bool:
    return answer.answered_on is not None and as_of - answer.answered_on <= OWED_FOR


def _of(facts: Sequence[AnyFact], kind: type[F]) -> list[F]:
    return [fact for fact in facts if isinstance(fact, kind)]
