"""Whether the relay goes on with what a dead letter is about."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from uuid import UUID

from sqlalchemy import Engine, text

from ops.deadletters.letters import DeadLetter
from ops.transaction import transaction
from shared.errors import MobiusError
from shared.model import TenantId

_UNCONFIRMED = text("""SELECT DISTINCT subject FROM outbox
    WHERE tenant_id = :tenant AND subject = ANY(CAST(:subjects AS uuid[]))""")


class Waiting:
    """Asks ``engine``'s database, each tenant for itself. ``is_away``: it did not answer."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.is_away = False

    def of(self, letters: Iterable[DeadLetter]) -> Callable[[DeadLetter], bool | None]:
        """A function that says of each of the letters whether its subject is unconfirmed; None: not known."""
        subjects: dict[TenantId, set[UUID]] = defaultdict(set)
        for letter in letters:
            if letter.waits_for is not None:
                tenant_id, subject = letter.waits_for
                subjects[tenant_id].add(subject)
        unconfirmed = {
            (tenant_id, subject)
            for tenant_id, asked in subjects.items()
            for subject in self._unconfirmed(tenant_id, asked)
        }

        def waits(letter: DeadLetter) -> bool | None:
            if letter.waits_for is None or self.is_away:
                return None
            return letter.waits_for in unconfirmed

        return waits

    def _unconfirmed(self, tenant_id: TenantId, subjects: set[UUID]) -> Iterable[UUID]:
        if self.is_away:
            return ()
        try:
            with transaction(self._engine, tenant_id) as uow:
                rows = uow.rows(_UNCONFIRMED, tenant=tenant_id, subjects=sorted(subjects))
        except MobiusError:
            self.is_away = True
            return ()
        return [row.subject for row in rows]
