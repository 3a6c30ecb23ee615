"""The ledger's hash chain, computed by the database and computed again here."""

# Fixtures are imported, and asked for by their names; SQL is our own text.
# ruff: noqa: F401, F811, S608

from __future__ import annotations

import hashlib
import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy.exc import DBAPIError

from tests.integration.databases import (
    Clinic,
    Database,
    clinic,
    database,
    neighbour,
    run,
)

GENESIS = bytes(32)
APPEND = """
    INSERT INTO event_log (tenant_id, patient_context_id, event_id, event_type, actor_user_id, version,
        payload_json)
    VALUES (:tenant_id, :patient, gen_random_uuid(), 'User.Interaction', :user_id, :version,
        CAST(:payload AS jsonb))
    RETURNING seq, prev_hash, hash"""
CHAIN = """
    SELECT e.*, event_log_canonical(e) AS canonical,
        to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS at
    FROM event_log e WHERE patient_context_id IS NOT DISTINCT FROM CAST(:patient AS uuid) ORDER BY seq"""
HEADS = """
    SELECT ledger_seq, ledger_head, version_seq, version_head FROM patient_context
    WHERE patient_context_id = :patient"""


def append(
    database: Database,
    clinic: Clinic,
    patient: UUID | None,
    version: int | None = None,
    payload: object = None,
) -> Any:
    values = {"patient": patient, "version": version, "payload": json.dumps(payload or {"kind": "opened"})}
    return run(database.app, clinic.tenant_id, APPEND, **clinic.ids, **values)[0]


def chain(database: Database, clinic: Clinic, patient: UUID | None) -> list[Any]:
    return run(database.app, clinic.tenant_id, CHAIN, patient=patient)


def heads(database: Database, clinic: Clinic) -> tuple[Any, ...]:
    return tuple(run(database.app, clinic.tenant_id, HEADS, patient=clinic.patient_id)[0])


def text_of(value: UUID | None) -> str | None:
    return None if value is None else str(value)


def verify(events: list[Any]) -> None:
    """Every number follows, every hash is the one of the row as it is and of the hash before it."""
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    before = GENESIS
    for event in events:
        assert event.prev_hash == before
        assert event.hash == hashlib.sha256(before + event.canonical.encode()).digest()
        assert json.loads(event.canonical) == [
            *(text_of(event.tenant_id), text_of(event.patient_context_id), event.seq),
            *(text_of(event.event_id), event.event_type, event.at),
            *(text_of(event.actor_user_id), text_of(event.invocation_id), text_of(event.correlation_id)),
            *(event.version, event.payload_json),
        ]
        before = event.hash
    assert [event.created_at for event in events] == sorted(event.created_at for event in events)


@pytest.mark.parametrize(
    "payload",
    [
        {"kind": "opened", "surface": "mini"},
        {"n": 12345678901234567890, "yes": True, "none": None, "list": ["a", 'b"\\'], "é": "電話\n"},
        {"z": 1, "a": {"c": 2, "b": 3}},
    ],
)
def test_every_hash_can_be_computed_again(database: Database, clinic: Clinic, payload: object) -> None:
    for version in (1, None, 2):
        append(database, clinic, clinic.patient_id, version, payload)
    events = chain(database, clinic, clinic.patient_id)
    assert len(events) == 4
    verify(events)
    assert heads(database, clinic)[:2] == (4, events[-1].hash)


def test_events_without_a_patient_make_the_tenants_own_chain(
    database: Database, clinic: Clinic, neighbour: Clinic
) -> None:
    for tenant in (clinic, neighbour, clinic):
        append(database, tenant, None)
    for tenant, length in ((clinic, 3), (neighbour, 2)):
        events = chain(database, tenant, None)
        assert len(events) == length
        verify(events)
        head = run(database.app, tenant.tenant_id, "SELECT ledger_seq, ledger_head FROM tenant")
        assert head == [(length, events[-1].hash)]


def test_the_chains_of_two_patients_do_not_touch(database: Database, clinic: Clinic) -> None:
    for patient in (clinic.other_patient_id, clinic.patient_id, clinic.other_patient_id):
        append(database, clinic, patient)
    for patient in (clinic.patient_id, clinic.other_patient_id):
        events = chain(database, clinic, patient)
        assert len(events) == 2
        verify(events)


def test_what_the_application_says_of_place_hash_and_time_is_overridden(
    database: Database, clinic: Clinic
) -> None:
    before = append(database, clinic, clinic.patient_id)
    forged = """
        INSERT INTO event_log (tenant_id, patient_context_id, event_id, event_type, payload_json, seq,
            prev_hash, hash, created_at)
        VALUES (:tenant_id, :patient_id, gen_random_uuid(), 'User.Interaction', '{}', 99, sha256('a'),
            sha256('b'), '2001-01-01')
        RETURNING seq, prev_hash, created_at >= now() AS is_now"""
    row = run(database.app, clinic.tenant_id, forged, **clinic.ids)[0]
    assert tuple(row) == (before.seq + 1, before.hash, True)
    verify(chain(database, clinic, clinic.patient_id))


def test_events_appended_at_once_make_one_chain_without_a_gap(database: Database, clinic: Clinic) -> None:
    threads, each = 8, 20

    def writer(number: int) -> list[int]:
        return [
            append(database, clinic, clinic.other_patient_id, None, {"writer": number, "turn": turn}).seq
            for turn in range(each)
        ]

    with ThreadPoolExecutor(threads) as pool:
        places = list(pool.map(writer, range(threads)))
    assert all(own == sorted(own) for own in places)
    assert sorted(seq for own in places for seq in own) == list(range(1, threads * each + 1))
    verify(chain(database, clinic, clinic.other_patient_id))


def test_two_events_of_one_statement_are_chained_in_their_order(database: Database, clinic: Clinic) -> None:
    # As a Send writes them: beside an update of the very row that holds the head.
    first, second = uuid4(), uuid4()
    statement = """
        WITH context AS (
            UPDATE patient_context SET version = version + 1
            WHERE tenant_id = :tenant_id AND patient_context_id = :patient_id
            RETURNING tenant_id, patient_context_id, version
        ), events AS (
            INSERT INTO event_log (tenant_id, patient_context_id, version, event_id, event_type, payload_json)
            SELECT c.tenant_id, c.patient_context_id, c.version, e.id, 'User.Acknowledged', '{}'
            FROM context c, unnest(CAST(:events AS uuid[])) WITH ORDINALITY AS e(id, ord) ORDER BY e.ord
        )
        SELECT version FROM context"""
    events = [str(first), str(second)]
    assert run(database.app, clinic.tenant_id, statement, **clinic.ids, events=events) == [(1,)]
    found = chain(database, clinic, clinic.patient_id)
    verify(found)
    assert [event.event_id for event in found[-2:]] == [first, second]
    assert heads(database, clinic) == (3, found[-1].hash, 3, found[-1].hash)


def test_the_versions_head_follows_only_events_with_a_version(database: Database, clinic: Clinic) -> None:
    assert heads(database, clinic)[2:] == (0, None)
    versioned = append(database, clinic, clinic.patient_id, 1)
    later = append(database, clinic, clinic.patient_id, None)
    assert heads(database, clinic) == (later.seq, later.hash, versioned.seq, versioned.hash)


def test_a_head_that_is_no_event_is_refused_at_the_commit(database: Database, clinic: Clinic) -> None:
    # The chain's trigger moves the head before it is known that the row is there already.
    for patient in (clinic.patient_id, None):
        append(database, clinic, patient)
        (there,) = chain(database, clinic, patient)[-1:]
        with pytest.raises(DBAPIError, match="must be an event of it"):
            run(
                database.app,
                clinic.tenant_id,
                """INSERT INTO event_log (tenant_id, patient_context_id, event_id, event_type, payload_json)
                   VALUES (:tenant_id, :patient, :event, 'User.Interaction', '{}') ON CONFLICT DO NOTHING""",
                tenant_id=clinic.tenant_id,
                patient=patient,
                event=there.event_id,
            )
        verify(chain(database, clinic, patient))
        append(database, clinic, patient)
        verify(chain(database, clinic, patient))


def test_an_event_that_is_rolled_back_leaves_no_gap(database: Database, clinic: Clinic) -> None:
    before = heads(database, clinic)
    with database.app.connect() as connection:
        connection.exec_driver_sql(f"SET LOCAL app.tenant_id = '{clinic.tenant_id}'")
        connection.exec_driver_sql(
            f"""INSERT INTO event_log (tenant_id, patient_context_id, event_id, event_type, payload_json)
                VALUES ('{clinic.tenant_id}', '{clinic.patient_id}', '{uuid4()}', 'Ab.Cd', '{{}}')"""
        )
        connection.rollback()
    assert heads(database, clinic) == before
    append(database, clinic, clinic.patient_id)
    verify(chain(database, clinic, clinic.patient_id))


def test_an_event_that_nobody_could_read_again_is_refused(database: Database, clinic: Clinic) -> None:
    # Compressed it is small; whoever verifies or signs reads all of it.
    with pytest.raises(DBAPIError, match="ck_event_log_payload_size"):
        append(database, clinic, clinic.patient_id, None, {"kind": "x" * 20_000})
    verify(chain(database, clinic, clinic.patient_id))
