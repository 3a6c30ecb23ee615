"""``mobius ledger who-saw``: who looked at a patient's record, or did anything about it."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from tempfile import SpooledTemporaryFile
from typing import IO, Annotated

import typer
from rich.table import Table

from ops.installation import (
    DEFAULT_STATE_DIR,
    Refused,
    StateDirOption,
    TenantOption,
    find_installation,
    refusals,
)
from ops.ledger.asking import (
    Asked,
    KeyArgument,
    Period,
    SinceOption,
    UntilOption,
    find_patient,
    period_of,
    printable,
    progress,
    tell_reading,
)
from ops.ledger.sightings import Deed, Sighting, Sightings
from ops.policy.preview import counted
from ops.readable import Screen, Terminal
from shared.decisions.moments import moment_text
from shared.model import LedgerReading, UserId

_COLUMNS = (
    "patient_key", "time", "who", "name", "role_now", "status_now", "user_id", "did", "reason", "surface",
    "event_type", "chain", "seq", "event_id", "hash",
)  # fmt: skip
_OPERATOR = "an operator"
_ID_SHOWN = 8
_IN_MEMORY = 8 * 1024 * 1024
_CHUNK = 64 * 1024
_LIMITS = (
    "What is not here: a second look in the same session (12 hours at most, unless the policy says "
    "otherwise); interactions that the policy does not sample; inboxes and presence, which show a key and no "
    "name; reads of the shared document in Firestore itself; refusals, which name no patient; operators who "
    "read the database past these commands. Names and roles are today's. docs/ledger.md says more."
)


class Seen:
    """What one person did, added up."""

    def __init__(self, first: Sighting) -> None:
        self.user_id: UserId | None = first.user_id
        self.name = _name(first)
        self.what_they_are = _what_they_are(first)
        self.first = self.last = first.created_at
        self.surfaces: set[str] = set()
        self.deeds: Counter[Deed] = Counter()
        self.reasons: set[str] = set()

    def add(self, sighting: Sighting) -> None:
        """Counts an event."""
        # In the order of each chain, which a clock that was set back does not keep.
        self.first = min(self.first, sighting.created_at)
        self.last = max(self.last, sighting.created_at)
        self.deeds[sighting.deed] += 1
        if sighting.surface:
            self.surfaces.add(printable(sighting.surface))
        if sighting.deed is Deed.BROKE_GLASS and sighting.reason:
            self.reasons.add(printable(sighting.reason).replace("_", " "))

    def did(self) -> Iterator[str]:
        """How often they did what; what followed from it only where nothing else is known of them."""
        for deed in Deed:
            count = self.deeds[deed]
            if count and (deed is not Deed.CONSEQUENCE or len(self.deeds) == 1):
                why = f" ({', '.join(sorted(self.reasons))})" if deed is Deed.BROKE_GLASS else ""
                yield f"{deed} {count:,}{why}"


def who_saw(
    patient_key: KeyArgument,
    since: SinceOption = None,
    until: UntilOption = None,
    as_csv: Annotated[
        bool, typer.Option("--csv", help="Every event as a row of CSV (RFC 4180) instead of the table.")
    ] = False,
    each: Annotated[bool, typer.Option("--each", help="Every event as a line below the table.")] = False,
    tenant: TenantOption = None,
    state_dir: StateDirOption = DEFAULT_STATE_DIR,
) -> None:
    """Says who saw a patient or did anything about them, and when. The ledger notes that you ask.

    One row for each person, whoever came first first; operators' own readings are listed too.
    """
    with refusals():
        if as_csv and each:
            raise Refused("--csv has every event already: leave out --each.")
        period = period_of(since, until)
        installation = find_installation(state_dir)
        engine = installation.engine
        asked = find_patient(engine, installation.tenant(tenant), patient_key)
        # Kept until the ledger is told: how much was read is known in the end only.
        with SpooledTemporaryFile(_IN_MEMORY, "w+", encoding="utf-8", newline="") as kept:
            with progress(asked.head.seq + asked.tenant_seq) as advance:
                found = Sightings(engine, asked, period, advance)
                people, count = _read(found, kept, as_csv=as_csv, each=each, asked=asked)
            tell_reading(engine, asked, LedgerReading.WHO_SAW, count)
            if not as_csv:
                _show_people(asked, period, people, count)
            _copy(kept)
        for line in _limits(found):
            typer.echo(line, err=as_csv)


def _read(
    found: Sightings, kept: IO[str], *, as_csv: bool, each: bool, asked: Asked
) -> tuple[tuple[Seen, ...], int]:
    """Adds everything up and writes down what each event says, if that is asked for."""
    people: dict[UserId | None, Seen] = {}
    count = 0
    rows = csv.writer(kept)  # its default is RFC 4180: commas, quotes where needed, CR and LF
    if as_csv:
        rows.writerow(_COLUMNS)
    for sighting in found:
        count += 1
        if sighting.user_id not in people:
            people[sighting.user_id] = Seen(sighting)
        people[sighting.user_id].add(sighting)
        if as_csv:
            rows.writerow(_cells(sighting, asked))
        elif each:
            kept.write(f"{_line(sighting)}\n")
    return tuple(people.values()), count


def _show_people(asked: Asked, period: Period, people: tuple[Seen, ...], count: int) -> None:
    screen = Screen(Terminal(highlight=False))
    events = counted(count, "event", "events")
    screen.print(f"Who saw patient {asked.patient_key}{period.words}: {events}. Times are UTC.")
    if asked.began_at is None:
        screen.print("This patient's ledger has no event yet.")
    else:
        screen.print(f"This patient's ledger reaches back to {moment_text(asked.began_at)}.")
    if not people:
        screen.print("Nobody in this time.")
        return
    table = Table("person", "where", "first, last", "how often", show_lines=True)
    table.columns[2].no_wrap = True
    for each in people:
        about = [each.name, each.what_they_are]
        if each.user_id is not None:
            # From its end: the beginning of these ids is the time.
            about.append(f"user …{str(each.user_id)[-_ID_SHOWN:]}")
        times = f"{each.first.astimezone(UTC):%Y-%m-%d %H:%M}\n{each.last.astimezone(UTC):%Y-%m-%d %H:%M}"
        table.add_row("\n".join(about), "\n".join(sorted(each.surfaces)), times, "\n".join(each.did()))
    screen.print(table)


def _copy(kept: IO[str]) -> None:
    kept.seek(0)
    while chunk := kept.read(_CHUNK):
        typer.echo(chunk, nl=False)


def _limits(found: Sightings) -> Iterator[str]:
    if found.unnamed and found.unnamed_until is not None:
        searches = counted(found.unnamed, "search", "searches")
        yield (
            f"{searches} until {moment_text(found.unnamed_until)} showed somebody and did not say whom: an "
            "older release wrote them. Whether this patient was among them is not known."
        )
    yield _LIMITS


def _name(sighting: Sighting) -> str:
    if sighting.user_id is None:
        return _OPERATOR
    return printable(sighting.name or "a user")


def _what_they_are(sighting: Sighting) -> str:
    if sighting.user_id is None:
        return "named nowhere"
    return f"{printable(sighting.role or 'no role')}, {sighting.status or 'no user here'}"


def _line(sighting: Sighting) -> str:
    where = f", {printable(sighting.surface)}" if sighting.surface else ""
    why = f" ({printable(sighting.reason)})" if sighting.reason else ""
    at = f"{sighting.created_at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
    return f"{at}  {_name(sighting)}: {sighting.deed}{why}{where}"


def _cells(sighting: Sighting, asked: Asked) -> tuple[object, ...]:
    is_person = sighting.user_id is not None
    return (
        asked.patient_key,
        _exact(sighting.created_at),
        "person" if is_person else "operator",
        _literal(_name(sighting)) if is_person else "",
        _literal(printable(sighting.role or "")),
        sighting.status,
        sighting.user_id,
        sighting.deed,
        _literal(printable(sighting.reason or "")),
        _literal(printable(sighting.surface or "")),
        sighting.event_type,
        "tenant" if sighting.own_chain else "patient",
        sighting.seq,
        sighting.event_id,
        sighting.hash,
    )


def _exact(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%fZ}"


def _literal(words: str) -> str:
    """The words as a spreadsheet shows them and does not compute them."""
    return f"'{words}" if words[:1] in ("=", "+", "-", "@") else words
