"""What Retention needs: how long things are kept, when a tenant left, and the narrow door of erasure.

How it runs while the old code still serves: columns that have a default or may be null, indexes, and triggers
that the old code never runs into before a tenant leaves. An erased note is a note to it. Building the two
indexes holds back writes to patients and broken glass for that long.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

# What is left of an erased row; nothing else of it may change.
_ERASED = {
    "patient_snapshot": '{"display_name": null, "id_label": null, "id_masked": null, "dob": null}',
    "mini_submission": '{"note_text": "[erased]", "idempotency_key_hash": null, "request_hash": null}',
    "break_glass": '{"explanation": "[erased]"}',
}

_REFUSE = """
CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    {door}
    RAISE EXCEPTION '% is append-only: % is refused', TG_TABLE_NAME, TG_OP
        USING ERRCODE = 'insufficient_privilege';
END
$$
"""

# Open to the owner alone, as whom erase_patient runs. Who has the owner's password could open it by hand, and
# even then a row can only be erased (erases_only), which is what the ledger's events are about.
_DOOR = """IF TG_OP = 'UPDATE' AND TG_TABLE_NAME IN ('patient_snapshot', 'mini_submission', 'break_glass')
        AND current_setting('app.erasing', true) = 'on' AND current_user = (
            SELECT pg_get_userbyid(c.relowner) FROM pg_class c WHERE c.oid = TG_RELID) THEN
        RETURN NULL;
    END IF;"""

_ERASES_ONLY = """
CREATE FUNCTION erases_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF to_jsonb(NEW) <> to_jsonb(OLD) || TG_ARGV[0]::jsonb THEN
        RAISE EXCEPTION '% is append-only: all but erasure is refused', TG_TABLE_NAME
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN NEW;
END
$$
"""

# Runs as the owner and is the application's to call, so it believes nothing that it is told: it looks itself
# whether the tenant's newest policy lets this go now, or the tenant has left. Nothing (nulls) otherwise. It
# writes the event itself too, so that nothing goes untold.
#
# The patient's lock, then a lock of the tenant's row against which a publication and a closing have to wait:
# once a policy with a legal hold is published, nothing goes any more.
_ERASE = """
CREATE FUNCTION erase_patient(patient uuid, everything boolean, correlation uuid,
    OUT snapshots int, OUT notes int, OUT explanations int, OUT others int)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    this_tenant uuid := nullif(current_setting('app.tenant_id', true), '')::uuid;
    context patient_context;
    closed timestamptz;
    rules jsonb;
    before timestamptz;
    touched int;
    shown bigint;
BEGIN
    SELECT * INTO context FROM patient_context c
    WHERE c.tenant_id = this_tenant AND c.patient_context_id = patient FOR NO KEY UPDATE;
    SELECT t.closed_at INTO closed FROM tenant t WHERE t.tenant_id = this_tenant FOR SHARE;
    SELECT p.retention_rules_json INTO rules FROM policy_config p
    WHERE p.tenant_id = this_tenant ORDER BY p.version DESC LIMIT 1;
    IF context.patient_context_id IS NULL OR coalesce((rules ->> 'legal_hold')::boolean, false) THEN
        RETURN;
    END IF;
    IF closed IS NOT NULL THEN
        before := 'infinity';
    ELSIF NOT everything THEN
        before := now() - make_interval(days => (rules ->> 'text_days')::int);
    ELSIF context.ack_due_at IS NULL
        AND NOT EXISTS (SELECT 1 FROM assignment a WHERE a.tenant_id = this_tenant
            AND a.patient_context_id = patient AND a.status = 'open')
        AND coalesce((SELECT e.created_at FROM event_log e WHERE e.tenant_id = this_tenant
            AND e.patient_context_id = patient AND e.event_type <> 'Patient.Erased'
            ORDER BY e.seq DESC LIMIT 1), context.created_at)
            < now() - make_interval(days => (rules ->> 'patient_days')::int) THEN
        before := 'infinity';
    END IF;
    IF before IS NULL THEN
        RETURN;
    END IF;
    SET LOCAL app.erasing = 'on';
    snapshots := 0;
    others := 0;
    IF everything THEN
        UPDATE patient_snapshot s SET display_name = NULL, id_label = NULL, id_masked = NULL, dob = NULL
        WHERE s.tenant_id = this_tenant AND s.patient_context_id = patient
            AND num_nonnulls(s.display_name, s.id_label, s.id_masked, s.dob) > 0;
        GET DIAGNOSTICS snapshots = ROW_COUNT;
        DELETE FROM patient_search_term t
        WHERE t.tenant_id = this_tenant AND t.patient_context_id = patient;
        GET DIAGNOSTICS touched = ROW_COUNT;
        others := others + touched;
        DELETE FROM patient_signal g WHERE g.tenant_id = this_tenant AND g.patient_context_id = patient;
        GET DIAGNOSTICS touched = ROW_COUNT;
        others := others + touched;
        UPDATE patient_context c SET patient_identity_ref_id = NULL
        WHERE c.tenant_id = this_tenant AND c.patient_context_id = patient
            AND c.patient_identity_ref_id IS NOT NULL;
        GET DIAGNOSTICS touched = ROW_COUNT;
        others := others + touched;
        DELETE FROM patient_identity_ref i
        WHERE i.tenant_id = this_tenant AND i.patient_identity_ref_id = context.patient_identity_ref_id
            AND NOT EXISTS (SELECT 1 FROM patient_context c WHERE c.tenant_id = this_tenant
                AND c.patient_identity_ref_id = i.patient_identity_ref_id);
    END IF;
    -- The hash of a request is made of its note.
    UPDATE mini_submission m SET note_text = '[erased]', idempotency_key_hash = NULL, request_hash = NULL
    WHERE m.tenant_id = this_tenant AND m.patient_context_id = patient AND m.submitted_at <= before
        AND (m.note_text <> '[erased]' OR m.request_hash IS NOT NULL);
    GET DIAGNOSTICS notes = ROW_COUNT;
    UPDATE break_glass b SET explanation = '[erased]'
    WHERE b.tenant_id = this_tenant AND b.patient_context_id = patient AND b.created_at <= before
        AND b.explanation <> '[erased]';
    GET DIAGNOSTICS explanations = ROW_COUNT;
    SET LOCAL app.erasing = '';
    IF closed IS NOT NULL THEN
        UPDATE patient_context c SET ack_due_at = NULL, reassess_at = NULL
        WHERE c.tenant_id = this_tenant AND c.patient_context_id = patient
            AND num_nonnulls(c.ack_due_at, c.reassess_at) > 0;
    END IF;
    IF snapshots + notes + explanations + others = 0 THEN
        RETURN;
    END IF;
    -- What everybody sees of the patient changed: the document follows, if there is one.
    IF everything AND context.version > 0 AND closed IS NULL THEN
        shown := context.version + 1;
        UPDATE patient_context c SET version = shown, last_updated_at = clock_timestamp()
        WHERE c.tenant_id = this_tenant AND c.patient_context_id = patient;
        INSERT INTO outbox (tenant_id, outbox_id, subject_type, subject, version)
        VALUES (this_tenant, gen_random_uuid(), 'patient', patient, shown);
    END IF;
    INSERT INTO event_log (tenant_id, patient_context_id, version, event_id, event_type, correlation_id,
        payload_json)
    VALUES (this_tenant, patient, shown, gen_random_uuid(), 'Patient.Erased', correlation,
        jsonb_build_object('scope', CASE WHEN everything THEN 'all' ELSE 'texts' END,
            'reason', CASE WHEN closed IS NULL THEN 'retention' ELSE 'offboarding' END,
            'snapshot_count', snapshots, 'note_count', notes, 'explanation_count', explanations,
            -- What people wrote later is still there: if it looks erased, somebody else did it.
            'texts_until', to_char(least(before, clock_timestamp()) AT TIME ZONE 'UTC',
                'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')));
END
$$
"""

# What brings something of a patient or a user in. After the row's reference to the tenant was checked and so
# the tenant's row locked: a closing, which locks it too, comes before it or waits for it to end.
_TENANT_IS_OPEN = """
CREATE FUNCTION tenant_is_open() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT 1 FROM tenant t WHERE t.tenant_id = NEW.tenant_id AND t.closed_at IS NOT NULL) THEN
        RAISE EXCEPTION 'the tenant has left: nothing more comes in'
            USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    RETURN NULL;
END
$$
"""
# Search terms come with a snapshot, and are many.
_COMES_IN = (
    "patient_snapshot",
    "patient_signal",
    "patient_identity_ref",
    "mini_submission",
    "break_glass",
    "app_user",
)

# Nothing of a tenant that has left is projected any more, whatever asks for it.
_NO_PROJECTION = """
CREATE FUNCTION no_projection_of_closed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT 1 FROM tenant t WHERE t.tenant_id = NEW.tenant_id AND t.closed_at IS NOT NULL) THEN
        RETURN NULL;
    END IF;
    RETURN NEW;
END
$$
"""


def upgrade() -> None:
    """Adds it."""
    # Locks are taken in the order in which requests take theirs: patients first, the tenant last.
    op.create_index(
        op.f("ix_patient_context_tenant_id_patient_identity_ref_id"),
        "patient_context",
        ["tenant_id", "patient_identity_ref_id"],
    )
    op.create_index(
        op.f("ix_break_glass_tenant_id_patient_context_id"),
        "break_glass",
        ["tenant_id", "patient_context_id"],
    )
    op.add_column(
        "policy_config",
        sa.Column(
            "retention_rules_json",
            postgresql.JSONB(),
            server_default=sa.text("'{}'::jsonb"),
            nullable=False,
        ),
    )
    op.add_column("tenant", sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True))
    op.execute(_REFUSE.format(door=_DOOR))
    op.execute(_ERASES_ONLY)
    for table, erased in _ERASED.items():
        op.execute(
            f"CREATE TRIGGER erases_only BEFORE UPDATE ON {table} "
            f"FOR EACH ROW EXECUTE FUNCTION erases_only('{erased}')"
        )
    op.execute(_ERASE)
    op.execute("REVOKE EXECUTE ON FUNCTION erase_patient(uuid, boolean, uuid) FROM PUBLIC")
    op.execute("GRANT EXECUTE ON FUNCTION erase_patient(uuid, boolean, uuid) TO mobius_app")
    op.execute(_TENANT_IS_OPEN)
    for table in _COMES_IN:
        # By its name after the system's own, which check references.
        op.execute(
            f"CREATE TRIGGER tenant_is_open AFTER INSERT ON {table} "
            "FOR EACH ROW EXECUTE FUNCTION tenant_is_open()"
        )
    op.execute(_NO_PROJECTION)
    op.execute(
        "CREATE TRIGGER no_projection_of_closed BEFORE INSERT ON outbox "
        "FOR EACH ROW EXECUTE FUNCTION no_projection_of_closed()"
    )


def downgrade() -> None:
    """Takes it away, on a filled database too; what was erased stays so."""
    op.execute("DROP TRIGGER no_projection_of_closed ON outbox")
    op.execute("DROP FUNCTION no_projection_of_closed()")
    for table in _COMES_IN:
        op.execute(f"DROP TRIGGER tenant_is_open ON {table}")
    op.execute("DROP FUNCTION tenant_is_open()")
    op.execute("DROP FUNCTION erase_patient(uuid, boolean, uuid)")
    for table in _ERASED:
        op.execute(f"DROP TRIGGER erases_only ON {table}")
    op.execute("DROP FUNCTION erases_only()")
    op.execute(_REFUSE.format(door=""))
    op.drop_column("tenant", "closed_at")
    op.drop_column("policy_config", "retention_rules_json")
    op.drop_index(op.f("ix_break_glass_tenant_id_patient_context_id"), "break_glass")
    op.drop_index(op.f("ix_patient_context_tenant_id_patient_identity_ref_id"), "patient_context")
