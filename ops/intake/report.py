"""What became of everything that was read, in words that hold no value of a resource."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from enum import StrEnum
from typing import IO

import msgspec

from ops.intake.reading import DELETION, NO_RESOURCE, Place
from ops.intake.sources import Source

SHOWN = 20
"""How many refused resources are told one by one; ``--report`` has all."""

UNKNOWN_TYPE = "resource of a type that R4 doesn't have"
_PLURALS = {
    NO_RESOURCE: "entries without a resource",
    DELETION: "deletions",
    UNKNOWN_TYPE: "resources of types that R4 doesn't have",
}


class Fate(StrEnum):
    """What became of a patient."""

    NEW = "new"
    CHANGED = "changed"
    UNCHANGED = "unchanged"


class Line(msgspec.Struct, frozen=True):
    """One resource that did not go in: ``refused`` because it is broken, ``left_out`` for another reason."""

    fate: str
    file: str
    line: int | None
    entry: str | None
    resource_type: str | None
    reason: str


class Report:
    """Counts, and keeps the first refusals; every line goes to ``copy`` where there is one."""

    def __init__(self, sources: Sequence[Source], copy: IO[bytes] | None = None) -> None:
        self._sources = sources
        self._copy = copy
        self.patients: Counter[Fate] = Counter()
        self.signals_set = 0
        self.signals_resolved = 0
        self.refused = 0
        self._first: list[str] = []
        self._left_out: Counter[tuple[str, str]] = Counter()

    def refuse(self, place: Place, resource_type: str | None, reason: str) -> None:
        """A resource is broken; the others go in."""
        self.refused += 1
        if len(self._first) < SHOWN:
            where = [self._sources[place.source].name, str(place), resource_type or ""]
            self._first.append(f"{', '.join(part for part in where if part)}: {reason}")
        self._write("refused", place, resource_type, reason)

    def pass_over(self, what: str, reason: str) -> None:
        """Mobius takes nothing of this kind in."""
        self._left_out[what, reason] += 1

    def leave_out(self, place: Place, resource_type: str, reason: str) -> None:
        """A resource of a kind that Mobius takes in, which says nothing that counts."""
        self._left_out[resource_type, reason] += 1
        self._write("left_out", place, resource_type, reason)

    def summary(self) -> Iterator[str]:
        """The report as lines for a person."""
        told = ", ".join(f"{self.patients[fate]:,} {fate}" for fate in Fate)
        yield f"Patients: {told}."
        yield f"Signals: {self.signals_set:,} set, {self.signals_resolved:,} resolved."
        if self._left_out:
            yield f"Left out: {self._left_out.total():,}."
            for reason, counts in self._by_reason():
                yield f"  {reason}: " + ", ".join(_counted(*each) for each in counts)
        if self.refused:
            yield f"Refused: {self.refused:,}."
            yield from (f"  {line}" for line in self._first)
            if self.refused > len(self._first):
                yield f"  and {self.refused - len(self._first):,} more; --report FILE tells all."

    def _by_reason(self) -> list[tuple[str, list[tuple[str, int]]]]:
        """The kinds of what was left out for each reason, the most frequent first."""
        reasons: dict[str, Counter[str]] = {}
        for (what, reason), count in sorted(self._left_out.items()):
            reasons.setdefault(reason, Counter())[what] += count
        ordered = sorted(reasons.items(), key=lambda item: -item[1].total())
        return [(reason, counts.most_common()) for reason, counts in ordered]

    def _write(self, fate: str, place: Place, resource_type: str | None, reason: str) -> None:
        if self._copy is not None:
            name = self._sources[place.source].name
            line = Line(fate, name, place.line, place.entry, resource_type, reason)
            self._copy.write(msgspec.json.encode(line) + b"\n")


def _counted(what: str, count: int) -> str:
    return f"{count:,} {what if count == 1 else _PLURALS.get(what, what)}"
