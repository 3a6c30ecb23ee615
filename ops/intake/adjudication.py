"""What an insurer decided about a claim: whether it is denied and why, and what is left to the patient.

R4 has no element for a denial: ``outcome`` only says that the answer is complete. So a denial is read from
what insurers do write (docs/intake.md has the rules).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from ops.intake.codes import denial_reason, processing_error
from ops.intake.elements import Concept
from ops.intake.money import minor_units
from ops.intake.resources import Adjudication, ClaimResponse, ExplanationOfBenefit

ClaimAnswer = ClaimResponse | ExplanationOfBenefit

# The beginning alone: "Denied: …", "The claim was rejected", not "Not denied".
_DENIED = re.compile(
    r"\W*(the |this )?(claim |service |request )?((was|is|has been) )?(denied|rejected)\b", re.I
)
_DENIED_CATEGORIES = frozenset(("denied", "denial"))
_REASON_CATEGORY = "denialreason"  # CARIN Blue Button
_PAID_CATEGORIES = frozenset(("benefit", "paidtoprovider", "paidtopatient"))
_OWED_CATEGORY = "memberliability"  # CARIN Blue Button
_SETTLED_CATEGORIES = frozenset(("paidbypatient", "patientpayment"))


class Denial(NamedTuple):
    """Whether a claim is denied, at least a line of it, and the words for why where there are any."""

    denied: bool
    reason: str | None


def find_denial(answer: ClaimAnswer) -> Denial:
    """Reads the denial out of an answer that is complete, partial or an error."""
    reasons = [reason for line in _lines(answer) for reason in _line_denials(line, answer)]
    if answer.outcome == "error":
        errors = answer.error if isinstance(answer, ClaimResponse) else ()
        words = (processing_error(error.code) for error in errors)
        return Denial(True, next((word for word in words if word), "could not be processed"))
    said = bool(_DENIED.match(answer.disposition or ""))
    return Denial(said or bool(reasons), next((reason for reason in reasons if reason), None))


def left_to_patient(answer: ClaimAnswer) -> tuple[int, str] | None:
    """What the patient owes by this answer, less what it knows to be paid, in minor units and currency.

    None when it doesn't say. The answer's own totals count where it has any, else its lines are summed.
    """
    totals = [(total.category, total.amount) for total in answer.total]
    if not any(_OWED_CATEGORY in category.codes for category, _ in totals):
        totals = [(each.category, each.amount) for line in _lines(answer) for each in line]
    owed: Counter[str] = Counter()
    for category, amount in totals:
        found = minor_units(amount)
        if found and _OWED_CATEGORY in category.codes:
            owed[found[1]] += found[0]
    if not owed:
        return None
    currency = max(owed, key=lambda each: owed[each])
    for category, amount in totals:
        found = minor_units(amount)
        if found and found[1] == currency and _SETTLED_CATEGORIES.intersection(category.codes):
            owed[currency] -= found[0]
    return owed[currency], currency


def _lines(answer: ClaimAnswer) -> Iterator[tuple[Adjudication, ...]]:
    yield answer.adjudication
    for item in (*answer.item, *answer.add_item):
        yield item.adjudication


def _line_denials(line: tuple[Adjudication, ...], answer: ClaimAnswer) -> Iterator[str | None]:
    unpaid = not _is_paid(line, answer)
    for each in line:
        codes = {code.lower() for code in each.category.codes}
        reason = denial_reason(each.reason)
        # Insurers give reasons for what they take off a line that they pay, too.
        if codes & _DENIED_CATEGORIES or (reason and (unpaid or _REASON_CATEGORY in codes)):
            yield reason


def _is_paid(line: tuple[Adjudication, ...], answer: ClaimAnswer) -> bool:
    paid = [each.amount.value for each in line if _PAID_CATEGORIES.intersection(_lower(each.category))]
    if not paid:
        paid = [total.amount.value for total in answer.total if _PAID_CATEGORIES & _lower(total.category)]
    if not paid and answer.payment.amount is not None:
        paid = [answer.payment.amount.value]
    return any(amount is not None and amount > 0 for amount in paid)


def _lower(category: Concept) -> frozenset[str]:
    return frozenset(code.lower() for code in category.codes)
