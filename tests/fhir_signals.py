"""From synthetic resources to signals, as an intake derives them."""

from __future__ import annotations

from datetime import date
from hashlib import sha256
from typing import Any

from ops.intake.derived import Derived
from ops.intake.facts import Fact, NotTaken, decode_fact, encode_fact
from ops.intake.judging import judge
from ops.intake.reading import Found, Place
from ops.intake.signals import derive_signals
from ops.intake.stamps import stamp_of
from ops.intake.telling import tell
from tests.fhir_files import AS_OF, claim, claim_response, concept, day

Resource = dict[str, Any]
Said = dict[str, tuple[str, dict[str, str | int]]]
RESOLVED: tuple[str, dict[str, str | int]] = ("resolved", {})


def hashed(name: str) -> str:
    return sha256(name.encode()).hexdigest()


def fact(resource: Resource) -> Fact | NotTaken:
    verdict = judge(resource["resourceType"], resource)
    assert verdict.resource is not None, verdict.reason
    found = Found(Place(0, 1), resource["resourceType"], None, resource)
    told = tell(verdict.resource, stamp_of(found, verdict.resource, hashed), hashed)
    return told if isinstance(told, NotTaken) else decode_fact(encode_fact(told))


def derived(*resources: Resource, as_of: date = AS_OF) -> dict[str, Derived]:
    facts = [told for told in map(fact, resources) if not isinstance(told, NotTaken)]
    return {signal.code: signal for signal in derive_signals(facts, as_of)}  # type: ignore[arg-type] -- any sequence of facts


def signals(*resources: Resource, as_of: date = AS_OF) -> Said:
    return {code: (s.status.value, s.detail) for code, s in derived(*resources, as_of=as_of).items()}


def active(**detail: str | int) -> tuple[str, dict[str, str | int]]:
    return "active", detail


def request(**fields: Any) -> Resource:
    item = {
        "sequence": 1,
        "category": concept("http://terminology.hl7.org/CodeSystem/ex-benefitcategory", "62"),
        "productOrService": {"text": "MRI of Orlaith"},
        "servicedDate": day(12),
    }
    return claim(1, use="preauthorization", item=[item], **fields)


def granted(**fields: Any) -> Resource:
    return claim_response(1, use="preauthorization", preAuthRef="AUTH-1", **fields)
