"""What a running stack says about itself: ``stack.json`` for programs, a table and calls for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from rich.table import Table

from ops.function_parts import PROJECT_ID, local_url, loopback
from ops.gateway import SCHEDULED, STANDING
from ops.ports import Ports
from ops.schema import DatabaseUrls
from shared.model import TenantId, UserId
from shared.security.identity import development_token
from shared.web.registry import ENDPOINTS, MINI_ACK, MINI_STATUS

TOKEN_LIFETIME_S = 12 * 3600

Json = dict[str, Any]


def describe_stack(ports: Ports, urls: DatabaseUrls, tenants: Sequence[Json]) -> Json:
    """``stack.json`` but for the pids, which change. Every user gets a token that lasts 12 hours."""
    return {
        "api_url": local_url(ports.api),
        "functions": {
            **{each.key: local_url(ports.api, each.path) for each in ENDPOINTS},
            "projector/project": local_url(ports.projector, "/"),
            **{f"scheduler/{job.target}": local_url(ports.scheduler, job.path) for job in SCHEDULED},
            "scheduler/health": local_url(ports.scheduler, STANDING),
        },
        "project_id": PROJECT_ID,
        "firestore_emulator_host": loopback(ports.firestore),
        "pubsub_emulator_host": loopback(ports.pubsub),
        "database_url": urls.owner,
        "app_database_url": urls.app,
        "tenants": [
            {**tenant, "users": [_with_token(tenant, user) for user in tenant["users"]]} for tenant in tenants
        ],
    }


def stack_table(ports: Ports, pids: Mapping[str, int | None]) -> Table:
    """What runs where."""
    table = Table("part", "what", "where", "process", title="Mobius Mini + Sidecar, on this machine")
    for name, what, where in (
        ("api", "demo page, HTTP functions, /openapi.json", local_url(ports.api)),
        ("projector", "Pub/Sub-triggered function", local_url(ports.projector)),
        ("scheduler", "functions a timer calls", local_url(ports.scheduler)),
        ("pubsub", "the official emulator", loopback(ports.pubsub)),
        ("firestore", "the official emulator", loopback(ports.firestore)),
        ("postgres", "the truth", loopback(ports.postgres) if pids["postgres"] else "DATABASE_URL"),
    ):
        table.add_row(name, what, where, str(pids[name] or "-"))
    return table


def calls_to_paste(stack: Json) -> str:
    """Commands that read the state of the first demo patient and then acknowledge it."""
    tenant = stack["tenants"][0]
    names_it = f'"session_id": "try", "patient_key": "{tenant["patients"][0]["patient_key"]}"'
    says = '"note_text": "Called the payer.", "override_tasking": "review"'
    call = "curl -s -H \"Authorization: Bearer $TOKEN\" -H 'Content-Type: application/json'"
    api = stack["api_url"]
    return "\n".join(
        (
            f"TOKEN='{tenant['users'][0]['token']}'",
            f"{call} {api}{MINI_STATUS.path} -d '{{{names_it}}}'",
            f"{call} {api}{MINI_ACK.path} -d '{{{names_it}, {says}}}'",
        )
    )


def _with_token(tenant: Json, user: Json) -> Json:
    user_id, tenant_id = UserId(UUID(str(user["user_id"]))), TenantId(UUID(str(tenant["tenant_id"])))
    return {**user, "token": development_token(PROJECT_ID, user_id, tenant_id, TOKEN_LIFETIME_S)}
