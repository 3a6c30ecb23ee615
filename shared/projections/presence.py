"""Who is looking at whom right now: one document for each Mini or Sidecar instance, best effort.

No outbox stands behind it. What gets lost is made good by the next sign of life, and what nobody renews
expires: readers leave out what is past ``expires_at``, and Firestore deletes it in time.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy import Engine

from shared.model import Frozen, InvocationId, InvocationStatus, PatientKey, Surface, TenantId, UserId
from shared.persistence.policies import policy_of
from shared.persistence.unit_of_work import flight
from shared.projections.documents import Document
from shared.projections.store import DocumentStore

_MOST_ROUNDS = 10
_SEEN_EVERY = timedelta(seconds=60)


class Presence(Frozen, frozen=True):
    """One instance as Postgres knows it."""

    user_id: UserId
    user_display_name: str
    application_id: str | None
    page_signature: str | None
    surface_type: Surface
    patient_key: PatientKey | None
    status: InvocationStatus
    last_seen_at: datetime


class _Reading(Frozen, frozen=True):
    policy_version: int
    presence: Presence


def presence_path(tenant_id: TenantId, invocation_id: InvocationId) -> str:
    """Where an instance's presence is."""
    return f"tenants/{tenant_id}/invocation_presence/{invocation_id}"


def presence_document(presence: Presence, presence_s: int) -> Document:
    """The document of an instance; a closed one has expired already.

    A sign of life is written at most once a minute, so it may be a minute older than the last one.
    """
    lasts = timedelta(seconds=presence_s) + _SEEN_EVERY
    is_open = presence.status is InvocationStatus.OPEN
    document: dict[str, Any] = msgspec.to_builtins(presence, builtin_types=(datetime,))
    return {**document, "expires_at": presence.last_seen_at + lasts if is_open else presence.last_seen_at}


def project_presence(
    engine: Engine, store: DocumentStore, tenant_id: TenantId, invocation_id: InvocationId
) -> bool:
    """Makes the document say what Postgres says; False when it did already, or there is no such instance.

    Of a tenant that has left there is none any more.
    """
    path = presence_path(tenant_id, invocation_id)
    for _ in range(_MOST_ROUNDS):
        # The document first: the truth read after it can't be older than what another projector wrote.
        stored = store.read(path)
        truth = _read(engine, tenant_id, invocation_id)
        if truth is None or (stored is not None and dict(stored.content) == dict(truth)):
            return False
        if store.write_if_unchanged(path, truth, stored):
            return True
    return False


def _read(engine: Engine, tenant_id: TenantId, invocation_id: InvocationId) -> Document | None:
    rows = flight(
        engine,
        tenant_id,
        f"""SELECT json_build_object('policy_version', (SELECT max(p.version) FROM policy_config p
                WHERE p.tenant_id = i.tenant_id), 'presence', json_build_object(
                'user_id', i.user_id, 'user_display_name', u.display_name,
                'application_id', i.application_id, 'page_signature', i.page_signature,
                'surface_type', i.surface_type, 'patient_key', c.patient_key, 'status', i.status,
                'last_seen_at', i.last_seen_at))::text
            FROM invocation i JOIN app_user u ON u.tenant_id = i.tenant_id AND u.user_id = i.user_id
            JOIN tenant t ON t.tenant_id = i.tenant_id AND t.closed_at IS NULL
            LEFT JOIN patient_context c ON c.tenant_id = i.tenant_id
                AND c.patient_context_id = i.patient_context_id
            WHERE i.tenant_id = '{tenant_id}' AND i.invocation_id = '{invocation_id}'""",
    )
    if not rows:
        return None
    found = msgspec.json.decode(rows[0][0], type=_Reading)
    policy = policy_of(engine, tenant_id, found.policy_version)
    return presence_document(found.presence, policy.timeouts.presence_s)
