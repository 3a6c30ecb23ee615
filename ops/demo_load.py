"""Loads the synthetic clinics into the database, and asks for projections after Firestore was emptied."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec
import yaml
from sqlalchemy import Engine, create_engine, text

from ops.demo import DemoPatient, DemoTenant, demo_tenants
from ops.policy.document import policy_digest
from ops.schema import DatabaseUrls
from ops.transaction import tell_ledger
from shared.decisions.policy import Policy, decode_policy, encode_policy
from shared.ledger.events import PolicyPublished
from shared.messaging.outbox import ask_for_everything
from shared.model import TenantId
from shared.persistence.database import driver_url
from shared.persistence.unit_of_work import unit_of_work
from shared.security.patient_keys import external_id_hash, patient_key
from shared.security.search_terms import search_terms
from shared.settings import Settings

_POLICY = Path(__file__).parent / "default_policy.yaml"

_LOAD = text("""
WITH tenant AS (
    INSERT INTO tenant (tenant_id, name) VALUES (:tenant, :name) RETURNING tenant_id
), users AS (
    INSERT INTO app_user (tenant_id, user_id, role, display_name)
    SELECT t.tenant_id, u.* FROM tenant t,
        jsonb_to_recordset(CAST(:users AS jsonb)) AS u(user_id uuid, role text, display_name text)
), policy AS (
    INSERT INTO policy_config (tenant_id, version, allowlist_rules_json, ui_variants_json,
        timeout_rules_json, notification_rules_json, decision_rules_json, retention_rules_json)
    SELECT t.tenant_id, 1, p.p -> 'allowlist', p.p -> 'ui_variants', p.p -> 'timeouts',
        p.p -> 'notifications', p.p -> 'decisions', p.p -> 'retention'
    FROM tenant t, (SELECT CAST(:policy AS jsonb) AS p) p
), identities AS (
    INSERT INTO patient_identity_ref (tenant_id, patient_identity_ref_id, source_system,
        external_patient_id_hash)
    SELECT t.tenant_id, i.id, i.source_system, decode(i.hash, 'hex') FROM tenant t,
        jsonb_to_recordset(CAST(:patients AS jsonb)) AS i(id uuid, source_system text, hash text)
), contexts AS (
    INSERT INTO patient_context (tenant_id, patient_context_id, patient_key, patient_identity_ref_id)
    SELECT t.tenant_id, c.id, c.patient_key, c.id FROM tenant t,
        jsonb_to_recordset(CAST(:patients AS jsonb)) AS c(id uuid, patient_key text)
), snapshots AS (
    INSERT INTO patient_snapshot (tenant_id, patient_context_id, snapshot_version, display_name, id_label,
        id_masked, dob)
    SELECT t.tenant_id, s.id, 1, s.display_name, s.id_label, s.id_masked, s.dob FROM tenant t,
        jsonb_to_recordset(CAST(:patients AS jsonb)) AS s(id uuid, display_name text, id_label text,
            id_masked text, dob date)
), terms AS (
    INSERT INTO patient_search_term (tenant_id, patient_context_id, term)
    SELECT t.tenant_id, s.id, s.term FROM tenant t,
        jsonb_to_recordset(CAST(:terms AS jsonb)) AS s(id uuid, term text)
)
INSERT INTO patient_signal (tenant_id, patient_signal_id, patient_context_id, code, status, detail_json,
    observed_at, source_system)
SELECT t.tenant_id, gen_random_uuid(), g.id, g.code, g.status, g.detail, g.observed_at, g.source_system
FROM tenant t, jsonb_to_recordset(CAST(:signals AS jsonb)) AS g(id uuid, code text, status text,
    detail jsonb, observed_at timestamptz, source_system text)
""")
_ROLES = text(
    "INSERT INTO role (name) SELECT jsonb_array_elements_text(CAST(:roles AS jsonb)) ON CONFLICT DO NOTHING"
)
_APPLICATION = text(
    "INSERT INTO application (tenant_id, application_id, display_name) "
    "VALUES (:tenant, 'demo-board', 'Demo scheduling board') ON CONFLICT DO NOTHING"
)
_IS_LOADED = text("SELECT true FROM tenant WHERE tenant_id = :tenant")
_TENANTS = text("SELECT tenant_id FROM tenant ORDER BY tenant_id")


def load_demo(urls: DatabaseUrls, settings: Settings) -> list[dict[str, Any]]:
    """Loads each clinic that is missing, whole or not at all; returns what ``stack.json`` says of them."""
    clinics = demo_tenants(datetime.now(UTC).date())
    engine = _engine(urls.owner)
    for clinic in clinics:
        with unit_of_work(engine, clinic.tenant_id) as uow:
            if uow.value(_IS_LOADED, tenant=clinic.tenant_id) is None:
                uow.run(_ROLES, roles=_json(sorted({user.role for user in clinic.users})))
                uow.run(_LOAD, **_rows(clinic, settings.master_secret))
                published = PolicyPublished(version=1, digest=policy_digest(default_policy()))
                tell_ledger(uow, clinic.tenant_id, published)
            uow.run(_APPLICATION, tenant=clinic.tenant_id)
            uow.commit()
    return [_described(clinic, settings.master_secret) for clinic in clinics]


def enqueue_all(urls: DatabaseUrls) -> None:
    """Puts every projection of every tenant back into the outbox; the relay then has them all made."""
    with unit_of_work(_engine(urls.worker), None) as uow:
        tenants = [row.tenant_id for row in uow.rows(_TENANTS)]
    for tenant_id in tenants:
        with unit_of_work(_engine(urls.app), tenant_id) as uow:
            ask_for_everything(uow, tenant_id)
            uow.commit()


def default_policy() -> Policy:
    """The policy that ships. Raises PolicyError when somebody broke it."""
    return decode_policy(yaml.safe_load(_POLICY.read_text(encoding="utf-8")))


@lru_cache(maxsize=4)
def _engine(url: str) -> Engine:
    return create_engine(driver_url(url), pool_size=1, max_overflow=1, hide_parameters=True)


def _rows(clinic: DemoTenant, master: bytes) -> dict[str, object]:
    tenant_id = clinic.tenant_id
    return {
        "tenant": tenant_id,
        "name": clinic.name,
        "users": _json(clinic.users),
        "policy": _json(encode_policy(default_policy())),
        "patients": _json([_patient(tenant_id, patient, master) for patient in clinic.patients]),
        "terms": _json(
            [
                {"id": p.patient_context_id, "term": term}
                for p in clinic.patients
                for term in search_terms(p.display_name, p.id_masked)
            ]
        ),
        "signals": _json(
            [
                {"id": p.patient_context_id, **msgspec.to_builtins(signal)}
                for p in clinic.patients
                for signal in p.signals
            ]
        ),
    }


def _patient(tenant_id: TenantId, patient: DemoPatient, master: bytes) -> dict[str, object]:
    return {
        "id": patient.patient_context_id,
        "source_system": patient.source_system,
        "hash": external_id_hash(master, tenant_id, patient.source_system, patient.external_id).hex(),
        "patient_key": patient_key(master, tenant_id, patient.source_system, patient.external_id),
        "display_name": patient.display_name,
        "id_label": patient.id_label,
        "id_masked": patient.id_masked,
        "dob": patient.dob,
    }


def _described(clinic: DemoTenant, master: bytes) -> dict[str, Any]:
    return {
        "tenant_id": str(clinic.tenant_id),
        "name": clinic.name,
        "users": [
            {"user_id": str(u.user_id), "role": u.role, "display_name": u.display_name} for u in clinic.users
        ],
        "patients": [
            {
                "patient_key": patient_key(master, clinic.tenant_id, p.source_system, p.external_id),
                "display_name": p.display_name,
            }
            for p in clinic.patients
        ],
    }


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
