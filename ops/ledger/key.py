"""``mobius ledger key``: the verifier key that auditors check checkpoints with."""

from __future__ import annotations

import typer

from ops.installation import DEFAULT_STATE_DIR, Refused, StateDirOption, find_installation, refusals
from shared.ledger.checkpoints.configured import ledger_verifiers


def key(state_dir: StateDirOption = DEFAULT_STATE_DIR) -> None:
    """Prints the verifier keys of the checkpoints, the one that signs now first. They are no secret."""
    with refusals():
        verifiers = ledger_verifiers(find_installation(state_dir).settings)
        if not verifiers:
            raise Refused("There is no key here: set LEDGER_SIGNING_KEY, or LEDGER_PUBLIC_KEYS.")
        for verifier in verifiers:
            typer.echo(str(verifier))
