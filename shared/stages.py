"""How long the stages of a request took, for the answer's Server-Timing header (W3C Server Timing)."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_stages: ContextVar[dict[str, float] | None] = ContextVar("stages", default=None)


@contextmanager
def staged() -> Iterator[dict[str, float]]:
    """Collects what ``stage`` measures in here: milliseconds by name."""
    collected: dict[str, float] = {}
    token = _stages.set(collected)
    try:
        yield collected
    finally:
        _stages.reset(token)


@contextmanager
def stage(name: str) -> Iterator[None]:
    """Measures one stage, added up when it comes again; outside of ``staged`` nothing is kept."""
    began = time.perf_counter()
    try:
        yield
    finally:
        collected = _stages.get()
        if collected is not None:
            collected[name] = collected.get(name, 0.0) + (time.perf_counter() - began) * 1000


def server_timing(stages: dict[str, float]) -> str:
    """The header's value: ``commit;dur=1.9, publish;dur=0.7``."""
    return ", ".join(f"{name};dur={duration:.1f}" for name, duration in stages.items())
