"""Who came across one patient: the events of the patient's chain and of the tenant's own that tell of it."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator
from datetime import datetime
from enum import StrEnum
from operator import attrgetter
from uuid import UUID

import msgspec
from sqlalchemy import Engine, TextClause, text

from ops.ledger.asking import Asked, Period
from ops.transaction import transaction
from shared.model import Frozen, InteractionKind, LedgerReading, UserId
from shared.persistence.unit_of_work import UnitOfWork

PAGE = 20_000
"""How many events of a chain one statement looks at."""


class Deed(StrEnum):
    """What somebody did, in the words of the answer; a consequence came of another deed of theirs."""

    LOOKED = "looked"
    SHOWN = "shown in a search"
    BROKE_GLASS = "broke the glass"
    ACKNOWLEDGED = "acknowledged"
    DISMISSED = "dismissed"
    CLAIMED = "claimed"
    OPENED = "opened"
    TYPED = "typed"
    LEFT = "left"
    CLOSED = "closed"
    REFUSED = "was refused"
    CONSEQUENCE = "consequence"
    EXPORTED = "exported the ledger"
    ASKED_WHO_SAW = "asked who saw"
    READ_STORY = "read the story"
    EXPORTED_TENANT = "exported the tenant"
    OTHER = "something else"


_OF_TYPE = {
    "User.Searched": Deed.SHOWN,
    "Glass.Broken": Deed.BROKE_GLASS,
    "User.Acknowledged": Deed.ACKNOWLEDGED,
    "User.Dismissed": Deed.DISMISSED,
    "Assignment.Claimed": Deed.CLAIMED,
    "Access.Denied": Deed.REFUSED,
    "Tenant.Exported": Deed.EXPORTED_TENANT,
    "Outcome.Computed": Deed.CONSEQUENCE,
    "Assignment.Created": Deed.CONSEQUENCE,
    "Assignment.Reassigned": Deed.CONSEQUENCE,
    "Assignment.Resolved": Deed.CONSEQUENCE,
}
_OF_KIND: dict[tuple[str, str | None], Deed] = {
    ("User.Interaction", InteractionKind.VIEWED): Deed.LOOKED,
    ("User.Interaction", InteractionKind.OPENED): Deed.OPENED,
    ("User.Interaction", InteractionKind.TYPED): Deed.TYPED,
    ("User.Interaction", InteractionKind.SWITCHED): Deed.LEFT,
    ("User.Interaction", InteractionKind.NAVIGATED): Deed.LEFT,
    ("User.Interaction", InteractionKind.CLOSED): Deed.CLOSED,
    ("Ledger.Read", LedgerReading.EXPORT): Deed.EXPORTED,
    ("Ledger.Read", LedgerReading.WHO_SAW): Deed.ASKED_WHO_SAW,
    ("Ledger.Read", LedgerReading.STORY): Deed.READ_STORY,
}


class Sighting(Frozen, frozen=True):
    """One event that names somebody beside the patient; ``user_id`` None: an operator, whom nothing names.

    Name, role and status are today's. ``own_chain``: it is in the tenant's own chain.
    """

    seq: int
    event_id: UUID
    event_type: str
    created_at: datetime
    hash: str
    own_chain: bool
    user_id: UserId | None
    name: str | None
    role: str | None
    status: str | None
    kind: str | None
    surface: str | None
    reason: str | None

    @property
    def deed(self) -> Deed:
        """What was done."""
        known = _OF_KIND.get((self.event_type, self.kind)) or _OF_TYPE.get(self.event_type)
        return known or Deed.OTHER


class _Page(Frozen, frozen=True):
    """What a stretch of a chain tells, and how many of its searches don't say whom they showed."""

    sightings: tuple[Sighting, ...]
    unnamed: int
    unnamed_until: datetime | None


def _statement(chain: str, about: str, names: str = "true") -> TextClause:
    return text(f"""
SELECT json_build_object('unnamed', count(*) FILTER (WHERE NOT s.names),
    'unnamed_until', max(s.created_at) FILTER (WHERE NOT s.names),
    'sightings', coalesce(json_agg(json_build_object('seq', s.seq, 'event_id', s.event_id,
        'event_type', s.event_type, 'created_at', s.created_at, 'hash', encode(s.hash, 'hex'),
        'own_chain', s.patient_context_id IS NULL, 'user_id', s.actor_user_id,
        'name', u.display_name, 'role', u.role, 'status', u.status, 'kind', s.payload_json ->> 'kind',
        'surface', s.payload_json ->> 'surface', 'reason', s.payload_json ->> 'reason')
        ORDER BY s.seq) FILTER (WHERE s.names), '[]'))::text
FROM (SELECT e.*, {names} AS names FROM event_log e
    WHERE e.tenant_id = :tenant AND e.patient_context_id {chain} AND e.seq > :after AND e.seq <= :upto
    AND e.created_at >= :since AND e.created_at < :until AND {about}) s
LEFT JOIN app_user u ON u.tenant_id = s.tenant_id AND u.user_id = s.actor_user_id""")


# Without an actor it is the system's doing, which looks at nobody.
_OF_PATIENT = _statement("= :context", "e.actor_user_id IS NOT NULL")

# A release before wrote searches without whom they showed: those are counted.
_SAYS_WHOM = "coalesce(jsonb_typeof(e.payload_json -> 'shown') = 'array', false)"
_OF_TENANT = _statement(
    "IS NULL",
    f"""CASE e.event_type
        WHEN 'User.Searched' THEN e.payload_json @> CAST(:shown AS jsonb)
            OR (NOT {_SAYS_WHOM} AND e.payload_json ->> 'result_count' IS DISTINCT FROM '0')
        WHEN 'Ledger.Read' THEN coalesce(e.payload_json ->> 'patient_context_id', :named) = :named
        WHEN 'Tenant.Exported' THEN true ELSE false END""",
    f"e.event_type <> 'User.Searched' OR {_SAYS_WHOM}",
)


class Sightings:
    """Everybody who came across a patient, event by event, the oldest first; read once, page by page.

    Afterwards ``unnamed`` says how many searches showed somebody and don't say whom, ``unnamed_until`` when
    the last of them was.
    """

    def __init__(self, engine: Engine, asked: Asked, period: Period, advance: Callable[[int], None]) -> None:
        self._engine = engine
        self._asked = asked
        self._period = period
        self._advance = advance
        self.unnamed = 0
        self.unnamed_until: datetime | None = None

    def __iter__(self) -> Iterator[Sighting]:
        """In the order of time, over both chains."""
        context = self._asked.patient_context_id
        chains = (
            self._chain(_OF_PATIENT, self._asked.head.seq, context=context),
            self._chain(
                _OF_TENANT,
                self._asked.tenant_seq,
                named=str(context),
                shown=msgspec.json.encode({"shown": [context]}).decode(),
            ),
        )
        return heapq.merge(*chains, key=attrgetter("created_at"))

    def _chain(self, statement: TextClause, head: int, **values: object) -> Iterator[Sighting]:
        for after in range(0, head, PAGE):
            upto = min(after + PAGE, head)
            # Over before anybody takes their time with what it gives.
            with transaction(self._engine, self._asked.tenant_id) as uow:
                page = self._page(uow, statement, after, upto, **values)
            self.unnamed += page.unnamed
            self.unnamed_until = page.unnamed_until or self.unnamed_until
            self._advance(upto - after)
            yield from page.sightings

    def _page(self, uow: UnitOfWork, statement: TextClause, after: int, upto: int, **values: object) -> _Page:
        found = uow.value(
            statement,
            tenant=self._asked.tenant_id,
            after=after,
            upto=upto,
            since=self._period.since,
            until=self._period.until,
            **values,
        )
        return msgspec.json.decode(found, type=_Page)
