"""Whether responses, submissions and outcomes say what their events say: an altered record is a lie too.

One statement sees both at one moment. Which of the two was altered, the chain tells.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from shared.ledger.verification.findings import Finding, Kind
from shared.ledger.verification.pages import Ask
from shared.model import PatientContextId, PatientKey, TenantId


class _Record(NamedTuple):
    """A table beside the events of a type: ``key`` is in both, ``same`` are columns and what they must be."""

    name: str
    table: str
    event_type: str
    key: tuple[str, ...]
    same: tuple[tuple[str, str], ...]
    at: str
    but: str = "true"


def _payload(*names: str) -> tuple[tuple[str, str], ...]:
    return tuple((name, f"e.payload_json ->> '{name}'") for name in names)


# Written by one statement, whose time-out is an hour at most.
_APART = "interval '1 hour'"
_RECORDS = (
    _Record(
        name="a response",
        table="system_response",
        event_type="System.Response",
        key=("system_response_id",),
        same=(
            *_payload("proceed_indicator", "execution_mode", "task_count", "needs_ack"),
            *_payload("policy_version", "facts_digest"),
            ("surface_type", "e.payload_json ->> 'surface'"),
        ),
        at="computed_at",
    ),
    _Record(
        name="a Send",
        table="mini_submission",
        event_type="User.Acknowledged",
        key=("mini_submission_id",),
        same=(
            *_payload(
                "system_response_id", "override_proceed", "override_tasking", "confirmed", "superseded"
            ),
            ("user_id", "e.actor_user_id::text"),
        ),
        at="submitted_at",
    ),
    _Record(
        name="broken glass",
        table="break_glass",
        event_type="Glass.Broken",
        key=("break_glass_id",),
        same=(
            *_payload("reason"),
            ("surface_type", "e.payload_json ->> 'surface'"),
            ("user_id", "e.actor_user_id::text"),
            # It may end sooner than its event says, never later.
            (
                "expires_at",
                "CASE WHEN pg_catalog.jsonb_typeof(e.payload_json -> 'lasts_s') = 'number' AND r.expires_at "
                "<= e.created_at + interval '1 minute' + interval '1 second' "
                "* least((e.payload_json ->> 'lasts_s')::numeric, 1e8)::float8 THEN r.expires_at::text END",
            ),
        ),
        at="created_at",
    ),
    _Record(
        name="an outcome",
        table="response_outcome",
        event_type="Outcome.Computed",
        key=("system_response_id", "outcome"),
        same=(("user_id", "e.actor_user_id::text"),),
        at="computed_at",
        # It concerns one invocation, and has no record.
        but="e.payload_json ->> 'outcome' IS DISTINCT FROM 'invalidated'",
    ),
)

_COMPARE = """(SELECT '{name}',
    coalesce(c.patient_key, coalesce(e.patient_context_id, r.patient_context_id)::text),
    coalesce(e.seq, 0), r.there IS NOT NULL, e.there IS NOT NULL, {differences}
FROM (SELECT r.*, true AS there, {record_key} AS record_key FROM public.{table} r
    WHERE r.tenant_id = '{tenant}' AND {record_patient}) r
FULL JOIN (SELECT e.*, true AS there, {event_key} AS event_key FROM public.event_log e
    WHERE e.tenant_id = '{tenant}' AND e.event_type = '{event_type}' AND {event_patient} AND {but}) e
    ON r.record_key = e.event_key
LEFT JOIN public.patient_context c ON c.tenant_id = '{tenant}'
    AND c.patient_context_id = coalesce(e.patient_context_id, r.patient_context_id)
WHERE r.there IS NULL OR e.there IS NULL OR {differences} <> ''
ORDER BY 2, 3 LIMIT {most})"""


def check_records(
    ask: Ask, tenant_id: TenantId, *, only: PatientContextId | None = None, most: int = 1_000
) -> Iterator[Finding]:
    """What contradicts each other, of each table at most ``most``; of a tenant or ``only`` a patient."""
    statement = " UNION ALL ".join(_statement(record, tenant_id, only, most) for record in _RECORDS)
    for name, key, seq, is_there, is_told, fields in ask(tenant_id, statement):
        if not is_told:
            says = f"there is a record of {name} that no event tells of"
        elif not is_there:
            says = f"the record of {name} that event {seq} tells of is not there"
        else:
            says = f"event {seq} and its record of {name} do not say the same: {fields}"
        yield Finding(tenant_id, PatientKey(key) if key else None, seq, Kind.RECORD, says)


def _statement(record: _Record, tenant_id: TenantId, only: PatientContextId | None, most: int) -> str:
    same = [
        ("patient_context_id", "e.patient_context_id::text"),
        *record.same,
    ]
    differs = [
        f"CASE WHEN r.{column}::text IS DISTINCT FROM {told} THEN '{column}' END" for column, told in same
    ]
    differs.append(
        f"CASE WHEN (r.{record.at} BETWEEN e.created_at - {_APART} AND e.created_at + {_APART}) IS NOT TRUE "
        f"THEN '{record.at}' END"
    )
    patient = "true" if only is None else f"{{alias}}.patient_context_id = '{only}'"
    return _COMPARE.format(
        tenant=tenant_id,
        name=record.name,
        table=record.table,
        event_type=record.event_type,
        but=record.but,
        most=most,
        differences=f"pg_catalog.concat_ws(', ', {', '.join(differs)})",
        record_key=_key([f"r.{name}::text" for name in record.key]),
        event_key=_key([f"e.payload_json ->> '{name}'" for name in record.key]),
        record_patient=patient.format(alias="r"),
        event_patient=patient.format(alias="e"),
    )


def _key(parts: list[str]) -> str:
    return f"pg_catalog.concat_ws(' ', {', '.join(parts)})"
