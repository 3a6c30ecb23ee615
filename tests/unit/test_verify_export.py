"""The offline verifier: its trees and keys, its one way of writing things, events as FHIR AuditEvents."""

from __future__ import annotations

import ast
import csv
import io
import json
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from fhir.resources.R4B.auditevent import AuditEvent
from hypothesis import given
from hypothesis import strategies as st

from ops.ledger import verify_export
from ops.ledger.verify_export import Event, Refused, audit_line, root_by_path, root_of, signed_text
from shared.ledger.checkpoints import merkle
from shared.ledger.checkpoints.log import ChainHead, TenantRoot
from shared.ledger.checkpoints.notes import Signer
from shared.model import PatientContextId, PatientKey, TenantId
from tests.ledger_payloads import payload_types, samples

FILE = Path(verify_export.__file__)
SIGNER = Signer("clinic.example/ledger", bytes(range(32)))
KEY = str(SIGNER.verifier)
TEXT = "clinic.example/ledger\n1\n"

any_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
payloads = st.dictionaries(st.sampled_from([*verify_export.NAMED, "kind", "scope"]) | st.text(), any_json)


def event(event_type: str, payload: object, *, patient: bool = True, **columns: str) -> Event:
    made = Event(
        tenant_id=str(uuid4()),
        patient_context_id=str(uuid4()) if patient else "",
        patient_key="p1_0123456789" if patient else "",
        seq="7",
        event_id=str(uuid4()),
        event_type=event_type,
        created_at="2026-11-23T19:04:11.120000Z",
        actor_user_id=str(uuid4()),
        invocation_id=str(uuid4()),
        correlation_id=str(uuid4()),
        version="3",
        payload_json=json.dumps(payload, ensure_ascii=False),
        prev_hash="0" * 64,
        hash="a1" * 32,
    )
    return made._replace(**columns)


def resource(made: Event) -> dict[str, Any]:
    """The event's AuditEvent, once the FHIR library has accepted it."""
    content: dict[str, Any] = json.loads(audit_line(made))
    AuditEvent.model_validate(content)
    return content


def values_of(content: dict[str, Any]) -> dict[str, str]:
    (ledger,) = (each for each in content["entity"] if "detail" in each)
    return {detail["type"]: detail["valueString"] for detail in ledger["detail"]}


def identifiers(content: dict[str, Any], system: str) -> list[str]:
    found = (each["what"]["identifier"] for each in content["entity"])
    return [each["value"] for each in found if each.get("system") == f"urn:mobius:{system}"]


# ---- trees and notes ----


@pytest.mark.parametrize("size", [*range(1, 18), 31, 32, 33])
def test_it_and_mobius_agree_on_every_root_and_path_though_they_share_nothing(size: int) -> None:
    lines = [f"line {n}" for n in range(size)]
    leaves = [merkle.leaf_hash(line.encode()) for line in lines]
    root = merkle.root_of(leaves)
    assert root_of(map(verify_export.leaf, lines)) == root
    for index, line in enumerate(lines):
        path = [each.hex() for each in merkle.inclusion_path(leaves, index)]
        assert root_by_path(line, index, size, ",".join(path)) == root
        wrong = {
            root_by_path(line, other, size, ",".join(path)) for other in range(size + 2) if other != index
        }
        wrong |= {
            root_by_path(line, index, size, ",".join(each)) for each in (path[1:], [*path, "00" * 32]) if path
        }
        assert root not in wrong


def test_a_note_is_accepted_of_the_key_that_signed_it() -> None:
    assert signed_text(SIGNER.sign(TEXT).encode(), KEY) == TEXT


@pytest.mark.parametrize(
    "note",
    [
        b"",
        TEXT.encode(),
        SIGNER.sign("other.example/ledger\n1\n").encode(),
        SIGNER.sign(TEXT).replace("\n1\n", "\n2\n").encode(),
        SIGNER.sign(TEXT).replace("— ", "- ").encode(),
        SIGNER.sign(TEXT).encode() + SIGNER.sign(TEXT).rpartition("\n\n")[2].encode(),
        SIGNER.sign(TEXT).encode() + b"\n",
        Signer("clinic.example/ledger", bytes(32)).sign(TEXT).encode(),
        Signer("other.example/ledger", bytes(range(32))).sign(TEXT).encode(),
        b"\xff" + SIGNER.sign(TEXT).encode(),
    ],
)
def test_any_other_note_is_refused(note: bytes) -> None:
    with pytest.raises(Refused, match=r"checkpoint\.txt"):
        signed_text(note, KEY)


def test_no_bit_of_a_note_can_change() -> None:
    note = SIGNER.sign(TEXT).encode()
    for at in range(len(note)):
        for bit in range(8):
            changed = note[:at] + bytes([note[at] ^ 1 << bit]) + note[at + 1 :]
            with pytest.raises(Refused):
                signed_text(changed, KEY)


@pytest.mark.parametrize(
    "key", ["", "x", "a+b+c", KEY[:-1], KEY.replace("clinic", "clinik"), f"{KEY}=", "é+é+é"]
)
def test_what_is_no_key_is_told_apart_from_a_wrong_signature(key: str) -> None:
    with pytest.raises(ValueError, match="verifier key"):
        signed_text(SIGNER.sign(TEXT).encode(), key)


def test_it_reads_the_lines_that_checkpoints_have() -> None:
    tenant, patient = TenantId(uuid4()), PatientContextId(uuid4())
    own = ChainHead(None, None, 3, bytes(32))
    of_patient = ChainHead(patient, PatientKey("p1_01234567"), 12, b"\xab" * 32)
    assert verify_export._head(own.line(tenant), str(tenant)) == ("", "", 3, "00" * 32)
    assert verify_export._head(of_patient.line(tenant), str(tenant)) == (
        str(patient),
        "p1_01234567",
        12,
        "ab" * 32,
    )
    assert verify_export._head(own.line(tenant), str(uuid4())) is None
    assert verify_export.TENANT_FORM.fullmatch(TenantRoot(tenant, 2, 15, bytes(32)).line())


# ---- rows ----


@given(st.dictionaries(st.text(), any_json), st.booleans())
def test_a_row_as_csv_writes_it_is_read_back_and_there_is_no_other_way_to_write_it(
    payload: dict[str, Any], patient: bool
) -> None:
    made = event("Later.Thing", payload, patient=patient, version="", actor_user_id="")
    written = io.StringIO()
    csv.writer(written, lineterminator="\n").writerow(made)
    line = written.getvalue()
    assert verify_export._event(line) == made
    every_quoted = io.StringIO()
    csv.writer(every_quoted, lineterminator="\n", quoting=csv.QUOTE_ALL).writerow(made)
    for other in (
        every_quoted.getvalue(),
        line[:-1],
        line.replace("\n", "\r\n"),
        f" {line}",
        line.replace(",", ", "),
    ):
        assert other == line or verify_export._event(other) is None


def test_the_canonical_text_is_the_databases() -> None:
    made = event("User.Interaction", {"kind": "viewed"}, patient=False, version="", invocation_id="")
    assert made.canonical_text == (
        f'["{made.tenant_id}", null, 7, "{made.event_id}", "User.Interaction", "{made.created_at}", '
        f'"{made.actor_user_id}", null, "{made.correlation_id}", null, {{"kind": "viewed"}}]'
    )


# ---- FHIR ----


def test_every_event_type_of_the_catalogue_is_mapped_and_none_else() -> None:
    assert set(verify_export.EVENT_TYPES) == {each.event_type for each in payload_types()}


def test_every_event_type_is_a_valid_audit_event_with_all_that_the_payload_says() -> None:
    for event_type, payload in samples():
        for patient in (True, False):
            made = event(event_type, payload, patient=patient)
            content = resource(made)
            assert content["id"] == made.event_id
            assert datetime.fromisoformat(content["recorded"]) == datetime.fromisoformat(made.created_at)
            assert content["subtype"][0]["code"] == event_type
            values = values_of(content)
            assert values["hash"] == made.hash
            assert identifiers(content, "ledger")[0].endswith("/7")
            assert set(values) == {
                "hash",
                "state_version",
                "invocation_id",
                *(k for k, v in payload.items() if v is not None),
            }
            named = json.dumps(content["entity"])
            for name, value in payload.items():
                assert not isinstance(value, str) or value in named, name


def test_who_acted_is_named_and_where_nobody_did_the_system_is() -> None:
    acted = event("User.Interaction", {"kind": "viewed", "surface": "mini"})
    (agent,) = resource(acted)["agent"]
    assert agent["who"]["identifier"] == {"system": "urn:mobius:user", "value": acted.actor_user_id}
    assert agent["requestor"] is True
    assert agent["type"]["coding"][0]["code"] == "IRCP"
    (agent,) = resource(acted._replace(actor_user_id=""))["agent"]
    assert agent == {"who": {"display": "Mobius Mini + Sidecar"}, "requestor": True}


def test_the_patient_and_what_the_payload_names_are_entities() -> None:
    made = event(
        "Access.Changed", {"user_id": str(uuid4()), "role": "biller", "status": "active"}, patient=False
    )
    assert identifiers(resource(made), "user") == [json.loads(made.payload_json)["user_id"]]
    shown = [str(uuid4()), str(uuid4())]
    searched = event("User.Searched", {"result_count": 2, "surface": "mini", "shown": shown}, patient=False)
    assert identifiers(resource(searched), "patient-context") == shown
    assert resource(searched)["type"]["display"] == "Query"
    viewed = event("User.Interaction", {"kind": "viewed"})
    assert identifiers(resource(viewed), "patient-key") == [viewed.patient_key]
    assert resource(viewed)["entity"][-1]["what"]["identifier"] == {"value": viewed.correlation_id}


def test_what_an_auditor_looks_for_first_has_its_code() -> None:
    by_type = {event_type: resource(event(event_type, payload)) for event_type, payload in samples()}
    assert by_type["Glass.Broken"]["purposeOfEvent"][0]["coding"][0]["code"] == "BTG"
    assert by_type["Glass.Broken"]["subtype"][1]["display"] == "Emergency Override Started"
    assert by_type["Access.Denied"]["outcome"] == "4"
    assert {each["outcome"] for name, each in by_type.items() if name != "Access.Denied"} == {"0"}
    erased = resource(event("Patient.Erased", {"scope": "all"}))
    assert erased["action"] == "D"
    assert erased["entity"][0]["lifecycle"]["code"] == "15"
    assert "lifecycle" not in resource(event("Patient.Erased", {"scope": "texts"}))["entity"][0]
    kinds = {
        kind: resource(event("User.Interaction", {"kind": kind}))["action"] for kind in ("viewed", "closed")
    }
    assert kinds == {"viewed": "R", "closed": "E"}


@given(payloads)
def test_whatever_a_later_release_writes_is_a_valid_audit_event(payload: dict[str, Any]) -> None:
    resource(event("Later.Thing", payload))


@pytest.mark.parametrize("payload", ["[]", "null", "{", "[" * 100_000, '{"a": ' + "9" * 5000 + "}"])
def test_a_payload_that_is_none_is_told_without_a_crash(payload: str) -> None:
    with pytest.raises((ValueError, RecursionError)):
        audit_line(event("Later.Thing", {}, payload_json=payload))


# ---- alone ----


def test_it_needs_nothing_but_the_standard_library_and_cryptography() -> None:
    imported = set()
    for each in ast.walk(ast.parse(FILE.read_text())):
        if isinstance(each, ast.Import):
            imported |= {alias.name for alias in each.names}
        elif isinstance(each, ast.ImportFrom):
            imported.add(each.module or "")
    roots = {name.partition(".")[0] for name in imported}
    assert roots - sys.stdlib_module_names == {"cryptography"}


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (("nowhere", "--key", KEY), 2, "there is no folder nowhere"),
        ((".", "--key", KEY), 1, "it is no checkpoint"),
        ((".", "--key", "no-key"), 2, "no verifier key"),
        ((".",), 2, "--key"),
    ],
)
def test_it_says_what_it_could_not_look_at(
    tmp_path: Path, arguments: tuple[str, ...], status: int, said: str
) -> None:
    (tmp_path / "checkpoint.txt").write_text(SIGNER.sign(TEXT))
    done = subprocess.run(
        [sys.executable, "-I", FILE, *arguments], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (done.returncode, said in done.stderr, done.stdout) == (status, True, "")
    assert "Traceback" not in done.stderr
