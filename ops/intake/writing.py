"""Writes a batch of patients, and tells what became of each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sqlalchemy import Engine

from ops.intake.changes import Difference, Wanted, difference
from ops.intake.report import Fate
from ops.intake.store import Scope, bring_in, change, read_known
from shared.model import Frozen, PatientKey
from shared.persistence.unit_of_work import unit_of_work


class Written(Frozen, frozen=True):
    """What became of a patient; ``fate`` is None for one that nobody knows and no Patient was there for."""

    patient_key: PatientKey
    fate: Fate | None
    difference: Difference


def write_batch(engine: Engine, scope: Scope, batch: Sequence[Wanted]) -> Iterator[Written]:
    """Writes what is different: the new ones together, then each that changed.

    Another intake may do the same at the same time: whom it was first to bring in is known here.
    """
    with unit_of_work(engine, scope.tenant_id) as uow:
        known = read_known(uow, scope, [wanted.patient_key for wanted in batch])
    new = [wanted for wanted in batch if wanted.patient_key not in known and wanted.shown is not None]
    brought_in = bring_in(engine, scope, new)
    if late := [wanted.patient_key for wanted in new if wanted.patient_key not in brought_in]:
        with unit_of_work(engine, scope.tenant_id) as uow:
            known.update(read_known(uow, scope, late))
    for wanted in batch:
        key = wanted.patient_key
        if key in brought_in:
            yield Written(patient_key=key, fate=Fate.NEW, difference=difference(wanted, None))
        elif key not in known:
            nothing = Difference(shown=None, signals=())
            yield Written(patient_key=key, fate=None, difference=nothing)
        else:
            changed = difference(wanted, known[key]) and change(engine, scope, wanted)
            fate = Fate.CHANGED if changed else Fate.UNCHANGED
            yield Written(patient_key=key, fate=fate, difference=changed)
