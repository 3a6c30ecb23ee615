"""Record numbers of the demo clinics' patients, as a host application's page shows them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import NamedTuple

from ops.demo import demo_tenants
from tests.e2e.clinic import Clinic


class Record(NamedTuple):
    """A patient as the host application and as Mobius know them."""

    external_id: str
    patient_key: str
    name: str


def record(clinic: Clinic) -> Record:
    """A patient whom no other test uses, with something to acknowledge."""
    patients = next(
        each.patients
        for each in demo_tenants(datetime.now(UTC).date())
        if str(each.tenant_id) == clinic.tenant["tenant_id"]
    )
    keys = [patient["patient_key"] for patient in clinic.tenant["patients"]]
    while True:
        key = clinic.new_patient()
        patient = patients[keys.index(key)]
        if patient.signals and clinic.status(key)["proceed"]["color"] == "yellow":
            return Record(patient.external_id, key, patient.display_name)
