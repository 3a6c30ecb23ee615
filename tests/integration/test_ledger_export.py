"""An export proves itself to somebody who has one file, a key and nothing of Mobius; and no other passes."""

# Fixtures are imported, and asked for by their names; SQL is our own text.
# ruff: noqa: F401, F811

from __future__ import annotations

import base64
import json
import os
import random
import re
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import chdir
from hashlib import sha256
from pathlib import Path
from uuid import UUID

import pytest
from typer.testing import CliRunner, Result

from ops.cli import app
from ops.drafts import draft_of
from ops.ledger import verify_export
from ops.ledger.verify_export import AUDIT_EVENTS, CHECKPOINT, GENESIS, HEADER, HEADS, LEDGER, PROOF, Event
from shared.ledger.checkpoints.notes import Signer
from tests.integration.databases import Clinic, Database, database, run
from tests.ledger_payloads import samples

SEED = base64.b64encode(bytes(range(32))).decode()
KEY = str(Signer("demo-export/ledger", bytes(range(32))).verifier)
PATIENT, OTHER = "ehr-patient-1", "ehr-patient-2"
WHOLE, OF_PATIENT = (
    {LEDGER, AUDIT_EVENTS, CHECKPOINT, PROOF, HEADS},
    {LEDGER, AUDIT_EVENTS, CHECKPOINT, PROOF},
)
LATER = '{"kind": "closed", "surface": "mini"}'
APPEND = """
    INSERT INTO event_log (tenant_id, patient_context_id, event_id, event_type, actor_user_id, invocation_id,
        correlation_id, version, payload_json)
    SELECT :tenant_id, CAST(:patient AS uuid), gen_random_uuid(), each ->> 0, CAST(:user AS uuid),
        CAST(:invocation AS uuid), gen_random_uuid(), CAST(:version AS bigint), each -> 1
    FROM jsonb_array_elements(CAST(:events AS jsonb)) WITH ORDINALITY AS e(each, place) ORDER BY place"""


class Clinics:
    """A database with a ledger and its checkpoints, through an operator's command line."""

    def __init__(self, database: Database, folder: Path) -> None:
        self.database = database
        self.checkpoints = folder / "checkpoints"
        self.clinic, *self.others = (database.clinic() for _ in range(3))

    def mobius(self, *arguments: str, **variables: str) -> Result:
        env = {
            "DATABASE_URL": self.database.urls.owner,
            "CLOUD_SQL_INSTANCE": "",
            "GOOGLE_CLOUD_PROJECT": "demo-export",
            "MOBIUS_MASTER_SECRET": SEED,
            "LEDGER_SIGNING_KEY": SEED,
            "CHECKPOINT_STORE": str(self.checkpoints),
            **variables,
        }
        with chdir("/"):  # where no stack runs: the environment names the database
            return CliRunner().invoke(app, ["ledger", *arguments], env=env)

    def sign(self) -> None:
        result = self.mobius("checkpoint")
        assert result.exit_code == 0, result.output

    def export(self, to: Path, *options: str, clinic: Clinic | None = None, **variables: str) -> Result:
        tenant = str((clinic or self.clinic).tenant_id)
        return self.mobius("export", "--tenant", tenant, "--to", str(to), *options, **variables)

    def append(
        self, patient: UUID | None, events: list[tuple[str, dict[str, object]]], clinic: Clinic | None = None
    ) -> None:
        """Appends events, those of a patient by somebody, those without by nobody."""
        clinic = clinic or self.clinic
        who = (clinic.user_id, clinic.invocation_id, 1) if patient else (None, None, None)
        values = dict(zip(("user", "invocation", "version"), who, strict=True))
        run(
            self.database.app,
            clinic.tenant_id,
            APPEND,
            tenant_id=clinic.tenant_id,
            patient=patient,
            events=json.dumps(events),
            **values,
        )

    def tamper(self, statement: str, **values: object) -> None:
        """As somebody whom neither trigger nor policy keeps from anything."""
        with self.database.superuser.begin() as connection:
            connection.exec_driver_sql("SET LOCAL session_replication_role = replica")
            connection.exec_driver_sql(statement % values)

    def readings(self, clinic: Clinic | None = None) -> list[dict[str, object]]:
        clinic = clinic or self.clinic
        query = "SELECT payload_json FROM event_log WHERE event_type = 'Ledger.Read' ORDER BY seq"
        return [row[0] for row in run(self.database.app, clinic.tenant_id, query)]


@pytest.fixture(scope="module")
def clinics(database: Database, tmp_path_factory: pytest.TempPathFactory) -> Clinics:
    """Three tenants; the first has every event type in each of its chains."""
    made = Clinics(database, tmp_path_factory.mktemp("store"))
    events = list(samples())
    for patient in (None, made.clinic.patient_id, made.clinic.other_patient_id):
        made.append(patient, events)
    made.sign()
    made.append(made.clinic.patient_id, [("User.Interaction", json.loads(LATER))] * 2)
    return made


@pytest.fixture(scope="module")
def exported(clinics: Clinics, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An export of the whole tenant."""
    to = tmp_path_factory.mktemp("exports") / "whole"
    result = clinics.export(to)
    assert result.exit_code == 0, result.output
    return to


@pytest.fixture(scope="module")
def of_patient(clinics: Clinics, exported: Path) -> Path:
    """An export of one patient."""
    to = exported.with_name("patient")
    result = clinics.export(to, "--patient", PATIENT)
    assert result.exit_code == 0, result.output
    return to


@pytest.fixture
def copied(exported: Path, tmp_path: Path) -> Path:
    """A copy of the export to spoil."""
    return Path(shutil.copytree(exported, tmp_path / "copy"))


def verdict(folder: Path) -> str:
    """What the verifier says of a folder, in this process. Raises Refused."""
    note = verify_export._small_file(folder, CHECKPOINT)
    return verify_export.check(folder, verify_export.signed_text(note, KEY))


def refusal(folder: Path) -> str:
    with pytest.raises(verify_export.Refused) as raised:
        verdict(folder)
    return str(raised.value)


def refuses_to_open(folder: Path, name: str) -> bool:
    return refusal(folder) == f"{name} is missing, or no file."


def events_of(folder: Path) -> list[Event]:
    lines = (folder / LEDGER).read_text().splitlines(keepends=True)
    return [event for line in lines[1:] if (event := verify_export._event(line))]


def forge(folder: Path, events: list[Event]) -> None:
    """Writes these events as an owner of the database would: numbers, hashes and AuditEvents are right."""
    rows, resources, last = [HEADER], [], None
    for each in events:
        follows = last is not None and last.patient_context_id == each.patient_context_id
        seq, before = (int(last.seq) + 1, last.hash) if follows and last else (1, GENESIS)
        made = each._replace(seq=str(seq), prev_hash=before)
        made = made._replace(hash=sha256(bytes.fromhex(before) + made.canonical_text.encode()).hexdigest())
        payload = '"' + made.payload_json.replace('"', '""') + '"' if '"' in made.payload_json else "{}"
        rows.append(",".join((*made[:11], payload, *made[12:])) + "\n")
        resources.append(verify_export.audit_line(made))
        last = made
    (folder / LEDGER).write_text("".join(rows))
    (folder / AUDIT_EVENTS).write_text("".join(resources))


def test_a_tenants_export_is_accepted_with_what_it_proves(clinics: Clinics, exported: Path) -> None:
    total = len(events_of(exported))
    said = verdict(exported)
    assert re.fullmatch(
        rf"The ledger of tenant {clinics.clinic.tenant_id} holds: {total - 2} events of 3 chains are as the "
        r"checkpoint of 20\S+Z has them; 2 later events are chained but not signed yet\.",
        said,
    )
    assert {path.name for path in exported.iterdir()} == WHOLE
    # Nobody else on the machine reads it.
    assert stat.S_IMODE(exported.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in exported.iterdir()} == {0o600}
    assert len((exported / AUDIT_EVENTS).read_text().splitlines()) == total
    # It was told before it was written, and so is not in it.
    assert {"kind": "export", "patient_context_id": None, "event_count": total} in clinics.readings()


def test_a_patients_export_is_accepted_and_shows_nobody_else(clinics: Clinics, of_patient: Path) -> None:
    events = events_of(of_patient)
    assert f"patient {PATIENT} of tenant {clinics.clinic.tenant_id} holds: " in verdict(of_patient)
    assert {path.name for path in of_patient.iterdir()} == OF_PATIENT
    assert {event.patient_key for event in events} == {PATIENT}
    everything = b"".join(path.read_bytes() for path in of_patient.iterdir()).decode()
    assert OTHER not in everything
    assert str(clinics.clinic.other_patient_id) not in everything
    assert not [clinic for clinic in clinics.others if str(clinic.tenant_id) in everything]
    read = {
        "kind": "export",
        "patient_context_id": str(clinics.clinic.patient_id),
        "event_count": len(events),
    }
    assert read in clinics.readings()


def test_the_lone_file_checks_an_export_and_imports_nothing_of_mobius(exported: Path, tmp_path: Path) -> None:
    verifier = shutil.copy(verify_export.__file__, tmp_path)
    outside = shutil.copytree(exported, tmp_path / "evidence")

    def run_it(key: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-I", "-X", "importtime", verifier, "evidence", "--key", key]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    done = run_it(KEY)
    assert (done.returncode, done.stdout) == (0, f"{verdict(outside)}\n")
    modules = {line.rpartition("|")[2].strip().partition(".")[0] for line in done.stderr.splitlines()}
    assert "cryptography" in modules
    assert not modules & {"ops", "shared", "functions", "migrations", "sqlalchemy", "msgspec"}
    other = run_it(str(Signer("demo-export/ledger", bytes(32)).verifier))
    assert (other.returncode, other.stdout) == (1, "")
    assert other.stderr.endswith("refused: checkpoint.txt is not signed by this key.\n")


@pytest.mark.parametrize("name", sorted(WHOLE))
def test_one_changed_byte_anywhere_is_refused(copied: Path, of_patient: Path, name: str) -> None:
    dice = random.Random(name)  # noqa: S311 -- the same places each time
    spoilt = 0
    for folder in (copied, of_patient):
        if not (folder / name).exists():
            continue
        path = folder / name
        right = path.read_bytes()
        for _ in range(30):
            at = dice.randrange(len(right))
            for wrong in (bytes([right[at] ^ dice.randrange(1, 256)]), b"", right[at : at + 1] * 2):
                path.write_bytes(right[:at] + wrong + right[at + 1 :])
                assert refusal(folder).startswith(name)
                spoilt += 1
        path.write_bytes(right)
        verdict(folder)
    assert spoilt >= 90


@pytest.mark.parametrize("name", sorted(WHOLE))
def test_a_file_that_is_missing_cut_or_goes_on_is_refused(copied: Path, name: str) -> None:
    right = (copied / name).read_bytes()
    for wrong in (
        b"",
        right[:-1],
        right + b"\n",
        right + right,
        right.replace(b"\n", b"\r\n"),
        b"\xef\xbb\xbf" + right,
    ):
        (copied / name).write_bytes(wrong)
        assert name.partition(".")[0] in refusal(copied)
    (copied / name).unlink()
    assert refuses_to_open(copied, name)
    os.mkfifo(copied / name)
    assert refuses_to_open(copied, name)


def test_no_file_fills_the_memory_or_ends_in_the_middle(copied: Path) -> None:
    for name, wrong, said in (
        (PROOF, b" " * 1_100_000, "proof.json is too long."),
        (LEDGER, b"x" * 9_000_000 + b"\n", "ledger.csv line 1 is cut off, or too long."),
        (AUDIT_EVENTS, b"{}", "audit-events.ndjson line 1 is cut off, or too long."),
    ):
        right = (copied / name).read_bytes()
        (copied / name).write_bytes(wrong)
        assert refusal(copied) == said
        (copied / name).write_bytes(right)


def test_a_payload_that_no_reader_takes_is_refused_not_stumbled_over(copied: Path) -> None:
    last = events_of(copied)[-1]
    made = last._replace(
        seq=str(int(last.seq) + 1), prev_hash=last.hash, payload_json=f'{{"n": {"9" * 5000}}}'
    )
    digest = sha256(bytes.fromhex(made.prev_hash) + made.canonical_text.encode()).hexdigest()
    payload = '"' + made.payload_json.replace('"', '""') + '"'
    with (copied / LEDGER).open("a") as file:
        file.write(",".join((*made[:11], payload, made.prev_hash, digest)) + "\n")
    assert refusal(copied).endswith(": the payload can't be read.")


def test_a_file_too_many_or_a_link_is_refused(copied: Path, exported: Path) -> None:
    (copied / "a\x1b[31mred").write_text("x")
    assert refusal(copied) == r"'a\x1b[31mred' is no file of such an export."
    (copied / "a\x1b[31mred").unlink()
    (copied / HEADS).unlink()
    (copied / HEADS).symlink_to(exported / HEADS)
    assert refuses_to_open(copied, HEADS)


def removed(events: list[Event]) -> list[Event]:
    return events[:5] + events[6:]


def twice(events: list[Event]) -> list[Event]:
    return [*events[:6], events[5], *events[6:]]


def swapped(events: list[Event]) -> list[Event]:
    return [*events[:5], events[6], events[5], *events[7:]]


def altered(events: list[Event]) -> list[Event]:
    return [*events[:5], events[5]._replace(actor_user_id=events[-1].event_id), *events[6:]]


def without_the_last_chain(events: list[Event]) -> list[Event]:
    gone = events[-1].patient_context_id
    return [each for each in events if each.patient_context_id != gone]


def without_the_first_chain(events: list[Event]) -> list[Event]:
    return [each for each in events if each.patient_context_id]


def shortened(events: list[Event]) -> list[Event]:
    return events[:-3]


def emptied(_events: list[Event]) -> list[Event]:
    return []


def under_anothers_key(events: list[Event]) -> list[Event]:
    return [each._replace(patient_key=each.patient_key and "ehr-patient-9") for each in events]


def moved(events: list[Event]) -> list[Event]:
    return [*without_the_first_chain(events), *(each for each in events if not each.patient_context_id)]


def with_new_chains_out_of_order(events: list[Event]) -> list[Event]:
    contexts = (f"ffffffff-ffff-ffff-ffff-{n:012}" for n in (2, 1))
    return [*events, *(events[-1]._replace(patient_context_id=each) for each in contexts)]


@pytest.mark.parametrize(
    ("lie", "said"),
    [
        (removed, "after it, events that the checkpoint has are missing"),
        (twice, "the chain is not the one that the checkpoint has"),
        (swapped, "the chain is not the one that the checkpoint has"),
        (altered, "the chain is not the one that the checkpoint has"),
        (without_the_last_chain, "a chain that the checkpoint has is missing at its end"),
        (without_the_first_chain, "line 2: a chain that the checkpoint has is missing before it"),
        (shortened, "after it, events that the checkpoint has are missing"),
        (emptied, "a chain that the checkpoint has is missing at its end"),
        (under_anothers_key, "has another patient's key"),
        (moved, "line 2: a chain that the checkpoint has is missing before it"),
        (with_new_chains_out_of_order, "the chains are out of order"),
    ],
)
def test_a_ledger_rewritten_with_right_hashes_is_refused(
    copied: Path, lie: Callable[[list[Event]], list[Event]], said: str
) -> None:
    # The last chain is one that ends with its head, so that what is cut off there was signed.
    events = events_of(copied)
    if lie is shortened and events[-1].payload_json == LATER:
        events = events[:-2]
    forge(copied, events)
    verdict(copied)
    forge(copied, lie(events))
    told = refusal(copied)
    assert told.startswith("ledger.csv")
    assert said in told


def test_rows_out_of_place_are_named(copied: Path) -> None:
    rows = (copied / LEDGER).read_text().splitlines(keepends=True)
    resources = (copied / AUDIT_EVENTS).read_text().splitlines(keepends=True)
    for keep, said in (
        ([*range(7), *range(8, len(rows))], "line 8: an event is missing before it, or it is there twice."),
        (
            [*range(8), 7, *range(8, len(rows))],
            "line 9: an event is missing before it, or it is there twice.",
        ),
    ):
        (copied / LEDGER).write_text("".join(rows[n] for n in keep))
        (copied / AUDIT_EVENTS).write_text("".join(resources[n - 1] for n in keep[1:]))
        assert refusal(copied) == f"ledger.csv {said}"
    unlinked = rows[7].split(",")
    unlinked[-2] = "ab" * 32
    (copied / LEDGER).write_text("".join([*rows[:7], ",".join(unlinked), *rows[8:]]))
    assert refusal(copied) == "ledger.csv line 8 does not follow the event before it."


def test_a_patients_export_holds_no_other_chain(of_patient: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(of_patient, tmp_path / "copy"))
    other = "ffffffff-ffff-ffff-ffff-ffffffffffff"
    events = events_of(copy)
    forge(copy, [*events, events[0]._replace(patient_context_id=other)])
    assert refusal(copy).endswith("is of another chain than the one that is proven.")


def test_neither_is_one_with_heads_and_proof_to_match(copied: Path) -> None:
    forge(copied, altered(events_of(copied)))
    last = {event.patient_context_id: event for event in events_of(copied)}
    heads = []
    for line in (copied / HEADS).read_text().splitlines():
        tenant, context, key, _, _ = json.loads(line)
        event = last[context or ""]
        heads.append(json.dumps([tenant, context, key, int(event.seq), event.hash], separators=(",", ":")))
    (copied / HEADS).write_text("".join(f"{line}\n" for line in heads))
    assert refusal(copied) == "heads.ndjson is not what was signed."
    proof = json.loads((copied / PROOF).read_text())
    root = verify_export.root_of(map(verify_export.leaf, heads)).hex()
    proof["tenant"]["line"] = re.sub(
        r'[0-9]+,"[0-9a-f]{64}"\]', f'{len(events_of(copied))},"{root}"]', proof["tenant"]["line"]
    )
    (copied / PROOF).write_text(json.dumps(proof, separators=(",", ":")) + "\n")
    assert refusal(copied) == "proof.json line 1: the tenant is not in the checkpoint."


def test_what_belongs_to_another_export_does_not_fit(copied: Path, of_patient: Path) -> None:
    for name in (PROOF, LEDGER, AUDIT_EVENTS):
        right = (copied / name).read_bytes()
        shutil.copy(of_patient / name, copied / name)
        refusal(copied)
        (copied / name).write_bytes(right)
    verdict(copied)


def test_a_chain_that_grows_meanwhile_is_exported_up_to_one_moment(clinics: Clinics, tmp_path: Path) -> None:
    clinic = clinics.others[0]
    grown = 0

    def write() -> None:
        nonlocal grown
        while not (tmp_path / "e").exists():
            for patient in (None, clinic.patient_id, clinic.other_patient_id):
                clinics.append(patient, [("User.Interaction", {"kind": "opened"})], clinic)
                grown += 1

    with ThreadPoolExecutor() as pool:
        writing = pool.submit(write)
        result = clinics.export(tmp_path / "e", clinic=clinic)
        writing.result()
    assert result.exit_code == 0, result.output
    assert grown
    # Chains that no checkpoint has yet are exported too.
    assert "2 events of 2 chains are as the checkpoint of" in verdict(tmp_path / "e")
    events = events_of(tmp_path / "e")
    assert clinics.readings(clinic)[-1]["event_count"] == len(events)


def test_a_ledger_that_was_altered_is_exported_and_shows_it(clinics: Clinics, tmp_path: Path) -> None:
    clinic = clinics.others[1]
    clinics.append(clinic.patient_id, [("User.Interaction", {"kind": "closed"})] * 3, clinic)
    clinics.sign()
    clinics.tamper(
        """UPDATE event_log SET payload_json = '{"kind": "opened"}'
        WHERE patient_context_id = '%(patient)s' AND seq = 2""",
        patient=clinic.patient_id,
    )
    result = clinics.export(tmp_path / "altered", clinic=clinic)
    assert result.exit_code == 1
    assert "is there" not in result.output
    assert re.search(
        r"it shows that the ledger is not what was signed\. ledger\.csv line \d is not what was hashed",
        result.stderr,
    )
    assert refusal(tmp_path / "altered").endswith("is not what was hashed.")
    # Also when the patient is gone with everything, and asked for.
    clinics.tamper(
        "DELETE FROM event_log WHERE patient_context_id = '%(patient)s'", patient=clinic.patient_id
    )
    clinics.tamper(
        "DELETE FROM patient_context WHERE patient_context_id = '%(patient)s'", patient=clinic.patient_id
    )
    for name, options in (("whole", ()), ("one", ("--patient", PATIENT))):
        result = clinics.export(tmp_path / name, *options, clinic=clinic)
        assert result.exit_code == 1
        assert "a chain that the checkpoint has is missing" in refusal(tmp_path / name)
        assert "a chain that the checkpoint has is missing" in result.stderr
    clinics.tamper("DELETE FROM tenant WHERE tenant_id = '%(tenant)s'", tenant=clinic.tenant_id)
    result = clinics.export(tmp_path / "nothing", clinic=clinic)
    assert (result.exit_code, "somebody removed it" in result.stderr) == (1, True)


def test_what_can_not_be_exported_is_told_with_how_to_mend_it(
    clinics: Clinics, exported: Path, tmp_path: Path
) -> None:
    new = clinics.database.clinic()
    told = len(clinics.readings(new))
    (tmp_path / "file").write_text("x")
    to = tmp_path / "e"
    other_key = base64.b64encode(bytes(32)).decode()
    refused: list[tuple[Result, str]] = [
        (clinics.export(exported), "is there and not empty: name another folder with --to."),
        (clinics.export(tmp_path / "file"), "is there and not empty"),
        (clinics.export(tmp_path / "no" / "where"), "There is no folder"),
        (
            clinics.export(to, clinic=new),
            "so nothing could be proven: make one with mobius ledger checkpoint.",
        ),
        (clinics.export(to, CHECKPOINT_STORE=str(tmp_path / "none")), "There is no checkpoint yet"),
        (clinics.export(to, CHECKPOINT_STORE=""), "set CHECKPOINT_STORE and LEDGER_PUBLIC_KEYS"),
        (clinics.export(to, clinic=Clinic()), "There is no such tenant"),
        (clinics.export(to, "--patient", "ehr-patient-9"), "no patient of that key"),
        (clinics.export(to, "--patient", "Jane Doe"), "no patient's key"),
        (clinics.export(to, LEDGER_SIGNING_KEY=other_key), "the checkpoints don't hold"),
    ]
    for result, said in refused:
        assert result.exit_code == 1, result.output
        assert said in result.stderr
        assert "Jane" not in result.output
    assert {path.name for path in tmp_path.iterdir()} == {"file"}
    assert len(clinics.readings(new)) == told


def test_an_empty_folder_that_is_there_is_filled_and_closed_to_others(
    clinics: Clinics, tmp_path: Path
) -> None:
    (tmp_path / "e").mkdir(mode=0o755)
    (tmp_path / "link").symlink_to(tmp_path / "e")
    assert clinics.export(tmp_path / "link", "--patient", OTHER).exit_code == 0
    verdict(tmp_path / "e")
    assert stat.S_IMODE((tmp_path / "e").stat().st_mode) == 0o700


def test_what_is_stopped_leaves_nothing(tmp_path: Path) -> None:
    def stopped() -> None:
        with draft_of(tmp_path / "e") as draft:
            (draft / LEDGER).write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stopped()
    assert not list(tmp_path.iterdir())
