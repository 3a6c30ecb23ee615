"""``mobius ledger show``: one patient's story, event by event, in plain sentences."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import msgspec
import typer
from sqlalchemy import Engine, text

from ops.installation import DEFAULT_STATE_DIR, StateDirOption, TenantOption, find_installation, refusals
from ops.ledger.asking import (
    Asked,
    KeyArgument,
    Period,
    SinceOption,
    UntilOption,
    find_patient,
    period_of,
    printable,
    tell_reading,
)
from ops.policy.preview import counted
from ops.transaction import transaction
from shared.chat.history_words import event_words
from shared.decisions.moments import moment_text
from shared.model import Frozen, LedgerReading, UserId
from shared.persistence.readings import PastEvent

PAGE = 1000
"""How many events are read at a time: memory does not grow with the chain."""

_HASH_SHOWN = 8
_ID_SHOWN = 12

_WHERE = """
    e.tenant_id = :tenant AND e.patient_context_id = :context AND e.seq > :after AND e.seq <= :head
    AND e.created_at >= :since AND e.created_at < :until"""
_COUNT = text(f"SELECT count(*) FROM event_log e WHERE {_WHERE}")
_PAGE = text(f"""
SELECT coalesce(json_agg(p.item ORDER BY p.seq), '[]')::text FROM (
    SELECT e.seq, json_build_object('seq', e.seq, 'hash', encode(e.hash, 'hex'), 'event_type', e.event_type,
        'created_at', e.created_at, 'actor_user_id', e.actor_user_id,
        'actor_display_name', u.display_name, 'payload', e.payload_json) AS item
    FROM event_log e LEFT JOIN app_user u ON u.tenant_id = e.tenant_id AND u.user_id = e.actor_user_id
    WHERE {_WHERE} ORDER BY e.seq LIMIT :page) p""")


class _Row(Frozen, frozen=True):
    """An event as it is stored; its payload may be anything that the database's owner put there."""

    seq: int
    hash: str
    event_type: str
    created_at: datetime
    actor_user_id: UserId | None
    actor_display_name: str | None
    payload: object


def show(
    patient_key: KeyArgument,
    since: SinceOption = None,
    until: UntilOption = None,
    tenant: TenantOption = None,
    state_dir: StateDirOption = DEFAULT_STATE_DIR,
) -> None:
    """Tells one patient's story: every event of their chain, the oldest first.

    The ledger notes that you ask.
    """
    with refusals():
        period = period_of(since, until)
        installation = find_installation(state_dir)
        engine = installation.engine
        asked = find_patient(engine, installation.tenant(tenant), patient_key)
        with transaction(engine, asked.tenant_id) as uow:
            count = uow.value(_COUNT, **_bounds(asked, period, after=0))
        tell_reading(engine, asked, LedgerReading.STORY, count)
        for line in _told(engine, asked, period, count):
            typer.echo(line)


def _told(engine: Engine, asked: Asked, period: Period, count: int) -> Iterator[str]:
    events = counted(count, "event", "events")
    yield f"The story of patient {asked.patient_key}{period.words}: {events}. Times are UTC."
    yield "Notes are not shown, nor who the patient is. After the time come the event's number and hash."
    day, width = None, len(str(asked.head.seq))
    for row in _rows(engine, asked, period):
        at = row.created_at.astimezone(UTC)
        if at.date() != day:
            day = at.date()
            yield f"\n{moment_text(at).partition(',')[0]}"
        yield f"  {at:%H:%M:%S}  {row.seq:>{width}}  {row.hash[:_HASH_SHOWN]}  {printable(_sentence(row))}"
    if count == 0:
        yield "\nNothing in this time."
    yield "\nSearches that showed this patient and readings by operators: mobius ledger who-saw."
    yield f"Whether anything was altered: mobius ledger verify --patient {asked.patient_key}."
    if asked.head.seq == 0:
        yield "The chain is empty."
    else:
        yield f"The chain's head when this was read: event {asked.head.seq}, {asked.head.hash.hex()}."


def _rows(engine: Engine, asked: Asked, period: Period) -> Iterator[_Row]:
    """Page by page, none of them in a transaction that is still open: whoever reads may take their time."""
    after, page = 0, PAGE
    while True:
        with transaction(engine, asked.tenant_id) as uow:
            found = uow.value(_PAGE, **_bounds(asked, period, after=after), page=page)
        rows = msgspec.json.decode(found, type=list[_Row])
        yield from rows
        if len(rows) < page:
            return
        after = rows[-1].seq


def _bounds(asked: Asked, period: Period, *, after: int) -> dict[str, object]:
    return {
        "tenant": asked.tenant_id,
        "context": asked.patient_context_id,
        "after": after,
        "head": asked.head.seq,
        "since": period.since,
        "until": period.until,
    }


def _sentence(row: _Row) -> str:
    payload = row.payload if isinstance(row.payload, dict) else {}
    event = PastEvent(
        seq=row.seq,
        event_type=row.event_type,
        created_at=row.created_at,
        actor_user_id=row.actor_user_id,
        actor_display_name=row.actor_display_name,
        payload=payload,
        correlation_id=None,
        note=None,
    )
    words = event_words(event) or f"{row.event_type}, for which this release has no words"
    details = ", ".join((*_person(row), *_details(row.event_type, payload)))
    return f"{words[0].upper()}{words[1:]}.{f' [{details}]' if details else ''}"


def _person(row: _Row) -> Iterator[str]:
    """Who it was, beside the name, which others may have too; after an erasure all have the same."""
    if row.actor_user_id is not None:
        yield f"user …{str(row.actor_user_id)[-_ID_SHOWN:]}"


def _details(event_type: str, payload: dict[str, object]) -> Iterator[str]:
    """What an auditor looks things up by. A response's whole id, for `mobius why`, where it was given."""
    if mode := payload.get("execution_mode"):
        yield f"mode {mode}"
    if version := payload.get("policy_version"):
        yield f"policy version {version}"
    if response := payload.get("system_response_id"):
        whole = event_type == "System.Response"
        # From its end: the beginning of these ids is the time.
        yield f"response {response}" if whole else f"response …{str(response)[-_ID_SHOWN:]}"
    if user := payload.get("assigned_to_user"):
        yield f"for user …{str(user)[-_ID_SHOWN:]}"
    if surface := payload.get("surface"):
        yield f"on {surface}"
