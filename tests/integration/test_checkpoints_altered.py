"""Checkpoints of a ledger that its database's owner altered: that is told of, not signed."""

# Fixtures are imported, and asked for by their names; SQL is our own text.
# ruff: noqa: F401, F811, S608

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from shared.ledger.checkpoints.growth import FaultKind
from tests.integration.databases import Clinic, clinic, database, neighbour
from tests.integration.ledgers import PATIENT, Ledger, altering, ledger, rehash, told


def altered_field(sql: Callable[..., Any]) -> None:
    sql(f"UPDATE event_log SET payload_json = '{{}}' WHERE {PATIENT} AND seq = 6")


def altered_time_that_reads_the_same(sql: Callable[..., Any]) -> None:
    # The year 1 BC is 0001 in words.
    sql(f"UPDATE event_log SET created_at = '0001-01-01 10:00:00+00' WHERE {PATIENT} AND seq = 6")
    rehash(sql)
    sql(f"UPDATE event_log SET created_at = '0001-01-01 10:00:00+00 BC' WHERE {PATIENT} AND seq = 6")


def removed_row(sql: Callable[..., Any]) -> None:
    sql(f"DELETE FROM event_log WHERE {PATIENT} AND seq = 6")


def swapped_rows(sql: Callable[..., Any]) -> None:
    for seq, moved in ((5, 50), (6, 5), (50, 6)):
        sql(f"UPDATE event_log SET seq = :moved WHERE {PATIENT} AND seq = :seq", seq=seq, moved=moved)


def truncated(sql: Callable[..., Any]) -> None:
    sql(f"DELETE FROM event_log WHERE {PATIENT} AND seq > 3")
    sql(f"""UPDATE patient_context SET ledger_seq = 3, ledger_head = (SELECT hash FROM event_log
        WHERE {PATIENT} AND seq = 3) WHERE {PATIENT}""")


def emptied(sql: Callable[..., Any]) -> None:
    sql(f"DELETE FROM event_log WHERE {PATIENT}")
    sql(f"UPDATE patient_context SET ledger_seq = 0, ledger_head = NULL WHERE {PATIENT}")


def rewritten(sql: Callable[..., Any]) -> None:
    sql(f"UPDATE event_log SET actor_user_id = :colleague_id WHERE {PATIENT} AND seq = 2")
    rehash(sql)


def rewritten_to_the_signed_end(sql: Callable[..., Any]) -> None:
    sql(f"DELETE FROM event_log WHERE {PATIENT} AND seq > 4")
    sql(f"UPDATE event_log SET payload_json = '{{}}' WHERE {PATIENT} AND seq = 4")
    sql(f"UPDATE patient_context SET ledger_seq = 4 WHERE {PATIENT}")
    rehash(sql)


def head_moved(sql: Callable[..., Any]) -> None:
    sql(f"UPDATE patient_context SET ledger_head = sha256('x') WHERE {PATIENT}")


def head_taken_away(sql: Callable[..., Any]) -> None:
    sql(f"UPDATE patient_context SET ledger_head = NULL WHERE {PATIENT}")


def head_far_away(sql: Callable[..., Any]) -> None:
    sql(f"UPDATE patient_context SET ledger_seq = 9223372036854775807 WHERE {PATIENT}")


def deleted_patient(sql: Callable[..., Any]) -> None:
    sql(f"DELETE FROM patient_context WHERE {PATIENT}")


def swapped_keys(sql: Callable[..., Any]) -> None:
    sql("""UPDATE patient_context SET patient_key = CASE patient_context_id WHEN :patient THEN 'ehr-swapped'
        ELSE 'ehr-patient-1' END WHERE tenant_id = :tenant_id""")


def own_chain_truncated(sql: Callable[..., Any]) -> None:
    own = "tenant_id = :tenant_id AND patient_context_id IS NULL"
    sql(f"DELETE FROM event_log WHERE {own}")
    sql("UPDATE tenant SET ledger_seq = 0, ledger_head = NULL WHERE tenant_id = :tenant_id")


def own_chain_rewritten(sql: Callable[..., Any]) -> None:
    own = "tenant_id = :tenant_id AND patient_context_id IS NULL"
    sql(f"UPDATE event_log SET payload_json = '{{}}' WHERE {own}")
    rehash(sql, own, "tenant SET {} WHERE tenant_id = :tenant_id")


def deleted_tenant(sql: Callable[..., Any]) -> None:
    sql("DELETE FROM patient_context WHERE tenant_id = :tenant_id")
    sql("DELETE FROM tenant WHERE tenant_id = :tenant_id")


TAMPERING = {
    altered_field: FaultKind.NOT_LINKED,
    altered_time_that_reads_the_same: FaultKind.NOT_LINKED,
    removed_row: FaultKind.NOT_LINKED,
    swapped_rows: FaultKind.NOT_LINKED,
    truncated: FaultKind.SHORTER,
    emptied: FaultKind.GONE,
    rewritten: FaultKind.NOT_LINKED,
    rewritten_to_the_signed_end: FaultKind.REWRITTEN,
    head_moved: FaultKind.NOT_LINKED,
    head_taken_away: FaultKind.NO_HEAD,
    head_far_away: FaultKind.NOT_LINKED,
    deleted_patient: FaultKind.GONE,
    swapped_keys: FaultKind.OTHER_PATIENT,
    own_chain_truncated: FaultKind.GONE,
    own_chain_rewritten: FaultKind.REWRITTEN,
    deleted_tenant: FaultKind.GONE,
}


def test_what_contradicts_the_last_checkpoint_is_told_of_and_holds_up_nobody_else(ledger: Ledger) -> None:
    clinics = {alter: ledger.database.clinic() for alter in TAMPERING}
    neighbour = ledger.database.clinic()
    for each in clinics.values():
        ledger.append(each, each.patient_id, 3)
    ledger.sign()
    signed = {alter: ledger.signed(each) for alter, each in clinics.items()}
    ledger.append(neighbour, neighbour.patient_id)
    for alter, each in clinics.items():
        ledger.append(each, each.patient_id, 3)
        with altering(ledger, each) as sql:
            alter(sql)
    # Again and again, until somebody looks.
    for made in (ledger.sign(), ledger.sign()):
        refused = told(made, neighbour, *clinics.values())
        assert {alter: refused.get(each.tenant_id) for alter, each in clinics.items()} == TAMPERING
        assert neighbour.tenant_id not in refused
    assert {alter: ledger.signed(each) for alter, each in clinics.items()} == signed
    assert ledger.signed(neighbour) == {c: head for c, head in ledger.heads(neighbour).items() if head[0]}


def test_a_tenant_that_was_altered_before_it_was_ever_signed_is_left_out(
    ledger: Ledger, clinic: Clinic, neighbour: Clinic
) -> None:
    with altering(ledger, clinic) as sql:
        sql(f"UPDATE event_log SET payload_json = '{{}}' WHERE {PATIENT}")
    assert told(ledger.sign(), clinic, neighbour) == {clinic.tenant_id: FaultKind.NOT_LINKED}
    assert (ledger.signed(clinic), bool(ledger.signed(neighbour))) == ({}, True)
