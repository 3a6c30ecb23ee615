"""From a request to what it leaves behind about its session: pure but for new ids (data.md, "session")."""

from __future__ import annotations

from uuid_utils.compat import uuid7

from shared.decisions.detection import known_adapter
from shared.decisions.display import variant_for
from shared.decisions.policy import Policy, TimeoutRules
from shared.ledger.events import Event, UserInteracted
from shared.model import (
    Actor,
    InteractionKind,
    InvocationId,
    InvocationStatus,
    PatientContextId,
    SessionEnd,
    SessionId,
)
from shared.persistence.readings import PatientReading, SessionedReading
from shared.persistence.visits import SessionReading, Visit
from shared.views import Caller

SEEN_EVERY_S = 60
"""How often "still there" is written, at most."""


def visit_of(
    caller: Caller,
    reading: SessionedReading,
    actor: Actor,
    policy: Policy,
    shows: PatientContextId | None,
    *,
    looks: bool = True,
) -> Visit | None:
    """What there is to write about the caller's session now that its invocation shows ``shows``.

    ``looks`` is false for what shows the user nothing of that patient. None when the client names no session,
    or when all of it is written already.
    """
    if caller.session is None:
        return None
    session = reading.session
    over = _end_of(session, policy.timeouts)
    starts = session is None or over is not None
    tab = shown_in(reading)
    application = reading.application or (tab.application_id if tab else None)
    page_signature = known_adapter(caller.page_signature, policy) or (tab.page_signature if tab else None)
    variant, _ = variant_for(policy, actor.role)
    views = looks and shows is not None and (starts or session is None or not session.viewed)
    if not starts and not views and tab is not None and tab.idle_s < SEEN_EVERY_S:
        shown = (tab.application_id, tab.page_signature, tab.ui_variant_id, tab.shows, tab.status)
        if shown == (application, page_signature, variant, shows, InvocationStatus.OPEN):
            return None
    return Visit(
        session_id=SessionId(uuid7()) if starts or session is None else session.session_id,
        invocation_id=tab.invocation_id if tab else InvocationId(uuid7()),
        starts=starts,
        ended=session.session_id if session and over and session.end_reason is None else None,
        end_reason=over,
        session_hash=caller.session.hex(),
        user_id=actor.user_id,
        signed_in_at=caller.identity.issued_at,
        application_id=application,
        page_signature=page_signature,
        surface_type=caller.surface,
        ui_variant_id=variant,
        status=InvocationStatus.OPEN,
        showed=tab.shows if tab else None,
        insists=caller.insists,
        patient_context_id=shows,
        views=views,
    )


def stay(caller: Caller, reading: SessionedReading, actor: Actor, policy: Policy) -> Visit | None:
    """As ``visit_of`` for a request that is about no patient: the invocation shows what it showed."""
    tab = shown_in(reading)
    return visit_of(caller, reading, actor, policy, tab.shows if tab else None, looks=False)


def closing_visit(caller: Caller, reading: PatientReading, actor: Actor, policy: Policy) -> Visit | None:
    """What there is to write when the caller's Mini or Sidecar closes; None when no session lasts."""
    session = reading.session
    if session is None or caller.session is None or _end_of(session, policy.timeouts) is not None:
        return None
    return Visit(
        session_id=session.session_id,
        invocation_id=session.invocation_id,
        starts=False,
        ended=session.session_id,
        end_reason=SessionEnd.CLOSED,
        session_hash=caller.session.hex(),
        user_id=actor.user_id,
        signed_in_at=caller.identity.issued_at,
        application_id=session.application_id,
        page_signature=session.page_signature,
        surface_type=caller.surface,
        ui_variant_id=variant_for(policy, actor.role)[0],
        status=InvocationStatus.CLOSED,
        showed=session.shows,
        insists=True,
        patient_context_id=None,
        views=False,
    )


def shown_in(reading: SessionedReading) -> SessionReading | None:
    """The tab in which the caller asks, with what it shows.

    An idle or expired session goes on in the same tab, while what was closed is gone.
    """
    session = reading.session
    return None if session is None or session.end_reason is SessionEnd.CLOSED else session


def invocation_of(reading: SessionedReading) -> InvocationId | None:
    """The invocation that the caller's events belong to, if there is one already."""
    tab = shown_in(reading)
    return tab.invocation_id if tab else None


def first_view(caller: Caller, actor: Actor, visit: Visit | None) -> tuple[Event, ...]:
    """The event of a visit that is a look: who looked at whom is always told, once a session."""
    if visit is None or not visit.views:
        return ()
    viewed = UserInteracted(kind=InteractionKind.VIEWED, surface=caller.surface)
    return (
        Event(
            event_id=uuid7(),
            payload=viewed,
            actor_user_id=actor.user_id,
            correlation_id=caller.correlation_id,
            first_view=True,
        ),
    )


def _end_of(session: SessionReading | None, timeouts: TimeoutRules) -> SessionEnd | None:
    """Why a session is over, None while it lasts."""
    if session is None:
        return None
    if session.end_reason is not None:
        return session.end_reason
    if session.age_s >= timeouts.session_max_s:
        return SessionEnd.EXPIRED
    return SessionEnd.IDLE if session.idle_s >= timeouts.session_idle_s else None
