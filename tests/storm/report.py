"""What a storm was and what came of it: a table for people, JSON for programs."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from rich.table import Table

from tests.storm.driver import Inflicted
from tests.storm.faults import KINDS
from tests.storm.sends import Send

_SHOWN = 20


class Sample(NamedTuple):
    """How many changes were unconfirmed at a moment; None while Postgres was away."""

    at: float
    unconfirmed: int | None


@dataclass
class Report:
    """Grows while the storm lasts. Times are monotonic seconds, those that end in ``_s`` durations."""

    seed: int
    sends: int
    faults: int
    began: float = 0.0
    calm_at: float | None = None
    outbox_s: float | None = None
    documents_s: float | None = None
    verified_s: float | None = None
    seen: int = 0
    sent: list[Send] = field(default_factory=list)
    answers: Counter[str] = field(default_factory=Counter)
    answered_at: list[float] = field(default_factory=list)
    inflicted: list[Inflicted] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    @property
    def raged_s(self) -> float:
        """From the first Send to the end of the last fault."""
        return (self.calm_at or self.began) - self.began

    @property
    def sent_s(self) -> float:
        """From the first Send to the last answer."""
        return max(self.answered_at, default=self.began) - self.began

    @property
    def by_kind(self) -> Counter[str]:
        """How many faults of each kind there were."""
        return Counter(each.fault.kind for each in self.inflicted)

    def figures(self) -> dict[str, Any]:
        """Every figure by name."""
        answered = [send for send in self.sent if send.answered is not None and send.began is not None]
        waits = sorted((send.answered or 0) - (send.began or 0) for send in answered)
        known = [sample.unconfirmed for sample in self.samples if sample.unconfirmed is not None]
        return {
            "seed": self.seed,
            "sends": len(self.sent),
            "answered": len(answered),
            "attempts_per_send": round(sum(send.attempts for send in self.sent) / max(1, len(self.sent)), 3),
            "sends_per_s": round(len(answered) / self.sent_s, 1) if answered else None,
            "longest_unanswered_s": round(waits[-1], 1) if waits else None,
            "median_unanswered_s": round(waits[len(waits) // 2], 3) if waits else None,
            "answers": dict(sorted(self.answers.items())),
            "faults": len(self.inflicted),
            "faults_by_kind": {kind: self.by_kind[kind] for kind in KINDS},
            "most_unconfirmed": max(known, default=None),
            "documents_seen_by_listeners": self.seen,
            "raged_s": round(self.raged_s, 1),
            "outbox_empty_after_s": _rounded(self.outbox_s),
            "documents_agree_after_s": _rounded(self.documents_s),
            "verify_took_s": _rounded(self.verified_s),
            "wrong": self.wrong,
        }

    def table(self) -> Table:
        """The figures, for people."""
        figures = self.figures()
        table = Table("storm", f"seed {self.seed}", show_header=True)
        table.columns[1].justify = "right"
        wrong = figures.pop("wrong")
        for name, value in figures.items():
            if name == "seed":
                continue
            told = ", ".join(f"{k}: {v}" for k, v in value.items() if v) if isinstance(value, dict) else value
            table.add_row(_label(name), str(told))
        table.add_row("wrong", str(len(wrong)) if wrong else "nothing: none lost, none stale, chains intact")
        return table

    def write(self, folder: Path) -> None:
        """Writes ``report.json`` into ``folder``."""
        folder.mkdir(parents=True, exist_ok=True)
        inflicted = [
            {
                "kind": each.fault.kind,
                "target": each.fault.target,
                "at_send": each.fault.at,
                "began_s": round(each.began - self.began, 2),
                "took_s": round(each.ended - each.began, 2),
            }
            for each in self.inflicted
        ]
        (folder / "report.json").write_text(json.dumps({**self.figures(), "inflicted": inflicted}, indent=1))

    def complaints(self) -> str:
        """The first things that are wrong, one a line."""
        rest = [f"and {len(self.wrong) - _SHOWN} more"] if len(self.wrong) > _SHOWN else []
        return "\n".join([*self.wrong[:_SHOWN], *rest])


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 1)


def _label(name: str) -> str:
    if name == "sends_per_s":
        return "sends a second"
    return name.removesuffix("_s").replace("_", " ") + (", s" if name.endswith("_s") else "")
