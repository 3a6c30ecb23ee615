"""The policy agent: whether Mini shows, and what a role sees of a patient."""

from __future__ import annotations

import unicodedata
from typing import NamedTuple

from shared.decisions.finding import Finding
from shared.decisions.policy import BROKEN_GLASS, DobDisplay, NameDisplay, Policy, UiVariant
from shared.decisions.policy_fields import ANY
from shared.model import DeniedReason, ExecutionMode, Frozen, ProceedIndicator, Snapshot, VisibleSnapshot

_LEAST_NAME_FIRST = (NameDisplay.HIDDEN, NameDisplay.INITIALS, NameDisplay.FULL)
_LEAST_DOB_FIRST = (DobDisplay.HIDDEN, DobDisplay.YEAR, DobDisplay.FULL)
_EVERYTHING = UiVariant(display_name=NameDisplay.FULL, id_masked=True, dob=DobDisplay.FULL, show_mode=True)
_BARRIERS = {
    DeniedReason.SITE: "this site",
    DeniedReason.APPLICATION: "this application",
    DeniedReason.ROLE: "this role",
}


class Surrounding(Frozen, frozen=True):
    """Where a surface would show, and to whom. None is what isn't known."""

    site: str | None
    application: str | None
    role: str


class Display(NamedTuple):
    """Whether Mini shows, and the UI variant that the role gets, by name and content."""

    show_mini: bool
    variant_name: str
    variant: UiVariant


def decide_display(
    surrounding: Surrounding, policy: Policy, *, glass_broken: bool = False
) -> Finding[Display, str]:
    """What the policy lets a role see here; a sentence for each thing that keeps Mini from showing.

    What isn't known (``None``) is allowed only where everything is. ``site`` is a host name; a port is
    ignored. ``*.example.org`` allows ``example.org`` too, as a browser's match patterns do. The variant holds
    where Mini doesn't show too: Sidecar and the API follow it. Who broke the glass sees what any role may.
    """
    barriers = barriers_to_mini(surrounding, policy)
    name, variant = variant_for(policy, surrounding.role)
    if glass_broken:
        barriers = tuple(barrier for barrier in barriers if barrier is not DeniedReason.ROLE)
        name, variant = BROKEN_GLASS, _EVERYTHING
    why = tuple(f"Mini doesn't show: the policy doesn't allow {_BARRIERS[barrier]}." for barrier in barriers)
    shown = why or ("Mini shows: the policy allows the site, the application and the role.",)
    named = f"The role {surrounding.role} sees the variant {name}."
    return Finding(Display(not barriers, name, variant), (*shown, named))


def barriers_to_mini(surrounding: Surrounding, policy: Policy) -> tuple[DeniedReason, ...]:
    """What keeps Mini from showing here; what isn't known is allowed only where everything is."""
    rules, role, application = policy.allowlist, surrounding.role, surrounding.application
    allowed = {
        DeniedReason.SITE: any(_site_matches(pattern, surrounding.site) for pattern in rules.sites_of(role)),
        DeniedReason.APPLICATION: ANY in rules.applications or application in rules.applications,
        DeniedReason.ROLE: is_permitted(rules.roles, role),
    }
    return tuple(barrier for barrier, is_allowed in allowed.items() if not is_allowed)


def is_permitted(roles: tuple[str, ...], role: str) -> bool:
    """Whether the roles that a policy names for something include this one; ``*`` is everybody."""
    return ANY in roles or role in roles


def variant_for(policy: Policy, role: str) -> tuple[str, UiVariant]:
    """The name and the content of the UI variant that a role gets."""
    rules = policy.ui_variants
    name = rules.by_role.get(role, rules.default)
    return name, rules.variants[name]


def variant_for_all(policy: Policy) -> UiVariant:
    """What every role may see: of each field the least that any role's variant shows."""
    rules = policy.ui_variants
    # The default counts even when every role of today has its own: tomorrow's role gets it.
    used = [rules.variants[name] for name in {rules.default, *rules.by_role.values()}]
    return UiVariant(
        display_name=min((v.display_name for v in used), key=_LEAST_NAME_FIRST.index),
        id_masked=all(v.id_masked for v in used),
        dob=min((v.dob for v in used), key=_LEAST_DOB_FIRST.index),
        show_mode=all(v.show_mode for v in used),
    )


def visible_snapshot(snapshot: Snapshot, variant: UiVariant) -> VisibleSnapshot:
    """The snapshot with what the variant hides left out: ``null``, initials, or the year alone."""
    name, dob = snapshot.display_name, snapshot.dob
    if variant.display_name is not NameDisplay.FULL:
        name = _initials(name) if name and variant.display_name is NameDisplay.INITIALS else None
    shown_dob = None
    if dob is not None and variant.dob is not DobDisplay.HIDDEN:
        shown_dob = dob.isoformat() if variant.dob is DobDisplay.FULL else f"{dob.year:04d}"
    return VisibleSnapshot(
        snapshot_version=snapshot.snapshot_version,
        display_name=name,
        # A label without its id says nothing.
        id_label=snapshot.id_label if variant.id_masked else None,
        id_masked=snapshot.id_masked if variant.id_masked else None,
        dob=shown_dob,
        updated_at=snapshot.updated_at,
    )


def visible_to_all(snapshot: Snapshot, policy: Policy) -> VisibleSnapshot:
    """The snapshot as the tenant's shared document may hold it (data.md, ``patient_state``)."""
    return visible_snapshot(snapshot, variant_for_all(policy))


def proceed_text(policy: Policy, indicator: ProceedIndicator) -> str:
    """The words beside the indicator."""
    texts = policy.decisions.proceed_texts
    return {
        ProceedIndicator.GREY: texts.grey,
        ProceedIndicator.GREEN: texts.green,
        ProceedIndicator.YELLOW: texts.yellow,
        ProceedIndicator.BLUE: texts.blue,
    }[indicator]


def mode_text(policy: Policy, mode: ExecutionMode) -> str:
    """The words for the mode."""
    texts = policy.decisions.mode_texts
    return {
        ExecutionMode.AGENTIC: texts.agentic,
        ExecutionMode.COPILOT: texts.copilot,
        ExecutionMode.USER_DRIVEN: texts.user_driven,
    }[mode]


def _site_matches(pattern: str, site: str | None) -> bool:
    if pattern == ANY:
        return True
    if site is None:
        return False
    host = site.lower().partition(":")[0].rstrip(".")
    if pattern.startswith("*."):
        return host == pattern[2:] or host.endswith(pattern[1:])
    return host == pattern


def _initials(name: str) -> str | None:
    """Writes "Zoë-Ann van Dell" as "Z. V. D."; nothing when no word starts with a letter."""
    composed = unicodedata.normalize("NFC", name)
    return " ".join(f"{word[0].upper()}." for word in composed.split() if word[0].isalpha()) or None
