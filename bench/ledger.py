"""How fast, and in how much memory, a whole ledger is verified: ``make bench-ledger EVENTS=1000000``.

Fills a scratch server as the application does (the chain's own trigger numbers and hashes), signs a
checkpoint and runs ``mobius ledger verify``, each as a process of its own, beside the bare floor of the same
run: the texts that are hashed, read by the same driver, and nothing done with them.
"""

from __future__ import annotations

import argparse
import base64
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID, uuid4

from rich.console import Console
from rich.progress import track
from rich.table import Table
from sqlalchemy import Engine, create_engine, text

from ops.ports import PortChoice, choose_ports
from ops.postgres_server import admin_url, postgres_part
from ops.readable import Screen
from ops.schema import DatabaseUrls, prepare_database
from ops.supervisor import Supervisor
from shared.ledger.chain import CANONICAL
from shared.persistence.database import driver_url

_EVENTS_A_PATIENT = 10
_PATIENTS_AT_ONCE = 1_000
_MOBIUS = Path(sys.executable).with_name("mobius")

_TENANT = text("INSERT INTO tenant (tenant_id, name) VALUES (:tenant, 'Bench')")
_PATIENTS = text("""
INSERT INTO patient_context (tenant_id, patient_context_id, patient_key)
SELECT :tenant, uuidv7(), 'p1' || replace(CAST(gen_random_uuid() AS text), '-', '')
FROM generate_series(1, :count) RETURNING patient_context_id""")
_EVENTS = text("""
INSERT INTO event_log (tenant_id, patient_context_id, event_id, event_type, correlation_id, payload_json)
SELECT :tenant, c.id, uuidv7(), 'User.Interaction', gen_random_uuid(), '{"kind": "viewed", "surface": "mini"}'
FROM unnest(CAST(:patients AS uuid[])) AS c(id), generate_series(1, :each)""")
_FLOOR = text(f"""
SELECT e.prev_hash, e.hash, {CANONICAL} FROM event_log e
WHERE e.tenant_id = :tenant AND (e.patient_context_id, e.seq) > (:patient, :seq)
ORDER BY e.tenant_id, e.patient_context_id, e.seq LIMIT 5000""")  # noqa: S608 -- our own text


def main() -> None:
    """Fills, signs, verifies, and prints what it took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=100_000)
    events = parser.parse_args().events
    folder = Path(tempfile.mkdtemp(prefix="mobius-bench-"))
    try:
        with _server(folder) as urls:
            _run(folder, urls, events)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _server(folder: Path) -> Iterator[DatabaseUrls]:
    screen = Screen(Console(stderr=True))
    port, password = choose_ports(PortChoice.AUTO, {}, frozenset()).postgres, secrets.token_hex(16)
    supervisor = Supervisor(log_folder=folder / "logs", screen=screen, restart=False)
    try:
        supervisor.start(postgres_part(data=folder / "postgres", port=port, password=password))
        yield prepare_database(admin_url(port, password))
    finally:
        supervisor.stop()


def _run(folder: Path, urls: DatabaseUrls, events: int) -> None:
    engine = create_engine(driver_url(urls.owner))
    tenant = uuid4()
    filled_s = _fill(engine, tenant, events)
    floor_s = _floor(engine, tenant)
    own = {name: value for name, value in os.environ.items() if not name.startswith("CLOUD")}
    environment = {
        **own,
        "GOOGLE_CLOUD_PROJECT": "mobius-bench",
        "MOBIUS_MASTER_SECRET": base64.b64encode(secrets.token_bytes(32)).decode(),
        "LEDGER_SIGNING_KEY": base64.b64encode(secrets.token_bytes(32)).decode(),
        "CHECKPOINT_STORE": str(folder / "checkpoints"),
        "DATABASE_URL": urls.owner,
    }
    first = _timed(("checkpoint",), environment)
    again = _timed(("checkpoint",), environment)
    verify = _timed(("verify", "--without-firestore"), environment)
    table = Table(title=f"{events:,} events in {events // _EVENTS_A_PATIENT:,} chains")
    for column in ("what", "seconds", "events/s", "peak MiB", "x floor"):
        table.add_column(column, justify="left" if column == "what" else "right")
    rows = (
        ("written, one process, by the trigger", filled_s, None),
        ("floor: read and nothing else", floor_s, None),
        ("mobius ledger checkpoint, the first", *first),
        ("mobius ledger checkpoint, nothing new", *again),
        ("mobius ledger verify", *verify),
    )
    for what, seconds, mebibytes in rows:
        memory = "" if mebibytes is None else f"{mebibytes:.0f}"
        table.add_row(what, f"{seconds:.1f}", f"{events / seconds:,.0f}", memory, f"{seconds / floor_s:.2f}")
    Console().print(table)


def _fill(engine: Engine, tenant: UUID, events: int) -> float:
    began = time.perf_counter()
    rounds = range(0, events // _EVENTS_A_PATIENT, _PATIENTS_AT_ONCE)
    for start in track(rounds, "filling", console=Console(stderr=True)):
        count = min(_PATIENTS_AT_ONCE, events // _EVENTS_A_PATIENT - start)
        with engine.begin() as connection:
            connection.execute(text(f"SET LOCAL app.tenant_id = '{tenant}'"))
            if start == 0:
                connection.execute(_TENANT, {"tenant": tenant})
            found = connection.execute(_PATIENTS, {"tenant": tenant, "count": count})
            patients = [row.patient_context_id for row in found]
            connection.execute(_EVENTS, {"tenant": tenant, "patients": patients, "each": _EVENTS_A_PATIENT})
    took_s = time.perf_counter() - began
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("ANALYZE event_log, patient_context"))
    return took_s


def _floor(engine: Engine, tenant: UUID) -> float:
    began = time.perf_counter()
    patient, seq = UUID(int=0), 0
    with engine.connect() as connection:
        connection.execute(text(f"SET LOCAL app.tenant_id = '{tenant}'"))
        while True:
            rows = connection.execute(_FLOOR, {"tenant": tenant, "patient": patient, "seq": seq}).all()
            if not rows:
                return time.perf_counter() - began
            last = rows[-1][2].split(", ", 3)
            patient, seq = UUID(last[1].strip('"')), int(last[2])


def _timed(command: tuple[str, ...], environment: dict[str, str]) -> tuple[float, float]:
    """Runs ``mobius ledger …``; returns seconds and peak memory in MiB. Its failure is ours."""
    began = time.perf_counter()
    process = subprocess.Popen((str(_MOBIUS), "ledger", *command), env=environment, stdout=sys.stderr)
    _, status, usage = os.wait4(process.pid, 0)
    took_s = time.perf_counter() - began
    if status:
        sys.exit(f"mobius ledger {command[0]} ended with status {os.waitstatus_to_exitcode(status)}.")
    return took_s, usage.ru_maxrss / 1024


if __name__ == "__main__":
    main()
