"""What the questions about one patient's ledger have in common: the patient, the days, and being audited."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Annotated, NamedTuple

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from sqlalchemy import Engine, text

from ops.installation import Refused
from ops.transaction import tell_ledger, transaction
from shared.ledger.chain import Head
from shared.ledger.events import LedgerRead
from shared.model import LedgerReading, PatientContextId, PatientKey, TenantId

KeyArgument = Annotated[
    str, typer.Argument(metavar="PATIENT_KEY", help="The patient's key, as answers and documents have it.")
]
SinceOption = Annotated[
    str | None,
    typer.Option(metavar="DATE", help="From the beginning of this day on (UTC), as 2026-11-23."),
]
UntilOption = Annotated[
    str | None, typer.Option(metavar="DATE", help="Until the end of this day (UTC), as 2026-11-30.")
]

_FIRST = datetime(1, 1, 1, tzinfo=UTC)
_LAST = datetime(9999, 12, 31, tzinfo=UTC)
_KEY = re.compile(r"[A-Za-z0-9_-]{8,64}")
_NO_PATIENT = (
    "This tenant has no patient of that key: give one as answers and documents have it, and look at --tenant."
)

_PATIENT = text("""
SELECT c.patient_context_id, c.ledger_seq, c.ledger_head, t.ledger_seq AS tenant_seq,
    (SELECT e.created_at FROM event_log e WHERE e.tenant_id = c.tenant_id
        AND e.patient_context_id = c.patient_context_id ORDER BY e.seq LIMIT 1) AS began_at
FROM patient_context c JOIN tenant t ON t.tenant_id = c.tenant_id
WHERE c.tenant_id = :tenant AND c.patient_key = :patient_key""")


class Asked(NamedTuple):
    """The patient asked about, and how far the chains reached then: what comes later is not read.

    ``head`` has an empty hash when the chain has no event; ``began_at`` is the time of its first one.
    """

    tenant_id: TenantId
    patient_context_id: PatientContextId
    patient_key: PatientKey
    head: Head
    tenant_seq: int
    began_at: datetime | None


class Period(NamedTuple):
    """From ``since`` on, and before ``until``."""

    since: datetime
    until: datetime

    @property
    def words(self) -> str:
        """The days, as they follow whoever was asked about; nothing for all time."""
        first = f" from {self.since:%Y-%m-%d}" if self.since > _FIRST else ""
        last = f" until {self.until - timedelta(days=1):%Y-%m-%d}" if self.until < _LAST else ""
        return first + last


def period_of(since: str | None, until: str | None) -> Period:
    """The days from ``since`` to ``until``, both whole, in UTC.

    Raises Refused for what is no day, and when the first is after the last.
    """
    first, last = _day(since, "--since") or _FIRST, _day(until, "--until") or _LAST
    if last < first:
        raise Refused("--since must not be after --until.")
    return Period(first, last + timedelta(days=1) if last < _LAST else _LAST)


def _day(asked: str | None, option: str) -> datetime | None:
    try:
        return None if asked is None else datetime.strptime(asked, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        raise Refused(f"{option} must be a day, written as 2026-11-23.") from None


def find_patient(engine: Engine, tenant_id: TenantId, key: str) -> Asked:
    """The patient of this key, whether or not what was known of them was erased.

    Raises Refused when this tenant has none; the key is not repeated, for it may be anything, a name too.
    """
    if not _KEY.fullmatch(key):
        raise Refused("That is no patient's key: it has 8 to 64 letters, digits, '_' and '-'.")
    with transaction(engine, tenant_id) as uow:
        found = uow.rows(_PATIENT, tenant=tenant_id, patient_key=key)
    if not found:
        raise Refused(_NO_PATIENT)
    (row,) = found
    return Asked(
        tenant_id=tenant_id,
        patient_context_id=PatientContextId(row.patient_context_id),
        patient_key=PatientKey(key),
        head=Head(row.ledger_seq, row.ledger_head or b""),
        tenant_seq=row.tenant_seq,
        began_at=row.began_at,
    )


def tell_reading(engine: Engine, asked: Asked, kind: LedgerReading, event_count: int) -> None:
    """Has the tenant's ledger say that an operator reads this; committed when it returns.

    Comes before the first line is shown, so that nothing is shown that was not told.
    """
    read = LedgerRead(kind=kind, patient_context_id=asked.patient_context_id, event_count=event_count)
    with transaction(engine, asked.tenant_id) as uow:
        tell_ledger(uow, asked.tenant_id, read)
        uow.commit()


def printable(words: str) -> str:
    """The words without what would move a cursor, turn the writing around or begin another line."""
    return "".join(each if each.isprintable() else "\ufffd" for each in words)


@contextmanager
def progress(total: int) -> Iterator[Callable[[int], None]]:
    """Shows whoever watches a terminal how many of ``total`` events were read; nobody else."""
    console = Console(stderr=True)
    columns = (TextColumn("Reading events"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("events", total=total)
        yield lambda count: bar.advance(task, count)
