"""Many synthetic patients, for docs/intake.md to measure with. Nobody of them exists.

`python -m tests.fhir_population patients 100000 > patients.ndjson` writes the Patients, with `money` what is
known of theirs.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from uuid import UUID

from tests.fhir_files import (
    MR_TYPE,
    MRN_SYSTEM,
    Resource,
    account,
    appointment,
    claim_response,
    concept,
    coverage,
    day,
    eligibility,
    mrn,
    patient,
)


def money(number: int) -> Iterator[Resource]:
    """What one of many patients has: each kind of situation now and then."""
    yield coverage(number, end=day(number % 90 - 10))
    if number % 4 == 0:
        yield eligibility(number, created=day(-(number % 60)))
    if number % 5 == 0:
        yield claim_response(number, reason="197" if number % 10 == 0 else None)
    if number % 7 == 0:
        yield account(number, balance=number % 300)
    if number % 3 == 0:
        yield appointment(number)


def synthea_like(number: int) -> Resource:
    """A Patient as large as those that Synthea writes, with its extensions and identifiers."""
    uuid = str(UUID(int=number * 7_919))
    us_core = "http://hl7.org/fhir/us/core/StructureDefinition"
    race = [
        {
            "url": "ombCategory",
            "valueCoding": {
                "system": "urn:oid:2.16.840.1.113883.6.238",
                "code": "2106-3",
                "display": "White",
            },
        },
        {"url": "text", "valueString": "White"},
    ]
    place = [{"url": "latitude", "valueDecimal": 42.1673}, {"url": "longitude", "valueDecimal": -71.0726}]
    return patient(
        number,
        meta={"profile": [f"{us_core}/us-core-patient"], "lastUpdated": "2026-02-01T08:00:00.000+00:00"},
        text={"status": "generated", "div": '<div xmlns="http://www.w3.org/1999/xhtml">Generated</div>'},
        extension=[
            {"url": f"{us_core}/us-core-race", "extension": race},
            {"url": f"{us_core}/us-core-birthsex", "valueCode": "F"},
            {
                "url": "http://synthetichealth.github.io/synthea/quality-adjusted-life-years",
                "valueDecimal": 67.9,
            },
        ],
        identifier=[
            {"system": "https://github.com/synthetichealth/synthea", "value": uuid},
            {"type": MR_TYPE | {"text": "Medical Record Number"}, "system": MRN_SYSTEM, "value": mrn(number)},
            {
                "type": concept("http://terminology.hl7.org/CodeSystem/v2-0203", "SS"),
                "system": "http://hl7.org/fhir/sid/us-ssn",
                "value": f"999-{number % 90 + 10}-{number % 9000 + 1000}",
            },
        ],
        gender="female",
        address=[
            {
                "extension": [
                    {"url": "http://hl7.org/fhir/StructureDefinition/geolocation", "extension": place}
                ],
                "line": [f"{number} Raynor Overpass"],
                "city": "Randolph",
                "state": "MA",
                "country": "US",
            }
        ],
        maritalStatus={
            "coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-MaritalStatus", "code": "M"}]
        },
        multipleBirthBoolean=False,
        communication=[{"language": {"coding": [{"system": "urn:ietf:bcp:47", "code": "en-US"}]}}],
    )


def _all(kind: str, count: int) -> Iterator[Resource]:
    for number in range(count):
        if kind == "patients":
            yield synthea_like(number)
        else:
            yield from money(number)


if __name__ == "__main__":
    for each in _all(sys.argv[1], int(sys.argv[2])):
        sys.stdout.write(json.dumps(each, separators=(",", ":")) + "\n")
