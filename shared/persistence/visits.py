"""Sessions and invocations: who looks at whom, from where, since when; and the first view, always audited.

A visit is written in the statement of the change that it comes with, or in one of its own when nothing else
changes. What only says "still there" is written once a minute.
"""

from __future__ import annotations

from datetime import datetime

import msgspec
from sqlalchemy import text

from shared.errors import Collided
from shared.ledger.events import Event
from shared.model import (
    Frozen,
    InvocationId,
    InvocationStatus,
    PatientContextId,
    PatientKey,
    SessionEnd,
    SessionId,
    Surface,
    SystemResponseId,
    TenantId,
    UserId,
)
from shared.persistence.unit_of_work import UnitOfWork


class SessionReading(Frozen, frozen=True):
    """The newest session under a client's session string, with its invocation.

    ``shows`` is the patient that the invocation showed last, ``owes`` whether that patient's response waits
    to be acknowledged, ``viewed`` whether the session has seen the patient who is asked about; ages in
    seconds, by the database's clock.
    """

    session_id: SessionId
    invocation_id: InvocationId
    end_reason: SessionEnd | None
    age_s: float
    idle_s: float
    application_id: str | None
    page_signature: str | None
    ui_variant_id: str | None
    status: InvocationStatus
    shows: PatientContextId | None
    shows_key: PatientKey | None
    owes: bool | None
    viewed: bool


class Visit(Frozen, frozen=True):
    """What a request leaves behind about its session; ``views``: it is a look at ``patient_context_id``.

    ``ended`` is the session that is over, the one before when this one ``starts``, or this one. ``showed`` is
    what the invocation showed when this was decided: if another request has turned it since to a patient who
    owes an acknowledgement, nothing is written, unless this ``insists``.
    """

    session_id: SessionId
    invocation_id: InvocationId
    starts: bool
    ended: SessionId | None
    end_reason: SessionEnd | None
    session_hash: str
    user_id: UserId
    signed_in_at: datetime
    application_id: str | None
    page_signature: str | None
    surface_type: Surface
    ui_variant_id: str
    status: InvocationStatus
    showed: PatientContextId | None
    insists: bool
    patient_context_id: PatientContextId | None
    views: bool


def _owes(invocation: str) -> str:
    """SQL: whether the latest response of the patient whom ``invocation`` shows still waits for somebody."""
    return f"""(SELECT r.needs_ack AND NOT EXISTS (SELECT 1 FROM response_outcome o
            WHERE o.tenant_id = r.tenant_id AND o.system_response_id = r.system_response_id)
        FROM system_response r WHERE r.tenant_id = {invocation}.tenant_id
        AND r.patient_context_id = {invocation}.patient_context_id
        ORDER BY r.computed_at DESC, r.system_response_id DESC LIMIT 1)"""


SESSION = f"""(SELECT json_build_object('session_id', s.session_id, 'invocation_id', s.invocation_id,
        'end_reason', s.end_reason, 'age_s', extract(epoch FROM clock_timestamp() - s.started_at),
        'idle_s', extract(epoch FROM clock_timestamp() - i.last_seen_at),
        'application_id', i.application_id, 'page_signature', i.page_signature,
        'ui_variant_id', i.ui_variant_id, 'status', i.status, 'shows', i.patient_context_id,
        'shows_key', shown.patient_key, 'owes', {_owes("i")}, 'viewed', EXISTS (SELECT 1 FROM session_view w
            JOIN patient_context seen ON seen.tenant_id = w.tenant_id
                AND seen.patient_context_id = w.patient_context_id
            WHERE w.tenant_id = s.tenant_id AND w.session_id = s.session_id
            AND seen.patient_key = :patient_key))
    FROM session s
    JOIN invocation i ON i.tenant_id = s.tenant_id AND i.invocation_id = s.invocation_id
    LEFT JOIN patient_context shown ON shown.tenant_id = i.tenant_id
        AND shown.patient_context_id = i.patient_context_id
    WHERE s.tenant_id = :tenant AND s.user_id = :user
    AND s.client_session_hash = CAST(:session_hash AS bytea)
    ORDER BY s.started_at DESC LIMIT 1)"""
"""SQL: the caller's session as a SessionReading."""

# A session that starts waits for an equal one that starts beside it and then leaves it alone (DO NOTHING);
# its invocation is not made either, so nothing is left of it. Foreign keys are checked when all is done.
VISIT = f"""visiting AS MATERIALIZED (
    SELECT * FROM jsonb_to_recordset(CAST(:visits AS jsonb)) AS v(session_id uuid, invocation_id uuid,
        starts boolean, ended uuid, end_reason text, session_hash text, user_id uuid,
        signed_in_at timestamptz, application_id text, page_signature text, surface_type text,
        ui_variant_id text, status text, showed uuid, insists boolean,
        patient_context_id uuid, views boolean)
    WHERE (SELECT count(*) FROM locked) >= 0
), ended AS (
    UPDATE session s SET ended_at = clock_timestamp(), end_reason = v.end_reason FROM visiting v
    WHERE s.tenant_id = :tenant AND s.session_id = v.ended AND s.ended_at IS NULL
    RETURNING s.session_id
), started AS (
    INSERT INTO session (tenant_id, session_id, invocation_id, user_id, client_session_hash)
    SELECT :tenant, v.session_id, v.invocation_id, v.user_id, decode(v.session_hash, 'hex') FROM visiting v
    WHERE v.starts AND (SELECT count(*) FROM ended) >= 0
    ON CONFLICT (tenant_id, user_id, client_session_hash) WHERE ended_at IS NULL DO NOTHING
    RETURNING session_id
), signed_in AS (
    UPDATE app_user u SET last_login_at = v.signed_in_at FROM visiting v JOIN started USING (session_id)
    WHERE u.tenant_id = :tenant AND u.user_id = v.user_id
    AND (u.last_login_at IS NULL OR u.last_login_at < v.signed_in_at)
), seen AS (
    INSERT INTO invocation (tenant_id, invocation_id, user_id, application_id, page_signature,
        surface_type, ui_variant_id, patient_context_id, status)
    SELECT :tenant, v.invocation_id, v.user_id, v.application_id, v.page_signature,
        v.surface_type, v.ui_variant_id, v.patient_context_id, v.status FROM visiting v
    WHERE NOT v.starts OR EXISTS (SELECT 1 FROM started)
    ON CONFLICT (tenant_id, invocation_id) DO UPDATE SET application_id = excluded.application_id,
        page_signature = excluded.page_signature, ui_variant_id = excluded.ui_variant_id,
        patient_context_id = excluded.patient_context_id,
        -- A tab that was closed meanwhile stays so.
        status = CASE WHEN invocation.status = 'closed' AND NOT EXISTS (SELECT 1 FROM started)
            THEN invocation.status ELSE excluded.status END,
        last_seen_at = clock_timestamp()
    WHERE (SELECT v.insists OR invocation.patient_context_id IS NOT DISTINCT FROM v.showed FROM visiting v)
        OR NOT coalesce({_owes("invocation")}, false)
    RETURNING invocation_id
), viewed AS (
    INSERT INTO session_view (tenant_id, session_id, patient_context_id)
    SELECT :tenant, v.session_id, v.patient_context_id FROM visiting v, seen WHERE v.views
    ON CONFLICT DO NOTHING RETURNING patient_context_id
)"""
"""SQL: the common table expressions that write ``:visits``, a JSON array of at most one Visit.

They come after one that is called ``locked``, which holds the patient's lock if there is something to chain:
first the patient, then the session, or two requests of one tab would wait for each other.
"""

EVENT_COLUMNS = """ord int, first_view boolean, event_id uuid, event_type text, actor_user_id uuid,
        correlation_id uuid, payload_json jsonb"""
"""SQL: an event as ``as_row`` gives it. One of a ``first_view`` is written only if the view was the first."""

INVOCATION = "coalesce((SELECT invocation_id FROM seen), CAST(:invocation AS uuid))"
"""SQL: the invocation that rows and events belong to."""

VISITED = "((SELECT count(*) FROM seen) = (SELECT count(*) FROM visiting))"
"""SQL: false when another request of the same tab has begun the session or turned the tab meanwhile."""

_WRITE = text(f"""
WITH locked AS MATERIALIZED (
    SELECT patient_context_id FROM patient_context WHERE tenant_id = :tenant
    AND patient_context_id = CAST(:context AS uuid) AND jsonb_array_length(CAST(:events AS jsonb)) > 0
    FOR NO KEY UPDATE
), {VISIT}, events AS (
    INSERT INTO event_log (tenant_id, patient_context_id, event_id, event_type, actor_user_id,
        correlation_id, invocation_id, payload_json)
    SELECT :tenant, CAST(:context AS uuid), e.event_id, e.event_type, e.actor_user_id,
        e.correlation_id, {INVOCATION}, e.payload_json
    FROM jsonb_to_recordset(CAST(:events AS jsonb)) AS e({EVENT_COLUMNS})
    WHERE NOT e.first_view OR EXISTS (SELECT 1 FROM viewed)
    ORDER BY e.ord
)
SELECT {VISITED}
""")


_WAS_INVALIDATED = text("""
SELECT EXISTS (SELECT 1 FROM event_log e WHERE e.tenant_id = :tenant AND e.patient_context_id = :context
    AND e.invocation_id = :invocation AND e.event_type = 'Outcome.Computed'
    AND e.payload_json ->> 'outcome' = 'invalidated'
    AND e.payload_json ->> 'system_response_id' = CAST(CAST(:response AS uuid) AS text))
""")


def was_invalidated(
    uow: UnitOfWork,
    tenant_id: TenantId,
    context: PatientContextId,
    system_response_id: SystemResponseId,
    session: SessionReading | None,
) -> bool:
    """Whether the ledger says already that this response was left on this session's invocation."""
    return session is not None and bool(
        uow.value(
            _WAS_INVALIDATED,
            tenant=tenant_id,
            context=context,
            invocation=session.invocation_id,
            response=system_response_id,
        )
    )


def visit_parameters(visit: Visit | None, invocation_id: InvocationId | None) -> dict[str, object]:
    """What VISIT and INVOCATION bind. ``invocation_id`` is the one there already is."""
    visits = [] if visit is None else [visit]
    return {"visits": msgspec.json.encode(visits).decode(), "invocation": invocation_id}


def write_visit(
    uow: UnitOfWork,
    tenant_id: TenantId,
    visit: Visit | None,
    *,
    invocation_id: InvocationId | None,
    context: PatientContextId | None,
    events: tuple[Event, ...],
) -> None:
    """Writes a visit and events that change no state, at the end of ``context``'s chain.

    The caller commits. Raises Collided when another request of the same tab has begun the session or turned
    the tab meanwhile.
    """
    visited = uow.value(
        _WRITE,
        tenant=tenant_id,
        context=context,
        events=msgspec.json.encode([event.as_row(order) for order, event in enumerate(events)]).decode(),
        **visit_parameters(visit, invocation_id),
    )
    if not visited:
        raise Collided
