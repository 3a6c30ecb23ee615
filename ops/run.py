"""``mobius run``: the whole product on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ops import stopping
from ops.ports import PortChoice, PortUnusable
from ops.stopping import StopRequested, heed_stop_requests
from shared.settings import SettingsError


def run(
    state_dir: Annotated[Path, typer.Option(help="Where data, logs and stack.json are kept.")] = Path(
        ".local"
    ),
    stop_with_parent: Annotated[
        bool, typer.Option("--stop-with-parent", help="Stop when the process that started this one is gone.")
    ] = False,
    ports: Annotated[
        PortChoice, typer.Option(help="auto: free ports instead of the defaults.")
    ] = PortChoice.DEFAULT,
) -> None:
    """Runs the whole product on this machine until Ctrl-C."""
    # Late: what starts the stack takes a second to import, which the other commands need not pay.
    from ops.emulators import NotInstalled
    from ops.local_stack import LocalStack
    from ops.readable import Screen
    from ops.state_folder import AlreadyRunning, StateFolder
    from ops.supervisor import PartFailed

    screen = Screen()
    heed_stop_requests()
    if stop_with_parent:
        stopping.stop_with_parent()
    try:
        folder = StateFolder(state_dir)
        with folder.held() as lock:
            LocalStack(folder, screen, ports, lock).run()
    except StopRequested:
        screen.say("stack", "stopped; nothing is left running")
    except (NotInstalled, PortUnusable, PartFailed, AlreadyRunning, SettingsError) as error:
        typer.echo(f"mobius: {error}", err=True)
        raise typer.Exit(1) from None
