"""What the core is asked and what it answers: who calls, what is sent, how a user sees a patient."""

from __future__ import annotations

from datetime import datetime

from shared.decisions.display import Display, visible_snapshot
from shared.decisions.policy import Policy
from shared.model import (
    Actor,
    AssertedProceed,
    AssertedTasking,
    BreakGlassReason,
    CorrelationId,
    DismissReason,
    Frozen,
    PatientKey,
    PatientState,
    Surface,
    SystemResponseId,
    TenantId,
    VisibleSnapshot,
)
from shared.persistence.break_glass import BrokenGlass, BrokenGlassPlace
from shared.persistence.panel import InboxPlace
from shared.persistence.readings import Asking, Inbox, PastEvent
from shared.security.identity import Identity


class Caller(Frozen, frozen=True):
    """Who asks, through which surface, from where, in which request.

    ``session`` is the hash of the client's session string; without one nothing is kept about the session.
    ``site``, ``application`` and ``page_signature`` are what the client says of the host page. Who
    ``insists`` has collided with other requests of the same tab too often: their order is anybody's guess.
    """

    identity: Identity
    surface: Surface
    correlation_id: CorrelationId
    session: bytes | None = None
    site: str | None = None
    application: str | None = None
    page_signature: str | None = None
    insists: bool = False

    @property
    def tenant_id(self) -> TenantId:
        """The tenant of the token, which is the only one that counts."""
        return self.identity.tenant_id

    @property
    def asking(self) -> Asking:
        """Who asks, as a reading wants to know it."""
        return Asking(user_id=self.identity.user_id, session=self.session, application=self.application)


class System(Frozen, frozen=True):
    """Nobody asks: the scheduler's work for one tenant, in one round."""

    tenant_id: TenantId
    correlation_id: CorrelationId
    surface: Surface = Surface.SYSTEM
    asking: Asking = Asking()


Origin = Caller | System
"""Where a change comes from."""


class PatientView(Frozen, frozen=True, kw_only=True):
    """A patient as one user asked for it.

    ``state`` is None where policy hides Mini, and for an unknown patient: nothing was surfaced then.
    ``undecided``: a decision raised, so the surface draws blue; the state is the last one that was decided.
    ``glass_until``: until when the user sees all of the patient, having broken the glass.
    """

    actor: Actor
    policy: Policy
    display: Display
    state: PatientState | None
    undecided: bool = False
    glass_until: datetime | None = None

    @property
    def snapshot(self) -> VisibleSnapshot | None:
        """The snapshot as the user's variant lets it be seen."""
        if self.state is None or self.state.snapshot is None:
            return None
        return visible_snapshot(self.state.snapshot, self.display.variant)


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


class Dismissal(Frozen, frozen=True):
    """What a user sets aside without acknowledging it. ``system_response_id`` None: the latest."""

    patient_key: PatientKey
    reason: DismissReason
    system_response_id: SystemResponseId | None


class BreakGlass(Frozen, frozen=True):
    """Whom a user opens in spite of the policy for their role, and why."""

    patient_key: PatientKey
    reason: BreakGlassReason
    explanation: str


class Page(Frozen, frozen=True, kw_only=True):
    """A stretch of a list, and whether there is more after it."""

    has_more: bool


class HistoryPage(Page, frozen=True, kw_only=True):
    """A stretch of a patient's ledger, the newest first. ``next_before`` is where the next one begins."""

    events: tuple[PastEvent, ...]
    next_before: int | None


class InboxPage(Page, frozen=True, kw_only=True):
    """A stretch of a user's inbox, the oldest first. ``next_after`` is where the next one begins."""

    inbox: Inbox
    next_after: InboxPlace | None


class BrokenGlassPage(Page, frozen=True, kw_only=True):
    """A stretch of who has broken the glass, the newest first. ``next_before``: where the next one begins."""

    broken: tuple[BrokenGlass, ...]
    next_before: BrokenGlassPlace | None


class Found(Frozen, frozen=True):
    """One search result as policy shows it."""

    patient_key: PatientKey
    snapshot: VisibleSnapshot
