"""The fields of FHIR R4 resources that Mobius looks at, as small structs of its own.

A resource comes here after the FHIR library found it valid (``judging``); everything else in it is passed
over. Names are FHIR's.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from ops.intake.elements import (
    Address,
    Concept,
    ContactPoint,
    Element,
    Extension,
    HumanName,
    Identifier,
    Money,
    Period,
    Reference,
)


class Meta(Element, frozen=True, kw_only=True):
    """When the source last changed the resource."""

    last_updated: str | None = None


class Resource(Element, frozen=True, kw_only=True):
    """What every resource has."""

    id: str | None = None
    meta: Meta = Meta()
    identifier: tuple[Identifier, ...] = ()
    extension: tuple[Extension, ...] = ()


class Patient(Resource, frozen=True, kw_only=True):
    """A person who gets care."""

    name: tuple[HumanName, ...] = ()
    telecom: tuple[ContactPoint, ...] = ()
    birth_date: str | None = None
    address: tuple[Address, ...] = ()
    deceased_boolean: bool | None = None
    deceased_date_time: str | None = None


class Coverage(Resource, frozen=True, kw_only=True):
    """An insurance plan, or another way of paying."""

    status: str
    beneficiary: Reference
    period: Period = Period()


class EligibilityItem(Element, frozen=True, kw_only=True):
    """One benefit that an insurer was asked about."""

    category: Concept = Concept()
    product_or_service: Concept = Concept()
    authorization_required: bool | None = None


class EligibilityInsurance(Element, frozen=True, kw_only=True):
    """What the insurer says of one coverage."""

    coverage: Reference
    inforce: bool | None = None
    benefit_period: Period = Period()
    item: tuple[EligibilityItem, ...] = ()


class CoverageEligibilityResponse(Resource, frozen=True, kw_only=True):
    """An insurer's answer to the question whether somebody is covered, and for what."""

    status: str
    purpose: tuple[str | None, ...] = ()
    patient: Reference
    created: str
    outcome: str
    serviced_date: str | None = None
    serviced_period: Period = Period()
    insurance: tuple[EligibilityInsurance, ...] = ()
    pre_auth_ref: str | None = None


class ClaimItem(Element, frozen=True, kw_only=True):
    """A line of a claim."""

    category: Concept = Concept()
    product_or_service: Concept = Concept()
    serviced_date: str | None = None
    serviced_period: Period = Period()


class RelatedClaim(Element, frozen=True, kw_only=True):
    """An earlier claim that this one is about."""

    claim: Reference = Reference()
    relationship: Concept = Concept()


class Claim(Resource, frozen=True, kw_only=True):
    """A bill to an insurer, or with use ``preauthorization`` the question whether it would pay."""

    status: str
    use: str
    patient: Reference
    created: str
    billable_period: Period = Period()
    related: tuple[RelatedClaim, ...] = ()
    item: tuple[ClaimItem, ...] = ()


class Adjudication(Element, frozen=True, kw_only=True):
    """One amount or reason of an insurer's decision."""

    category: Concept
    reason: Concept = Concept()
    amount: Money = Money()


class AdjudicatedItem(Element, frozen=True, kw_only=True):
    """An insurer's decision about one line."""

    adjudication: tuple[Adjudication, ...] = ()


class ClaimTotal(Element, frozen=True, kw_only=True):
    """A sum over all lines."""

    category: Concept
    amount: Money


class ClaimError(Element, frozen=True, kw_only=True):
    """Why a claim could not be processed."""

    code: Concept


class Payment(Element, frozen=True, kw_only=True):
    """What the insurer pays."""

    amount: Money | None = None


class Answer(Resource, frozen=True, kw_only=True):
    """What ClaimResponse and ExplanationOfBenefit have in common: an insurer's answer to a claim."""

    status: str
    use: str
    patient: Reference
    created: str
    outcome: str
    disposition: str | None = None
    adjudication: tuple[Adjudication, ...] = ()
    item: tuple[AdjudicatedItem, ...] = ()
    add_item: tuple[AdjudicatedItem, ...] = ()
    total: tuple[ClaimTotal, ...] = ()
    payment: Payment = Payment()


class ClaimResponse(Answer, frozen=True, kw_only=True):
    """An insurer's answer to the provider."""

    request: Reference = Reference()
    pre_auth_ref: str | None = None
    pre_auth_period: Period = Period()
    error: tuple[ClaimError, ...] = ()


class ExplanationOfBenefit(Answer, frozen=True, kw_only=True):
    """An insurer's answer as the patient gets it, claim and response in one."""

    claim: Reference = Reference()
    pre_auth_ref: tuple[str | None, ...] = ()
    pre_auth_ref_period: tuple[Period, ...] = ()
    billable_period: Period = Period()
    related: tuple[RelatedClaim, ...] = ()


class Participant(Element, frozen=True, kw_only=True):
    """Somebody or something that an appointment takes."""

    actor: Reference = Reference()


class Appointment(Resource, frozen=True, kw_only=True):
    """A booking."""

    status: str
    start: str | None = None
    created: str | None = None
    participant: tuple[Participant, ...] = ()


class Account(Resource, frozen=True, kw_only=True):
    """Where a provider keeps what somebody owes."""

    status: str
    subject: tuple[Reference, ...] = ()


TAKEN: Mapping[str, type[Resource]] = {
    each.__name__: each
    for each in (
        Patient,
        Coverage,
        CoverageEligibilityResponse,
        Claim,
        ClaimResponse,
        ExplanationOfBenefit,
        Appointment,
        Account,
    )
}
"""The types of resources that Mobius takes in, by FHIR's names."""


def take(resource_type: str, content: Mapping[str, Any]) -> Resource:
    """The fields that count. Raises msgspec.ValidationError when a JSON value is of another kind."""
    return msgspec.convert(content, TAKEN[resource_type])
