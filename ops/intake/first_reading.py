"""The first reading: judges every resource, stages what it tells and by which names Patients go."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from ops.installation import Refused
from ops.intake.dates import moment
from ops.intake.facts import NotTaken
from ops.intake.identity import Naming
from ops.intake.judging import is_known_type, judge
from ops.intake.patients import RESOURCE_ID
from ops.intake.reading import DELETION, NO_RESOURCE, Broken, Found, Passed, read
from ops.intake.references import (
    identifier_name,
    is_contained,
    may_be_patient,
    names_of,
)
from ops.intake.report import UNKNOWN_TYPE, Report
from ops.intake.resources import TAKEN, Patient, Resource
from ops.intake.sources import Source
from ops.intake.staging import Staging
from ops.intake.stamps import stamp_of
from ops.intake.telling import patients_of, tell

_WANTED = frozenset(TAKEN)
_OTHER_TYPE = "of types that Mobius doesn't take in"
_WHY_PASSED = {NO_RESOURCE: "there is nothing in it", DELETION: "Mobius deletes nothing"}


class FirstReading:
    """Reads sources one after the other into ``staging``."""

    def __init__(self, naming: Naming, staging: Staging, report: Report) -> None:
        self._naming = naming
        self._staging = staging
        self._report = report
        self._patients = self._identified = 0

    def read(self, source: Source, advance: Callable[[int], None]) -> None:
        """Reads a file. Raises Refused when nothing in it is R4, and something of another release."""
        valid, patients = 0, 0
        releases: Counter[str] = Counter()
        for item in read(source, _WANTED, advance):
            match item:
                case Passed(what) if what in _WHY_PASSED:
                    self._report.pass_over(what, _WHY_PASSED[what])
                case Passed(what):
                    self._report.pass_over(what if is_known_type(what) else UNKNOWN_TYPE, _OTHER_TYPE)
                case Broken(place, reason):
                    self._report.refuse(place, None, reason)
                case Found():
                    patients += item.resource_type == "Patient"
                    verdict = judge(item.resource_type, item.content)
                    if verdict.resource is not None:
                        valid += 1
                        self._stage(item, verdict.resource, patients)
                        continue
                    if verdict.lacking:
                        valid += 1
                        self._report.leave_out(item.place, item.resource_type, verdict.reason)
                        continue
                    self._report.refuse(item.place, item.resource_type, verdict.reason)
                    if verdict.release is not None:
                        releases[verdict.release] += 1
        if releases and not valid:
            release = releases.most_common(1)[0][0]
            raise Refused(f"{source.name} is of FHIR {release}: export R4 (4.0.1), nothing was taken in.")

    def refuse_unknown_system(self) -> None:
        """Raises Refused when no Patient has an identifier of the system that was asked for."""
        if self._naming.asked is not None and self._patients and not self._identified:
            raise Refused(
                "No Patient in these files has an identifier of the system that --identifier-system names. "
                "Nothing was taken in."
            )

    def _stage(self, item: Found, resource: Resource, patients: int) -> None:
        if isinstance(resource, Patient):
            self._stage_patient(item, resource, patients)
        else:
            self._stage_fact(item, resource)

    def _stage_patient(self, item: Found, patient: Patient, number: int) -> None:
        external = self._naming.external_id(patient)
        self._patients += 1
        self._identified += external is not None
        if external is None:
            asked = self._naming.asked not in (None, RESOURCE_ID)
            lacks = NotTaken.NOT_ASKED_FOR if asked else NotTaken.NO_NUMBER
            self._report.leave_out(item.place, item.resource_type, lacks)
            return
        taken = self._staging.add_patient(
            self._naming.key(external),
            external.space,
            (
                *names_of(item.resource_type, patient.id, item.full_url, item.place.bundle),
                *(identifier_name(each) for each in patient.identifier if each.value),
            ),
            moment(patient.meta.last_updated),
            (item.place.source, number),
        )
        if not taken:
            reason = (
                "has the same number as a Patient with another identifier system; say with "
                "--identifier-system which system counts"
            )
            self._report.refuse(item.place, item.resource_type, reason)

    def _stage_fact(self, item: Found, resource: Resource) -> None:
        told = tell(resource, stamp_of(item, resource, self._staging.hashed), self._staging.hashed)
        if isinstance(told, NotTaken):
            self._report.leave_out(item.place, item.resource_type, told)
            return
        references = patients_of(resource)
        about = [
            self._naming.meaning(reference, item.full_url, item.place.bundle)
            for reference in references
            if may_be_patient(reference)
        ]
        if about:
            self._staging.add_fact(told, item.resource_type, item.place, about)
        else:
            contained = any(is_contained(reference) for reference in references)
            reason = NotTaken.CONTAINED if contained else NotTaken.NO_PATIENT
            self._report.leave_out(item.place, item.resource_type, reason)
