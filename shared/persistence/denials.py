"""Who was refused: one ledger event for each session and reason, in the tenant's own chain."""

from __future__ import annotations

import msgspec
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError

from shared.ledger.events import AccessDenied
from shared.model import CorrelationId, DeniedReason, Surface, TenantId
from shared.persistence.readings import Asking
from shared.persistence.unit_of_work import is_duplicate, unit_of_work

# The event's id is made of what it may be told once for: the session, or as long as none has begun what the
# client calls one, on a day. One that is there already is looked for first: ON CONFLICT would come after the
# trigger had moved the chain. Of two at once the second fails by the key, whole.
_WRITE = text("""
WITH told AS (
    SELECT s.session_id, s.invocation_id FROM session s WHERE s.tenant_id = :tenant AND s.user_id = :user
    AND s.client_session_hash = CAST(:session AS bytea) AND s.ended_at IS NULL
), once AS (
    SELECT CAST(md5(concat_ws(':', CAST(:user AS text), each.what, CAST(:reason AS text),
        CAST(:surface AS text))) AS uuid) AS event_id, each.place
    FROM (SELECT CAST(session_id AS text) AS what, 1 AS place FROM told
        UNION ALL SELECT concat(encode(CAST(:session AS bytea), 'hex'), current_date), 2) each
)
INSERT INTO event_log (tenant_id, event_id, event_type, actor_user_id, invocation_id, correlation_id,
    payload_json)
SELECT t.tenant_id, o.event_id, CAST(:event_type AS text), (SELECT u.user_id FROM app_user u
    WHERE u.tenant_id = t.tenant_id AND u.user_id = :user), (SELECT invocation_id FROM told),
    CAST(:correlation AS uuid), CAST(:payload AS jsonb)
FROM tenant t, (SELECT event_id FROM once ORDER BY place LIMIT 1) o
WHERE t.tenant_id = :tenant
AND NOT EXISTS (SELECT 1 FROM event_log e JOIN once USING (event_id) WHERE e.tenant_id = t.tenant_id)
""")


def write_denial(
    engine: Engine,
    tenant_id: TenantId,
    asking: Asking,
    reason: DeniedReason,
    surface: Surface,
    correlation_id: CorrelationId,
) -> None:
    """Writes that ``asking`` was refused, unless it is written already; the actor is null for a stranger."""
    payload = AccessDenied(reason=reason, surface=surface)
    try:
        with unit_of_work(engine, tenant_id) as uow:
            uow.run(
                _WRITE,
                tenant=tenant_id,
                user=asking.user_id,
                session=asking.session,
                reason=reason.value,
                surface=surface.value,
                event_type=payload.event_type,
                correlation=correlation_id,
                payload=msgspec.json.encode(payload).decode(),
            )
            uow.commit()
    except DBAPIError as error:
        if not is_duplicate(error):
            raise
