"""The synthetic clinics of `make run`: made from arithmetic alone, the same on every machine.

Nobody here exists. First names are common, family names are invented, record numbers are counted.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from uuid import UUID, uuid5

import msgspec

from shared.model import PatientContextId, Signal, SignalStatus, TenantId, UserId

NAMESPACE = UUID("6d0b1a52-5f0e-5c55-9f0e-6d6f62697573")
SOURCE_SYSTEM = "demo_ehr"
ID_LABEL = "MRN"


class DemoUser(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody who works at a clinic."""

    user_id: UserId
    role: str
    display_name: str


class DemoPatient(msgspec.Struct, frozen=True, kw_only=True):
    """A patient as an intake would bring one in.

    ``external_id`` is the raw record number: only the patient key and its hash are made of it, it is never
    stored.
    """

    patient_context_id: PatientContextId
    source_system: str
    external_id: str
    display_name: str
    id_label: str
    id_masked: str
    dob: date
    signals: tuple[Signal, ...]


class DemoTenant(msgspec.Struct, frozen=True, kw_only=True):
    """A clinic with its workers and patients."""

    tenant_id: TenantId
    name: str
    users: tuple[DemoUser, ...]
    patients: tuple[DemoPatient, ...]


def demo_tenants(as_of: date) -> tuple[DemoTenant, ...]:
    """Two clinics, each with a user of each role and at least 200 patients.

    Every signal code and every indicator that a signal can make occurs in each. Dates are told from
    ``as_of``: what ends or is due lies after it, what was seen or denied before. All else, every id
    included, is the same whatever the day. Both clinics number their patients alike, as real ones do: one
    record number means two patients.
    """
    return (
        _tenant(
            "Larkfield Clinic",
            workers=("Dana Whitlow", "Imre Castellane", "Priya Rosenthorpe"),
            patients=240,
            offset=0,
            as_of=as_of,
        ),
        _tenant(
            "Harbour Street Practice",
            workers=("Tomas Ellerby", "Noor Vandersteen", "Grace Okonedo-Hale"),
            patients=210,
            offset=411,
            as_of=as_of,
        ),
    )


_ROLES = ("front_desk", "financial_counselor", "billing_lead")

_FIRST_NAMES = tuple(
    name
    for line in (
        "Ada Amélie Andrzej Anjali Beatriz Bo Carlos Chidi Chloë Daniel Elif Emeka Fatima Finn Grace",
        "Hana Ibrahim Ines Jamal José Keiko Lars Leila Luca Maeve Mateo Mei Nadia Niamh Oluwaseun Omar Paula",
        "Quinn Rosa Samir Søren Tariq Thandiwe Uma Viktor Wren Xavier Yusuf",
    )
    for name in line.split()
)
_FAMILY_NAMES = tuple(
    name
    for line in (
        "Abernale Ashgrove Brindlemoor Calloweth Dunmarrow Eastlake-Vorn Ferrowick Galdersby Hollinrake",
        "Iversholm Jarrowden Kestleigh Lindquarry Mossbank-Teel Nettlecombe O'Darrow Pellingham Quarleston",
        "Ravensholt Silvergate Tarrowby Umberlane Vexford Wetherlow Yarrowdale Zellmoor",
    )
    for name in line.split()
)

# Each line is what one kind of patient has: a code stands in the way, a code with "!" is resolved.
_SITUATIONS = tuple(
    tuple(line.split())
    for line in (
        "coverage.expiring appointment.upcoming",
        "appointment.upcoming eligibility.unverified!",
        "coverage.inactive appointment.upcoming balance.outstanding",
        "eligibility.unverified appointment.upcoming",
        "eligibility.unverified! coverage.expiring! appointment.upcoming!",
        "authorization.missing appointment.upcoming eligibility.unverified!",
        "",
        "claim.denied balance.outstanding",
        "appointment.upcoming",
        "balance.outstanding appointment.upcoming",
        "demographics.incomplete eligibility.unverified appointment.upcoming",
        "claim.denied authorization.missing coverage.expiring appointment.upcoming balance.outstanding",
        "claim.denied! balance.outstanding! appointment.upcoming",
        "coverage.inactive eligibility.unverified demographics.incomplete",
        "demographics.incomplete",
        "coverage.expiring balance.outstanding authorization.missing!",
    )
)

_SOURCES = {
    "eligibility": "clearinghouse",
    "coverage": "clearinghouse",
    "authorization": "payer_portal",
    "claim": "billing",
    "balance": "billing",
    "appointment": "scheduling",
    "demographics": "registration",
}
_SERVICES = ("imaging", "physical therapy", "infusion", "sleep study", "day surgery")
_DENIALS = ("not covered", "missing information", "filed late", "no authorization")
_MISSING = ("phone number", "postal address", "policy holder", "insurance card")


def _tenant(name: str, *, workers: tuple[str, ...], patients: int, offset: int, as_of: date) -> DemoTenant:
    tenant_id = uuid5(NAMESPACE, name)
    return DemoTenant(
        tenant_id=TenantId(tenant_id),
        name=name,
        users=tuple(
            DemoUser(user_id=UserId(uuid5(tenant_id, role)), role=role, display_name=worker)
            for role, worker in zip(_ROLES, workers, strict=True)
        ),
        patients=tuple(_patient(tenant_id, number, offset + number, as_of) for number in range(patients)),
    )


def _patient(tenant_id: UUID, number: int, mix: int, as_of: date) -> DemoPatient:
    """The ``number`` th patient of a clinic; ``mix`` makes names and details differ between clinics.

    The factors are coprime to what they are taken modulo of, so every value occurs before one returns.
    """
    external_id = str(1_000_000 + (number * 7_919 + 4_731) % 9_000_000)
    first = _FIRST_NAMES[mix % len(_FIRST_NAMES)]
    family = _FAMILY_NAMES[mix % len(_FAMILY_NAMES)]
    return DemoPatient(
        patient_context_id=PatientContextId(uuid5(tenant_id, f"patient {external_id}")),
        source_system=SOURCE_SYSTEM,
        external_id=external_id,
        display_name=f"{first} {family}",
        id_label=ID_LABEL,
        id_masked=f"····{external_id[-4:]}",
        dob=date(1932, 1, 1) + timedelta(days=mix * 4_409 % 32_800),
        signals=tuple(_signals(_SITUATIONS[number % len(_SITUATIONS)], mix, as_of)),
    )


def _signals(situation: tuple[str, ...], mix: int, as_of: date) -> Iterator[Signal]:
    midnight = datetime.combine(as_of, time(), tzinfo=UTC)
    for place, word in enumerate(situation):
        code = word.removesuffix("!")
        yield Signal(
            code=code,
            status=SignalStatus.RESOLVED if word.endswith("!") else SignalStatus.ACTIVE,
            detail=_detail(code, mix, as_of),
            observed_at=midnight - timedelta(minutes=30 + (mix * 37 + place * 211) % 4_000),
            source_system=_SOURCES[code.partition(".")[0]],
        )


def _detail(code: str, mix: int, as_of: date) -> dict[str, str | int]:
    """What the default policy's sentence for this code asks for."""

    def day(offset: int) -> str:
        return (as_of + timedelta(days=offset)).isoformat()

    details: dict[str, dict[str, str | int]] = {
        "eligibility.unverified": {"verified_on": day(-31 - mix % 60)},
        "coverage.inactive": {"ended_on": day(-1 - mix % 45)},
        "coverage.expiring": {"ends_on": day(2 + mix % 28)},
        "authorization.missing": {"service": _SERVICES[mix % 5], "needed_by": day(1 + mix % 14)},
        "claim.denied": {"denied_on": day(-2 - mix % 40), "reason": _DENIALS[mix % 4]},
        "balance.outstanding": {"amount_minor": 2_500 + mix * 1_733 % 180_000, "currency": "USD"},
        "appointment.upcoming": {"starts_on": day(mix % 10)},
        "demographics.incomplete": {"missing": _MISSING[mix % 4]},
    }
    return details[code]
