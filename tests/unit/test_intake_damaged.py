"""Files that are damaged or were never right: read as far as they go, and nothing in them is repeated."""

from __future__ import annotations

import gzip
import hashlib
import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from ops.installation import Refused
from ops.intake.facts import NotTaken
from ops.intake.judging import judge
from ops.intake.patients import external_id, missing_details, shown
from ops.intake.reading import Broken, Found, Passed, read
from ops.intake.resources import TAKEN, Patient
from ops.intake.signals import derive_signals
from ops.intake.sources import find_sources
from ops.intake.stamps import stamp_of
from ops.intake.telling import patients_of, tell
from tests import fhir_files as make
from tests.fhir_population import synthea_like
from tests.unit.damaged import depths, edited, edits, nested, replaced_somewhere, values

SECRET = "Zyntherson-4711"
secrets = st.sampled_from([SECRET, {SECRET: SECRET}, [SECRET], ""])
RESOURCES = (
    *(synthea_like(1), make.patient(), make.coverage(), make.eligibility(), make.claim()),
    *(make.claim(use="preauthorization"), make.claim_response(reason="197"), make.explanation(owed=12.5)),
    *(make.appointment(), make.account()),
)


def read_file(data: bytes, name: str) -> list[Found | Passed | Broken]:
    """What the intake finds in a file; a file that it refuses holds nothing."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(data)
        try:
            (source,) = find_sources([path])
            return list(read(source, frozenset(TAKEN), lambda _: None))
        except Refused as refused:
            assert SECRET not in str(refused)  # noqa: PT017 -- both ends are right here
            return []


def take_in(found: Found) -> None:
    """Goes the way of a resource until it is known what it tells, all of it without its values."""
    verdict = judge(found.resource_type, found.content)
    assert SECRET not in verdict.reason
    if isinstance(verdict.resource, Patient):
        external = external_id(verdict.resource, None)
        assert external is None or shown(verdict.resource, external)
        missing_details(verdict.resource)
    elif verdict.resource is not None:
        patients_of(verdict.resource)
        fact = tell(verdict.resource, stamp_of(found, verdict.resource, hashed), hashed)
        if not isinstance(fact, NotTaken):
            assert SECRET not in repr((fact, derive_signals([fact], make.AS_OF)))


def hashed(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()


@given(st.data())
def test_whatever_a_resource_holds_it_is_taken_in_or_refused_without_a_word_of_it(
    data: st.DataObject,
) -> None:
    resource = replaced_somewhere(data.draw(st.sampled_from(RESOURCES)), data, st.none() | secrets | values)
    for item in read_file(json.dumps(resource).encode(), "one.ndjson"):
        if isinstance(item, Found):
            take_in(item)


@given(st.lists(st.sampled_from(RESOURCES), max_size=3), edits, st.booleans(), st.booleans())
def test_a_damaged_file_is_read_as_far_as_it_goes(
    resources: Any, changes: Any, is_bundle: bool, is_packed: bool
) -> None:
    lines = b"\n".join(json.dumps(each).encode() for each in resources)
    whole = json.dumps(make.bundle(*resources)).encode() if is_bundle else lines
    damaged = edited(gzip.compress(whole) if is_packed else whole, changes)
    for item in read_file(damaged, "all.json" if is_bundle else "all.ndjson"):
        if isinstance(item, Found):
            take_in(item)


@depths
def test_however_deep_a_file_is_nested_it_is_read_or_refused(depth: int) -> None:
    patient = json.dumps(make.patient()).encode()
    for data in (nested(depth), patient[:-1] + b', "x": ' + nested(depth) + b"}"):
        for name in ("one.json", "one.ndjson"):
            for item in read_file(data, name):
                if isinstance(item, Found):
                    take_in(item)
