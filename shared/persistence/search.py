"""Finding patients by what a person types."""

from __future__ import annotations

from datetime import date, datetime

import msgspec
from sqlalchemy import text

from shared.model import Frozen, PatientContextId, PatientKey, Snapshot, TenantId
from shared.persistence.unit_of_work import UnitOfWork
from shared.security.search_terms import fits

_ENOUGH = 1000
"""Of how many that fit the best are shown: nobody reads on, they type one more letter."""


class FoundPatient(Frozen, frozen=True):
    """A patient that fits, with the newest snapshot's fields; ``by_id``: by the full external id."""

    patient_context_id: PatientContextId
    patient_key: PatientKey
    snapshot_version: int
    display_name: str | None
    id_label: str | None
    id_masked: str | None
    dob: date | None
    updated_at: datetime
    by_id: bool

    @property
    def snapshot(self) -> Snapshot:
        """The snapshot alone."""
        fields = {name: getattr(self, name) for name in Snapshot.__struct_fields__}
        return Snapshot(**fields)


# Leakproof operators, so that row-level security lets the index be used. The rarest term leads; the others
# are looked up for whom it fits, one by one, until enough are found.
_PREFIX = "s.tenant_id = :tenant AND s.term ~>=~ t.term AND s.term ~<~ (t.term || chr(1114111))"
_SEARCH = text(f"""
WITH typed AS MATERIALIZED (
    SELECT t.term, row_number() OVER (ORDER BY (SELECT count(*) FROM (
        SELECT 1 FROM patient_search_term s WHERE {_PREFIX} LIMIT :enough) f), t.term) AS place
    FROM jsonb_array_elements_text(CAST(:terms AS jsonb)) AS t(term)
), fitting AS (
    SELECT n.patient_context_id, 1 AS place FROM typed t CROSS JOIN LATERAL (
        SELECT s.patient_context_id FROM patient_search_term s
        WHERE {_PREFIX} AND NOT EXISTS (
            SELECT 1 FROM typed o WHERE o.place > 1 AND NOT EXISTS (
                SELECT 1 FROM patient_search_term m WHERE m.tenant_id = :tenant
                AND m.patient_context_id = s.patient_context_id
                AND m.term ~>=~ o.term AND m.term ~<~ (o.term || chr(1114111))))
        ORDER BY s.term USING ~<~ LIMIT :enough) n
    WHERE t.place = 1
    UNION ALL
    SELECT c.patient_context_id, 0 FROM patient_identity_ref i
    JOIN patient_context c ON c.tenant_id = i.tenant_id
        AND c.patient_identity_ref_id = i.patient_identity_ref_id
    JOIN jsonb_to_recordset(CAST(:hashes AS jsonb)) AS h(source_system text, hash text)
        ON i.source_system = h.source_system AND i.external_patient_id_hash = decode(h.hash, 'hex')
    WHERE i.tenant_id = :tenant
)
SELECT (SELECT coalesce(json_agg(f.item ORDER BY f.place, f.name, f.patient_key), '[]') FROM (
        SELECT n.place, CASE WHEN :by_name THEN s.display_name END AS name, c.patient_key, json_build_object(
            'patient_context_id', c.patient_context_id, 'patient_key', c.patient_key,
            'snapshot_version', s.snapshot_version, 'display_name', s.display_name, 'id_label', s.id_label,
            'id_masked', s.id_masked, 'dob', s.dob, 'updated_at', s.created_at, 'by_id', n.place = 0) AS item
        FROM (SELECT patient_context_id, min(place) AS place FROM fitting GROUP BY 1) n
        JOIN patient_context c ON c.tenant_id = :tenant AND c.patient_context_id = n.patient_context_id
        CROSS JOIN LATERAL (SELECT * FROM patient_snapshot v WHERE v.tenant_id = c.tenant_id
            AND v.patient_context_id = c.patient_context_id ORDER BY v.snapshot_version DESC LIMIT 1) s
        ORDER BY 1, 2, 3 LIMIT :limit) f)::text
""")


def search_patients(
    uow: UnitOfWork,
    tenant_id: TenantId,
    *,
    terms: tuple[str, ...],
    hashes: tuple[tuple[str, bytes], ...],
    limit: int,
    names: bool,
    ids: bool,
) -> tuple[FoundPatient, ...]:
    """Patients of which each of ``terms`` begins some search term, or whose external id has a given hash.

    ``hashes`` are pairs of source system and hash; who has one comes first, the rest by name. Who doesn't see
    ``names`` or masked ``ids`` finds nobody by them, and the order says nothing of them either. Where more
    than 1,000 fit, the best of 1,000 of them.
    """
    found = uow.value(
        _SEARCH,
        tenant=tenant_id,
        terms=msgspec.json.encode(terms).decode(),
        hashes=msgspec.json.encode([{"source_system": s, "hash": h.hex()} for s, h in hashes]).decode(),
        limit=limit if names and ids else _ENOUGH,
        by_name=names,
        enough=_ENOUGH,
    )
    patients = msgspec.json.decode(found, type=tuple[FoundPatient, ...])

    def may_be_found(patient: FoundPatient) -> bool:
        shown = (patient.display_name if names else None, patient.id_masked if ids else None)
        return (names and ids) or patient.by_id or fits(terms, *shown)

    return tuple(patient for patient in patients if may_be_found(patient))[:limit]
