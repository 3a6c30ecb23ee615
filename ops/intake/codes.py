"""Words for the codes of known code systems: the only words that a signal's detail takes from a resource.

A display or a text may hold anything, a patient's name too, so none is ever used.
"""

from __future__ import annotations

from collections.abc import Mapping

from ops.intake.elements import Concept

_REASON_CODES = (
    "http://terminology.hl7.org/codesystem/x12claimadjustmentreasoncodes",
    "https://x12.org/codes/claim-adjustment-reason-codes",
    "urn:oid:2.16.840.1.113883.6.281",
)
_HL7_REASONS = "http://terminology.hl7.org/codesystem/adjudication-reason"
_HL7_ERRORS = "http://terminology.hl7.org/codesystem/adjudication-error"
_SERVICE_TYPES = (
    "http://terminology.hl7.org/codesystem/ex-benefitcategory",
    "https://x12.org/codes/service-type-codes",
)

# X12's claim adjustment reasons that are denials somebody can work on; not what the patient owes by plan
# (1 deductible, 2 coinsurance, 3 copayment), nor what a contract takes off (45, 97, 131).
_DENIALS: Mapping[str, str] = {
    code: words
    for words, codes in {
        "coding": "4 5 6 7 8 9 10 11 12 181 182 236",
        "missing information": "16 17 125 226 227 252",
        "duplicate": "18",
        "other coverage first": "22",
        "before coverage began": "26",
        "after coverage ended": "27",
        "filed late": "29",
        "patient not identified": "31 32 33 140",
        "authorization denied": "39",
        "not medically necessary": "50 150 151 152",
        "not covered": "48 49 51 55 96 167 204",
        "wrong payer": "109",
        "benefit limit reached": "35 119 149",
        "not eligible": "177 200",
        "no authorization": "15 62 197",
        "authorization exceeded": "198",
        "out of network": "242",
        "no referral": "38 243 288",
    }.items()
    for code in codes.split()
}
_HL7_DENIALS = {"ar001": "not covered", "ar002": "benefit limit reached"}
_PROCESSING_ERRORS = {"a001": "missing information", "a002": "missing information"}

# X12's service types, which HL7's benefit categories repeat.
_SERVICES: Mapping[str, str] = {
    code: words
    for words, codes in {
        "anesthesia": "7",
        "chemotherapy": "78",
        "chiropractic": "33",
        "consultation": "3",
        "day surgery": "13",
        "dental care": "23 24 25 26 28 35 36 37 39",
        "diagnostics": "73",
        "dialysis": "76",
        "emergency services": "86",
        "home health care": "42",
        "hospice": "45",
        "hospital": "47",
        "hospital inpatient": "48",
        "hospital outpatient": "50",
        "imaging": "4 62",
        "laboratory": "5",
        "long-term care": "54",
        "maternity": "69",
        "medical care": "1",
        "medical equipment": "12",
        "mental health": "A4 MH",
        "occupational therapy": "AD",
        "office visit": "98",
        "oral surgery": "40",
        "orthodontics": "38",
        "pharmacy": "88",
        "physical therapy": "AE PT",
        "radiation therapy": "6",
        "skilled nursing": "AG",
        "speech therapy": "AF",
        "substance use treatment": "AI",
        "surgery": "2",
        "urgent care": "UC",
        "vision": "AL",
    }.items()
    for code in codes.split()
}


def denial_reason(reason: Concept) -> str | None:
    """The words for a reason that is a denial; None for any other."""
    return _word(reason, _REASON_CODES, _DENIALS) or _word(reason, (_HL7_REASONS,), _HL7_DENIALS)


def processing_error(code: Concept) -> str | None:
    """The words for why a claim could not be processed."""
    return _word(code, (_HL7_ERRORS,), _PROCESSING_ERRORS)


def service(*concepts: Concept) -> str | None:
    """The words for a kind of service, by the first concept that has one."""
    found = (_word(concept, _SERVICE_TYPES, _SERVICES) for concept in concepts)
    return next((word for word in found if word), None)


def _word(concept: Concept, systems: tuple[str, ...], words: Mapping[str, str]) -> str | None:
    for coding in concept.coding:
        if (coding.system or "").rstrip("/").lower() in systems and (coding.code or "") in words:
            return words[coding.code or ""]
    return None
