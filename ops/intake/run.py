"""One intake from beginning to end: each file is read twice, so that order within and among files is free.

First everything is judged; what others than Patients tell is staged, with the names that Patients go by. Then
the Patients come by again, each takes what was told about it along, and is written. Nothing is written before
all files were read once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from datetime import date
from itertools import islice

import msgspec
from sqlalchemy import Engine

from ops.installation import Refused
from ops.intake.changes import Wanted
from ops.intake.dates import moment
from ops.intake.facts import DemographicsFact, Stamp
from ops.intake.first_reading import FirstReading
from ops.intake.identity import Naming
from ops.intake.patients import ExternalId, missing_details, shown
from ops.intake.reading import Found, read
from ops.intake.report import Report
from ops.intake.resources import Patient
from ops.intake.signals import derive_signals
from ops.intake.sources import Source
from ops.intake.staging import Staging
from ops.intake.store import Scope
from ops.intake.writing import write_batch
from shared.model import PatientKey, SignalStatus

BATCH = 300
"""How many new patients are written in one transaction."""

_NOT_HERE = "its patient isn't in these files, or didn't go in"
_SHARED = "several patients go by the name that it refers to"
_UNKNOWN = "its patient is neither in these files nor known from before"

_PATIENTS = frozenset(("Patient",))

Advance = Callable[[int], None]


class Intake(msgspec.Struct, frozen=True, kw_only=True):
    """What an intake goes by. ``as_of`` is the day that signals are derived for."""

    engine: Engine
    scope: Scope
    naming: Naming
    as_of: date


def take_in(intake: Intake, sources: Sequence[Source], report: Report, advance: Advance) -> None:
    """Takes the files in; ``advance`` is told how many bytes are done, of twice the files' sizes.

    Raises Refused, before anything was written, for a file of another release of FHIR; later for one that
    was changed meanwhile.
    """
    with closing(Staging()) as staging:
        done = 0
        first = FirstReading(intake.naming, staging, report)
        for source in sources:
            first.read(source, _from(advance, done))
            done += source.size
        first.refuse_unknown_system()
        staging.resolve()
        for resource_type, place, is_shared in staging.unresolved():
            report.leave_out(place, resource_type, _SHARED if is_shared else _NOT_HERE)
        for source in sources:
            _write_patients(intake, source, staging, report, _from(advance, done))
            done += source.size
            advance(done)
        _write_strangers(intake, staging, report)


def _write_patients(
    intake: Intake, source: Source, staging: Staging, report: Report, advance: Advance
) -> None:
    patients = _chosen_patients(intake, source, staging, advance)
    while batch := list(islice(patients, BATCH)):
        told = staging.facts_of([key for key, _, _ in batch])
        wanted = []
        for key, patient, external in batch:
            stamp = Stamp(names=("",), updated=moment(patient.meta.last_updated))
            lacking = DemographicsFact(stamp=stamp, missing=missing_details(patient))
            wanted.append(
                Wanted(
                    patient_key=key,
                    external_id_hash=intake.naming.hashed(external),
                    shown=shown(patient, external),
                    signals=derive_signals([*told[key], lacking], intake.as_of),
                )
            )
        _write(intake, wanted, staging, report)


def _chosen_patients(
    intake: Intake, source: Source, staging: Staging, advance: Advance
) -> Iterator[tuple[PatientKey, Patient, ExternalId]]:
    """The Patients of a file that count, in its order."""
    chosen = staging.chosen(source.number)
    awaited = next(chosen, None)
    if awaited is None:
        return
    number = 0
    for item in read(source, _PATIENTS, advance):
        number += isinstance(item, Found)
        if not isinstance(item, Found) or number < awaited.number:
            continue
        patient = _patient(item)
        external = intake.naming.external_id(patient) if patient else None
        if patient is None or external is None or intake.naming.key(external) != awaited.patient_key:
            break
        yield awaited.patient_key, patient, external
        awaited = next(chosen, None)
        if awaited is None:
            return
    raise Refused(f"{source.name} was changed while it was read: run the intake again.")


def _patient(item: Found) -> Patient | None:
    """The Patient, which was judged at the first reading; None when it isn't the same any more."""
    try:
        return msgspec.convert(item.content, Patient)
    except msgspec.ValidationError:
        return None


def _write_strangers(intake: Intake, staging: Staging, report: Report) -> None:
    """What is told about patients that an earlier intake brought in, and that these files only name."""
    strangers = staging.strangers()
    while batch := list(islice(strangers, BATCH)):
        told = staging.facts_of(batch)
        wanted = [
            Wanted(
                patient_key=key,
                external_id_hash=None,
                shown=None,
                signals=derive_signals(told[key], intake.as_of),
            )
            for key in batch
        ]
        _write(intake, wanted, staging, report)


def _write(intake: Intake, batch: Sequence[Wanted], staging: Staging, report: Report) -> None:
    for written in write_batch(intake.engine, intake.scope, batch):
        if written.fate is None:
            for resource_type, place in staging.resources_about(written.patient_key):
                report.leave_out(place, resource_type, _UNKNOWN)
            continue
        report.patients[written.fate] += 1
        for signal in written.difference.signals:
            report.signals_set += signal.status is SignalStatus.ACTIVE
            report.signals_resolved += signal.status is SignalStatus.RESOLVED


def _from(advance: Advance, done: int) -> Advance:
    return lambda read: advance(done + read)
