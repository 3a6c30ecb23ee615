"""``mobius openapi``: the description of the API, without a stack that runs."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from ops.ports import Ports


def openapi(
    server: Annotated[str, typer.Option(help="Where the API answers.")] = f"http://127.0.0.1:{Ports().api}",
) -> None:
    """Prints the OpenAPI 3.1 document of the HTTP API."""
    # Late: the other commands need not pay for it.
    from shared.web.openapi import openapi_document

    typer.echo(json.dumps(openapi_document(server), indent=2))
