"""What the policy commands read and write in the database, by name. Callers commit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from uuid import UUID

import msgspec
from sqlalchemy import Engine, text

from ops.installation import Refused
from ops.policy.document import told
from ops.policy.preview import Facts
from ops.policy.references import Known
from ops.transaction import tell_ledger, transaction
from shared.decisions.policy import Policy, PolicyError, encode_policy
from shared.ledger.events import PolicyPublished
from shared.model import PatientContextId, TenantId
from shared.persistence.patients import LATEST_RESPONSE, SIGNALS
from shared.persistence.policies import policy_in
from shared.persistence.unit_of_work import UnitOfWork

BATCH = 200
"""So many patients are read, or locked and enqueued, at once: a few hundred KB, a few milliseconds."""

_BEFORE_ALL = PatientContextId(UUID(int=0))

_NEWEST = text("""SELECT (SELECT coalesce(max(p.version), 0) FROM policy_config p
    WHERE p.tenant_id = t.tenant_id) FROM tenant t WHERE t.tenant_id = :tenant""")
_ROLES = text("SELECT name FROM role ORDER BY name")
_USERS = text("""SELECT user_id FROM app_user WHERE tenant_id = :tenant AND status = 'active'
    ORDER BY user_id""")
_COUNT = text("SELECT count(*) FROM patient_context WHERE tenant_id = :tenant")

_NEXT = text("""SELECT patient_context_id FROM patient_context
    WHERE tenant_id = :tenant AND patient_context_id > :after ORDER BY patient_context_id LIMIT :size""")
_LOCK_NEXT = text("""SELECT patient_context_id FROM patient_context
    WHERE tenant_id = :tenant AND patient_context_id > :after AND version > 0
    ORDER BY patient_context_id LIMIT :size FOR NO KEY UPDATE""")
_FACTS = text(f"""
SELECT json_build_object('patient_context_id', c.patient_context_id, 'has_document', c.version > 0,
    'signals', {SIGNALS},
    'response', {LATEST_RESPONSE},
    'open_reasons', (SELECT coalesce(json_agg(a.reason_code), '[]') FROM assignment a
        WHERE a.tenant_id = c.tenant_id AND a.patient_context_id = c.patient_context_id
        AND a.status = 'open'))::text
FROM patient_context c
WHERE c.tenant_id = :tenant AND c.patient_context_id = ANY (CAST(:contexts AS uuid[]))
ORDER BY c.patient_context_id""")

# Waits for a publisher of the same version who is not done yet; whoever comes second inserts nothing.
_INSERT = text("""
INSERT INTO policy_config (tenant_id, version, allowlist_rules_json, ui_variants_json, timeout_rules_json,
    notification_rules_json, decision_rules_json, retention_rules_json)
SELECT :tenant, :version, p.p -> 'allowlist', p.p -> 'ui_variants', p.p -> 'timeouts',
    p.p -> 'notifications', p.p -> 'decisions', p.p -> 'retention'
FROM (SELECT CAST(:policy AS jsonb) AS p) p
ON CONFLICT (tenant_id, version) DO NOTHING""")
# Clients say which application they are in, and the database only knows those that are here.
_APPLICATIONS = text("""
INSERT INTO application (tenant_id, application_id, display_name)
SELECT :tenant, a.name, a.name FROM jsonb_array_elements_text(CAST(:names AS jsonb)) AS a(name)
WHERE a.name <> '*' ON CONFLICT DO NOTHING""")
# The row gets a new id where one waits already: a projector that read the old policy confirms by id what it
# has read, and must leave this one.
_DOCUMENTS = text("""
INSERT INTO outbox (tenant_id, outbox_id, subject_type, subject, version, forced, next_attempt_at)
SELECT c.tenant_id, gen_random_uuid(), 'patient', c.patient_context_id, c.version, true,
    now() + make_interval(secs => row_number() OVER (ORDER BY c.patient_context_id) / CAST(:rate AS float8))
FROM patient_context c WHERE c.tenant_id = :tenant AND c.version > 0
ON CONFLICT (tenant_id, subject_type, subject, version)
DO UPDATE SET forced = true, outbox_id = excluded.outbox_id, attempts = 0, parked_at = NULL""")
# First what keeps a tenant's users as they are: somebody who is being added is either seen here, or added
# under the new policy (hold_items in the migrations).
_HOLD_USERS = text("SELECT pg_advisory_xact_lock_shared(hashtextextended(CAST(:tenant AS text), 0))")
# At once, unlike patients: a role that is shut out should not read on, and users are few.
_INBOXES = text("""
INSERT INTO outbox (tenant_id, outbox_id, subject_type, subject, version)
SELECT u.tenant_id, gen_random_uuid(), 'user', u.user_id, CAST(CAST(pg_current_xact_id() AS text) AS bigint)
FROM app_user u WHERE u.tenant_id = :tenant""")
_NOW = text("SELECT now()")
_REASSESS = text("""
UPDATE patient_context c
SET reassess_at = least(c.reassess_at,
    CAST(:began AS timestamptz) + make_interval(secs => (:place + d.n) / CAST(:rate AS float8)))
FROM unnest(CAST(:contexts AS uuid[])) WITH ORDINALITY AS d(id, n)
WHERE c.tenant_id = :tenant AND c.patient_context_id = d.id
AND EXISTS (SELECT 1 FROM tenant t WHERE t.tenant_id = :tenant AND t.closed_at IS NULL)""")


def newest_version(uow: UnitOfWork, tenant_id: TenantId) -> int:
    """The tenant's newest policy version, 0 without any. Raises Refused when there is no such tenant."""
    found = uow.value(_NEWEST, tenant=tenant_id)
    if found is None:
        raise Refused(f"There is no tenant {tenant_id}.")
    return int(found)


def stored_policy(uow: UnitOfWork, tenant_id: TenantId, version: int) -> Policy:
    """A version that is there. Raises Refused when this release can't read it any more."""
    try:
        return policy_in(uow, tenant_id, version)
    except PolicyError as error:
        raise Refused(told(f"The stored version {version} is no valid policy:", error.problems)) from None


def read_known(uow: UnitOfWork, tenant_id: TenantId) -> Known:
    """What the tenant's policy may name."""
    return Known(
        roles=tuple(row.name for row in uow.rows(_ROLES)),
        users=tuple(row.user_id for row in uow.rows(_USERS, tenant=tenant_id)),
    )


def count_patients(uow: UnitOfWork, tenant_id: TenantId) -> int:
    """How many patients the tenant has."""
    return int(uow.value(_COUNT, tenant=tenant_id))


def every_patient(engine: Engine, tenant_id: TenantId) -> Iterator[tuple[Facts, ...]]:
    """All patients of a tenant in id order, a batch and a transaction at a time."""
    after = _BEFORE_ALL
    while True:
        with transaction(engine, tenant_id) as uow:
            found = uow.rows(_NEXT, tenant=tenant_id, after=after, size=BATCH)
            batch = _read_facts(uow, tenant_id, [row.patient_context_id for row in found])
        if not batch:
            return
        yield batch
        after = batch[-1].patient_context_id


def lock_shown_patients(
    uow: UnitOfWork, tenant_id: TenantId, after: PatientContextId | None
) -> tuple[Facts, ...]:
    """The next patients that browsers know, in id order, locked: nobody decides on them meanwhile."""
    found = uow.rows(_LOCK_NEXT, tenant=tenant_id, after=after or _BEFORE_ALL, size=BATCH)
    return _read_facts(uow, tenant_id, [row.patient_context_id for row in found])


def insert_policy(uow: UnitOfWork, tenant_id: TenantId, policy: Policy, digest: str) -> bool:
    """Stores ``policy`` with its applications and its event; False when somebody has this version already."""
    document = encode_policy(policy)
    if not uow.run(_INSERT, tenant=tenant_id, version=policy.version, policy=_json(document)):
        return False
    uow.run(_APPLICATIONS, tenant=tenant_id, names=_json(policy.allowlist.applications))
    tell_ledger(uow, tenant_id, PolicyPublished(version=policy.version, digest=digest))
    return True


def ask_for_documents(uow: UnitOfWork, tenant_id: TenantId, rate: int) -> int:
    """Has every patient's document written anew, ``rate`` a second in id order; returns how many."""
    return uow.run(_DOCUMENTS, tenant=tenant_id, rate=rate)


def ask_for_inboxes(uow: UnitOfWork, tenant_id: TenantId) -> int:
    """Has every user's inbox written anew; returns how many. Comes before anything that locks a row."""
    uow.rows(_HOLD_USERS, tenant=tenant_id)
    return uow.run(_INBOXES, tenant=tenant_id)


def database_time(uow: UnitOfWork) -> datetime:
    """When the transaction began, by the database's clock."""
    now: datetime = uow.value(_NOW)
    return now


def have_decided_anew(
    uow: UnitOfWork,
    tenant_id: TenantId,
    contexts: Sequence[PatientContextId],
    *,
    began: datetime,
    place: int,
    rate: int,
) -> None:
    """Sets when these locked patients are decided anew, ``rate`` a second; what is due earlier stays.

    ``place`` is how many came before them since ``began``.
    """
    uow.run(_REASSESS, tenant=tenant_id, contexts=list(contexts), began=began, place=place, rate=rate)


def _read_facts(
    uow: UnitOfWork, tenant_id: TenantId, contexts: Sequence[PatientContextId]
) -> tuple[Facts, ...]:
    found = uow.rows(_FACTS, tenant=tenant_id, contexts=list(contexts))
    return tuple(msgspec.json.decode(row[0], type=Facts) for row in found)


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
