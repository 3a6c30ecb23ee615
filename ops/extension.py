"""The browser extension's configuration, and who it is to the API."""

from __future__ import annotations

import base64
import hashlib
import json
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any

import typer

from ops.installation import Refused, refusals

FOLDER = Path(__file__).parent.parent / "extension"
MANIFEST = FOLDER / "manifest.json"
CONFIGURATION = "config.json"

app = typer.Typer(help="The browser extension.", no_args_is_help=True)


@app.callback()
def _extension() -> None:
    """The browser extension."""


@lru_cache(maxsize=1)
def extension_origin() -> str:
    """The origin of the extension's pages: Chromium makes its id of the key in the manifest."""
    key = base64.b64decode(json.loads(MANIFEST.read_text())["key"])
    digest = hashlib.sha256(key).hexdigest()[:32]
    return "chrome-extension://" + "".join(chr(ord("a") + int(digit, 16)) for digit in digest)


def local_configuration(description: dict[str, Any]) -> dict[str, Any]:
    """What the extension has to know of a running local stack, out of its ``stack.json``."""
    return {
        "api": {"base": description["api_url"]},
        "firebase": {"projectId": description["project_id"]},
        "emulators": {"firestore": description["firestore_emulator_host"]},
        "personas": f"{description['api_url']}/demo/clinics.json",
    }


@app.command()
def config(
    state_dir: Annotated[Path, typer.Option(help="The folder of the running local stack.")] = Path(".local"),
    to: Annotated[Path, typer.Option(help="The built extension.")] = FOLDER / "dist",
) -> None:
    """Has the built extension use the local stack that is running."""
    with refusals():
        stack = state_dir / "stack.json"
        if not stack.is_file():
            raise Refused(f"No stack is running over {state_dir}: start it with make run.")
        if not (to / "manifest.json").is_file():
            raise Refused(f"There is no built extension in {to}: build it with make extension.")
        configuration = local_configuration(json.loads(stack.read_text()))
        (to / CONFIGURATION).write_text(json.dumps(configuration, indent=2) + "\n")
        typer.echo(f"{to / CONFIGURATION} names {configuration['api']['base']}: reload the extension.")
