"""Synthetic FHIR R4: resources as small functions, and files of them. Nobody in them exists."""

from __future__ import annotations

import json
from datetime import date, timedelta
from pathlib import Path
from typing import Any

Resource = dict[str, Any]

AS_OF = date(2026, 3, 1)
MRN_SYSTEM = "http://hospital.example.org/mrn"
MR_TYPE = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "MR"}]}
ADJUDICATION = "http://terminology.hl7.org/CodeSystem/adjudication"
REASON_CODES = "https://x12.org/codes/claim-adjustment-reason-codes"
ACCOUNT_BALANCE = "https://fhir-ehr.cerner.com/r4/StructureDefinition/account-balance"


def day(offset: int) -> str:
    """The day ``offset`` days after AS_OF."""
    return (AS_OF + timedelta(days=offset)).isoformat()


def concept(system: str, code: str) -> Resource:
    return {"coding": [{"system": system, "code": code}]}


def patient(number: int = 1, **fields: Any) -> Resource:
    """A Patient with everything that a front desk asks for; its id and its record number differ."""
    return {
        "resourceType": "Patient",
        "id": f"pat-{number}",
        "identifier": [{"type": MR_TYPE, "system": MRN_SYSTEM, "value": mrn(number)}],
        "name": [{"use": "official", "family": f"Zyntherson{number}", "given": ["Orlaith", "Mira"]}],
        "telecom": [{"system": "phone", "value": "555-0100"}],
        "birthDate": (date(1931, 1, 1) + timedelta(days=number * 37 % 32_000)).isoformat(),
        "address": [{"line": [f"{number} Nowhere Lane"], "city": "Chicopee", "postalCode": "01013"}],
        **fields,
    }


def mrn(number: int) -> str:
    return f"{7_000_000 + number}"


def about(number: int) -> Resource:
    return {"reference": f"Patient/pat-{number}"}


def coverage(number: int = 1, end: str | None = None, **fields: Any) -> Resource:
    period = {"start": "2020-01-01"} | ({"end": end} if end else {})
    return {
        "resourceType": "Coverage",
        "id": f"cov-{number}",
        "status": "active",
        "beneficiary": about(number),
        "payor": [{"display": "Payer of Nowhere"}],
        "period": period,
        **fields,
    }


def eligibility(number: int = 1, created: str = day(-3), inforce: bool = True, **fields: Any) -> Resource:
    return {
        "resourceType": "CoverageEligibilityResponse",
        "id": f"cer-{number}",
        "status": "active",
        "purpose": ["benefits"],
        "patient": about(number),
        "created": created,
        "request": {"reference": "CoverageEligibilityRequest/1"},
        "outcome": "complete",
        "insurer": {"display": "Payer of Nowhere"},
        "insurance": [{"coverage": {"reference": f"Coverage/cov-{number}"}, "inforce": inforce}],
        **fields,
    }


def claim(number: int = 1, use: str = "claim", **fields: Any) -> Resource:
    return {
        "resourceType": "Claim",
        "id": f"clm-{number}",
        "status": "active",
        "type": concept("http://terminology.hl7.org/CodeSystem/claim-type", "professional"),
        "use": use,
        "patient": about(number),
        "created": day(-20),
        "provider": {"display": "Clinic of Nowhere"},
        "priority": concept("http://terminology.hl7.org/CodeSystem/processpriority", "normal"),
        "insurance": [{"sequence": 1, "focal": True, "coverage": {"display": "Payer of Nowhere"}}],
        **fields,
    }


def claim_response(number: int = 1, reason: str | None = None, **fields: Any) -> Resource:
    """A paid answer, or with a ``reason`` (X12's code) a denied one."""
    paid = {"category": concept(ADJUDICATION, "benefit"), "amount": {"value": 90.47, "currency": "USD"}}
    denied = {
        "category": concept(ADJUDICATION, "benefit"),
        "reason": concept(REASON_CODES, reason or ""),
        "amount": {"value": 0, "currency": "USD"},
    }
    return {
        "resourceType": "ClaimResponse",
        "id": f"res-{number}",
        "status": "active",
        "type": concept("http://terminology.hl7.org/CodeSystem/claim-type", "professional"),
        "use": "claim",
        "patient": about(number),
        "created": day(-10),
        "insurer": {"display": "Payer of Nowhere"},
        "request": {"reference": f"Claim/clm-{number}"},
        "outcome": "complete",
        "disposition": "Claim settled as per contract.",
        "item": [{"itemSequence": 1, "adjudication": [denied if reason else paid]}],
        **fields,
    }


def explanation(number: int = 1, owed: float | None = None, **fields: Any) -> Resource:
    """An ExplanationOfBenefit; ``owed`` is left to the patient."""
    liability = concept("http://hl7.org/fhir/us/carin-bb/CodeSystem/C4BBAdjudication", "memberliability")
    return {
        "resourceType": "ExplanationOfBenefit",
        "id": f"eob-{number}",
        "status": "active",
        "type": concept("http://terminology.hl7.org/CodeSystem/claim-type", "professional"),
        "use": "claim",
        "patient": about(number),
        "created": day(-9),
        "insurer": {"display": "Payer of Nowhere"},
        "provider": {"display": "Clinic of Nowhere"},
        "claim": {"reference": f"Claim/clm-{number}"},
        "outcome": "complete",
        "insurance": [{"focal": True, "coverage": {"reference": f"Coverage/cov-{number}"}}],
        "total": []
        if owed is None
        else [{"category": liability, "amount": {"value": owed, "currency": "USD"}}],
        **fields,
    }


def appointment(number: int = 1, start: str = f"{day(5)}T09:30:00-05:00", **fields: Any) -> Resource:
    return {
        "resourceType": "Appointment",
        "id": f"app-{number}",
        "status": "booked",
        "start": start,
        "end": start.replace("T09:30", "T10:00"),
        "participant": [
            {"actor": {"reference": "Practitioner/who"}, "status": "accepted"},
            {"actor": about(number), "status": "accepted"},
        ],
        **fields,
    }


def account(number: int = 1, balance: float = 125.5, **fields: Any) -> Resource:
    return {
        "resourceType": "Account",
        "id": f"acc-{number}",
        "status": "active",
        "subject": [about(number)],
        "extension": [{"url": ACCOUNT_BALANCE, "valueMoney": {"value": balance, "currency": "USD"}}],
        **fields,
    }


def bundle(*resources: Resource, base: str | None = "http://fhir.example.org/r4") -> Resource:
    """A collection; without a ``base`` its entries have no address."""
    entries = []
    for resource in resources:
        url = f"{base}/{resource['resourceType']}/{resource.get('id')}" if base else None
        entries.append(({"fullUrl": url} if url else {}) | {"resource": resource})
    return {"resourceType": "Bundle", "type": "collection", "entry": entries}


def write_lines(path: Path, *resources: Resource | str) -> Path:
    """Writes NDJSON; a string is a line as it is."""
    path.write_text("".join(f"{r if isinstance(r, str) else json.dumps(r)}\n" for r in resources))
    return path


def write_json(path: Path, document: Any) -> Path:
    path.write_text(json.dumps(document, indent=2))
    return path
