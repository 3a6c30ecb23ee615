"""The tables of the handbook's data page as SQLAlchemy models (Core: the ORM costs start-up time).

Every tenant-owned table carries ``tenant_id`` and leads its keys, foreign keys and indexes with it;
the due-time indexes of the scheduler are the exception. Row-level security, triggers and grants are
in ``migrations``, because no model can say them.
"""

from __future__ import annotations

from enum import StrEnum

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.schema import SchemaItem

from shared.model import (
    AssertedProceed,
    AssertedTasking,
    AssignmentStatus,
    BreakGlassReason,
    ExecutionMode,
    InvocationStatus,
    OutcomeKind,
    ProceedIndicator,
    SessionEnd,
    SignalStatus,
    SubjectType,
    Surface,
    UserStatus,
    WalkPurpose,
    WalkStage,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


APPEND_ONLY = (
    "system_response",
    "response_outcome",
    "mini_submission",
    "event_log",
    "patient_snapshot",
    "policy_config",
    "break_glass",
)
"""Tables whose rows nobody changes or deletes: refused by privilege and, to the owner too, by trigger."""


def _one_of(column: str, values: type[StrEnum] | tuple[str, ...]) -> CheckConstraint:
    allowed = ", ".join(f"'{value}'" for value in values)
    return CheckConstraint(f"{column} IN ({allowed})", name=column)


def _time(name: str, *, now: bool = False, nullable: bool = False) -> Column[object]:
    default = func.now() if now else None
    return Column(name, DateTime(timezone=True), nullable=nullable, server_default=default)


def _tenant_table(name: str, key: tuple[str, ...], *items: SchemaItem) -> Table:
    return Table(
        name,
        metadata,
        Column("tenant_id", Uuid, ForeignKey("tenant.tenant_id"), nullable=False),
        _time("created_at", now=True),
        *items,
        PrimaryKeyConstraint("tenant_id", *key),
    )


def _refers(table: str, *columns: str, to: tuple[str, ...] | None = None) -> ForeignKeyConstraint:
    """A foreign key inside the tenant: another tenant's row can't be referred to, nor guessed."""
    return ForeignKeyConstraint(
        ["tenant_id", *columns], [f"{table}.{column}" for column in ("tenant_id", *(to or columns))]
    )


def _unique(*columns: str) -> UniqueConstraint:
    return UniqueConstraint("tenant_id", *columns)


def _uuid(name: str, *, nullable: bool = False) -> Column[object]:
    return Column(name, Uuid, nullable=nullable)


def _text(name: str, *, nullable: bool = False) -> Column[object]:
    return Column(name, Text, nullable=nullable)


def _json(name: str) -> Column[object]:
    return Column(name, JSONB, nullable=False)


def _chain(prefix: str) -> tuple[Column[object], Column[object]]:
    """A place in a chain of the ledger: an event's number and hash. Only the trigger moves it."""
    return (
        Column(f"{prefix}_seq", BigInteger, nullable=False, server_default=text("0")),
        Column(f"{prefix}_head", LargeBinary, nullable=True),
    )


tenant = Table(
    "tenant",
    metadata,
    Column("tenant_id", Uuid, primary_key=True),
    _text("name"),
    *_chain("ledger"),
    _time("created_at", now=True),
    # When the tenant left; from then on nothing comes in (migration 0006).
    _time("closed_at", nullable=True),
)

role = Table("role", metadata, Column("name", Text, primary_key=True), _time("created_at", now=True))

app_user = _tenant_table(
    "app_user",
    ("user_id",),
    _uuid("user_id"),
    Column("role", Text, ForeignKey("role.name"), nullable=False),
    _text("display_name"),
    Column("status", Text, nullable=False, server_default="active"),
    _time("tokens_valid_after", nullable=True),
    _time("last_login_at", nullable=True),
    _one_of("status", UserStatus),
    Index(None, "tenant_id", "role"),
)

application = _tenant_table(
    "application", ("application_id",), _text("application_id"), _text("display_name")
)

policy_config = _tenant_table(
    "policy_config",
    ("version",),
    Column("version", Integer, nullable=False),
    _json("allowlist_rules_json"),
    _json("ui_variants_json"),
    _json("timeout_rules_json"),
    _json("notification_rules_json"),
    _json("decision_rules_json"),
    Column("retention_rules_json", JSONB, nullable=False, server_default=text("'{}'::jsonb")),
    CheckConstraint("version > 0", name="version"),
)

patient_identity_ref = _tenant_table(
    "patient_identity_ref",
    ("patient_identity_ref_id",),
    _uuid("patient_identity_ref_id"),
    _text("source_system"),
    Column("external_patient_id_hash", LargeBinary, nullable=False),
    _unique("source_system", "external_patient_id_hash"),
)

patient_context = _tenant_table(
    "patient_context",
    ("patient_context_id",),
    _uuid("patient_context_id"),
    _text("patient_key"),
    _uuid("patient_identity_ref_id", nullable=True),
    _time("last_updated_at", now=True),
    Column("version", BigInteger, nullable=False, server_default=text("0")),
    _time("ack_due_at", nullable=True),
    # When the facts or the policy changed under a patient whom somebody has been shown: decide anew.
    _time("reassess_at", nullable=True),
    *_chain("ledger"),
    *_chain("version"),
    _unique("patient_key"),
    # It is part of a document's path.
    CheckConstraint("patient_key ~ '^[A-Za-z0-9_-]{8,64}$'", name="patient_key"),
    # Whoever reads patients in the order of their ids begins behind it.
    CheckConstraint("patient_context_id <> '00000000-0000-0000-0000-000000000000'", name="not_nil"),
    _refers("patient_identity_ref", "patient_identity_ref_id"),
    # The sweep's cost follows what is due, whoever it belongs to.
    Index(None, "ack_due_at", postgresql_where=text("ack_due_at IS NOT NULL")),
    Index(None, "reassess_at", postgresql_where=text("reassess_at IS NOT NULL")),
    # To erase an identity is to look for who else has it.
    Index(None, "tenant_id", "patient_identity_ref_id"),
)

invocation = _tenant_table(
    "invocation",
    ("invocation_id",),
    _uuid("invocation_id"),
    _uuid("user_id"),
    _text("application_id", nullable=True),
    _text("page_signature", nullable=True),
    _text("surface_type"),
    _text("ui_variant_id", nullable=True),
    _uuid("patient_context_id", nullable=True),
    _time("last_seen_at", now=True),
    Column("status", Text, nullable=False, server_default="open"),
    _refers("app_user", "user_id"),
    _refers("application", "application_id"),
    _refers("patient_context", "patient_context_id"),
    _one_of("surface_type", Surface),
    _one_of("status", InvocationStatus),
    Index(None, "tenant_id", "user_id"),
    Index(None, "tenant_id", "patient_context_id"),
    # Tabs that nobody came back to.
    Index(None, "tenant_id", "last_seen_at", postgresql_where=text("status = 'open'")),
)

session = _tenant_table(
    "session",
    ("session_id",),
    _uuid("session_id"),
    _uuid("invocation_id"),
    _uuid("user_id"),
    Column("client_session_hash", LargeBinary, nullable=False),
    _time("started_at", now=True),
    _time("ended_at", nullable=True),
    _text("end_reason", nullable=True),
    _refers("invocation", "invocation_id"),
    _refers("app_user", "user_id"),
    _one_of("end_reason", SessionEnd),
    CheckConstraint("(ended_at IS NULL) = (end_reason IS NULL)", name="ended"),
    Index(
        "uq_session_current",
        "tenant_id",
        "user_id",
        "client_session_hash",
        unique=True,
        postgresql_where=text("ended_at IS NULL"),
    ),
    Index(None, "tenant_id", "invocation_id"),
    # A tab whose session ended stays the same invocation in its next one.
    Index("ix_session_client", "tenant_id", "user_id", "client_session_hash", text("started_at DESC")),
)

session_view = _tenant_table(
    "session_view",
    ("session_id", "patient_context_id"),
    _uuid("session_id"),
    _uuid("patient_context_id"),
    _refers("session", "session_id"),
    _refers("patient_context", "patient_context_id"),
)

patient_snapshot = _tenant_table(
    "patient_snapshot",
    ("patient_context_id", "snapshot_version"),
    _uuid("patient_context_id"),
    Column("snapshot_version", Integer, nullable=False),
    _text("display_name", nullable=True),
    _text("id_label", nullable=True),
    _text("id_masked", nullable=True),
    Column("dob", Date, nullable=True),
    _refers("patient_context", "patient_context_id"),
    CheckConstraint("snapshot_version > 0", name="snapshot_version"),
)

patient_search_term = _tenant_table(
    "patient_search_term",
    ("patient_context_id", "term"),
    _uuid("patient_context_id"),
    _text("term"),
    _refers("patient_context", "patient_context_id"),
    # Leakproof operators: row-level security lets them use the index, where LIKE would scan.
    Index(
        "ix_patient_search_term_prefix",
        "tenant_id",
        "term",
        "patient_context_id",
        postgresql_ops={"term": "text_pattern_ops"},
    ),
)

patient_signal = _tenant_table(
    "patient_signal",
    ("patient_signal_id",),
    _uuid("patient_signal_id"),
    _uuid("patient_context_id"),
    _text("code"),
    _text("status"),
    _json("detail_json"),
    _time("observed_at"),
    _text("source_system"),
    _refers("patient_context", "patient_context_id"),
    _unique("patient_context_id", "code", "source_system"),
    # Which codes exist is the policy's business; the database checks their form.
    CheckConstraint(r"code ~ '^[a-z][a-z_]*(\.[a-z][a-z_]*)+$'", name="code"),
    _one_of("status", SignalStatus),
)

_RESPONSE_INDICATORS = tuple(i for i in ProceedIndicator if i is not ProceedIndicator.BLUE)

system_response = _tenant_table(
    "system_response",
    ("system_response_id",),
    _uuid("system_response_id"),
    _uuid("patient_context_id"),
    _text("surface_type"),
    _time("computed_at", now=True),
    _text("proceed_indicator"),
    _text("execution_mode"),
    _text("tasking_summary"),
    Column("task_count", SmallInteger, nullable=False),
    _json("rationale"),
    Column("needs_ack", Boolean, nullable=False),
    Column("policy_version", Integer, nullable=False),
    _text("facts_digest"),
    _uuid("correlation_id"),
    _refers("patient_context", "patient_context_id"),
    _refers("policy_config", "policy_version", to=("version",)),
    _unique("patient_context_id", "system_response_id"),
    _one_of("surface_type", Surface),
    _one_of("proceed_indicator", _RESPONSE_INDICATORS),
    _one_of("execution_mode", ExecutionMode),
    Index(
        "ix_system_response_latest",
        "tenant_id",
        "patient_context_id",
        text("computed_at DESC"),
        text("system_response_id DESC"),
    ),
)

_RESPONSE_OF_PATIENT = ("patient_context_id", "system_response_id")

response_outcome = _tenant_table(
    "response_outcome",
    ("response_outcome_id",),
    _uuid("response_outcome_id"),
    _uuid("patient_context_id"),
    _uuid("system_response_id"),
    _text("outcome"),
    _uuid("user_id", nullable=True),
    _text("reason", nullable=True),
    _time("computed_at", now=True),
    _refers("system_response", *_RESPONSE_OF_PATIENT),
    _refers("app_user", "user_id"),
    _unique("system_response_id", "outcome"),
    _one_of("outcome", OutcomeKind),
    CheckConstraint("reason ~ '^[a-z][a-z_]*$'", name="reason"),
)

mini_submission = _tenant_table(
    "mini_submission",
    ("mini_submission_id",),
    _uuid("mini_submission_id"),
    _uuid("patient_context_id"),
    _uuid("system_response_id"),
    _uuid("user_id"),
    _uuid("invocation_id", nullable=True),
    _time("submitted_at", now=True),
    _text("override_proceed", nullable=True),
    _text("override_tasking", nullable=True),
    _text("note_text"),
    Column("confirmed", Boolean, nullable=False),
    Column("superseded", Boolean, nullable=False),
    # Whether the patient still needed an acknowledgement after this one: part of the first answer.
    Column("needs_ack_after", Boolean, nullable=False),
    Column("idempotency_key_hash", LargeBinary, nullable=True),
    Column("request_hash", LargeBinary, nullable=True),
    _refers("system_response", *_RESPONSE_OF_PATIENT),
    _refers("app_user", "user_id"),
    _refers("invocation", "invocation_id"),
    UniqueConstraint("tenant_id", "user_id", "idempotency_key_hash", name="uq_mini_submission_idempotency"),
    CheckConstraint(r"note_text ~ '\S'", name="note_not_blank"),
    CheckConstraint("num_nonnulls(override_proceed, override_tasking) > 0", name="asserts_something"),
    CheckConstraint("(idempotency_key_hash IS NULL) = (request_hash IS NULL)", name="idempotency"),
    _one_of("override_proceed", AssertedProceed),
    _one_of("override_tasking", AssertedTasking),
    Index(
        "ix_mini_submission_latest",
        "tenant_id",
        "patient_context_id",
        text("submitted_at DESC"),
        text("mini_submission_id DESC"),
    ),
)

assignment = _tenant_table(
    "assignment",
    ("assignment_id",),
    _uuid("assignment_id"),
    _uuid("patient_context_id"),
    _uuid("system_response_id"),
    _text("reason_code"),
    _uuid("assigned_to_user", nullable=True),
    Column("assigned_to_role", Text, ForeignKey("role.name"), nullable=True),
    _uuid("claimed_by", nullable=True),
    Column("status", Text, nullable=False, server_default="open"),
    _time("resolved_at", nullable=True),
    _uuid("resolved_by_submission", nullable=True),
    _refers("system_response", *_RESPONSE_OF_PATIENT),
    _refers("app_user", "assigned_to_user", to=("user_id",)),
    _refers("app_user", "claimed_by", to=("user_id",)),
    _refers("mini_submission", "resolved_by_submission", to=("mini_submission_id",)),
    CheckConstraint("num_nonnulls(assigned_to_user, assigned_to_role) = 1", name="one_assignee"),
    CheckConstraint("(status = 'open') = (resolved_at IS NULL)", name="resolved"),
    CheckConstraint("reason_code ~ '^[a-z][a-z_]*$'", name="reason_code"),
    _one_of("status", AssignmentStatus),
    Index(
        "uq_assignment_open",
        "tenant_id",
        "patient_context_id",
        "reason_code",
        unique=True,
        postgresql_where=text("status = 'open'"),
    ),
    Index(
        "ix_assignment_open_user",
        "tenant_id",
        "assigned_to_user",
        "created_at",
        postgresql_where=text("status = 'open'"),
    ),
    Index(None, "tenant_id", "claimed_by", postgresql_where=text("status = 'open'")),
    Index(
        "ix_assignment_open_role",
        "tenant_id",
        "assigned_to_role",
        "created_at",
        postgresql_where=text("status = 'open'"),
    ),
)

break_glass = _tenant_table(
    "break_glass",
    ("break_glass_id",),
    _uuid("break_glass_id"),
    _uuid("user_id"),
    # The role that it was kept from: another one starts anew.
    Column("user_role", Text, ForeignKey("role.name"), nullable=False),
    _uuid("patient_context_id"),
    _text("surface_type"),
    _text("reason"),
    _text("explanation"),
    _time("expires_at"),
    _one_of("surface_type", Surface),
    _one_of("reason", BreakGlassReason),
    CheckConstraint(r"explanation ~ '\S'", name="explanation"),
    CheckConstraint("expires_at > created_at", name="expires_at"),
    _refers("app_user", "user_id"),
    _refers("patient_context", "patient_context_id"),
    Index(None, "tenant_id", "user_id", "patient_context_id", "expires_at"),
    # As the tenant's auditors read it.
    Index(None, "tenant_id", "created_at", "break_glass_id"),
    # As it is erased.
    Index(None, "tenant_id", "patient_context_id"),
)

event_log = _tenant_table(
    "event_log",
    ("event_id",),
    _uuid("event_id"),
    _text("event_type"),
    _uuid("patient_context_id", nullable=True),
    _uuid("invocation_id", nullable=True),
    _uuid("actor_user_id", nullable=True),
    _json("payload_json"),
    _uuid("correlation_id", nullable=True),
    # The version of the patient's state that this event belongs to; null when it changed no state.
    Column("version", BigInteger, nullable=True),
    # Set by the trigger, whatever the application says.
    Column("seq", BigInteger, nullable=False),
    Column("prev_hash", LargeBinary, nullable=False),
    Column("hash", LargeBinary, nullable=False),
    _refers("patient_context", "patient_context_id"),
    _refers("app_user", "actor_user_id", to=("user_id",)),
    _refers("invocation", "invocation_id"),
    UniqueConstraint(
        "tenant_id",
        "patient_context_id",
        "seq",
        name="uq_event_log_chain",
        postgresql_nulls_not_distinct=True,
    ),
    CheckConstraint(r"event_type ~ '^[A-Z][a-z]+\.[A-Z][a-z]+$'", name="event_type"),
    # Far more than any event holds: whoever verifies, signs or exports reads the whole of it.
    CheckConstraint("octet_length(CAST(payload_json AS text)) <= 16384", name="payload_size"),
)

outbox = _tenant_table(
    "outbox",
    ("outbox_id",),
    _uuid("outbox_id"),
    _text("subject_type"),
    _uuid("subject"),
    Column("version", BigInteger, nullable=False),
    Column("forced", Boolean, nullable=False, server_default=text("false")),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    # Later than now: the request that wrote the row publishes it itself, the relay only what is left.
    _time("next_attempt_at", now=True),
    # Told many times and never confirmed: reported, and told less often.
    _time("parked_at", nullable=True),
    _unique("subject_type", "subject", "version"),
    _one_of("subject_type", SubjectType),
    # The relay reads what is due over all tenants.
    Index(None, "next_attempt_at"),
)

# How far a walk over a tenant's projections has come; each begins where the last one of its purpose stopped.
projection_walk = _tenant_table(
    "projection_walk",
    ("purpose",),
    _text("purpose"),
    _text("stage"),
    Column("place", Text, nullable=False, server_default=text("''")),
    _time("began_at", now=True),
    # Set with each slice: whoever watches sees that somebody goes on with it.
    _time("looked_at", now=True),
    _time("ended_at", nullable=True),
    Column("checked", BigInteger, nullable=False, server_default=text("0")),
    Column("differing", BigInteger, nullable=False, server_default=text("0")),
    # Documents that nobody writes over without being told to: of an unknown head, or of nobody.
    Column("unrepairable", BigInteger, nullable=False, server_default=text("0")),
    # Of the walk before this one: what it found is not mended because another walk begins.
    Column("unrepairable_before", BigInteger, nullable=False, server_default=text("0")),
    _one_of("purpose", WalkPurpose),
    _one_of("stage", WalkStage),
)
