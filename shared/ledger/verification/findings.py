"""What verification may find, as a person reads it."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import NamedTuple

from shared.model import PatientKey, TenantId

_KEY = re.compile(r"[A-Za-z0-9_-]{8,64}")


class Kind(StrEnum):
    """In one or two words, what is wrong."""

    ALTERED = "altered"
    REMOVED = "removed"
    INSERTED = "inserted"
    SWAPPED = "swapped"
    TRUNCATED = "truncated"
    REWRITTEN = "rewritten"
    HEAD = "head moved"
    VERSION_HEAD = "version head"
    OTHER_PATIENT = "other patient"
    TENANT = "tenant removed"
    DOCUMENT = "document"
    RECORD = "record"
    GUARD = "guard"
    CHECKPOINT = "checkpoint"


_OF_ALL_CHAINS = (Kind.TENANT, Kind.CHECKPOINT)


class Trouble(NamedTuple):
    """One thing that is wrong with a chain, from event ``seq`` on (0: with none in particular)."""

    kind: Kind
    seq: int
    says: str


class Finding(NamedTuple):
    """One thing that is wrong, and where: in ``tenant_id``'s chain of ``patient``.

    ``patient`` None: the tenant's own chain. Without a ``tenant_id`` it is about the whole database.
    """

    tenant_id: TenantId | None
    patient: PatientKey | None
    seq: int
    kind: Kind
    says: str

    @property
    def order(self) -> tuple[str, str, int, str, str]:
        """How findings are sorted."""
        return str(self.tenant_id or ""), self.patient or "", self.seq, self.kind, self.says

    @property
    def line(self) -> str:
        """The finding in one line."""
        if self.tenant_id is None:
            return f"{self.kind}: {self.says}"
        if self.kind in _OF_ALL_CHAINS:
            return f"{self.kind}: tenant {self.tenant_id}: {self.says}"
        return f"{self.kind}: tenant {self.tenant_id}, {named(self.patient)}: {self.says}"


def named(patient: PatientKey | None) -> str:
    """Whose chain it is. What is no key of ours could be anything, a name too, and is not shown."""
    if patient is None:
        return "its own chain"
    return f"patient {patient}" if _KEY.fullmatch(patient) else "a patient whose key is none of ours"
