"""The tables of the handbook's data page.

How it runs while the old code still serves: it is the first; nothing serves yet.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy import Text
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Makes every table."""
    op.create_table(
        "role",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_role")),
    )
    op.create_table(
        "tenant",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("ledger_seq", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("ledger_head", sa.LargeBinary(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", name=op.f("pk_tenant")),
    )
    op.create_table(
        "app_user",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("display_name", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), server_default="active", nullable=False),
        sa.Column("tokens_valid_after", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_login_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("status IN ('active', 'disabled')", name=op.f("ck_app_user_status")),
        sa.ForeignKeyConstraint(["role"], ["role.name"], name=op.f("fk_app_user_role")),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.tenant_id"], name=op.f("fk_app_user_tenant_id")),
        sa.PrimaryKeyConstraint("tenant_id", "user_id", name=op.f("pk_app_user")),
    )
    op.create_index(op.f("ix_app_user_tenant_id_role"), "app_user", ["tenant_id", "role"], unique=False)
    op.create_table(
        "application",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("application_id", sa.Text(), nullable=False),
        sa.Column("display_name", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.tenant_id"], name=op.f("fk_application_tenant_id")),
        sa.PrimaryKeyConstraint("tenant_id", "application_id", name=op.f("pk_application")),
    )
    op.create_table(
        "outbox",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("outbox_id", sa.Uuid(), nullable=False),
        sa.Column("subject_type", sa.Text(), nullable=False),
        sa.Column("subject", sa.Uuid(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("forced", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column(
            "next_attempt_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.CheckConstraint("subject_type IN ('patient', 'user')", name=op.f("ck_outbox_subject_type")),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.tenant_id"], name=op.f("fk_outbox_tenant_id")),
        sa.PrimaryKeyConstraint("tenant_id", "outbox_id", name=op.f("pk_outbox")),
        sa.UniqueConstraint(
            "tenant_id",
            "subject_type",
            "subject",
            "version",
            name=op.f("uq_outbox_tenant_id_subject_type_subject_version"),
        ),
    )
    op.create_index(op.f("ix_outbox_next_attempt_at"), "outbox", ["next_attempt_at"], unique=False)
    op.create_table(
        "patient_identity_ref",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("patient_identity_ref_id", sa.Uuid(), nullable=False),
        sa.Column("source_system", sa.Text(), nullable=False),
        sa.Column("external_patient_id_hash", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenant.tenant_id"], name=op.f("fk_patient_identity_ref_tenant_id")
        ),
        sa.PrimaryKeyConstraint("tenant_id", "patient_identity_ref_id", name=op.f("pk_patient_identity_ref")),
        sa.UniqueConstraint(
            "tenant_id",
            "source_system",
            "external_patient_id_hash",
            name=op.f("uq_patient_identity_ref_tenant_id_source_system_external_patient_id_hash"),
        ),
    )
    op.create_table(
        "policy_config",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("allowlist_rules_json", postgresql.JSONB(astext_type=Text()), nullable=False),
        sa.Column("ui_variants_json", postgresql.JSONB(astext_type=Text()), nullable=False),
        sa.Column("timeout_rules_json", postgresql.JSONB(astext_type=Text()), nullable=False),
        sa.Column("notification_rules_json", postgresql.JSONB(astext_type=Text()), nullable=False),
        sa.Column("decision_rules_json", postgresql.JSONB(astext_type=Text()), nullable=False),
        sa.CheckConstraint("version > 0", name=op.f("ck_policy_config_version")),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.tenant_id"], name=op.f("fk_policy_config_tenant_id")),
        sa.PrimaryKeyConstraint("tenant_id", "version", name=op.f("pk_policy_config")),
    )
    op.create_table(
        "patient_context",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("patient_context_id", sa.Uuid(), nullable=False),
        sa.Column("patient_key", sa.Text(), nullable=False),
        sa.Column("patient_identity_ref_id", sa.Uuid(), nullable=True),
        sa.Column(
            "last_updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.Column("version", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("ack_due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ledger_seq", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("ledger_head", sa.LargeBinary(), nullable=True),
        sa.Column("version_seq", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("version_head", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(
            ["tenant_id", "patient_identity_ref_id"],
            ["patient_identity_ref.tenant_id", "patient_identity_ref.patient_identity_ref_id"],
            name=op.f("fk_patient_context_tenant_id_patient_identity_ref_id"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenant.tenant_id"], name=op.f("fk_patient_context_tenant_id")
        ),
        sa.PrimaryKeyConstraint("tenant_id", "patient_context_id", name=op.f("pk_patient_context")),
        sa.UniqueConstraint(
            "tenant_id", "patient_key", name=op.f("uq_patient_context_tenant_id_patient_key")
        ),
    )
    op.create_index(
        op.f("ix_patient_context_ack_due_at"),
        "patient_context",
        ["ack_due_at"],
        unique=False,
        postgresql_where=sa.text("ack_due_at IS NOT NULL"),
    )
    op.create_table(
        "invocation",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("invocation_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("application_id", sa.Text(), nullable=True),
        sa.Column("page_signature", sa.Text(), nullable=True),
        sa.Column("surface_type", sa.Text(), nullable=False),
        sa.Column("ui_variant_id", sa.Text(), nullable=True),
        sa.Column("patient_context_id", sa.Uuid(), nullable=True),
        sa.Column(
            "last_seen_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.Column("status", sa.Text(), server_default="open", nullable=False),
        sa.CheckConstraint("status IN ('open', 'closed')", name=op.f("ck_invocation_status")),
        sa.CheckConstraint(
            "surface_type IN ('mini', 'sidecar', 'system')", name=op.f("ck_invocation_surface_type")
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "application_id"],
            ["application.tenant_id", "application.application_id"],
            name=op.f("fk_invocation_tenant_id_application_id"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "patient_context_id"],
            ["patient_context.tenant_id", "patient_context.patient_context_id"],
            name=op.f("fk_invocation_tenant_id_patient_context_id"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "user_id"],
            ["app_user.tenant_id", "app_user.user_id"],
            name=op.f("fk_invocation_tenant_id_user_id"),
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.tenant_id"], name=op.f("fk_invocation_tenant_id")),
        sa.PrimaryKeyConstraint("tenant_id", "invocation_id", name=op.f("pk_invocation")),
    )
    op.create_index(
        op.f("ix_invocation_tenant_id_patient_context_id"),
        "invocation",
        ["tenant_id", "patient_context_id"],
        unique=False,
    )
    op.create_index(
        op.f("ix_invocation_tenant_id_user_id"), "invocation", ["tenant_id", "user_id"], unique=False
    )
    op.create_table(
        "patient_search_term",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("patient_context_id", sa.Uuid(), nullable=False),
        sa.Column("term", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "patient_context_id"],
            ["patient_context.tenant_id", "patient_context.patient_context_id"],
            name=op.f("fk_patient_search_term_tenant_id_patient_context_id"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenant.tenant_id"], name=op.f("fk_patient_search_term_tenant_id")
        ),
        sa.PrimaryKeyConstraint(
            "tenant_id", "patient_context_id", "term", name=op.f("pk_patient_search_term")
        ),
    )
    op.create_index(
        "ix_patient_search_term_prefix",
        "patient_search_term",
        ["tenant_id", "term", "patient_context_id"],
        unique=False,
        postgresql_ops={"term": "text_pattern_ops"},
    )
    op.create_table(
        "patient_signal",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("patient_signal_id", sa.Uuid(), nullable=False),
        sa.Column("patient_context_id", sa.Uuid(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("detail_json", postgresql.JSONB(astext_type=Text()), nullable=False),
        sa.Column("observed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("source_system", sa.Text(), nullable=False),
        sa.CheckConstraint("code ~ '^[a-z][a-z_]*(\\.[a-z][a-z_]*)+$'", name=op.f("ck_patient_signal_code")),
        sa.CheckConstraint("status IN ('active', 'resolved')", name=op.f("ck_patient_signal_status")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "patient_context_id"],
            ["patient_context.tenant_id", "patient_context.patient_context_id"],
            name=op.f("fk_patient_signal_tenant_id_patient_context_id"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenant.tenant_id"], name=op.f("fk_patient_signal_tenant_id")
        ),
        sa.PrimaryKeyConstraint("tenant_id", "patient_signal_id", name=op.f("pk_patient_signal")),
        sa.UniqueConstraint(
            "tenant_id",
            "patient_context_id",
            "code",
            "source_system",
            name=op.f("uq_patient_signal_tenant_id_patient_context_id_code_source_system"),
        ),
    )
    op.create_table(
        "patient_snapshot",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("patient_context_id", sa.Uuid(), nullable=False),
        sa.Column("snapshot_version", sa.Integer(), nullable=False),
        sa.Column("display_name", sa.Text(), nullable=True),
        sa.Column("id_label", sa.Text(), nullable=True),
        sa.Column("id_masked", sa.Text(), nullable=True),
        sa.Column("dob", sa.Date(), nullable=True),
        sa.CheckConstraint("snapshot_version > 0", name=op.f("ck_patient_snapshot_snapshot_version")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "patient_context_id"],
            ["patient_context.tenant_id", "patient_context.patient_context_id"],
            name=op.f("fk_patient_snapshot_tenant_id_patient_context_id"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenant.tenant_id"], name=op.f("fk_patient_snapshot_tenant_id")
        ),
        sa.PrimaryKeyConstraint(
            "tenant_id", "patient_context_id", "snapshot_version", name=op.f("pk_patient_snapshot")
        ),
    )
    op.create_table(
        "system_response",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("system_response_id", sa.Uuid(), nullable=False),
        sa.Column("patient_context_id", sa.Uuid(), nullable=False),
        sa.Column("surface_type", sa.Text(), nullable=False),
        sa.Column("computed_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("proceed_indicator", sa.Text(), nullable=False),
        sa.Column("execution_mode", sa.Text(), nullable=False),
        sa.Column("tasking_summary", sa.Text(), nullable=False),
        sa.Column("task_count", sa.SmallInteger(), nullable=False),
        sa.Column("rationale", postgresql.JSONB(astext_type=Text()), nullable=False),
        sa.Column("needs_ack", sa.Boolean(), nullable=False),
        sa.Column("policy_version", sa.Integer(), nullable=False),
        sa.Column("facts_digest", sa.Text(), nullable=False),
        sa.Column("correlation_id", sa.Uuid(), nullable=False),
        sa.CheckConstraint(
            "execution_mode IN ('agentic', 'copilot', 'user_driven')",
            name=op.f("ck_system_response_execution_mode"),
        ),
        sa.CheckConstraint(
            "proceed_indicator IN ('grey', 'green', 'yellow')",
            name=op.f("ck_system_response_proceed_indicator"),
        ),
        sa.CheckConstraint(
            "surface_type IN ('mini', 'sidecar', 'system')", name=op.f("ck_system_response_surface_type")
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "patient_context_id"],
            ["patient_context.tenant_id", "patient_context.patient_context_id"],
            name=op.f("fk_system_response_tenant_id_patient_context_id"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "policy_version"],
            ["policy_config.tenant_id", "policy_config.version"],
            name=op.f("fk_system_response_tenant_id_policy_version"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenant.tenant_id"], name=op.f("fk_system_response_tenant_id")
        ),
        sa.PrimaryKeyConstraint("tenant_id", "system_response_id", name=op.f("pk_system_response")),
        sa.UniqueConstraint(
            "tenant_id",
            "patient_context_id",
            "system_response_id",
            name=op.f("uq_system_response_tenant_id_patient_context_id_system_response_id"),
        ),
    )
    op.create_index(
        "ix_system_response_latest",
        "system_response",
        [
            "tenant_id",
            "patient_context_id",
            sa.literal_column("computed_at DESC"),
            sa.literal_column("system_response_id DESC"),
        ],
        unique=False,
    )
    op.create_table(
        "event_log",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("event_type", sa.Text(), nullable=False),
        sa.Column("patient_context_id", sa.Uuid(), nullable=True),
        sa.Column("invocation_id", sa.Uuid(), nullable=True),
        sa.Column("actor_user_id", sa.Uuid(), nullable=True),
        sa.Column("payload_json", postgresql.JSONB(astext_type=Text()), nullable=False),
        sa.Column("correlation_id", sa.Uuid(), nullable=True),
        sa.Column("version", sa.BigInteger(), nullable=True),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("prev_hash", sa.LargeBinary(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.CheckConstraint(
            "event_type ~ '^[A-Z][a-z]+\\.[A-Z][a-z]+$'", name=op.f("ck_event_log_event_type")
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "actor_user_id"],
            ["app_user.tenant_id", "app_user.user_id"],
            name=op.f("fk_event_log_tenant_id_actor_user_id"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "invocation_id"],
            ["invocation.tenant_id", "invocation.invocation_id"],
            name=op.f("fk_event_log_tenant_id_invocation_id"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "patient_context_id"],
            ["patient_context.tenant_id", "patient_context.patient_context_id"],
            name=op.f("fk_event_log_tenant_id_patient_context_id"),
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.tenant_id"], name=op.f("fk_event_log_tenant_id")),
        sa.PrimaryKeyConstraint("tenant_id", "event_id", name=op.f("pk_event_log")),
        sa.UniqueConstraint(
            "tenant_id",
            "patient_context_id",
            "seq",
            name="uq_event_log_chain",
            postgresql_nulls_not_distinct=True,
        ),
    )
    op.create_table(
        "mini_submission",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("mini_submission_id", sa.Uuid(), nullable=False),
        sa.Column("patient_context_id", sa.Uuid(), nullable=False),
        sa.Column("system_response_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("invocation_id", sa.Uuid(), nullable=True),
        sa.Column(
            "submitted_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.Column("override_proceed", sa.Text(), nullable=True),
        sa.Column("override_tasking", sa.Text(), nullable=True),
        sa.Column("note_text", sa.Text(), nullable=False),
        sa.Column("confirmed", sa.Boolean(), nullable=False),
        sa.Column("superseded", sa.Boolean(), nullable=False),
        sa.Column("needs_ack_after", sa.Boolean(), nullable=False),
        sa.Column("idempotency_key_hash", sa.LargeBinary(), nullable=True),
        sa.Column("request_hash", sa.LargeBinary(), nullable=True),
        sa.CheckConstraint("note_text ~ '\\S'", name=op.f("ck_mini_submission_note_not_blank")),
        sa.CheckConstraint(
            "override_proceed IN ('green', 'yellow', 'grey')",
            name=op.f("ck_mini_submission_override_proceed"),
        ),
        sa.CheckConstraint(
            "override_tasking IN ('none', 'review', 'act')", name=op.f("ck_mini_submission_override_tasking")
        ),
        sa.CheckConstraint(
            "(idempotency_key_hash IS NULL) = (request_hash IS NULL)",
            name=op.f("ck_mini_submission_idempotency"),
        ),
        sa.CheckConstraint(
            "num_nonnulls(override_proceed, override_tasking) > 0",
            name=op.f("ck_mini_submission_asserts_something"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "invocation_id"],
            ["invocation.tenant_id", "invocation.invocation_id"],
            name=op.f("fk_mini_submission_tenant_id_invocation_id"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "patient_context_id", "system_response_id"],
            [
                "system_response.tenant_id",
                "system_response.patient_context_id",
                "system_response.system_response_id",
            ],
            name=op.f("fk_mini_submission_tenant_id_patient_context_id_system_response_id"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "user_id"],
            ["app_user.tenant_id", "app_user.user_id"],
            name=op.f("fk_mini_submission_tenant_id_user_id"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenant.tenant_id"], name=op.f("fk_mini_submission_tenant_id")
        ),
        sa.PrimaryKeyConstraint("tenant_id", "mini_submission_id", name=op.f("pk_mini_submission")),
        sa.UniqueConstraint(
            "tenant_id", "user_id", "idempotency_key_hash", name="uq_mini_submission_idempotency"
        ),
    )
    op.create_index(
        "ix_mini_submission_latest",
        "mini_submission",
        [
            "tenant_id",
            "patient_context_id",
            sa.literal_column("submitted_at DESC"),
            sa.literal_column("mini_submission_id DESC"),
        ],
        unique=False,
    )
    op.create_table(
        "response_outcome",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("response_outcome_id", sa.Uuid(), nullable=False),
        sa.Column("patient_context_id", sa.Uuid(), nullable=False),
        sa.Column("system_response_id", sa.Uuid(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("computed_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "outcome IN ('acknowledged', 'unacknowledged', 'dismissed', 'invalidated')",
            name=op.f("ck_response_outcome_outcome"),
        ),
        sa.CheckConstraint("reason ~ '^[a-z][a-z_]*$'", name=op.f("ck_response_outcome_reason")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "patient_context_id", "system_response_id"],
            [
                "system_response.tenant_id",
                "system_response.patient_context_id",
                "system_response.system_response_id",
            ],
            name=op.f("fk_response_outcome_tenant_id_patient_context_id_system_response_id"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "user_id"],
            ["app_user.tenant_id", "app_user.user_id"],
            name=op.f("fk_response_outcome_tenant_id_user_id"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenant.tenant_id"], name=op.f("fk_response_outcome_tenant_id")
        ),
        sa.PrimaryKeyConstraint("tenant_id", "response_outcome_id", name=op.f("pk_response_outcome")),
        sa.UniqueConstraint(
            "tenant_id",
            "system_response_id",
            "outcome",
            name=op.f("uq_response_outcome_tenant_id_system_response_id_outcome"),
        ),
    )
    op.create_table(
        "session",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("session_id", sa.Uuid(), nullable=False),
        sa.Column("invocation_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("client_session_hash", sa.LargeBinary(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("end_reason", sa.Text(), nullable=True),
        sa.CheckConstraint("end_reason IN ('idle', 'expired', 'closed')", name=op.f("ck_session_end_reason")),
        sa.CheckConstraint("(ended_at IS NULL) = (end_reason IS NULL)", name=op.f("ck_session_ended")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "invocation_id"],
            ["invocation.tenant_id", "invocation.invocation_id"],
            name=op.f("fk_session_tenant_id_invocation_id"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "user_id"],
            ["app_user.tenant_id", "app_user.user_id"],
            name=op.f("fk_session_tenant_id_user_id"),
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.tenant_id"], name=op.f("fk_session_tenant_id")),
        sa.PrimaryKeyConstraint("tenant_id", "session_id", name=op.f("pk_session")),
    )
    op.create_index(
        "uq_session_current",
        "session",
        ["tenant_id", "user_id", "client_session_hash"],
        unique=True,
        postgresql_where=sa.text("ended_at IS NULL"),
    )
    op.create_table(
        "assignment",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("assignment_id", sa.Uuid(), nullable=False),
        sa.Column("patient_context_id", sa.Uuid(), nullable=False),
        sa.Column("system_response_id", sa.Uuid(), nullable=False),
        sa.Column("reason_code", sa.Text(), nullable=False),
        sa.Column("assigned_to_user", sa.Uuid(), nullable=True),
        sa.Column("assigned_to_role", sa.Text(), nullable=True),
        sa.Column("claimed_by", sa.Uuid(), nullable=True),
        sa.Column("status", sa.Text(), server_default="open", nullable=False),
        sa.Column("resolved_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("resolved_by_submission", sa.Uuid(), nullable=True),
        sa.CheckConstraint("(status = 'open') = (resolved_at IS NULL)", name=op.f("ck_assignment_resolved")),
        sa.CheckConstraint("reason_code ~ '^[a-z][a-z_]*$'", name=op.f("ck_assignment_reason_code")),
        sa.CheckConstraint("status IN ('open', 'resolved', 'dismissed')", name=op.f("ck_assignment_status")),
        sa.CheckConstraint(
            "num_nonnulls(assigned_to_user, assigned_to_role) = 1", name=op.f("ck_assignment_one_assignee")
        ),
        sa.ForeignKeyConstraint(
            ["assigned_to_role"], ["role.name"], name=op.f("fk_assignment_assigned_to_role")
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "assigned_to_user"],
            ["app_user.tenant_id", "app_user.user_id"],
            name=op.f("fk_assignment_tenant_id_assigned_to_user"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "claimed_by"],
            ["app_user.tenant_id", "app_user.user_id"],
            name=op.f("fk_assignment_tenant_id_claimed_by"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "patient_context_id", "system_response_id"],
            [
                "system_response.tenant_id",
                "system_response.patient_context_id",
                "system_response.system_response_id",
            ],
            name=op.f("fk_assignment_tenant_id_patient_context_id_system_response_id"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "resolved_by_submission"],
            ["mini_submission.tenant_id", "mini_submission.mini_submission_id"],
            name=op.f("fk_assignment_tenant_id_resolved_by_submission"),
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.tenant_id"], name=op.f("fk_assignment_tenant_id")),
        sa.PrimaryKeyConstraint("tenant_id", "assignment_id", name=op.f("pk_assignment")),
    )
    op.create_index(
        "ix_assignment_open_role",
        "assignment",
        ["tenant_id", "assigned_to_role", "created_at"],
        unique=False,
        postgresql_where=sa.text("status = 'open'"),
    )
    op.create_index(
        "ix_assignment_open_user",
        "assignment",
        ["tenant_id", "assigned_to_user", "created_at"],
        unique=False,
        postgresql_where=sa.text("status = 'open'"),
    )
    op.create_index(
        "uq_assignment_open",
        "assignment",
        ["tenant_id", "patient_context_id", "reason_code"],
        unique=True,
        postgresql_where=sa.text("status = 'open'"),
    )
    op.create_table(
        "session_view",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("session_id", sa.Uuid(), nullable=False),
        sa.Column("patient_context_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "patient_context_id"],
            ["patient_context.tenant_id", "patient_context.patient_context_id"],
            name=op.f("fk_session_view_tenant_id_patient_context_id"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "session_id"],
            ["session.tenant_id", "session.session_id"],
            name=op.f("fk_session_view_tenant_id_session_id"),
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.tenant_id"], name=op.f("fk_session_view_tenant_id")),
        sa.PrimaryKeyConstraint(
            "tenant_id", "session_id", "patient_context_id", name=op.f("pk_session_view")
        ),
    )


def downgrade() -> None:
    """Drops every table."""
    op.drop_table("session_view")
    op.drop_index("uq_assignment_open", table_name="assignment", postgresql_where=sa.text("status = 'open'"))
    op.drop_index(
        "ix_assignment_open_user", table_name="assignment", postgresql_where=sa.text("status = 'open'")
    )
    op.drop_index(
        "ix_assignment_open_role", table_name="assignment", postgresql_where=sa.text("status = 'open'")
    )
    op.drop_table("assignment")
    op.drop_index("uq_session_current", table_name="session", postgresql_where=sa.text("ended_at IS NULL"))
    op.drop_table("session")
    op.drop_table("response_outcome")
    op.drop_index("ix_mini_submission_latest", table_name="mini_submission")
    op.drop_table("mini_submission")
    op.drop_table("event_log")
    op.drop_index("ix_system_response_latest", table_name="system_response")
    op.drop_table("system_response")
    op.drop_table("patient_snapshot")
    op.drop_table("patient_signal")
    op.drop_index(
        "ix_patient_search_term_prefix",
        table_name="patient_search_term",
        postgresql_ops={"term": "text_pattern_ops"},
    )
    op.drop_table("patient_search_term")
    op.drop_index(op.f("ix_invocation_tenant_id_user_id"), table_name="invocation")
    op.drop_index(op.f("ix_invocation_tenant_id_patient_context_id"), table_name="invocation")
    op.drop_table("invocation")
    op.drop_index(
        op.f("ix_patient_context_ack_due_at"),
        table_name="patient_context",
        postgresql_where=sa.text("ack_due_at IS NOT NULL"),
    )
    op.drop_table("patient_context")
    op.drop_table("policy_config")
    op.drop_table("patient_identity_ref")
    op.drop_index(op.f("ix_outbox_next_attempt_at"), table_name="outbox")
    op.drop_table("outbox")
    op.drop_table("application")
    op.drop_index(op.f("ix_app_user_tenant_id_role"), table_name="app_user")
    op.drop_table("app_user")
    op.drop_table("tenant")
    op.drop_table("role")
