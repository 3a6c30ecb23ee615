"""The rows of an intake: who is new in a batch at once, who changed one by one, each under the lock."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec
from sqlalchemy import Engine, text
from uuid_utils.compat import uuid7

from ops.intake.changes import Difference, Known, Wanted, difference
from ops.intake.derived import Derived
from ops.intake.patients import Shown
from shared.ledger.events import PatientUpdated
from shared.model import CorrelationId, Frozen, PatientKey, TenantId
from shared.persistence.unit_of_work import UnitOfWork, unit_of_work
from shared.security.search_terms import search_terms

_READ = text("""
SELECT coalesce(json_agg(json_build_object(
    'patient_key', c.patient_key, 'patient_context_id', c.patient_context_id, 'version', c.version,
    'snapshot_version', coalesce(s.snapshot_version, 0),
    'shown', CASE WHEN s.snapshot_version IS NOT NULL THEN json_build_object(
        'display_name', s.display_name, 'id_label', s.id_label, 'id_masked', s.id_masked, 'dob', s.dob) END,
    'signals', (SELECT coalesce(json_agg(json_build_object(
            'code', g.code, 'status', g.status, 'detail', g.detail_json)), '[]')
        FROM patient_signal g WHERE g.tenant_id = c.tenant_id
        AND g.patient_context_id = c.patient_context_id AND g.source_system = :source)
)), '[]')::text
FROM patient_context c LEFT JOIN LATERAL (
    SELECT * FROM patient_snapshot v WHERE v.tenant_id = c.tenant_id
    AND v.patient_context_id = c.patient_context_id ORDER BY v.snapshot_version DESC LIMIT 1) s ON true
WHERE c.tenant_id = :tenant
    AND c.patient_key = ANY (SELECT jsonb_array_elements_text(CAST(:keys AS jsonb)))
""")

# In the order of hashes and keys, so that two intakes of the same patients wait instead of locking each other
# out. Whom another one has just brought in is passed over here, and then looked at as known.
_BRING_IN = text("""
WITH incoming AS (
    SELECT i.* FROM jsonb_to_recordset(CAST(:patients AS jsonb)) AS i(id uuid, patient_key text, hash text,
        display_name text, id_label text, id_masked text, dob date, terms jsonb, signals jsonb,
        event_id uuid, payload jsonb)
), identity AS (
    INSERT INTO patient_identity_ref (tenant_id, patient_identity_ref_id, source_system,
        external_patient_id_hash)
    SELECT CAST(:tenant AS uuid), i.id, CAST(:source AS text), decode(i.hash, 'hex')
    FROM incoming i ORDER BY i.hash
    ON CONFLICT (tenant_id, source_system, external_patient_id_hash) DO NOTHING
    RETURNING external_patient_id_hash, patient_identity_ref_id
), identified AS (
    SELECT * FROM identity UNION ALL
    SELECT r.external_patient_id_hash, r.patient_identity_ref_id FROM incoming i JOIN patient_identity_ref r
    ON r.tenant_id = :tenant AND r.source_system = :source
        AND r.external_patient_id_hash = decode(i.hash, 'hex')
), context AS (
    INSERT INTO patient_context (tenant_id, patient_context_id, patient_key, patient_identity_ref_id)
    SELECT CAST(:tenant AS uuid), i.id, i.patient_key, d.patient_identity_ref_id
    FROM incoming i JOIN identified d ON d.external_patient_id_hash = decode(i.hash, 'hex')
    ORDER BY i.patient_key
    ON CONFLICT (tenant_id, patient_key) DO NOTHING
    RETURNING tenant_id, patient_context_id
), new AS (
    SELECT c.tenant_id, i.* FROM context c JOIN incoming i ON i.id = c.patient_context_id
), snapshot AS (
    INSERT INTO patient_snapshot (tenant_id, patient_context_id, snapshot_version, display_name, id_label,
        id_masked, dob)
    SELECT n.tenant_id, n.id, 1, n.display_name, n.id_label, n.id_masked, n.dob FROM new n
), term AS (
    INSERT INTO patient_search_term (tenant_id, patient_context_id, term)
    SELECT n.tenant_id, n.id, t.term FROM new n, jsonb_array_elements_text(n.terms) AS t(term)
), signal AS (
    INSERT INTO patient_signal (tenant_id, patient_signal_id, patient_context_id, code, status, detail_json,
        observed_at, source_system)
    SELECT n.tenant_id, gen_random_uuid(), n.id, g.code, g.status, g.detail, g.observed_at,
        CAST(:source AS text)
    FROM new n, jsonb_to_recordset(n.signals) AS g(code text, status text, detail jsonb,
        observed_at timestamptz)
), event AS (
    INSERT INTO event_log (tenant_id, patient_context_id, event_id, event_type, correlation_id, payload_json)
    SELECT n.tenant_id, n.id, n.event_id, CAST(:event_type AS text), CAST(:correlation AS uuid), n.payload
    FROM new n
)
SELECT coalesce(json_agg(n.patient_key), '[]')::text FROM new n
""")

# A change of the snapshot is a change of what is shown, so it is a version where anything was shown before.
# Changed signals change what is shown only once they are decided on: at once where somebody is looking.
#
# Of a patient who comes back after an erasure, the identity is made again (docs/retention.md).
_CHANGE = text("""
WITH identity AS (
    INSERT INTO patient_identity_ref (tenant_id, patient_identity_ref_id, source_system,
        external_patient_id_hash)
    SELECT e.tenant_id, gen_random_uuid(), CAST(:source AS text), decode(CAST(:hash AS text), 'hex')
    FROM patient_context e WHERE e.tenant_id = :tenant AND e.patient_context_id = :context
        AND e.patient_identity_ref_id IS NULL AND CAST(:hash AS text) IS NOT NULL
    ON CONFLICT (tenant_id, source_system, external_patient_id_hash) DO NOTHING
    RETURNING patient_identity_ref_id
), context AS (
    UPDATE patient_context c
    SET patient_identity_ref_id = coalesce(c.patient_identity_ref_id,
            (SELECT i.patient_identity_ref_id FROM identity i)),
        version = version + CAST(CAST(:new_version AS boolean) AS int),
        last_updated_at = CASE WHEN :new_version THEN clock_timestamp() ELSE last_updated_at END,
        reassess_at = CASE WHEN :new_signals AND EXISTS (
                SELECT 1 FROM invocation i WHERE i.tenant_id = c.tenant_id
                AND i.patient_context_id = c.patient_context_id AND i.status = 'open'
                AND i.last_seen_at > clock_timestamp() - make_interval(secs => CAST(:idle_s AS float8)))
            THEN clock_timestamp() ELSE reassess_at END
    WHERE tenant_id = :tenant AND patient_context_id = :context
    RETURNING tenant_id, patient_context_id, version
), snapshot AS (
    INSERT INTO patient_snapshot (tenant_id, patient_context_id, snapshot_version, display_name, id_label,
        id_masked, dob)
    SELECT c.tenant_id, c.patient_context_id, CAST(:snapshot_version AS int), s.* FROM context c,
        jsonb_to_recordset(CAST(:shown AS jsonb)) AS s(display_name text, id_label text, id_masked text,
            dob date)
), term AS (
    INSERT INTO patient_search_term (tenant_id, patient_context_id, term)
    SELECT c.tenant_id, c.patient_context_id, t.term FROM context c,
        jsonb_array_elements_text(CAST(:terms AS jsonb)) AS t(term)
    ON CONFLICT DO NOTHING
), signal AS (
    INSERT INTO patient_signal (tenant_id, patient_signal_id, patient_context_id, code, status, detail_json,
        observed_at, source_system)
    SELECT c.tenant_id, gen_random_uuid(), c.patient_context_id, g.code, g.status, g.detail, g.observed_at,
        CAST(:source AS text)
    FROM context c, jsonb_to_recordset(CAST(:signals AS jsonb)) AS g(code text, status text, detail jsonb,
        observed_at timestamptz)
    ON CONFLICT (tenant_id, patient_context_id, code, source_system) DO UPDATE
    SET status = excluded.status, detail_json = excluded.detail_json, observed_at = excluded.observed_at
), told AS (
    INSERT INTO outbox (tenant_id, outbox_id, subject_type, subject, version)
    SELECT c.tenant_id, gen_random_uuid(), 'patient', c.patient_context_id, c.version FROM context c
    WHERE :new_version
)
INSERT INTO event_log (tenant_id, patient_context_id, version, event_id, event_type, correlation_id,
    payload_json)
SELECT c.tenant_id, c.patient_context_id, CASE WHEN :new_version THEN c.version END,
    CAST(:event_id AS uuid), CAST(:event_type AS text), CAST(:correlation AS uuid), CAST(:payload AS jsonb)
FROM context c
""")


class Scope(Frozen, frozen=True):
    """Whose patients an intake writes, and what every row of it shares."""

    tenant_id: TenantId
    source_system: str
    session_idle_s: int
    correlation_id: CorrelationId
    now: datetime


def read_known(uow: UnitOfWork, scope: Scope, keys: Sequence[PatientKey]) -> dict[PatientKey, Known]:
    """What is known of those of ``keys`` that are known at all."""
    found = uow.value(_READ, tenant=scope.tenant_id, source=scope.source_system, keys=_json(keys))
    return {each.patient_key: each for each in msgspec.json.decode(found, type=list[Known])}


def bring_in(engine: Engine, scope: Scope, patients: Sequence[Wanted]) -> frozenset[PatientKey]:
    """Stores new patients, each whole, in one transaction. Gives the keys of those that were new indeed."""
    if not patients:
        return frozenset()
    rows = [_new_row(wanted, difference(wanted, None), scope.now) for wanted in patients]
    with unit_of_work(engine, scope.tenant_id) as uow:
        found = uow.value(
            _BRING_IN,
            tenant=scope.tenant_id,
            source=scope.source_system,
            event_type=PatientUpdated.event_type,
            correlation=scope.correlation_id,
            patients=_json(rows),
        )
        uow.commit()
    return frozenset(msgspec.json.decode(found, type=list[PatientKey]))


def change(engine: Engine, scope: Scope, wanted: Wanted) -> Difference:
    """Compares again under the patient's lock and stores what is still different. Gives what that was."""
    with unit_of_work(engine, scope.tenant_id, lock=wanted.patient_key) as uow:
        known = read_known(uow, scope, [wanted.patient_key])[wanted.patient_key]
        changed = difference(wanted, known)
        if changed:
            _write(uow, scope, known, changed, wanted.external_id_hash)
            uow.commit()
    return changed


def _write(
    uow: UnitOfWork, scope: Scope, known: Known, changed: Difference, external_id_hash: str | None
) -> None:
    version = known.snapshot_version + (changed.shown is not None)
    payload = PatientUpdated(snapshot_version=version, changed_signals=changed.codes)
    uow.run(
        _CHANGE,
        tenant=scope.tenant_id,
        context=known.patient_context_id,
        source=scope.source_system,
        hash=external_id_hash,
        new_version=changed.shown is not None and known.version > 0,
        new_signals=bool(changed.signals),
        idle_s=scope.session_idle_s,
        snapshot_version=version,
        shown=_json([changed.shown] if changed.shown else []),
        terms=_json(_terms(changed.shown)),
        signals=_json([_signal_row(signal, scope.now) for signal in changed.signals]),
        event_id=uuid7(),
        event_type=PatientUpdated.event_type,
        correlation=scope.correlation_id,
        payload=_json(payload),
    )


def _new_row(wanted: Wanted, new: Difference, now: datetime) -> dict[str, object]:
    payload = PatientUpdated(snapshot_version=1, changed_signals=new.codes)
    return {
        "id": uuid7(),
        "patient_key": wanted.patient_key,
        "hash": wanted.external_id_hash,
        **msgspec.to_builtins(new.shown),
        "terms": _terms(new.shown),
        "signals": [_signal_row(signal, now) for signal in new.signals],
        "event_id": uuid7(),
        "payload": payload,
    }


def _signal_row(signal: Derived, now: datetime) -> dict[str, object]:
    # A source's clock may be ahead of ours; nothing was observed in the future.
    observed_at = min(signal.observed_at or now, now)
    return {
        "code": signal.code,
        "status": signal.status,
        "detail": signal.detail,
        "observed_at": observed_at,
    }


def _terms(shown: Shown | None) -> tuple[str, ...]:
    return search_terms(shown.display_name, shown.id_masked) if shown else ()


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
