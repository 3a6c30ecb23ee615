"""From a resource to the fact that it tells about a patient, or why it tells none."""

from __future__ import annotations

from ops.intake.adjudication import ClaimAnswer, find_denial, left_to_patient
from ops.intake.codes import service
from ops.intake.dates import first_day, last_day, moment
from ops.intake.elements import Extension, Reference
from ops.intake.facts import (
    AnswerFact,
    AppointmentFact,
    AuthorizationFact,
    BalanceFact,
    ClaimFact,
    CoverageFact,
    EligibilityFact,
    Fact,
    InsuranceAnswer,
    NotTaken,
    RequestFact,
    Stamp,
)
from ops.intake.money import minor_units
from ops.intake.resources import (
    Account,
    Appointment,
    Claim,
    ClaimResponse,
    Coverage,
    CoverageEligibilityResponse,
    EligibilityInsurance,
    ExplanationOfBenefit,
    RelatedClaim,
    Resource,
)
from ops.intake.services import days_of, first_service
from ops.intake.stamps import Hash, names_in

Told = Fact | NotTaken

_ERROR, _DRAFT = "entered-in-error", "draft"
_TO_TAKE_PLACE = ("booked", "arrived", "checked-in")
_OPEN_ACCOUNTS = ("active", "on-hold", "unknown")
_BALANCE_URLS = ("account-balance", "extension-account.balance", "ext-r5-account.balance")
_TAKES_PLACE_OF = frozenset(("prior", "replaces"))


def patients_of(resource: Resource) -> tuple[Reference, ...]:
    """The references at the patients that a resource is about, as far as its type has any."""
    match resource:
        case Coverage():
            return (resource.beneficiary,)
        case CoverageEligibilityResponse() | Claim() | ClaimResponse() | ExplanationOfBenefit():
            return (resource.patient,)
        case Appointment():
            return tuple(participant.actor for participant in resource.participant)
        case Account():
            return resource.subject
    return ()


def tell(resource: Resource, stamp: Stamp, hashed: Hash) -> Told:
    """The fact that ``resource`` tells. ``hashed`` turns the name of another resource into a token."""
    match resource:
        case Coverage():
            return _coverage(resource, stamp)
        case CoverageEligibilityResponse():
            return _eligibility(resource, stamp, hashed)
        case Claim():
            return _claim(resource, stamp, hashed)
        case ClaimResponse():
            return _claim_response(resource, stamp, hashed)
        case ExplanationOfBenefit():
            return _explanation(resource, stamp, hashed)
        case Appointment():
            on = first_day(resource.start) if resource.status in _TO_TAKE_PLACE else None
            return AppointmentFact(stamp=stamp, on=on, created=moment(resource.created))
        case Account():
            return _account(resource, stamp)
    raise TypeError(f"{type(resource).__name__} tells nothing")


def _coverage(coverage: Coverage, stamp: Stamp) -> Told:
    if coverage.status in (_ERROR, _DRAFT):
        return NotTaken.IN_ERROR if coverage.status == _ERROR else NotTaken.DRAFT
    return CoverageFact(
        stamp=stamp,
        active=coverage.status == "active",
        start=first_day(coverage.period.start),
        end=last_day(coverage.period.end),
    )


def _eligibility(answer: CoverageEligibilityResponse, stamp: Stamp, hashed: Hash) -> Told:
    for status, why in (
        (_ERROR, NotTaken.IN_ERROR),
        (_DRAFT, NotTaken.DRAFT),
        ("cancelled", NotTaken.CANCELLED),
    ):
        if answer.status == status:
            return why
    needing = [i for each in answer.insurance for i in each.item if i.authorization_required]
    needed = first_service((item.category, item.product_or_service) for item in needing)
    return EligibilityFact(
        stamp=stamp,
        created=moment(answer.created),
        asked_on=first_day(answer.created),
        complete=answer.outcome in ("complete", "partial"),
        insurance=tuple(
            InsuranceAnswer(
                coverage=_covered_by(number, each, stamp, hashed),
                inforce=each.inforce,
                ended=last_day(each.benefit_period.end),
            )
            for number, each in enumerate(answer.insurance)
        ),
        # A general answer lists what would need one; only this purpose asks about a service to come.
        needs_authorization=bool(needing)
        and "auth-requirements" in answer.purpose
        and not answer.pre_auth_ref,
        service=needed,
        days=tuple(days_of(answer.serviced_date, answer.serviced_period, needed)),
    )


def _claim(claim: Claim, stamp: Stamp, hashed: Hash) -> Told:
    if claim.status == _DRAFT:
        return NotTaken.DRAFT
    void = claim.status != "active"
    if claim.use == "preauthorization":
        kinds = [(item.category, item.product_or_service) for item in claim.item]
        asked = first_service(kinds)
        days = [
            day
            for item, kind in zip(claim.item, kinds, strict=True)
            for day in days_of(item.serviced_date, item.serviced_period, service(*kind))
        ]
        return RequestFact(
            stamp=stamp,
            created=moment(claim.created),
            void=void,
            service=asked,
            days=tuple(days or days_of(None, claim.billable_period, asked)),
        )
    if claim.use != "claim":
        return NotTaken.ESTIMATE
    replaces = (stamp.own,) if void else _replaced(claim.related, hashed)
    # With several names it tells that answers that use one each are answers to the same claim.
    if replaces or len(stamp.names) > 1:
        return ClaimFact(stamp=stamp, replaces=replaces)
    return NotTaken.PLAIN_CLAIM


def _claim_response(answer: ClaimResponse, stamp: Stamp, hashed: Hash) -> Told:
    if answer.use == "preauthorization":
        refs = (answer.pre_auth_ref,)
        return _authorization(answer, stamp, answer.request, refs, answer.pre_auth_period.end, hashed)
    return _answer(answer, stamp, answer.request, (), hashed)


def _explanation(answer: ExplanationOfBenefit, stamp: Stamp, hashed: Hash) -> Told:
    if answer.use == "preauthorization":
        ends = [period.end for period in answer.pre_auth_ref_period if period.end]
        until = max(ends, default=None)
        return _authorization(answer, stamp, answer.claim, answer.pre_auth_ref, until, hashed)
    return _answer(answer, stamp, answer.claim, answer.related, hashed)


def _account(account: Account, stamp: Stamp) -> Told:
    for extension in account.extension:
        if extension.url.rpartition("/")[2].lower() in _BALANCE_URLS and (found := _balance(extension)):
            amount = found[0] if account.status in _OPEN_ACCOUNTS else 0
            return BalanceFact(stamp=stamp, amount_minor=amount, currency=found[1])
    return NotTaken.NO_BALANCE


def _answer(
    answer: ClaimAnswer, stamp: Stamp, claim: Reference, related: tuple[RelatedClaim, ...], hashed: Hash
) -> Told:
    if answer.use != "claim":
        return NotTaken.ESTIMATE
    if answer.status == _DRAFT:
        return NotTaken.DRAFT
    if answer.outcome == "queued":
        return NotTaken.UNANSWERED
    denial, owed = find_denial(answer), left_to_patient(answer)
    return AnswerFact(
        stamp=stamp,
        claim=names_in(claim, hashed) or (stamp.own,),
        replaces=_replaced(related, hashed),
        created=moment(answer.created),
        answered_on=first_day(answer.created),
        void=answer.status != "active",
        denied=denial.denied,
        reason=denial.reason,
        owed_minor=owed[0] if owed else None,
        currency=owed[1] if owed else None,
    )


def _authorization(
    answer: ClaimAnswer,
    stamp: Stamp,
    request: Reference,
    numbers: tuple[str | None, ...],
    until: str | None,
    hashed: Hash,
) -> Told:
    if answer.status == _DRAFT:
        return NotTaken.DRAFT
    # Without the insurer's number nobody can bill with it.
    granted = answer.outcome in ("complete", "partial") and any(numbers) and not find_denial(answer).denied
    return AuthorizationFact(
        stamp=stamp,
        request=names_in(request, hashed) or (stamp.own,),
        created=moment(answer.created),
        void=answer.status != "active",
        granted=granted,
        until=last_day(until),
    )


def _balance(extension: Extension) -> tuple[int, str] | None:
    """The amount: of the extension itself, or of the one inside that R5's balance is carried over in."""
    parts = {part.url: part for part in extension.extension}
    if "insurance" in parts.get("aggregate", Extension()).value_codeable_concept.codes:
        return None
    if parts.get("estimate", Extension()).value_boolean or "term" in parts:
        return None
    return minor_units(extension.value_money or parts.get("amount", Extension()).value_money)


def _replaced(related: tuple[RelatedClaim, ...], hashed: Hash) -> tuple[str, ...]:
    earlier = [r.claim for r in related if _TAKES_PLACE_OF.intersection(r.relationship.codes)]
    return tuple(name for claim in earlier for name in names_in(claim, hashed))


def _covered_by(number: int, insurance: EligibilityInsurance, stamp: Stamp, hashed: Hash) -> tuple[str, ...]:
    """The names of the coverage; one that has no name outside of the answer gets one there."""
    fragment = insurance.coverage.reference or f"insurance {number}"
    return names_in(insurance.coverage, hashed) or (hashed(f"{stamp.own} {fragment}"),)
