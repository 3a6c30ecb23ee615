"""Time that has passed: a patient's history as if all of it had happened days earlier."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import text

from tests.integration.databases import Database

# Its chain is written again, right hashes included: only a superuser can, in a database of the test's own.
_AGE = """DO $$
DECLARE
    passed interval := interval '{days} days';
    e event_log;
    head bytea := decode(repeat('00', 32), 'hex');
BEGIN
    FOR e IN SELECT * FROM event_log WHERE patient_context_id = '{patient}' ORDER BY seq LOOP
        e.created_at := e.created_at - passed;
        e.prev_hash := head;
        e.hash := sha256(head || convert_to(event_log_canonical(e), 'UTF8'));
        head := e.hash;
        UPDATE event_log SET created_at = e.created_at, prev_hash = e.prev_hash, hash = e.hash
        WHERE event_id = e.event_id;
        UPDATE patient_context SET ledger_head = head,
            version_head = CASE WHEN version_seq = e.seq THEN head ELSE version_head END
        WHERE patient_context_id = '{patient}';
    END LOOP;
    UPDATE patient_context SET created_at = created_at - passed WHERE patient_context_id = '{patient}';
    UPDATE mini_submission SET submitted_at = submitted_at - passed WHERE patient_context_id = '{patient}';
    UPDATE break_glass SET created_at = created_at - passed, expires_at = expires_at - passed
    WHERE patient_context_id = '{patient}';
END $$"""


def days_pass(database: Database, patient: UUID, days: int) -> None:
    """Whatever happened with the patient, and whatever was written, was so many days earlier."""
    with database.superuser.begin() as connection:
        connection.execute(text("SET LOCAL session_replication_role = replica"))
        connection.execute(text(_AGE.format(days=int(days), patient=patient)))
