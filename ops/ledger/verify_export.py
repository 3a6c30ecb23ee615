# /// script
# requires-python = ">=3.11"
# dependencies = ["cryptography"]
# ///
"""Checks an export of the Mobius ledger, offline: ``python verify_export.py FOLDER --key VERIFIER_KEY``.

It needs this one file, Python and the cryptography package. It uses nothing of Mobius, on purpose: a
verifier that shared Mobius's code would share its mistakes. The format is in docs/ledger.md. The key must
come from somebody you trust, on another way than the export.

Ends with 0 when everything holds, with 1 when something does not, with 2 when it could not look.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

try:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
except ModuleNotFoundError:
    print(
        "can't check: the package cryptography is missing: pip install cryptography, or run this file with "
        "uv run, which brings it.",
        file=sys.stderr,
    )
    sys.exit(2)

LEDGER, AUDIT_EVENTS, CHECKPOINT = "ledger.csv", "audit-events.ndjson", "checkpoint.txt"
PROOF, HEADS = "proof.json", "heads.ndjson"
GENESIS = "0" * 64  # the hash before a chain's first event
LONGEST_LINE = 8 * 1024 * 1024  # so that no file can fill the memory
LONGEST_FILE = 1024 * 1024  # of those that are read whole

UUID = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
KEY, HASH, BASE64 = "[A-Za-z0-9_-]{1,64}", "[0-9a-f]{64}", "[A-Za-z0-9+/]{43}="
NUMBER, INDEX = "[1-9][0-9]{0,18}", "0|[1-9][0-9]{0,18}"
TIME = r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}Z"
# Each of these allows one way of writing a thing, so that no byte can change and the meaning stay.
ROW_FORM = re.compile(
    rf"({UUID}),({UUID})?,({KEY})?,({NUMBER}),({UUID}),([A-Z][a-z]+\.[A-Z][a-z]+),({TIME}),({UUID})?,({UUID})?,"
    rf'({UUID})?,({NUMBER})?,(\{{\}}|"\{{""[^"\n]*(?:""[^"\n]*)*\}}"),({HASH}),({HASH})\n'
)
HEAD_FORM = re.compile(rf'\["({UUID})",(?:null,null|"({UUID})","({KEY})"),({NUMBER}),"({HASH})"\]')
TENANT_FORM = re.compile(rf'\["({UUID})",({NUMBER}),({NUMBER}),"({HASH})"\]')
STEP = rf'\{{"line":"((?:[^"\\\n]|\\")*)","index":({INDEX}),"path":\[((?:"{HASH}"(?:,"{HASH}")*)?)\]\}}'
PROOF_FORM = re.compile(rf'\{{"tenant":{STEP}(?:,"head":{STEP})?\}}\n')
CHECKPOINT_FORM = re.compile(
    rf"(\S+)\n({NUMBER})\n({BASE64})\nnumber ({NUMBER})\ntime ({TIME})\nevents ({NUMBER})\n"
    rf"previous (?:none|{BASE64})\n"
)


class Refused(Exception):
    """Something is not as it was signed, or as an export is; the message names the file and says what."""


class Event(NamedTuple):
    """One row of ledger.csv, each column as its text; empty where the database has null."""

    tenant_id: str
    patient_context_id: str
    patient_key: str
    seq: str
    event_id: str
    event_type: str
    created_at: str
    actor_user_id: str
    invocation_id: str
    correlation_id: str
    version: str
    payload_json: str
    prev_hash: str
    hash: str

    @property
    def canonical_text(self) -> str:
        """What is hashed. The patient's key is not in it: the checkpoint binds it to the chain."""
        first = (_quoted(self.tenant_id), _quoted(self.patient_context_id), self.seq)
        middle = (self.event_id, self.event_type, self.created_at, *self[7:10])
        last = (self.version or "null", self.payload_json)
        return f"[{', '.join((*first, *map(_quoted, middle), *last))}]"


HEADER = ",".join(Event._fields) + "\n"


class Head(NamedTuple):
    """Where a chain stood when the checkpoint was made; without patient, it is the tenant's own."""

    patient_context_id: str
    patient_key: str
    seq: int
    hash: str


# ---- the checkpoint: a C2SP signed note ----


def signed_text(note: bytes, key: str) -> str:
    """The text of a note that the key has signed. Raises ValueError for what is no key, or Refused."""
    name, _, rest = key.partition("+")
    key_id, _, encoded = rest.partition("+")
    public = _strict_base64(encoded)
    if not name or public is None or len(public) != 33 or public[0] != 1:  # 1: Ed25519
        raise ValueError("This is no verifier key: it has the form name+hash+key, with an Ed25519 key.")
    if hashlib.sha256(f"{name}\n".encode() + public).hexdigest()[:8] != key_id:
        raise ValueError("The verifier key's hash is not that of its key: it was changed on its way.")
    body, blank, signature_line = note.rpartition(b"\n\n")
    match = re.fullmatch(rb"\xe2\x80\x94 ([^ \n]+) ([A-Za-z0-9+/=]+)\n", signature_line)
    signature = _strict_base64(match[2].decode()) if match else None
    if not blank or match is None or signature is None:
        raise Refused(f"{CHECKPOINT} is no note with one signature.")
    if match[1] != name.encode() or signature[:4].hex() != key_id:
        raise Refused(f"{CHECKPOINT} is not signed by this key.")
    try:
        Ed25519PublicKey.from_public_bytes(public[1:]).verify(signature[4:], body + b"\n")
        text = body.decode() + "\n"
    except (InvalidSignature, UnicodeDecodeError):
        raise Refused(f"{CHECKPOINT}: the signature is not of this text.") from None
    if not text.startswith(f"{name}\n"):
        raise Refused(f"{CHECKPOINT} is of another log than the key's.")
    return text


# ---- Merkle trees: RFC 9162, section 2.1 ----


def leaf(line: str) -> bytes:
    """The hash of a line, without its line feed."""
    return hashlib.sha256(b"\0" + line.encode()).digest()


def node(left: bytes, right: bytes) -> bytes:
    """The hash of two subtrees."""
    return hashlib.sha256(b"\1" + left + right).digest()


def root_of(leaves: Iterable[bytes]) -> bytes:
    """The root over the leaves, holding one hash for each height."""
    subtrees: list[bytes] = []
    for size, each in enumerate(leaves, start=1):
        subtrees.append(each)
        while size % 2 == 0:
            right = subtrees.pop()
            subtrees[-1] = node(subtrees[-1], right)
            size //= 2
    root = subtrees.pop() if subtrees else b""
    while subtrees:
        root = node(subtrees.pop(), root)
    return root


def root_by_path(line: str, index: int, size: int, path: str) -> bytes | None:
    """Where the inclusion proof of section 2.1.3.2 leads; None when it doesn't fit a tree of this size."""
    if index >= size:
        return None
    at, last, root = index, size - 1, leaf(line)
    for sibling in map(bytes.fromhex, re.findall(HASH, path)):
        if last == 0:
            return None
        if at % 2 or at == last:
            root = node(sibling, root)
            while at and at % 2 == 0:
                at, last = at // 2, last // 2
        else:
            root = node(root, sibling)
        at, last = at // 2, last // 2
    return root if last == 0 else None


# ---- the export ----


def check(folder: Path, text: str, advance: Callable[[int], None] = lambda _size: None) -> str:
    """Says what a folder proves, given the text of its checkpoint, whose signature was checked.

    ``advance`` is told the size of each row of ledger.csv. Raises Refused, or OSError.
    """
    statement = CHECKPOINT_FORM.fullmatch(text)
    if statement is None:
        raise Refused(f"{CHECKPOINT} is signed, but it is no checkpoint.")
    tenant, head = _proof(folder, int(statement[2]), base64.b64decode(statement[3]))
    expected = {LEDGER, AUDIT_EVENTS, CHECKPOINT, PROOF} | (set() if head else {HEADS})
    for name in sorted(path.name for path in folder.iterdir()):
        if name not in expected:
            raise Refused(f"{name!a} is no file of such an export.")
    if head is None:
        _check_heads(folder, tenant)
    heads = iter((head,)) if head else (each for _, each in _heads(folder, tenant[1]))
    chains, signed, later = _walk(folder, tenant[1], heads, head is None, advance)
    whose = f"patient {head.patient_key} of tenant {tenant[1]}" if head else f"tenant {tenant[1]}"
    return (
        f"The ledger of {whose} holds: {_count(signed, 'event')} of {_count(chains, 'chain')} are as the "
        f"checkpoint of {statement[5]} has them; {_count(later, 'later event')} "
        f"{'is' if later == 1 else 'are'} chained but not signed yet."
    )


def _proof(folder: Path, tenants: int, root: bytes) -> tuple[re.Match[str], Head | None]:
    """The tenant, and of a single patient the head, once their paths have led to the checkpoint's root."""
    proof = PROOF_FORM.fullmatch(_small_file(folder, PROOF).decode("utf-8", "replace"))
    if proof is None:
        raise Refused(f"{PROOF} line 1 is not in the form of a proof.")
    tenant_line, head_line = (part and part.replace('\\"', '"') for part in proof.group(1, 4))
    tenant = TENANT_FORM.fullmatch(tenant_line)
    if tenant is None or root_by_path(tenant_line, int(proof[2]), tenants, proof[3]) != root:
        raise Refused(f"{PROOF} line 1: the tenant is not in the checkpoint.")
    if head_line is None:
        return tenant, None
    head = _head(head_line, tenant[1])
    way = root_by_path(head_line, int(proof[5]), int(tenant[2]), proof[6])
    if head is None or not head.patient_key or way != bytes.fromhex(tenant[4]):
        raise Refused(f"{PROOF} line 1: the patient's chain is not in the checkpoint.")
    return tenant, head


def _check_heads(folder: Path, tenant: re.Match[str]) -> None:
    """Checks that heads.ndjson is what was signed, no head more and none less, and in the signed order."""
    chains = events = 0

    def leaves() -> Iterator[bytes]:
        nonlocal chains, events
        for line, head in _heads(folder, tenant[1]):
            chains, events = chains + 1, events + head.seq
            yield leaf(line)

    if root_of(leaves()).hex() != tenant[4] or (chains, events) != (int(tenant[2]), int(tenant[3])):
        raise Refused(f"{HEADS} is not what was signed.")


def _heads(folder: Path, tenant_id: str) -> Iterator[tuple[str, Head]]:
    for number, line in _lines(folder, HEADS):
        head = _head(line[:-1], tenant_id)
        if head is None:
            raise Refused(f"{HEADS} line {number} is no head of this tenant.")
        yield line[:-1], head


def _walk(
    folder: Path, tenant_id: str, heads: Iterator[Head], whole: bool, advance: Callable[[int], None]
) -> tuple[int, int, int]:
    """Walks all chains: how many were signed, and how many events were signed and not yet."""
    chains = signed = later = 0
    rows, resources = _lines(folder, LEDGER), _lines(folder, AUDIT_EVENTS)
    if next(rows, (0, ""))[1] != HEADER:
        raise Refused(f"{LEDGER} line 1 does not name the columns.")
    last: Event | None = None
    head: Head | None = None
    upcoming = next(heads, None)
    for number, line in rows:
        advance(len(line))
        where = f"{LEDGER} line {number}"
        event = _event(line)
        if event is None or event.tenant_id != tenant_id:
            raise Refused(f"{where} is no event of this tenant in the form of an export.")
        if last is None or last.patient_context_id != event.patient_context_id:
            if last is not None and last.patient_context_id > event.patient_context_id:
                raise Refused(f"{where}: the chains are out of order.")
            _complete(last, head, number - 1)
            head, last = None, None
            if upcoming is not None and upcoming.patient_context_id <= event.patient_context_id:
                head, upcoming, chains = upcoming, next(heads, None), chains + 1
            if head is None and not whole:
                raise Refused(f"{where} is of another chain than the one that is proven.")
            if head is not None and head.patient_context_id != event.patient_context_id:
                raise Refused(f"{where}: a chain that the checkpoint has is missing before it.")
        seq = int(event.seq)
        if seq != (int(last.seq) if last else 0) + 1:
            raise Refused(f"{where}: an event is missing before it, or it is there twice.")
        if event.prev_hash != (last.hash if last else GENESIS):
            raise Refused(f"{where} does not follow the event before it.")
        if event.patient_key != (last or head or event).patient_key:
            raise Refused(f"{where} has another patient's key.")
        if (
            hashlib.sha256(bytes.fromhex(event.prev_hash) + event.canonical_text.encode()).hexdigest()
            != event.hash
        ):
            raise Refused(f"{where} is not what was hashed.")
        if head is not None and seq == head.seq and event.hash != head.hash:
            raise Refused(f"{where}: the chain is not the one that the checkpoint has.")
        if head is not None and seq <= head.seq:
            signed += 1
        else:
            later += 1
        at, resource = next(resources, (number - 1, None))
        if resource != _audit_line(event, where):
            raise Refused(f"{AUDIT_EVENTS} line {at} is not what {where} says.")
        last = event
    _complete(last, head, signed + later + 1)
    if upcoming is not None:
        raise Refused(f"{LEDGER}: a chain that the checkpoint has is missing at its end.")
    if next(resources, None) is not None:
        raise Refused(f"{AUDIT_EVENTS} has more lines than {LEDGER} has events.")
    return chains, signed, later


def _complete(last: Event | None, head: Head | None, number: int) -> None:
    if last is not None and head is not None and int(last.seq) < head.seq:
        raise Refused(f"{LEDGER} line {number}: after it, events that the checkpoint has are missing.")


def _audit_line(event: Event, where: str) -> str:
    try:
        return audit_line(event)
    except (ValueError, RecursionError):
        raise Refused(f"{where}: the payload can't be read.") from None


def _event(line: str) -> Event | None:
    match = ROW_FORM.fullmatch(line)
    if match is None or (match[2] is None) != (match[3] is None):
        return None
    columns = [part or "" for part in match.groups()]
    if columns[11] != "{}":
        columns[11] = columns[11][1:-1].replace('""', '"')
    return Event(*columns)


def _head(line: str, tenant_id: str) -> Head | None:
    match = HEAD_FORM.fullmatch(line)
    if match is None or match[1] != tenant_id:
        return None
    return Head(match[2] or "", match[3] or "", int(match[4]), match[5])


def _lines(folder: Path, name: str) -> Iterator[tuple[int, str]]:
    """The lines of a file with their numbers; each is whole."""
    with _open(folder, name) as file:
        number = 0
        while line := file.readline(LONGEST_LINE):
            number += 1
            try:
                text = line.decode()
            except UnicodeDecodeError:
                raise Refused(f"{name} line {number} is not UTF-8.") from None
            if not text.endswith("\n"):
                raise Refused(f"{name} line {number} is cut off, or too long.")
            yield number, text


def _small_file(folder: Path, name: str) -> bytes:
    with _open(folder, name) as file:
        content = file.read(LONGEST_FILE + 1)
    if len(content) > LONGEST_FILE:
        raise Refused(f"{name} is too long.")
    return content


def _open(folder: Path, name: str) -> BinaryIO:
    # A link could lead out of the folder, and anything else but a file could keep one waiting forever.
    if (folder / name).is_symlink() or not (folder / name).is_file():
        raise Refused(f"{name} is missing, or no file.")
    return (folder / name).open("rb")


def _quoted(text: str) -> str:
    return f'"{text}"' if text else "null"


def _strict_base64(text: str) -> bytes | None:
    try:
        decoded = base64.b64decode(text, validate=True)
    except ValueError:
        return None
    # The decoder overlooks what the last character holds too much.
    return decoded if base64.b64encode(decoded).decode() == text else None


# ---- each event as a FHIR R4 AuditEvent, after IHE's Basic Audit Log Patterns ----

DCM = "http://dicom.nema.org/resources/ontology/DCM"
TERMS = "http://terminology.hl7.org/CodeSystem/"
BALP = "https://profiles.ihe.net/ITI/BALP/CodeSystem/BasicAuditEntityType"
SYSTEM = {"display": "Mobius Mini + Sidecar"}
AS_JSON = json.JSONEncoder(separators=(",", ":")).encode
# What an event is to DICOM (PS3.16, CID 400), and what more closely (CID 401).
ACTIVITY, LOG_USED = ("110100", "Application Activity"), ("110101", "Audit Log Used")
EXPORT, RECORD, QUERY = ("110106", "Export"), ("110110", "Patient Record"), ("110112", "Query")
ALERT, OVERRIDE = ("110113", "Security Alert"), ("110127", "Emergency Override Started")
CONFIGURED, RESTRICTED = ("110129", "Security Configuration"), ("110132", "Use of Restricted Function")
USER_CHANGED = ("110137", "User Security Attributes Changed")
EVENT_TYPES = {  # each with its action: create, read, update, delete or execute
    "System.Response": (RECORD, "C", None),
    "User.Acknowledged": (RECORD, "C", None),
    "User.Dismissed": (RECORD, "U", None),
    "User.Interaction": (RECORD, "R", None),
    "User.Searched": (QUERY, "E", None),
    "Glass.Broken": (ALERT, "E", OVERRIDE),
    "Outcome.Computed": (RECORD, "U", None),
    "Assignment.Created": (RECORD, "C", None),
    "Assignment.Claimed": (RECORD, "U", None),
    "Assignment.Reassigned": (RECORD, "U", None),
    "Assignment.Resolved": (RECORD, "U", None),
    "Policy.Published": (ALERT, "E", CONFIGURED),
    "Patient.Updated": (RECORD, "U", None),
    "Version.Raised": (RECORD, "U", None),
    "Access.Changed": (ALERT, "E", USER_CHANGED),
    "Access.Denied": (ALERT, "E", RESTRICTED),
    "Ledger.Read": (LOG_USED, "R", None),
    "Patient.Erased": (RECORD, "D", None),
    "Tenant.Exported": (EXPORT, "R", None),
    "Tenant.Closed": (ALERT, "E", CONFIGURED),
    "Tenant.Erased": (RECORD, "D", None),
}
QUIET = ("switched", "navigated", "closed", "typed")  # interactions that show nothing new
PATIENT, USER, OBJECT = ("1", "Patient"), ("11", "Security User Entity"), ("4", "Domain Resource")
GROUP, SECURITY = ("12", "Security User Group"), ("13", "Security Resource")
NAMED = {  # the fields of payloads that name something: what kind of thing, in which role
    "user_id": ("user", USER),
    "assigned_to_user": ("user", USER),
    "assigned_to_role": ("role", GROUP),
    "patient_context_id": ("patient-context", PATIENT),
    "shown": ("patient-context", PATIENT),
    "system_response_id": ("system-response", OBJECT),
    "mini_submission_id": ("mini-submission", OBJECT),
    "assignment_id": ("assignment", OBJECT),
    "break_glass_id": ("break-glass", OBJECT),
    "policy_version": ("policy-version", SECURITY),
}


def audit_line(event: Event) -> str:
    """The event's line of audit-events.ndjson. Raises ValueError or RecursionError for a broken payload."""
    payload = json.loads(event.payload_json)
    if not isinstance(payload, dict):
        raise ValueError("a payload is an object")
    return AS_JSON(audit_event(event, payload)) + "\n"


def audit_event(event: Event, payload: dict[str, Any]) -> dict[str, Any]:
    """The event as an AuditEvent: ids as entities, and every value as a detail of its place in the ledger."""
    # A type of a later release is something that the application did.
    kind, action, closer = EVENT_TYPES.get(event.event_type, (ACTIVITY, "E", None))
    if event.event_type == "User.Interaction" and payload.get("kind") in QUIET:
        action = "E"
    subtypes = [_coding("urn:mobius:event-type", event.event_type)]
    purpose = _coding(f"{TERMS}v3-ActReason", "BTG", "break the glass")
    recipient = _coding(f"{TERMS}v3-ParticipationType", "IRCP", "information recipient")
    agent: dict[str, Any] = {"who": SYSTEM, "requestor": True}
    if event.actor_user_id:
        agent["who"] = {"identifier": _identifier("user", event.actor_user_id)}
        agent |= {"type": {"coding": [recipient]}} if action == "R" or kind == QUERY else {}
    return {
        "resourceType": "AuditEvent",
        "id": event.event_id,
        "type": _coding(DCM, *kind),
        "subtype": [*subtypes, _coding(DCM, *closer)] if closer else subtypes,
        "action": action,
        "recorded": event.created_at,
        "outcome": "4" if closer == RESTRICTED else "0",
        **({"purposeOfEvent": [{"coding": [purpose]}]} if closer == OVERRIDE else {}),
        "agent": [agent],
        "source": {
            "site": event.tenant_id,
            "observer": SYSTEM,
            "type": [_coding(f"{TERMS}security-source-type", "4", "Application Server")],
        },
        "entity": list(_entities(event, payload)),
    }


def _entities(event: Event, payload: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The patient, the place in the ledger with every value, whatever the payload names, and the request."""
    if event.patient_key:
        patient = _entity("patient-key", event.patient_key, PATIENT)
        if payload.get("scope") == "all":
            erased = "Permanent erasure / Physical destruction"
            patient["lifecycle"] = _coding(f"{TERMS}dicom-audit-lifecycle", "15", erased)
        yield patient
    columns = {"hash": event.hash, "state_version": event.version, "invocation_id": event.invocation_id}
    place = _entity("ledger", f"{event.patient_context_id or event.tenant_id}/{event.seq}", SECURITY)
    values = [(name, each) for name, each in {**columns, **payload}.items() if each not in (None, "")]
    yield {**place, "detail": [{"type": _text(name), "valueString": _text(each)} for name, each in values]}
    for name, value in payload.items():
        for each in value if isinstance(value, list) else [value]:
            if name in NAMED and isinstance(each, str | int):
                yield _entity(NAMED[name][0], _text(each), NAMED[name][1])
    if event.correlation_id:
        yield {"what": {"identifier": {"value": event.correlation_id}}, "type": _coding(BALP, "XrequestId")}


def _entity(system: str, value: str, role: tuple[str, str]) -> dict[str, Any]:
    kind = ("1", "Person") if role in (PATIENT, USER) else ("2", "System Object")
    what = {"identifier": _identifier(system, value)}
    return {
        "what": {"type": "Patient", **what} if role == PATIENT else what,
        "type": _coding(f"{TERMS}audit-entity-type", *kind),
        "role": _coding(f"{TERMS}object-role", *role),
    }


def _identifier(system: str, value: str) -> dict[str, str]:
    return {"system": f"urn:mobius:{system}", "value": value}


@lru_cache(maxsize=256)
def _coding(system: str, code: str, display: str | None = None) -> dict[str, str]:
    coding = {"system": system, "code": code}
    return coding if display is None else {**coding, "display": display}


def _text(value: object) -> str:
    """A value as FHIR's string, which is not empty nor has control characters; JSON where it isn't text."""
    plain = isinstance(value, str) and value.isprintable() and value.strip() == value != ""
    return str(value) if plain else AS_JSON(value)


# ---- the command ----


def main() -> int:
    """Checks the folder that the command line names; says what was proven, or what is wrong."""
    parser = argparse.ArgumentParser(description="Checks an export of the Mobius ledger, offline.")
    parser.add_argument("folder", type=Path, help="the export")
    parser.add_argument(
        "--key", required=True, metavar="VERIFIER_KEY", help="name+hash+key, of whoever signs"
    )
    given = parser.parse_args()
    if not given.folder.is_dir():
        parser.error(f"there is no folder {given.folder}")
    try:
        folder = given.folder
        text = signed_text(_small_file(folder, CHECKPOINT), given.key)
        print(check(folder, text, _progress(folder / LEDGER)))
    except Refused as refusal:
        print(f"refused: {refusal}", file=sys.stderr)
        return 1
    except (OSError, ValueError) as error:
        print(f"can't check: {error}", file=sys.stderr)
        return 2
    return 0


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _progress(ledger: Path) -> Callable[[int], None]:
    """Tells a terminal how far it is; nobody else."""
    total = ledger.stat().st_size if ledger.is_file() and sys.stderr.isatty() else 0
    done = shown = 0

    def advance(size: int) -> None:
        nonlocal done, shown
        done += size
        if total and done * 100 // total > shown:
            shown = done * 100 // total
            print(f"\r{shown} %", end="" if shown < 99 else "\n", file=sys.stderr, flush=True)

    return advance


if __name__ == "__main__":
    sys.exit(main())
