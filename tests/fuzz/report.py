"""What a run of the fuzz came to: how every call ended, and the shortest example of every kind of failure."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

import requests
from rich.table import Table

_SHOWN = 1_000
# Who sent it, and what every request has.
_UNTOLD = frozenset(
    (
        "Authorization",
        "User-Agent",
        "Accept-Encoding",
        "Connection",
        "Content-Length",
        "X-Schemathesis-TestCaseId",
    )
)
_USEFUL = 0.05


@dataclass(frozen=True)
class Failure:
    """A kind of failure: which check of which operation, and one request that shows it."""

    operation: str
    what: str
    status: int
    message: str
    request: str

    @property
    def kind(self) -> tuple[str, str, int]:
        """Failures of one kind are told once."""
        return self.operation, self.what, self.status


@dataclass
class Report:
    """Filled by many threads."""

    seed: int
    duration_s: float = 0.0
    answers: Counter[tuple[str, int]] = field(default_factory=Counter)
    failures: dict[tuple[str, str, int], Failure] = field(default_factory=dict)
    failed: Counter[tuple[str, str, int]] = field(default_factory=Counter)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def calls(self) -> int:
        """How many answers there were."""
        return self.answers.total()

    @property
    def accepted(self) -> Mapping[str, float]:
        """For each operation, what share of its calls got a 2xx."""
        total, good = Counter[str](), Counter[str]()
        for (operation, status), count in self.answers.items():
            total[operation] += count
            good[operation] += count if 200 <= status < 300 else 0
        return {operation: good[operation] / total[operation] for operation in sorted(total)}

    @property
    def hardly_let_in(self) -> list[str]:
        """Operations of whose calls so few got a 2xx that little is proved about them."""
        return [operation for operation, share in self.accepted.items() if share < _USEFUL]

    def add_answer(self, operation: str, status: int) -> int:
        """Counts an answer; returns how many of its kind there are now."""
        with self._lock:
            self.answers[operation, status] += 1
            return self.answers[operation, status]

    def add_silence(self, operation: str, error: requests.RequestException) -> None:
        """Counts a call that got no answer at all as one with status 0."""
        self.add_answer(operation, 0)
        request = shown(error.request) if isinstance(error.request, requests.PreparedRequest) else ""
        self.add_failure(Failure(operation, "no answer", 0, type(error).__name__, request))

    def add_failure(self, failure: Failure) -> None:
        """Counts a failure, and keeps it when it is the shortest of its kind."""
        with self._lock:
            self.failed[failure.kind] += 1
            kept = self.failures.get(failure.kind)
            if kept is None or len(failure.request) < len(kept.request):
                self.failures[failure.kind] = failure

    def __str__(self) -> str:
        """The failures, for people."""
        return "\n\n".join(
            f"{each.operation} answered {each.status}: {each.what} ({self.failed[kind]} times)\n"
            f"{each.message.strip()}\n{each.request}"
            for kind, each in sorted(self.failures.items())
        )

    def table(self) -> Table:
        """Calls by operation and status."""
        statuses = sorted({status for _, status in self.answers})
        of_status = Counter[int]()
        for (_, status), count in self.answers.items():
            of_status[status] += count
        table = Table("operation", "calls", *map(str, statuses), "2xx", show_footer=True)
        for column in table.columns[1:]:
            column.justify = "right"
        for operation, share in self.accepted.items():
            counts = [self.answers[operation, status] for status in statuses]
            cells = (str(count or "") for count in counts)
            table.add_row(operation.replace("/api/v1/", ""), str(sum(counts)), *cells, f"{share:.0%}")
        good = sum(of_status[status] for status in statuses if 200 <= status < 300)
        footers = ["all", self.calls, *(of_status[s] for s in statuses), f"{good / max(1, self.calls):.0%}"]
        for column, text in zip(table.columns, footers, strict=True):
            column.footer = str(text)
        return table


def shown(request: requests.PreparedRequest) -> str:
    """A request as a person can send it again; who sent it is left out."""
    headers = {name: value for name, value in request.headers.items() if name not in _UNTOLD}
    body = request.body
    text = "" if body is None else repr(body if isinstance(body, str | bytes) else "in chunks")
    told = f"{request.method} {request.url}\n{headers}\n{text}"
    return told if len(told) <= _SHOWN else f"{told[:_SHOWN]}… ({len(told)} characters)"
