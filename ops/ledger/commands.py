"""``mobius ledger``: that nothing was altered, who saw whom, one patient's story, exports for auditors."""

from __future__ import annotations

import typer

from ops.ledger import checkpoint, export, key, story, verification, who_saw

app = typer.Typer(
    help="The ledger: whether anything was altered, who saw whom, exports for auditors.",
    no_args_is_help=True,
)
app.command("verify")(verification.verify)
app.command("who-saw")(who_saw.who_saw)
app.command("show")(story.show)
app.command("checkpoint")(checkpoint.checkpoint)
app.command("key")(key.key)
app.command("export")(export.export)
