"""What the core is asked and what it answers: who calls, what is sent, how a user sees a patient."""

from __future__ import annotations

from shared.decisions.display import variant_for, visible_snapshot
from shared.decisions.policy import Policy, UiVariant
from shared.model import (
    Actor,
    AssertedProceed,
    AssertedTasking,
    CorrelationId,
    Frozen,
    PatientKey,
    PatientState,
    Surface,
    SystemResponseId,
    TenantId,
    VisibleSnapshot,
)
from shared.persistence.patients import (
    Inbox,
    PastEvent,
)
from shared.security.identity import Identity


class Caller(Frozen, frozen=True):
    """Who asks, through which surface, in which request."""

    identity: Identity
    surface: Surface
    correlation_id: CorrelationId

    @property
    def tenant_id(self) -> TenantId:
        """The tenant of the token, which is the only one that counts."""
        return self.identity.tenant_id


class PatientView(Frozen, frozen=True, kw_only=True):
    """A patient as one user asked for it.

    ``shown`` is false where policy hides Mini; then, and for an unknown patient, ``state`` is None, and
    nothing was surfaced. ``undecided``: a decision raised, so the surface draws blue;
    the state is then the last one that was decided.
    """

    actor: Actor
    policy: Policy
    shown: bool = True
    state: PatientState | None
    undecided: bool = False

    @property
    def variant(self) -> tuple[str, UiVariant]:
        """The user's variant of the interface, by name."""
        return variant_for(self.policy, self.actor.role)

    @property
    def snapshot(self) -> VisibleSnapshot | None:
        """The snapshot as the user's variant lets it be seen."""
        if self.state is None or self.state.snapshot is None:
            return None
        return visible_snapshot(self.state.snapshot, self.variant[1])


class PanelView(PatientView, frozen=True, kw_only=True):
    """A patient view with the latest ledger events and the user's own inbox."""

    history: tuple[PastEvent, ...]
    inbox: Inbox


class Send(Frozen, frozen=True):
    """What a user asserts by pressing Send. ``system_response_id`` None: the latest."""

    patient_key: PatientKey
    note_text: str
    override_proceed: AssertedProceed | None
    override_tasking: AssertedTasking | None
    system_response_id: SystemResponseId | None


class Found(Frozen, frozen=True):
    """One search result as policy shows it."""

    patient_key: PatientKey
    snapshot: VisibleSnapshot
