"""``make storm``: Sends through kills, freezes, cuts and lost messages, and whether all is well afterwards.

``SENDS`` is how many Sends, ``SEED`` draws them and the faults: the same seed, the same storm, as far as a
machine can. Ends with status 1 when anything is wrong; then the stack's folder is kept.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from ops.stopping import StopRequested, heed_stop_requests
from tests.storm.ground import stormy_ground
from tests.storm.picture import draw
from tests.storm.report import Report
from tests.storm.storm import rage

_SENDS_PER_FAULT = 45
_COLUMNS = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())


class SomethingWrong(Exception):
    """Keeps the stack's folder."""


def main(
    sends: Annotated[int, typer.Option(min=1, help="How many Sends.")] = 10_000,
    seed: Annotated[int, typer.Option(help="Draws the Sends and the faults.")] = 1,
    faults: Annotated[
        int | None, typer.Option(min=0, help="How many faults; one for each 45 Sends unless said.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Where the report and the picture go.")] = Path(".local/storm"),
) -> None:
    """A storm over a stack of its own."""
    console = Console(width=None if sys.stdout.isatty() else 140)
    # Started in the background by a shell, it would ignore Ctrl-C.
    heed_stop_requests()
    report = Report(seed, sends, max(1, sends // _SENDS_PER_FAULT) if faults is None else faults)
    console.print(f"{sends} Sends, {report.faults} faults, seed {seed}; a stack is starting.")
    try:
        with stormy_ground(seed) as ground, Progress(*_COLUMNS, console=console) as progress:
            sent = progress.add_task("Sends answered", total=sends)
            hurt = progress.add_task("faults", total=report.faults)

            def show(report: Report, stage: str) -> None:
                progress.update(
                    sent, completed=len(report.answered_at), description=f"{stage}: Sends answered"
                )
                progress.update(hurt, completed=len(report.inflicted))

            rage(ground, report, show)
            if report.wrong:
                raise SomethingWrong(ground.stack.state_dir)
    except StopRequested:
        console.print("Stopped; nothing is left running.")
        raise typer.Exit(130) from None
    except SomethingWrong as error:
        console.print(f"Something is wrong; the stack's folder is kept: {error}", soft_wrap=True)
    report.write(out)
    draw(report, out / "storm.png")
    console.print(report.table())
    console.print(report.complaints(), markup=False, highlight=False, soft_wrap=True)
    again = f"make storm SENDS={sends} SEED={seed}" if faults is None else f"seed {seed}"
    console.print(
        f"{out / 'report.json'} and {out / 'storm.png'} tell more. The same again: {again}", soft_wrap=True
    )
    if report.wrong:
        raise typer.Exit(1)


if __name__ == "__main__":
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    app = typer.Typer(pretty_exceptions_enable=False)
    app.command()(main)
    app()
