"""The operators' command line: ``mobius``. Each command lives in a module of its own."""

from __future__ import annotations

import typer

from ops import extension, openapi, run, status, watch, why
from ops.deadletters import commands as deadletters
from ops.intake import command as intake
from ops.ledger import commands as ledger
from ops.policy import commands as policy
from ops.projections import commands as projections
from ops.tenants import commands as tenants
from ops.users import commands as users

app = typer.Typer(
    help="Mobius Mini + Sidecar: run it here, look into it, look after it.",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,  # locals may hold PHI and secrets
)
app.command()(run.run)
app.command()(status.status)
app.command()(watch.watch)
app.command()(why.why)
app.command()(openapi.openapi)
app.add_typer(extension.app, name="extension")
app.add_typer(policy.app, name="policy")
app.add_typer(intake.app, name="intake")
app.add_typer(ledger.app, name="ledger")
app.add_typer(projections.app, name="projections")
app.add_typer(deadletters.app, name="deadletters")
app.add_typer(users.app, name="users")
app.add_typer(tenants.app, name="tenants")


def main() -> None:
    """The entry point of the ``mobius`` program."""
    app()
