"""How long what tells of patients is kept: the section ``retention`` of a tenant's policy."""

from __future__ import annotations

from collections.abc import Iterator

from shared.decisions.decoding import Checked, Problem
from shared.decisions.policy_fields import Days


class RetentionRules(Checked, frozen=True):
    """How long what tells of patients is kept; null is until the tenant leaves (docs/retention.md).

    ``text_days``: what people wrote goes so many days after it was written. ``patient_days``: everything that
    tells of a patient goes when nothing happened with them for so many days. Under a ``legal_hold`` nothing
    goes, whatever else is said.
    """

    patient_days: Days | None = None
    text_days: Days | None = None
    legal_hold: bool = False

    @property
    def erases(self) -> bool:
        """Whether anything goes by time at all."""
        return not self.legal_hold and (self.patient_days or self.text_days) is not None

    def contradictions(self) -> Iterator[Problem]:
        """Texts go with their patient, so nothing may promise that they stay longer."""
        if self.patient_days and self.text_days and self.text_days > self.patient_days:
            yield Problem("text_days", "is longer than patient_days, with which a patient's texts go too")
