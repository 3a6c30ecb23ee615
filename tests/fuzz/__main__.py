"""``make fuzz``: calls the whole API in every way, over a stack of its own, and says how it answered.

``FUZZ_CALLS`` is how many calls, ``FUZZ_SEED`` the seed of an earlier run that is to be had again. Ends with
status 1 when an answer broke the contract, or when too few calls to an operation got anywhere.
"""

from __future__ import annotations

import os
import secrets
import sys

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from ops.stopping import StopRequested, heed_stop_requests
from tests.fuzz.clinics import fuzzed_stack, open_clinics
from tests.fuzz.fuzzing import Fuzz
from tests.fuzz.report import Report

_PATIENTS = 200


def main() -> int:
    """Runs, and returns the exit status."""
    console = Console(width=None if sys.stdout.isatty() else 140)
    calls = int(os.environ.get("FUZZ_CALLS") or 20_000)
    seed = int(os.environ.get("FUZZ_SEED") or secrets.randbelow(2**32))
    report = Report(seed)
    heed_stop_requests()
    try:
        console.print(f"{calls} calls, seed {seed}; a stack is starting.")
        with fuzzed_stack() as stack, Progress(*_COLUMNS, console=console) as progress:
            # The first round is long in drawing: only then are there calls to count.
            task = progress.add_task("fuzzing", total=calls)
            callers = open_clinics(stack, _PATIENTS)
            fuzz = Fuzz(stack.description["api_url"], callers, report, on_call=lambda: progress.advance(task))
            fuzz.run(calls, borderline=True)
    except StopRequested:
        console.print("Stopped; nothing is left running.")
        return 130
    finally:
        if report.calls:
            _tell(console, report, calls)
    return 1 if report.failures or report.hardly_let_in else 0


_COLUMNS = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())


def _tell(console: Console, report: Report, calls: int) -> None:
    console.print(report.table())
    for name in report.hardly_let_in:
        console.print(f"{name} let so few calls in that little is proved about it.")
    console.print(str(report), markup=False, highlight=False, soft_wrap=True)
    console.print(
        f"{report.calls} calls in {report.duration_s:.0f} s, {report.failed.total()} failures of "
        f"{len(report.failures)} kinds. The same again: make fuzz FUZZ_CALLS={calls} FUZZ_SEED={report.seed}",
        soft_wrap=True,
    )


if __name__ == "__main__":
    sys.exit(main())
