"""What operators' commands do in the database: a transaction, whose failures are said, and its event."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import msgspec
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError
from uuid_utils.compat import uuid7

from ops.installation import Refused
from shared.ledger.events import Payload
from shared.model import TenantId
from shared.persistence.unit_of_work import UnitOfWork, unit_of_work

_SENTENCES = {
    "42501": "The database's user may not do this: give DATABASE_URL the owner's, mobius_owner.",
    "42P01": "This is no database of Mobius: check DATABASE_URL.",
    "42703": "This database has another release's schema: migrate it first.",
}

_EVENT = text("""
INSERT INTO event_log (tenant_id, event_id, event_type, correlation_id, payload_json)
VALUES (:tenant, :event, :event_type, :correlation, CAST(:payload AS jsonb))""")


@contextmanager
def transaction(engine: Engine, tenant_id: TenantId) -> Iterator[UnitOfWork]:
    """As ``unit_of_work``. Raises Refused too: for a user with too few rights, and for another database."""
    try:
        with unit_of_work(engine, tenant_id) as uow:
            yield uow
    except DBAPIError as error:
        details = error.orig.args[0] if error.orig is not None and error.orig.args else None
        code = details.get("C") if isinstance(details, dict) else None
        if code not in _SENTENCES:
            raise
        raise Refused(_SENTENCES[code]) from None


def tell_ledger(uow: UnitOfWork, tenant_id: TenantId, payload: Payload) -> None:
    """Appends to the tenant's own chain what an operator did; the actor is nobody of the tenant.

    Comes last: it locks the chain until the end.
    """
    uow.run(
        _EVENT,
        tenant=tenant_id,
        event=uuid7(),
        event_type=payload.event_type,
        correlation=uuid7(),
        payload=msgspec.json.encode(payload).decode(),
    )
