"""A transaction whose failures an operator can mend are said in a sentence."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from ops.installation import Refused
from shared.model import TenantId
from shared.persistence.unit_of_work import UnitOfWork, unit_of_work

_SENTENCES = {
    "42501": "The database's user may not do this: give DATABASE_URL the owner's, mobius_owner.",
    "42P01": "This is no database of Mobius: check DATABASE_URL.",
    "42703": "This database has another release's schema: migrate it first.",
}


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
