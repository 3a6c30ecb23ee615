"""Publishing: what has to hold before, the one transaction that does it, and the patients that follow."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import msgspec
from sqlalchemy import Engine

from ops.installation import Refused
from ops.policy.document import policy_digest, told
from ops.policy.preview import changes_documents, changes_inboxes, gets_new_response
from ops.policy.references import reference_problems
from ops.policy.store import (
    ask_for_documents,
    ask_for_inboxes,
    database_time,
    have_decided_anew,
    insert_policy,
    lock_shown_patients,
    newest_version,
    read_known,
    stored_policy,
)
from ops.transaction import transaction
from shared.decisions.engine import decide
from shared.decisions.policy import Policy
from shared.model import TenantId
from shared.persistence.unit_of_work import UnitOfWork

RATE = 50
"""So many patients a second follow a new policy, and as many documents.

Each is a transaction and a projection on the database that people's Sends need too, of which it does some
hundreds a second: this leaves them most of it, and 10,000 patients are through in 200 seconds. Whoever opens
a patient before its turn sees the new policy at once, because every look decides anew.
"""


class Published(NamedTuple):
    """What a publication did. ``is_new`` False: ``version`` said the same already, and stays the newest."""

    version: int
    digest: str
    is_new: bool
    documents: int


def base_of(uow: UnitOfWork, tenant_id: TenantId, document: Policy) -> Policy | None:
    """The policy that ``document`` would replace; None for the tenant's first.

    Raises Refused when it was edited from another version than the newest, or names a role or user that
    isn't there. A document that says what the newest says is right whatever its version is: it was published.
    """
    newest = newest_version(uow, tenant_id)
    base = stored_policy(uow, tenant_id, newest) if newest else None
    if base is not None and says_the_same(base, document):
        return base
    if document.version != (newest or 1):
        raise Refused(_stale(document.version, newest))
    problems = reference_problems(document, read_known(uow, tenant_id))
    if problems:
        raise Refused(
            told("The document names what this tenant doesn't have; nothing was changed.", problems)
        )
    return base


def says_the_same(base: Policy, document: Policy) -> bool:
    """Whether both are the same policy but for the version."""
    return msgspec.structs.replace(document, version=base.version) == base


def publish(engine: Engine, tenant_id: TenantId, document: Policy) -> Published:
    """Makes ``document`` the tenant's next version: the policy, its event and what the browsers have to get.

    All of it in one transaction, or none. Raises Refused as ``base_of`` does, and when somebody else
    publishes at the same moment.
    """
    with transaction(engine, tenant_id) as uow:
        base = base_of(uow, tenant_id, document)
        digest = policy_digest(document)
        if base is not None and says_the_same(base, document):
            return Published(base.version, digest, is_new=False, documents=0)
        new = msgspec.structs.replace(document, version=base.version + 1 if base else 1)
        # In the order of locks: users, documents, and last the event, which locks the tenant's chain.
        if changes_inboxes(base, new):
            ask_for_inboxes(uow, tenant_id)
        documents = ask_for_documents(uow, tenant_id, RATE) if changes_documents(base, new) else 0
        if not insert_policy(uow, tenant_id, new, digest):
            raise Refused(_stale(document.version, new.version))
        uow.commit()
    return Published(new.version, digest, is_new=True, documents=documents)


def enqueue_patients(
    engine: Engine, tenant_id: TenantId, version: int, advance: Callable[[int], None]
) -> int:
    """Has every surfaced patient whom ``version`` decides otherwise decided anew; returns how many.

    After the publication, in batches of one short transaction each: locked, a patient is decided by nobody
    else, and whoever has the lock next reads the new policy. What is enqueued follows from what is stored, so
    after an interruption the whole is simply done again.
    """
    enqueued, after = 0, None
    with transaction(engine, tenant_id) as uow:
        began = database_time(uow)
        policy = stored_policy(uow, tenant_id, version)
    while True:
        with transaction(engine, tenant_id) as uow:
            batch = lock_shown_patients(uow, tenant_id, after)
            if not batch:
                return enqueued
            due = [
                facts.patient_context_id
                for facts in batch
                if gets_new_response(facts, decide(facts.signals, policy))
            ]
            if due:
                have_decided_anew(uow, tenant_id, due, began=began, place=enqueued, rate=RATE)
            uow.commit()
        enqueued += len(due)
        after = batch[-1].patient_context_id
        advance(len(batch))


def _stale(began_from: int, newest: int) -> str:
    if not newest:
        return f"This tenant has no policy yet: its first is version 1, and the document says {began_from}."
    if began_from > newest:
        return (
            f"The document says that it was edited from version {began_from}, but the newest is version "
            f"{newest}: see mobius policy show."
        )
    return (
        f"Somebody published version {newest} since you began from version {began_from}: see mobius policy "
        f"diff, take over what is theirs, and set the document's version to {newest}."
    )
