"""What an intake wants to be known of a patient, what is known, and the difference between both. Pure."""

from __future__ import annotations

from uuid import UUID

from ops.intake.derived import Derived
from ops.intake.patients import Shown
from ops.intake.signals import ASSESSING
from shared.model import Frozen, PatientKey, SignalStatus


class Wanted(Frozen, frozen=True):
    """A patient as the files have it. Without ``shown`` there was no Patient: only signals are known.

    ``external_id_hash`` is in hex, and there whenever ``shown`` is.
    """

    patient_key: PatientKey
    external_id_hash: str | None
    shown: Shown | None
    signals: tuple[Derived, ...]


class KnownSignal(Frozen, frozen=True):
    """A stored signal of the source system at hand."""

    code: str
    status: SignalStatus
    detail: dict[str, str | int]


class Known(Frozen, frozen=True):
    """A patient as the database has it; ``snapshot_version`` is 0 where there is none."""

    patient_key: PatientKey
    patient_context_id: UUID
    version: int
    snapshot_version: int
    shown: Shown | None
    signals: tuple[KnownSignal, ...]


class Difference(Frozen, frozen=True):
    """What has to be written about a patient; nothing when it is false."""

    shown: Shown | None
    signals: tuple[Derived, ...]

    def __bool__(self) -> bool:
        return self.shown is not None or bool(self.signals)

    @property
    def codes(self) -> tuple[str, ...]:
        """The codes of the signals that change, sorted."""
        return tuple(sorted(signal.code for signal in self.signals))


def difference(wanted: Wanted, known: Known | None) -> Difference:
    """Compares by what is shown and by status and detail of signals: not by when they were observed."""
    stored = {signal.code: signal for signal in known.signals} if known else {}
    shown = wanted.shown if known is None or wanted.shown != known.shown else None
    changed = (s for s in wanted.signals if _is_news(s, stored.get(s.code)))
    return Difference(shown=shown, signals=tuple(changed))


def _is_news(signal: Derived, stored: KnownSignal | None) -> bool:
    if signal.code not in ASSESSING and signal.status is SignalStatus.RESOLVED:
        return stored is not None and stored.status is SignalStatus.ACTIVE
    return stored is None or (stored.status, stored.detail) != (signal.status, signal.detail)
