"""What a resource says about a patient's money, free of PHI: states, dates, amounts and words of our own.

Facts wait on disk until their patient comes by (``staging``), so nothing may be in them that names anybody.
Other resources are named by keyed hashes.
"""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum

import msgspec

from shared.model import Frozen


class Stamp(Frozen, frozen=True):
    """Which resource a fact is from, by its hashed names, and when that was written.

    Of several versions of one resource the newest counts: by ``updated``, then by the order of reading.
    """

    names: tuple[str, ...]
    updated: datetime | None

    @property
    def own(self) -> str:
        """The name by which versions of one resource are told."""
        return self.names[0]


class Fact(Frozen, frozen=True, tag=True):
    """Base of what a resource says."""

    stamp: Stamp


class CoverageFact(Fact, frozen=True):
    """A coverage: whether it is kept up, and from when through when."""

    active: bool
    start: date | None
    end: date | None


class InsuranceAnswer(Frozen, frozen=True):
    """What an insurer says of one coverage (``coverage`` are its hashed names, one at least)."""

    coverage: tuple[str, ...]
    inforce: bool | None
    ended: date | None


class ServiceDay(Frozen, frozen=True):
    """From when through when a service takes place, most often one day, and the words for it."""

    first: date
    last: date
    service: str | None


class EligibilityFact(Fact, frozen=True):
    """An insurer's answer about eligibility. ``service`` words what needs an authorization.

    ``days`` are when that takes place, empty when it doesn't say.
    """

    created: datetime | None
    asked_on: date | None
    complete: bool
    insurance: tuple[InsuranceAnswer, ...]
    needs_authorization: bool
    service: str | None
    days: tuple[ServiceDay, ...]


class ClaimFact(Fact, frozen=True):
    """A claim, for the names that it goes by.

    ``replaces`` are the hashed names of earlier ones whose place it takes, its own when it was withdrawn.
    """

    replaces: tuple[str, ...]


class AnswerFact(Fact, frozen=True):
    """An insurer's answer to a claim. ``void``: taken back, which leaves the claim unanswered.

    ``claim`` are the claim's hashed names, one at least. ``replaces``: the hashed names of earlier claims or
    answers that it settles too. ``owed_minor`` is what it leaves to the patient, None when it doesn't say.
    """

    claim: tuple[str, ...]
    replaces: tuple[str, ...]
    created: datetime | None
    answered_on: date | None
    void: bool
    denied: bool
    reason: str | None
    owed_minor: int | None
    currency: str | None


class RequestFact(Fact, frozen=True):
    """A question for authorization before a service. ``void``: withdrawn.

    ``days`` are those of all its lines; without any, ``service`` is what it asks about.
    """

    created: datetime | None
    void: bool
    service: str | None
    days: tuple[ServiceDay, ...]


class AuthorizationFact(Fact, frozen=True):
    """An answer to such a question. ``until`` is the last day on which it holds.

    ``request`` are the question's hashed names, one at least.
    """

    request: tuple[str, ...]
    created: datetime | None
    void: bool
    granted: bool
    until: date | None


class BalanceFact(Fact, frozen=True):
    """What an account says is owed; negative when it is in credit."""

    amount_minor: int
    currency: str


class AppointmentFact(Fact, frozen=True):
    """An appointment: ``on`` is its day if it is still to take place, None when it isn't."""

    on: date | None
    created: datetime | None


class DemographicsFact(Fact, frozen=True):
    """What a Patient lacks, in words of our own."""

    missing: tuple[str, ...]


AnyFact = (
    CoverageFact
    | EligibilityFact
    | ClaimFact
    | AnswerFact
    | RequestFact
    | AuthorizationFact
    | BalanceFact
    | AppointmentFact
    | DemographicsFact
)


class NotTaken(StrEnum):
    """Why a valid resource says nothing that counts."""

    IN_ERROR = "entered in error"
    DRAFT = "a draft"
    CANCELLED = "cancelled"
    ESTIMATE = "an estimate, nothing was billed"
    UNANSWERED = "not answered yet"
    NO_BALANCE = "has no balance (R4 has no element for it; see docs/intake.md)"
    NO_NUMBER = "has neither an id nor an identifier that counts"
    NOT_ASKED_FOR = "has no identifier of the system that --identifier-system names"
    NO_PATIENT = "names no patient"
    CONTAINED = "names a patient that is only inside itself"
    PLAIN_CLAIM = "a claim says nothing until it is answered"


_ENCODER = msgspec.msgpack.Encoder()
_DECODER: msgspec.msgpack.Decoder[AnyFact] = msgspec.msgpack.Decoder(AnyFact)


def encode_fact(fact: Fact) -> bytes:
    """The fact as it is staged."""
    return _ENCODER.encode(fact)


def decode_fact(data: bytes) -> AnyFact:
    """What ``encode_fact`` made."""
    return _DECODER.decode(data)
