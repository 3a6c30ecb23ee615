"""``mobius status``: what is unconfirmed, parked, overdue and drifted, as one JSON."""

from __future__ import annotations

import msgspec
import typer
from rich.console import Console

from ops.installation import (
    DEFAULT_STATE_DIR,
    Installation,
    Refused,
    StateDirOption,
    TenantOption,
    find_installation,
    refusals,
)
from ops.transaction import transaction
from shared.persistence.health import Health, health_answer, read_health, together
from shared.persistence.pending import all_tenants

_PATIENCE_S = 3.0
"""Who asks how things stand must not wait for what does not answer."""


def status(state_dir: StateDirOption = DEFAULT_STATE_DIR, tenant: TenantOption = None) -> None:
    """Prints how far everything that catches up by itself has come; ends with 1 when somebody should look."""
    with refusals():
        installation = find_installation(state_dir)
        installation.settings = msgspec.structs.replace(
            installation.settings, statement_timeout_s=_PATIENCE_S
        )
        answer = health_answer(_health(installation, tenant), installation.settings.drift_cycle_s)
    Console().print_json(msgspec.json.encode(answer).decode())
    if not answer["ok"]:
        raise typer.Exit(1)


def _health(installation: Installation, tenant: str | None) -> Health:
    """Of one tenant, or of all together: the owner sees one at a time."""
    engine = installation.engine
    asked = [installation.tenant(tenant)] if tenant is not None else all_tenants(engine)
    healths = []
    for tenant_id in asked:
        with transaction(engine, tenant_id) as uow:
            healths.append(read_health(uow))
    if not healths:
        raise Refused("There is no tenant yet.")
    return together(healths)
