"""A tenant's policy: what every agent decides by, as the JSON columns of ``policy_config``.

No signal code, colour or wording is written anywhere else: a new code or another colour is a new version of
this document, never a change of code.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Annotated
from uuid import UUID

import msgspec

from shared.decisions.decoding import Check, Checked, Problem, find_problems, path_to
from shared.decisions.policy_fields import (
    ANY,
    Line,
    Name,
    NameOrAny,
    ReasonCode,
    Seconds,
    SignalCode,
    SitePattern,
    Template,
)
from shared.decisions.retention import RetentionRules
from shared.model import ExecutionMode, OutcomeKind, ProceedIndicator


def _is_stored(indicator: ProceedIndicator) -> Problem | None:
    if indicator is not ProceedIndicator.BLUE:
        return None
    storable = tuple(i.value for i in ProceedIndicator if i is not ProceedIndicator.BLUE)
    return Problem("", "blue is drawn when Mobius fails, no signal makes it", storable)


_LEAVING_WORK = (OutcomeKind.UNACKNOWLEDGED, OutcomeKind.DISMISSED)


def _leaves_work(outcome: OutcomeKind) -> Problem | None:
    if outcome in _LEAVING_WORK:
        return None
    allowed = tuple(o.value for o in _LEAVING_WORK)
    if outcome is OutcomeKind.ACKNOWLEDGED:
        return Problem("", "an acknowledged response leaves nothing to assign", allowed)
    return Problem("", "concerns one tab only: the response stays open and falls due for everybody", allowed)


class AdapterKind(StrEnum):
    """How a page tells which patient it shows."""

    DATA_ATTRIBUTE = "data_attribute"
    URL_PATTERN = "url_pattern"
    SELECTOR = "selector"


class NameDisplay(StrEnum):
    """How much of a patient's name a role sees."""

    FULL = "full"
    INITIALS = "initials"
    HIDDEN = "hidden"


class DobDisplay(StrEnum):
    """How much of a patient's date of birth a role sees."""

    FULL = "full"
    YEAR = "year"
    HIDDEN = "hidden"


class PageAdapter(Checked, frozen=True):
    """Where on the pages of one site the external id of the patient stands.

    ``value`` is an attribute (``data-patient-id``), a path with ``{id}`` (``/patients/{id}``) or a CSS
    selector, after its ``kind``.
    """

    id: Name
    site: SitePattern
    kind: AdapterKind
    value: Line
    source_system: Name

    def contradictions(self) -> Iterator[Problem]:
        """A value must be of its kind."""
        if self.kind is AdapterKind.DATA_ATTRIBUTE and not self.value.startswith("data-"):
            yield Problem("value", "a data attribute's name starts with 'data-'")
        if self.kind is AdapterKind.URL_PATTERN and self.value.count("{id}") != 1:
            yield Problem("value", "a URL pattern holds {id} exactly once")


class Permissions(Checked, frozen=True):
    """Which roles may do what; ``*`` is every role, nobody is named for what nobody may do.

    ``override``: assert another value than the system's, where a confirmation is everybody's.
    ``notes``: read the notes of others in the history. ``break_glass``: open all that is kept from the role,
    of one patient, for a while, by saying why; ``audit``: read who did that.
    """

    sidecar: tuple[NameOrAny, ...] = (ANY,)
    override: tuple[NameOrAny, ...] = (ANY,)
    dismiss: tuple[NameOrAny, ...] = (ANY,)
    history: tuple[NameOrAny, ...] = (ANY,)
    notes: tuple[NameOrAny, ...] = ()
    break_glass: tuple[NameOrAny, ...] = ()
    audit: tuple[NameOrAny, ...] = ()


class AllowlistRules(Checked, frozen=True):
    """Where Mini shows, from where an external id is taken, who may do what. ``*`` allows all.

    A role in ``sites_by_role`` has those sites instead of ``sites``.
    """

    sites: tuple[SitePattern, ...]
    applications: tuple[NameOrAny, ...]
    roles: tuple[NameOrAny, ...]
    source_systems: tuple[Name, ...]
    page_adapters: tuple[PageAdapter, ...]
    permissions: Permissions = Permissions()
    sites_by_role: dict[Name, tuple[SitePattern, ...]] = msgspec.field(default_factory=dict)

    def sites_of(self, role: str) -> tuple[str, ...]:
        """The sites on which Mini shows to a role."""
        return self.sites_by_role.get(role, self.sites)

    def contradictions(self) -> Iterator[Problem]:
        """An adapter has an id of its own and a source system that may be detected."""
        seen: set[str] = set()
        for index, adapter in enumerate(self.page_adapters):
            if adapter.id in seen:
                yield Problem(f"page_adapters[{index}].id", f"'{adapter.id}' is another adapter's id")
            seen.add(adapter.id)
            if adapter.source_system not in self.source_systems:
                where = f"page_adapters[{index}].source_system"
                yield Problem(where, "is not one of source_systems", self.source_systems)


class UiVariant(Checked, frozen=True):
    """What one kind of reader sees of a patient and of the mode."""

    display_name: NameDisplay
    id_masked: bool
    dob: DobDisplay
    show_mode: bool


BROKEN_GLASS = "broken_glass"
"""The variant of whoever has broken the glass before a patient: everything."""


class UiVariants(Checked, frozen=True):
    """The named variants, and which role gets which; a role that isn't named gets ``default``."""

    variants: dict[Name, UiVariant]
    by_role: dict[Name, Name]
    default: Name

    def contradictions(self) -> Iterator[Problem]:
        """Every variant that is named exists, and none takes the name of what broken glass shows."""
        if BROKEN_GLASS in self.variants:
            yield Problem(path_to("variants", BROKEN_GLASS), "is the name of what broken glass shows")
        named = {"default": self.default}
        named |= {path_to("by_role", role): variant for role, variant in self.by_role.items()}
        for path, variant in named.items():
            if variant not in self.variants:
                yield Problem(path, f"there is no variant '{variant}'", tuple(self.variants))


class TimeoutRules(Checked, frozen=True):
    """How long things may take, in seconds."""

    acknowledgement_due_s: Seconds
    presence_s: Seconds
    session_idle_s: Seconds = 1800
    session_max_s: Seconds = 43200
    break_glass_s: Seconds = 3600

    def contradictions(self) -> Iterator[Problem]:
        """A session that is never idle ends too."""
        if self.session_idle_s > self.session_max_s:
            yield Problem("session_idle_s", "is longer than session_max_s")


class Assignee(Checked, frozen=True):
    """Who gets an open item: one user, or whoever has a role."""

    role: Name | None = None
    user: UUID | None = None

    def contradictions(self) -> Iterator[Problem]:
        """Exactly one of both, as the database has it."""
        if (self.role is None) == (self.user is None):
            yield Problem("", "names exactly one of role and user")


class NotificationRules(Checked, frozen=True):
    """Which outcomes make an assignment, and whose it is by reason; ``otherwise`` leaves none without.

    ``interaction_sample_percent`` of the interactions go to the ledger; first views always do.
    """

    on_outcomes: tuple[Annotated[OutcomeKind, Check(_leaves_work)], ...]
    assign: dict[ReasonCode, Assignee]
    otherwise: Assignee
    interaction_sample_percent: Annotated[
        int, msgspec.Meta(ge=0, le=100, description="a whole number from 0 to 100")
    ] = 10


class SignalRule(Checked, frozen=True):
    """What one signal code means while it is active.

    ``task`` is its sentence, a template (see ``wording``). Where several signals are equally severe, the
    lowest ``priority`` is told first.
    """

    proceed: Annotated[ProceedIndicator, Check(_is_stored)]
    task: Template
    mode: ExecutionMode
    reason_code: ReasonCode
    needs_ack: bool
    priority: Annotated[int, msgspec.Meta(ge=1, le=1000, description="a whole number from 1 to 1000")]

    def contradictions(self) -> Iterator[Problem]:
        """Green means that nothing is needed."""
        if self.needs_ack and self.proceed is ProceedIndicator.GREEN:
            yield Problem(
                "needs_ack", "a green signal needs nothing, so no acknowledgement either", ("false",)
            )


class ProceedTexts(Checked, frozen=True):
    """The words beside each indicator."""

    grey: Line
    green: Line
    yellow: Line
    blue: Line


class ModeTexts(Checked, frozen=True):
    """The words for each execution mode."""

    agentic: Line
    copilot: Line
    user_driven: Line


class DecisionRules(Checked, frozen=True):
    """What each signal code means, and the words for everything else.

    ``nothing_open`` is the task line when every known signal is green or resolved, ``not_assessed`` when
    there is none; ``default_mode`` is the mode when no signal decides.
    """

    signals: dict[SignalCode, SignalRule]
    proceed_texts: ProceedTexts
    mode_texts: ModeTexts
    default_mode: ExecutionMode
    nothing_open: Line
    not_assessed: Line


class Policy(Checked, frozen=True):
    """One version of a tenant's policy; each field but ``version`` is one column of ``policy_config``."""

    version: Annotated[int, msgspec.Meta(ge=1, le=2_147_483_647, description="a whole number from 1")]
    allowlist: AllowlistRules
    ui_variants: UiVariants
    timeouts: TimeoutRules
    notifications: NotificationRules
    decisions: DecisionRules
    retention: RetentionRules = RetentionRules()

    def contradictions(self) -> Iterator[Problem]:
        """An assignment rule is for a reason that a signal can give."""
        reasons = tuple(sorted({rule.reason_code for rule in self.decisions.signals.values()}))
        for reason in self.notifications.assign:
            if reason not in reasons:
                path = path_to("notifications.assign", reason)
                yield Problem(path, "no signal has this reason_code", reasons)


class PolicyError(ValueError):
    """A policy document can't be used; ``problems`` names every mistake that was found."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        self.problems = problems
        super().__init__("\n".join(str(problem) for problem in problems))


def decode_policy(document: Mapping[str, object]) -> Policy:
    """Turns a document of plain values (YAML, JSON columns) into a policy.

    Raises ``PolicyError`` with every mistake that can be found: a part that is wrong in itself is not also
    compared with the others. Nothing else is raised, whatever the document holds.
    """
    problems = tuple(find_problems(document, Policy))
    if problems:
        raise PolicyError(problems)
    return msgspec.convert(document, Policy)


def encode_policy(policy: Policy) -> dict[str, object]:
    """The policy as plain JSON values: what ``decode_policy`` reads back as the same policy."""
    encoded: dict[str, object] = msgspec.to_builtins(policy)
    return encoded
