"""The tokens of a patient: made of the raw external id, which goes no further."""

from __future__ import annotations

import msgspec

from ops.intake.elements import Reference
from ops.intake.patients import RESOURCE_ID, ExternalId, external_id, is_record_number
from ops.intake.references import id_of, identifier_name, identifier_of, meanings_of
from ops.intake.resources import Patient
from ops.intake.staging import Meaning
from shared.model import PatientKey, TenantId
from shared.security.patient_keys import external_id_hash, patient_key


class Naming(msgspec.Struct, frozen=True, kw_only=True):
    """How patients of one source system are named. ``asked`` is the identifier system that counts."""

    master: bytes
    tenant_id: TenantId
    source_system: str
    asked: str | None

    def external_id(self, patient: Patient) -> ExternalId | None:
        """The raw id; None when the Patient has none that counts."""
        return external_id(patient, self.asked)

    def key(self, external: ExternalId) -> PatientKey:
        """The token that the rest of Mobius knows the patient by."""
        return patient_key(self.master, self.tenant_id, self.source_system, external.value)

    def hashed(self, external: ExternalId) -> str:
        """What a full external id in a search is compared with, in hex."""
        return external_id_hash(self.master, self.tenant_id, self.source_system, external.value).hex()

    def meaning(self, reference: Reference, full_url: str | None, bundle: str | None) -> Meaning:
        """Whom a reference may mean: a Patient of these files, or one that it names by the external id."""
        names = meanings_of(reference.reference, full_url, bundle)
        identifier = identifier_of(reference)
        raw = id_of(reference) if self.asked == RESOURCE_ID else None
        if identifier is not None:
            names = (*names, identifier_name(identifier))
            counts = is_record_number(identifier) if self.asked is None else identifier.system == self.asked
            raw = identifier.value if counts else raw
        key = patient_key(self.master, self.tenant_id, self.source_system, raw) if raw else None
        return Meaning(names=names, key=key)
