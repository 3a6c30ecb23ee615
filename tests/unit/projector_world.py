"""Postgres, Firestore and the outbox of one subject as the model check has them, and what may go wrong."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from shared.model import SubjectType, TenantId
from shared.projections.documents import Document
from shared.projections.store import Contended, Stored
from shared.projections.subjects import Truth
from tests.unit.interleavings import DIED, Ask, Process, Raised, Request

TENANT, SUBJECT, PATH = TenantId(UUID(int=1)), UUID(int=2), "the/document"
RELAY = 2
"""The third process: the relay tells again when all else is over. Nothing goes wrong any more for it."""

_BEGAN = datetime(2030, 1, 1, tzinfo=UTC)
_ANY = -1


class Said(NamedTuple):
    """What a subject looks like. ``serial`` is the commit that made it; no projector looks at that."""

    version: int
    content: str
    serial: int


class Row(NamedTuple):
    """Of the outbox."""

    number: int
    version: int
    forced: bool


class Written(NamedTuple):
    """A document, and the how-manieth writing it is, which its update time stands for."""

    said: Said
    writing: int


class Late(NamedTuple):
    """A write that the caller got a time-out for, on its way to Firestore."""

    said: Said
    expected: int | None


class Change(NamedTuple):
    """What the application is going to commit. Without a new version it is a policy's publication: forced."""

    content: str
    new_version: bool = True


class World(NamedTuple):
    """Everything that there is, and what may still happen."""

    kind: SubjectType
    truth: Said
    document: Written | None
    changes: tuple[Change, ...]
    outbox: tuple[Row, ...] = ()
    rows: int = 0
    writings: int = 1
    is_young: bool = False
    late: tuple[Late, ...] = ()
    deaths: int = 0
    timeouts: int = 0
    deletions: int = 0
    deleted: bool = False
    tellings: tuple[int, ...] = (2, 1, 3)
    wrong: str | None = None


class ProjectorSystem:
    """One statement, call or commit is one step."""

    def told(self, world: World, who: int, running: frozenset[int]) -> World | None:
        """Two projectors are told at any moment; the relay when all is over and something is unconfirmed."""
        if not world.tellings[who] or (who == RELAY and not (_is_over(world, running) and world.outbox)):
            return None
        left = tuple(count - (each == who) for each, count in enumerate(world.tellings))
        return world._replace(tellings=left)

    def happenings(self, world: World) -> Iterator[tuple[str, World]]:
        """Commits, a deletion by hand, writes that arrive late or never, the drift check."""
        if world.changes:
            yield "a change is committed", _committed(world)
        if world.deletions and world.document:
            yield (
                "the document is deleted by hand",
                world._replace(document=None, deletions=world.deletions - 1, deleted=True),
            )
        for late in world.late:
            left = list(world.late)
            left.remove(late)
            without = world._replace(late=tuple(left))
            yield "a late write is lost", without
            if _is_expected(world, late.expected):
                yield "a late write arrives", _written(without, late.said)
        if world.deleted and not world.outbox and _says(world) != world.truth:
            yield "the drift check asks", _asked(world, world.truth.version, forced=True)

    def wrong(self, world: World, *, ended: bool) -> str | None:
        """A document went back; or in the end it does not say what Postgres does, or nobody knows that."""
        if world.wrong or not ended:
            return world.wrong
        if world.outbox:
            return "the outbox is not empty"
        return None if _says(world) == world.truth else "the document is stale and nobody knows"

    def answers(self, world: World, who: int, request: Request) -> Iterator[tuple[str, World, Hashable]]:
        """Each request's own answers, or the process dies before it."""
        name, *arguments = request
        yield from _STEPS[name](world, *arguments)
        if who == RELAY:
            return
        if world.deaths:
            yield f"dies before: {name}", world._replace(deaths=world.deaths - 1), DIED
        if world.timeouts and name in ("write", "overwrite"):
            late = Late(arguments[0], arguments[1] if name == "write" else _ANY)
            after = world._replace(timeouts=world.timeouts - 1, late=(*world.late, late))
            yield f"{name} times out", after, Raised(Contended)


def _is_over(world: World, running: frozenset[int]) -> bool:
    return not (running or world.changes or any(world.tellings[:RELAY]))


def _says(world: World) -> Said | None:
    return world.document and world.document.said


def _asked(world: World, version: int, *, forced: bool) -> World:
    # As the unique key has it: a row that is still waiting is replaced by one of a new number.
    others = tuple(row for row in world.outbox if row.version != version)
    row = Row(world.rows, version, forced)
    return world._replace(outbox=(*others, row), rows=world.rows + 1)


def _committed(world: World) -> World:
    change, *later = world.changes
    old = world.truth
    truth = Said(old.version + change.new_version, change.content, old.serial + 1)
    after = world._replace(truth=truth, changes=tuple(later))
    return _asked(after, truth.version, forced=not change.new_version)


def _is_expected(world: World, expected: int | None) -> bool:
    return expected == _ANY or (world.document and world.document.writing) == expected


def _written(world: World, said: Said) -> World:
    before, writing = _says(world), world.writings + 1
    went_back = before and (said.version < before.version or said.serial < before.serial)
    return world._replace(
        document=Written(said, writing),
        writings=writing,
        is_young=True,
        wrong="the document went back" if went_back else world.wrong,
    )


Step = Iterator[tuple[str, World, Hashable]]


def _where(world: World) -> Step:
    yield "looks into the outbox", world, bool(world.outbox)


def _read_document(world: World) -> Step:
    if world.is_young:
        yield "reads the young document", world, (world.document, True)
    # Time passes whenever it likes.
    yield "reads the document", world._replace(is_young=False), (world.document, False)


def _read_truth(world: World) -> Step:
    yield "reads the truth", world, (world.truth, world.outbox)


def _wait(world: World) -> Step:
    yield "has waited", world._replace(is_young=False), None


def _write(world: World, said: Said, expected: int | None) -> Step:
    if _is_expected(world, expected):
        yield "writes", _written(world, said), True
    else:
        yield "may not write", world, False


def _overwrite(world: World, said: Said) -> Step:
    yield "overwrites", _written(world, said), None


def _confirm(world: World, which: Callable[[Row], bool]) -> Step:
    yield "confirms", world._replace(outbox=tuple(row for row in world.outbox if not which(row))), None


_STEPS: Mapping[str, Callable[..., Step]] = {
    "where": _where,
    "read_document": _read_document,
    "read_truth": _read_truth,
    "wait": _wait,
    "write": _write,
    "overwrite": _overwrite,
    "confirm": lambda world, numbers: _confirm(world, lambda row: row.number in numbers),
    "confirm_up_to": lambda world, version: _confirm(world, lambda row: row.version <= version),
    "confirm_all": lambda world: _confirm(world, lambda _row: True),
}


class Ports:
    """The projector's own ports, each call of which is one step, and what only naive projectors use."""

    def __init__(self, kind: SubjectType, ask: Ask) -> None:
        self._kind = kind
        self._ask = ask
        self._time = _BEGAN

    def where_unconfirmed(self, *_subject: object) -> str | None:
        return PATH if self._ask("where") else None

    def read(self, *subject: Any) -> Any:
        """Of both ports: the document at a path, or the truth of a subject."""
        return self._document() if len(subject) == 1 else self._truth(subject[3])

    def _document(self) -> Stored | None:
        written, is_young = self._ask("read_document")
        if written is None:
            return None
        update_time = _BEGAN + timedelta(hours=written.writing)
        self._time = update_time + timedelta(hours=0 if is_young else 0.5)
        return Stored(self.as_document(written.said), update_time)

    def _truth(self, stored: Document | None) -> Truth:
        said, outbox = self._ask("read_truth")
        return Truth(
            path=PATH,
            document=self.as_document(said),
            outbox=tuple(UUID(int=row.number) for row in outbox),
            forced=any(row.forced for row in outbox),
            head_known=stored is None or stored.get("version_head", 0) <= said.version,
        )

    def confirm(self, _tenant_id: TenantId, covered: tuple[UUID, ...]) -> None:
        self._ask("confirm", frozenset(each.int for each in covered))

    def confirm_up_to(self, version: int) -> None:
        self._ask("confirm_up_to", version)

    def confirm_all(self) -> None:
        self._ask("confirm_all")

    def read_page(self, *_arguments: object) -> list[tuple[UUID, Truth]]:
        raise NotImplementedError("no projector's business")

    def read_many(self, paths: Sequence[str]) -> list[Stored | None]:
        raise NotImplementedError("no projector's business")

    def write_if_unchanged(self, _path: str, content: Document, previous: Stored | None) -> bool:
        expected = previous and (previous.update_time - _BEGAN) // timedelta(hours=1)
        written: bool = self._ask("write", _said(content), expected)
        return written

    def overwrite(self, content: Document) -> None:
        self._ask("overwrite", _said(content))

    def now(self) -> datetime:
        """The time at which the document was read: reading decides how old it is."""
        return self._time

    def wait(self, _seconds: float) -> None:
        self._ask("wait")

    def as_document(self, said: Said) -> dict[str, Any]:
        document: dict[str, Any] = {"content": said.content, "serial": said.serial}
        if self._kind is SubjectType.PATIENT:
            document |= {"version": said.version, "version_head": said.version}
        return document


def _said(document: Document) -> Said:
    return Said(document.get("version", document["serial"]), document["content"], document["serial"])


def telling(loop: Callable[[Ports, SubjectType], object], kind: SubjectType) -> Process:
    """A run of ``loop``, which ends as the projector's function lets it."""

    def run(ask: Ask) -> None:
        try:
            loop(Ports(kind, ask), kind)
        except Contended:
            return

    return run
