"""Who a Patient is: the external id, from which only tokens are made, and what is shown of the person."""

from __future__ import annotations

import re
import unicodedata
from datetime import date

from ops.intake.dates import exact_day
from ops.intake.elements import HumanName, Identifier
from ops.intake.resources import Patient
from shared.model import Frozen

RESOURCE_ID = "resource-id"
"""Asked for in place of an identifier system: the id of the Patient resource is the external id."""

MASK = "····"
_SHOWN = 4
_LABEL_LIMIT = 40
_NAME_LIMIT = 200
_NAME_USES = ("usual", "official", None, "temp", "nickname")
_RECORD_NUMBER = "MR"
# Numbers that a state gives to a person, as types of HL7's table 0203 and as systems.
_NATIONAL_TYPES = frozenset(("SS", "SB", "NI", "NIIP", "PPN", "DL", "TAX"))
_NATIONAL_SYSTEMS = (
    "http://hl7.org/fhir/sid/us-ssn",
    "http://hl7.org/fhir/sid/us-mbi",
    "http://hl7.org/fhir/sid/passport-",
    "urn:oid:2.16.840.1.113883.4.1",
    "urn:oid:2.16.840.1.113883.4.3.",
    "urn:oid:2.16.840.1.113883.4.330.",
)
# Direction marks would let a name rearrange the text around it.
_DIRECTIONS = re.compile("[\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_UNPRINTABLE = ("Cc", "Cs", "Cn", "Co")


class ExternalId(Frozen, frozen=True):
    """The raw id, to be dropped as soon as its tokens are made. ``space`` is where it is unique."""

    value: str
    label: str
    space: str


class Shown(Frozen, frozen=True):
    """The display-only fields of one snapshot."""

    display_name: str | None
    id_label: str | None
    id_masked: str | None
    dob: date | None


def external_id(patient: Patient, asked: str | None) -> ExternalId | None:
    """The id by which the source's own pages name the patient; None when there is none.

    It is the identifier of the system ``asked``; without one that of type MR, else the first with a value
    that no state gave, else the resource's id.
    """
    if asked == RESOURCE_ID:
        return _resource_id(patient)
    found = [i for i in patient.identifier if (i.value or "").strip() and i.use != "old"]
    if asked is not None:
        found = [i for i in found if i.system == asked]
        return _identified(found[0]) if found else None
    found = [i for i in found if not _is_national(i)]
    records = [i for i in found if is_record_number(i)]
    return _identified((records or found)[0]) if found else _resource_id(patient)


def is_record_number(identifier: Identifier) -> bool:
    """Whether its type is HL7's MR, a medical record number."""
    return _RECORD_NUMBER in identifier.type.codes


def _is_national(identifier: Identifier) -> bool:
    """Whether it is a social security number, a passport's and the like, which no page should show."""
    system = (identifier.system or "").lower()
    of_system = any(
        system.startswith(each) if each[-1] in ".-" else system == each for each in _NATIONAL_SYSTEMS
    )
    return of_system or not _NATIONAL_TYPES.isdisjoint(identifier.type.codes)


def shown(patient: Patient, external: ExternalId) -> Shown:
    """What is shown of the patient. A date of birth that is not a whole date is not shown."""
    return Shown(
        display_name=_display_name(patient),
        id_label=external.label,
        id_masked=masked(external.value),
        dob=exact_day(patient.birth_date),
    )


def masked(value: str) -> str:
    """The last four characters behind a mask; of a short id fewer, at most half of it, so never all."""
    text = _clean(value)
    count = min(_SHOWN, (len(text) + 1) // 2) if len(text) > 1 else 0
    return MASK + text[len(text) - count :]


def missing_details(patient: Patient) -> tuple[str, ...]:
    """What a front desk would have to ask for, in words of our own. Of the deceased, nothing."""
    if patient.deceased_boolean or patient.deceased_date_time:
        return ()
    phones = [t for t in patient.telecom if t.system in ("phone", "sms") and t.value and t.use != "old"]
    addresses = [
        a for a in patient.address if a.use != "old" and (a.text or any(a.line) or a.city or a.postal_code)
    ]
    there = {
        "name": _display_name(patient),
        "date of birth": exact_day(patient.birth_date),
        "phone number": phones,
        "postal address": addresses,
    }
    return tuple(what for what, found in there.items() if not found)


def _identified(identifier: Identifier) -> ExternalId:
    label = "MRN" if is_record_number(identifier) else _clean(identifier.type.text or "")
    label = label or next(iter(identifier.type.codes), "") or "ID"
    return ExternalId(
        value=(identifier.value or "").strip(), label=label[:_LABEL_LIMIT], space=identifier.system or ""
    )


def _resource_id(patient: Patient) -> ExternalId | None:
    return ExternalId(value=patient.id, label="ID", space=RESOURCE_ID) if patient.id else None


def _display_name(patient: Patient) -> str | None:
    for use in _NAME_USES:
        for name in patient.name:
            if name.use == use and (written := _written(name)):
                return written
    return None


def _written(name: HumanName) -> str:
    parts = [*name.given, name.family]
    written = " ".join(part for part in parts if part) or name.text or ""
    return _clean(written)[:_NAME_LIMIT]


def _clean(text: str) -> str:
    """The text on one line, without what no screen shows and no database takes."""
    visible = _DIRECTIONS.sub("", text)
    if not visible.isprintable():
        visible = "".join(" " if unicodedata.category(c) in _UNPRINTABLE else c for c in visible)
    return " ".join(visible.split())
