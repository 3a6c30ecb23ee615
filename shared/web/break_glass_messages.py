"""What goes in and comes out of breaking the glass and of its audit, as types."""

from __future__ import annotations

from datetime import datetime

from msgspec import Struct

from shared.model import BreakGlassId, BreakGlassReason, PatientKey, Surface, UserId
from shared.web.field_types import CursorText, ExplanationText, PageLimit, PatientKeyText, SessionText
from shared.web.messages import Answer, Request

# mini/break-glass, sidecar/break-glass --------------------------------------------------------------


class BreakGlassRequest(Request, frozen=True, kw_only=True):
    """Which patient the user opens, and why. The explanation is for the tenant's auditors only."""

    session_id: SessionText
    patient_key: PatientKeyText
    reason: BreakGlassReason
    explanation: ExplanationText


class BreakGlassResponse(Answer, frozen=True, kw_only=True):
    """Until when the user sees all of this patient, on both surfaces."""

    glass_broken_until: datetime


# sidecar/break-glass/list ---------------------------------------------------------------------------


class BreakGlassListRequest(Request, frozen=True, kw_only=True):
    """A page of who broke the glass; ``cursor`` is the ``next_cursor`` of the page before."""

    session_id: SessionText | None = None
    limit: PageLimit = 20
    cursor: CursorText | None = None


class BreakGlassUser(Struct, frozen=True, kw_only=True):
    """Who did it, and the role that it was kept from."""

    user_id: UserId
    display_name: str
    role: str


class BreakGlassEntry(Struct, frozen=True, kw_only=True):
    """One time that somebody opened what the policy keeps from their role."""

    break_glass_id: BreakGlassId
    created_at: datetime
    expires_at: datetime
    user: BreakGlassUser
    patient_key: PatientKey
    surface: Surface
    reason: BreakGlassReason
    explanation: str


class BreakGlassListResponse(Answer, frozen=True, kw_only=True):
    """The newest first."""

    entries: tuple[BreakGlassEntry, ...]
    has_more: bool
    next_cursor: str | None
