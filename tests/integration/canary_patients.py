"""Patients of whom every field is a marker, as FHIR R4 has them, and resources that nobody can take in."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

from tests.fhir_files import ADJUDICATION, MR_TYPE, Resource, concept, day
from tests.integration.canary import Markers

PLAIN, NAMED = "*", "^"
"""In a template: a marker, and one as a person's name has it."""

_CODED = {"coding": [{"system": "urn:*", "version": "*", "code": "*", "display": "*"}], "text": "*"}
_IDENTIFIER = {"system": "urn:*", "value": "*", "type": {"text": "*"}, "assigner": {"display": "*"}}
_NARRATIVE = {"status": "generated", "div": '<div xmlns="http://www.w3.org/1999/xhtml">*</div>'}
_EXTENSIONS = [
    {"url": "http://*", "valueString": "*"},
    {"url": "urn:*", "valueAddress": {"text": "*", "line": ["*"], "city": "*", "postalCode": "*"}},
    {"url": "urn:*", "extension": [{"url": "*", "valueHumanName": {"text": "*", "family": "*"}}]},
]
_META = {"source": "http://*", "tag": [{"system": "urn:*", "code": "*", "display": "*"}]}
_ANY = {"id": "*", "meta": _META, "text": _NARRATIVE, "extension": _EXTENSIONS, "identifier": [_IDENTIFIER]}
_PARTY = {"reference": "Organization/*", "display": "*", "identifier": {"system": "urn:*", "value": "*"}}

PATIENT: Resource = {
    **_ANY,
    "resourceType": "Patient",
    "name": [
        {"use": "usual", "text": "*", "family": "^", "given": ["^", "^"], "prefix": ["*"], "suffix": ["*"]},
        {"use": "maiden", "family": "*", "given": ["*"]},
    ],
    "telecom": [{"system": "phone", "value": "*"}, {"system": "email", "value": "*@*.example"}],
    "address": [dict.fromkeys(("text", "city", "district", "state", "postalCode", "country"), "*")],
    "maritalStatus": _CODED,
    "photo": [{"title": "*", "url": "http://*"}],
    "contact": [
        {
            "relationship": [_CODED],
            "name": {"text": "*", "family": "*", "given": ["*"]},
            "telecom": [{"system": "phone", "value": "*"}],
            "address": {"text": "*", "line": ["*", "*"]},
            "organization": _PARTY,
        }
    ],
    "communication": [{"language": _CODED}],
    "generalPractitioner": [_PARTY],
    "managingOrganization": _PARTY,
    "link": [{"other": {"reference": "Patient/*", "display": "*"}, "type": "seealso"}],
    "contained": [{"resourceType": "Organization", "id": "*", "name": "*"}],
}
COVERAGE: Resource = {
    **_ANY,
    "resourceType": "Coverage",
    "status": "active",
    "type": _CODED,
    "policyHolder": _PARTY,
    "subscriber": _PARTY,
    "subscriberId": "*",
    "dependent": "*",
    "relationship": _CODED,
    "period": {"start": "2020-01-01", "end": day(-30)},
    "payor": [_PARTY],
    "class": [{"type": _CODED, "value": "*", "name": "*"}],
    "network": "*",
}
CLAIM_RESPONSE: Resource = {
    **_ANY,
    "resourceType": "ClaimResponse",
    "status": "active",
    "type": _CODED,
    "subType": _CODED,
    "use": "claim",
    "created": day(-10),
    "insurer": _PARTY,
    "requestor": _PARTY,
    "request": {"reference": "Claim/*", "display": "*", "identifier": {"value": "*"}},
    "outcome": "error",
    "disposition": "Denied: *",
    "preAuthRef": "*",
    "payeeType": _CODED,
    "formCode": _CODED,
    "error": [{"code": _CODED}],
    "processNote": [{"text": "*", "language": _CODED}],
    "adjudication": [{"category": concept(ADJUDICATION, "benefit"), "reason": _CODED}],
}
AUTHORIZATION: Resource = {
    **_ANY,
    "resourceType": "Claim",
    "status": "active",
    "type": _CODED,
    "use": "preauthorization",
    "created": day(-2),
    "provider": _PARTY,
    "enterer": _PARTY,
    "priority": _CODED,
    "diagnosis": [{"sequence": 1, "diagnosisCodeableConcept": _CODED}],
    "supportingInfo": [{"sequence": 1, "category": _CODED, "valueString": "*"}],
    "insurance": [{"sequence": 1, "focal": True, "coverage": _PARTY, "businessArrangement": "*"}],
    "item": [{"sequence": 1, "category": _CODED, "productOrService": _CODED, "servicedDate": day(20)}],
}
ELIGIBILITY: Resource = {
    **_ANY,
    "resourceType": "CoverageEligibilityResponse",
    "status": "active",
    "purpose": ["auth-requirements"],
    "created": day(-200),
    "request": _PARTY,
    "outcome": "complete",
    "disposition": "*",
    "insurer": _PARTY,
    "insurance": [
        {
            "coverage": {"reference": "Coverage/*", "display": "*"},
            "inforce": False,
            "item": [{"category": _CODED, "name": "*", "description": "*", "authorizationRequired": True}],
        }
    ],
    "form": _CODED,
}
APPOINTMENT: Resource = {
    **_ANY,
    "resourceType": "Appointment",
    "status": "booked",
    "start": f"{day(5)}T09:30:00-05:00",
    "end": f"{day(5)}T10:00:00-05:00",
    "serviceType": [_CODED],
    "reasonCode": [_CODED],
    "description": "*",
    "comment": "*",
    "patientInstruction": "*",
}
ACCOUNT: Resource = {
    **_ANY,
    "resourceType": "Account",
    "status": "active",
    "name": "*",
    "description": "*",
    "type": _CODED,
    "owner": _PARTY,
    "extension": [{"url": "http://*/account-balance", "valueMoney": {"value": 12.5, "currency": "*"}}],
}


class Chart:
    """A patient and all that is told about them."""

    def __init__(self, markers: Markers, who: str) -> None:
        self.who = who
        self.born: date = markers.day(f"{who} Patient.birthDate")
        self.external_id = markers.word(f"{who} MRN") + markers.tail(f"{who} MRN's last four")
        about = {"type": MR_TYPE, "system": "urn:mrn", "value": self.external_id}
        patient = {**PATIENT, "identifier": [about, *PATIENT["identifier"]]}
        self.resources = [{**filled(markers, who, patient), "birthDate": self.born.isoformat()}]
        reference = {"reference": f"Patient/{self.resources[0]['id']}"}
        for template in (COVERAGE, CLAIM_RESPONSE, AUTHORIZATION, ELIGIBILITY, APPOINTMENT, ACCOUNT):
            whose: Resource = {"patient": {**reference, "display": "*"}}
            match template["resourceType"]:
                case "Coverage":
                    whose = {"beneficiary": whose["patient"]}
                case "Appointment":
                    whose = {"participant": [{"actor": whose["patient"], "status": "accepted"}]}
                case "Account":
                    whose = {"subject": [whose["patient"]]}
            self.resources.append(filled(markers, who, {**template, **whose}))

    @property
    def typed(self) -> str:
        """What somebody types who looks for the patient."""
        return str(self.resources[0]["name"][0]["family"])


def numbered(markers: Markers, who: str) -> Resource:
    """A patient with little more than a number, under a label of the source's own."""
    return {
        "resourceType": "Patient",
        "identifier": [
            {"type": {"text": markers.word(f"{who} label")}, "value": markers.number(f"{who} number")}
        ],
        "name": [{"text": markers.name(f"{who} name.text")}],
    }


def broken(markers: Markers) -> list[Resource | str]:
    """What no intake takes in, each line another way, and markers wherever it is broken."""

    def mark(what: str) -> str:
        return markers.word(f"refused {what}")

    whole = filled(markers, "refused", PATIENT)
    return [
        {**whole, "birthDate": mark("birthDate")},
        {**whole, "gender": {mark("gender's member"): mark("gender")}},
        {**whole, mark("element's name"): mark("element's value")},
        {**whole, "name": [{"family": [mark("family in a list")], mark("name's member"): 1}]},
        {**whole, "name": mark("name")},
        {**whole, "meta": {"lastUpdated": mark("lastUpdated")}},
        {**filled(markers, "refused", COVERAGE), "status": mark("status"), "beneficiary": {"display": "x"}},
        {**filled(markers, "refused", ACCOUNT), "extension": [{"url": "x", "valueMoney": mark("money")}]},
        {**filled(markers, "refused", APPOINTMENT), "start": mark("start"), "participant": mark("actors")},
        {"resourceType": mark("resourceType"), "id": mark("id of another type")},
        {"resourceType": "Patient", "id": mark("id") + "/?"},
        json.dumps({**whole, "id": mark("cut off")})[:-9],
        f'{{"resourceType": "Patient", "id": {mark("no JSON")}}}',
        f'["{mark("list")}"]',
        mark("mere text"),
        json.dumps({"id": mark("no type")}),
    ]


def filled(markers: Markers, who: str, template: Resource) -> Resource:
    """The template with a marker for each ``*`` and ``^``, named after who it is and where it stands."""
    resource = _filled(markers, f"{who} {template['resourceType']}", template)
    assert isinstance(resource, dict)
    return resource


def _filled(markers: Markers, path: str, value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _filled(markers, f"{path}.{name}", each) for name, each in value.items()}
    if isinstance(value, list):
        return [_filled(markers, f"{path}[{number}]", each) for number, each in enumerate(value)]
    if not isinstance(value, str):
        return value
    plain = "".join(markers.word(path) if letter == PLAIN else letter for letter in value)
    return "".join(markers.name(path) if letter == NAMED else letter for letter in plain)


def written(folder: Path, name: str, resources: list[Resource | str]) -> Path:
    """NDJSON under a name of one's own; a string is a line as it is."""
    path = folder / f"{name}.ndjson"
    lines = (each if isinstance(each, str) else json.dumps(each) for each in resources)
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path
