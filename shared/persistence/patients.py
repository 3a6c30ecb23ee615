"""What is known of one patient, read whole: one statement, one snapshot of the database.

The database builds the answer as JSON in the shape of ``shared.model``, which decodes it typed.
"""

from __future__ import annotations

import msgspec
from sqlalchemy import text

from shared.model import PatientKey, SystemResponseId, TenantId
from shared.persistence.readings import Asking, PatientReading, SendReading
from shared.persistence.unit_of_work import UnitOfWork
from shared.persistence.visits import SESSION

# A claim counts for as long as who made it can see the item.
ASSIGNMENT = """json_build_object(
    'assignment_id', a.assignment_id, 'patient_key', ac.patient_key,
    'system_response_id', a.system_response_id, 'reason_code', a.reason_code, 'created_at', a.created_at,
    'status', a.status, 'assigned_to_user', a.assigned_to_user, 'assigned_to_role', a.assigned_to_role,
    'claimed_by', (SELECT cu.user_id FROM app_user cu
        WHERE cu.tenant_id = a.tenant_id AND cu.user_id = a.claimed_by AND cu.status = 'active'
        AND (cu.user_id = a.assigned_to_user OR cu.role = a.assigned_to_role)))"""

RESPONSE = """json_build_object(
        'system_response_id', r.system_response_id, 'surface_type', r.surface_type,
        'computed_at', r.computed_at, 'proceed_indicator', r.proceed_indicator,
        'execution_mode', r.execution_mode, 'tasking_summary', r.tasking_summary,
        'task_count', r.task_count, 'rationale', r.rationale, 'needs_ack', r.needs_ack,
        'policy_version', r.policy_version, 'facts_digest', r.facts_digest)"""
"""SQL: the row ``r`` of ``system_response`` as a SystemResponse."""

LATEST_RESPONSE = f"""(SELECT {RESPONSE} FROM system_response r
        WHERE r.tenant_id = c.tenant_id AND r.patient_context_id = c.patient_context_id
        ORDER BY r.computed_at DESC, r.system_response_id DESC LIMIT 1)"""
"""SQL: the latest response of the context ``c``."""

SIGNALS = """(SELECT coalesce(json_agg(json_build_object(
            'code', g.code, 'status', g.status, 'detail', g.detail_json,
            'observed_at', g.observed_at, 'source_system', g.source_system)
            ORDER BY g.code, g.source_system), '[]')
        FROM patient_signal g
        WHERE g.tenant_id = c.tenant_id AND g.patient_context_id = c.patient_context_id)"""
"""SQL: the signals of the context ``c``."""

PATIENT_STATE = f"""json_build_object(
    'patient_context_id', c.patient_context_id, 'patient_key', c.patient_key, 'version', c.version,
    'version_head', CASE WHEN c.version_head IS NOT NULL THEN json_build_object(
        'seq', c.version_seq, 'hash', encode(c.version_head, 'hex')) END,
    'ack_due_at', c.ack_due_at, 'last_updated_at', c.last_updated_at,
    'snapshot', (SELECT json_build_object(
            'snapshot_version', s.snapshot_version, 'display_name', s.display_name,
            'id_label', s.id_label, 'id_masked', s.id_masked, 'dob', s.dob, 'updated_at', s.created_at)
        FROM patient_snapshot s
        WHERE s.tenant_id = c.tenant_id AND s.patient_context_id = c.patient_context_id
        ORDER BY s.snapshot_version DESC LIMIT 1),
    'signals', {SIGNALS},
    'response', {LATEST_RESPONSE},
    'outcome', (SELECT o.outcome FROM response_outcome o
        WHERE o.tenant_id = c.tenant_id AND o.outcome <> 'invalidated' AND o.system_response_id = (
            SELECT r.system_response_id FROM system_response r
            WHERE r.tenant_id = c.tenant_id AND r.patient_context_id = c.patient_context_id
            ORDER BY r.computed_at DESC, r.system_response_id DESC LIMIT 1)
        ORDER BY o.computed_at DESC, o.response_outcome_id DESC LIMIT 1),
    'submission', (SELECT json_build_object(
            'mini_submission_id', m.mini_submission_id, 'submitted_at', m.submitted_at,
            'user_id', m.user_id, 'user_display_name', mu.display_name,
            'system_response_id', m.system_response_id, 'override_proceed', m.override_proceed,
            'override_tasking', m.override_tasking, 'confirmed', m.confirmed)
        FROM mini_submission m
        JOIN app_user mu ON mu.tenant_id = m.tenant_id AND mu.user_id = m.user_id
        WHERE m.tenant_id = c.tenant_id AND m.patient_context_id = c.patient_context_id
        ORDER BY m.submitted_at DESC, m.mini_submission_id DESC LIMIT 1),
    'open_assignments', (SELECT coalesce(json_agg({ASSIGNMENT.replace("ac.patient_key", "c.patient_key")}
            ORDER BY a.created_at, a.assignment_id), '[]')
        FROM assignment a
        WHERE a.tenant_id = c.tenant_id AND a.patient_context_id = c.patient_context_id
        AND a.status = 'open'))"""

ACTOR = """'actor', (SELECT json_build_object('user_id', u.user_id, 'role', u.role,
        'display_name', u.display_name, 'status', u.status, 'tokens_valid_after', u.tokens_valid_after)
    FROM app_user u WHERE u.tenant_id = :tenant AND u.user_id = :user),
'policy_version', (SELECT coalesce(max(p.version), 0) FROM policy_config p WHERE p.tenant_id = :tenant)"""
"""SQL: who asks, under which policy version."""

SESSIONED = f"""{ACTOR},
'session', {SESSION},
'application', (SELECT h.application_id FROM application h
    WHERE h.tenant_id = :tenant AND h.application_id = CAST(:application AS text))"""
"""SQL: a SessionedReading's fields."""

# Who signs in anew because the sign-in before was revoked has nothing open any more.
_GLASS_UNTIL = """(SELECT max(b.expires_at) FROM break_glass b
    JOIN patient_context bc ON bc.tenant_id = b.tenant_id AND bc.patient_context_id = b.patient_context_id
    JOIN app_user bu ON bu.tenant_id = b.tenant_id AND bu.user_id = b.user_id
    WHERE b.tenant_id = :tenant AND b.user_id = :user AND bc.patient_key = :patient_key
    AND b.user_role = bu.role
    AND b.expires_at > clock_timestamp()
    AND (bu.tokens_valid_after IS NULL OR b.created_at >= bu.tokens_valid_after))"""

# clock_timestamp(), not now(): a transaction that waited for the lock began before the one it waited for.
READING = f"""{SESSIONED},
'at', clock_timestamp(),
'glass_until', {_GLASS_UNTIL},
'patient', (SELECT {PATIENT_STATE} FROM patient_context c
    WHERE c.tenant_id = :tenant AND c.patient_key = :patient_key)"""
"""SQL: a PatientReading's fields."""

_REPEATED = f"""'repeated', (SELECT json_build_object(
        'mini_submission_id', m.mini_submission_id, 'system_response_id', m.system_response_id,
        'submitted_at', m.submitted_at, 'note_text', m.note_text, 'override_proceed', m.override_proceed,
        'override_tasking', m.override_tasking, 'confirmed', m.confirmed, 'superseded', m.superseded,
        'needs_ack_after', m.needs_ack_after, 'request_hash', encode(m.request_hash, 'hex'),
        'resolved_assignments', (SELECT coalesce(json_agg(a.assignment_id ORDER BY a.created_at,
            a.assignment_id), '[]') FROM assignment a WHERE a.tenant_id = m.tenant_id
            AND a.patient_context_id = m.patient_context_id
            AND a.resolved_by_submission = m.mini_submission_id))
    FROM mini_submission m WHERE m.tenant_id = :tenant AND m.user_id = :user
    AND m.idempotency_key_hash = CAST(:key_hash AS bytea)),
'answered', (SELECT {RESPONSE} FROM system_response r JOIN patient_context c
    ON c.tenant_id = r.tenant_id AND c.patient_context_id = r.patient_context_id
    WHERE r.tenant_id = :tenant AND r.system_response_id = CAST(:response AS uuid)
    AND c.patient_key = :patient_key),
'settled_as', (SELECT coalesce(json_agg(o.outcome), '[]') FROM response_outcome o
    WHERE o.tenant_id = :tenant AND o.system_response_id = coalesce(CAST(:response AS uuid),
        (SELECT r.system_response_id FROM system_response r JOIN patient_context c
        ON c.tenant_id = r.tenant_id AND c.patient_context_id = r.patient_context_id
        WHERE r.tenant_id = :tenant AND c.patient_key = :patient_key
        ORDER BY r.computed_at DESC, r.system_response_id DESC LIMIT 1)))"""

_READ = text(f"SELECT json_build_object({READING})::text")
_READ_FOR_SEND = text(f"SELECT json_build_object({READING}, {_REPEATED})::text")


def read_patient(
    uow: UnitOfWork, tenant_id: TenantId, asking: Asking, patient_key: PatientKey | None
) -> PatientReading:
    """Reads the caller and a patient; the patient is None when there is no such one in this tenant."""
    found = uow.value(_READ, **asked(tenant_id, asking, patient_key))
    return msgspec.json.decode(found, type=PatientReading)


def read_for_send(
    uow: UnitOfWork,
    tenant_id: TenantId,
    asking: Asking,
    patient_key: PatientKey,
    *,
    key_hash: bytes | None,
    answered: SystemResponseId | None,
) -> SendReading:
    """Reads what a Send or a dismissal has to know. Call it under the patient's lock."""
    found = uow.value(
        _READ_FOR_SEND, **asked(tenant_id, asking, patient_key), key_hash=key_hash, response=answered
    )
    return msgspec.json.decode(found, type=SendReading)


def asked(tenant_id: TenantId, asking: Asking, patient_key: PatientKey | None) -> dict[str, object]:
    """What READING binds."""
    return {
        "tenant": tenant_id,
        "user": asking.user_id,
        "session_hash": asking.session,
        "application": asking.application,
        "patient_key": patient_key or "",
    }
