"""Who sees Mini, how much of a patient, and from where a patient may be detected."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from shared.decisions.detection import is_allowed_source
from shared.decisions.display import (
    Surrounding,
    decide_display,
    is_permitted,
    mode_text,
    proceed_text,
    variant_for,
    visible_snapshot,
    visible_to_all,
)
from shared.decisions.policy import (
    DobDisplay,
    NameDisplay,
    Policy,
    UiVariant,
    UiVariants,
    decode_policy,
)
from shared.model import ExecutionMode, ProceedIndicator, Snapshot, VisibleSnapshot

POLICY = decode_policy(
    yaml.safe_load((Path(__file__).parents[2] / "ops/default_policy.yaml").read_text("utf-8"))
)
SNAPSHOT = Snapshot(
    snapshot_version=3,
    display_name="Zoë-Ann van Dell",
    id_label="MRN",
    id_masked="····7731",
    dob=date(1984, 3, 2),
    updated_at=datetime(2026, 11, 20, tzinfo=UTC),
)

variants = st.builds(UiVariant)
snapshots = st.builds(
    Snapshot,
    snapshot_version=st.integers(1, 9),
    display_name=st.none() | st.text(max_size=20),
    id_label=st.none() | st.just("MRN"),
    id_masked=st.none() | st.just("····7731"),
    dob=st.none() | st.dates(),
    updated_at=st.just(SNAPSHOT.updated_at),
)


def with_allowlist(**changes: Any) -> Policy:
    return msgspec.structs.replace(POLICY, allowlist=msgspec.structs.replace(POLICY.allowlist, **changes))


def seen(**changes: Any) -> VisibleSnapshot:
    full = UiVariant(display_name=NameDisplay.FULL, id_masked=True, dob=DobDisplay.FULL, show_mode=True)
    return visible_snapshot(SNAPSHOT, msgspec.structs.replace(full, **changes))


def show_mini(policy: Policy, site: str | None, application: str | None, role: str) -> bool:
    return decide_display(Surrounding(site=site, application=application, role=role), policy).value.show_mini


def test_a_variant_shows_or_hides_each_field() -> None:
    assert seen().display_name == "Zoë-Ann van Dell"
    assert seen(display_name=NameDisplay.INITIALS).display_name == "Z. V. D."
    assert seen(display_name=NameDisplay.HIDDEN).display_name is None
    assert seen().dob == "1984-03-02"
    assert seen(dob=DobDisplay.YEAR).dob == "1984"
    assert seen(dob=DobDisplay.HIDDEN).dob is None
    assert (seen().id_label, seen().id_masked) == ("MRN", "····7731")
    hidden = seen(id_masked=False)
    assert (hidden.id_label, hidden.id_masked) == (None, None)


def test_a_role_gets_its_variant_and_an_unnamed_role_the_default() -> None:
    assert variant_for(POLICY, "front_desk")[0] == "desk"
    name, variant = variant_for(POLICY, "somebody_new")
    assert name == "office"
    assert variant.dob is DobDisplay.YEAR


def test_the_shared_document_shows_what_the_most_restricted_role_sees() -> None:
    shared = visible_to_all(SNAPSHOT, POLICY)
    assert shared.display_name == "Zoë-Ann van Dell"
    assert shared.dob == "1984"


@given(
    snapshots,
    st.dictionaries(st.sampled_from(["a", "b", "c"]), variants, min_size=1),
    st.dictionaries(st.sampled_from(["nurse", "clerk", "lead"]), st.sampled_from(["a", "b", "c"])),
    st.sampled_from(["nurse", "clerk", "lead", "somebody_new"]),
)
def test_the_shared_document_never_shows_more_than_a_role_sees(
    snapshot: Snapshot, named: dict[str, UiVariant], by_role: dict[str, str], role: str
) -> None:
    by_role = {each: name for each, name in by_role.items() if name in named}
    rules = UiVariants(variants=named, by_role=by_role, default=next(iter(named)))
    policy = msgspec.structs.replace(POLICY, ui_variants=rules)
    shared = visible_to_all(snapshot, policy)
    own = visible_snapshot(snapshot, variant_for(policy, role)[1])

    assert shared.display_name in (None, own.display_name) or own.display_name == snapshot.display_name
    assert shared.id_label in (None, own.id_label)
    assert shared.id_masked in (None, own.id_masked)
    assert shared.dob is None or (own.dob is not None and own.dob.startswith(shared.dob))


@given(snapshots, variants)
def test_a_variant_never_shows_what_it_hides(snapshot: Snapshot, variant: UiVariant) -> None:
    shown = visible_snapshot(snapshot, variant)
    if variant.dob is DobDisplay.YEAR and snapshot.dob:
        assert shown.dob == f"{snapshot.dob.year:04d}"
    if variant.display_name is NameDisplay.INITIALS and shown.display_name is not None:
        assert len(shown.display_name.split()) <= len((snapshot.display_name or "").split())
        assert all(word.endswith(".") for word in shown.display_name.split())
    if variant.display_name is NameDisplay.HIDDEN:
        assert shown.display_name is None


@pytest.mark.parametrize(
    ("site", "shows"),
    [
        ("ehr.clinic.example", True),
        ("EHR.Clinic.Example:8443", True),
        ("a.b.partner.example", True),
        ("partner.example", True),
        ("evilpartner.example", False),
        ("ehr.clinic.example.evil.example", False),
        ("", False),
        (None, False),
    ],
)
def test_mini_shows_on_the_sites_of_the_policy_only(site: str | None, shows: bool) -> None:
    policy = with_allowlist(sites=("ehr.clinic.example", "*.partner.example"))
    assert show_mini(policy, site, None, "front_desk") is shows


def test_mini_shows_to_the_roles_and_in_the_applications_of_the_policy_only() -> None:
    policy = with_allowlist(roles=("front_desk",), applications=("scheduler",))
    assert show_mini(policy, "any.example", "scheduler", "front_desk")
    assert not show_mini(policy, "any.example", "scheduler", "billing_lead")
    assert not show_mini(policy, "any.example", "crm", "front_desk")
    assert not show_mini(policy, "any.example", None, "front_desk")


def test_the_default_policy_shows_mini_everywhere() -> None:
    assert show_mini(POLICY, None, None, "anybody")


def test_the_policy_says_what_keeps_mini_from_showing() -> None:
    policy = with_allowlist(sites=("ehr.clinic.example",), roles=("front_desk",))
    found = decide_display(Surrounding(site="other.example", application=None, role="billing_lead"), policy)
    assert not found.value.show_mini
    assert found.rationale == (
        "Mini doesn't show: the policy doesn't allow this site.",
        "Mini doesn't show: the policy doesn't allow this role.",
        "The role billing_lead sees the variant office.",
    )


def test_a_role_has_its_variant_where_mini_does_not_show_too() -> None:
    nowhere = with_allowlist(sites=())
    found = decide_display(Surrounding(site="any.example", application=None, role="front_desk"), nowhere)
    assert (found.value.show_mini, found.value.variant_name) == (False, "desk")


@given(
    st.lists(st.sampled_from(["*", "a.example", "*.b.example"]), max_size=2).map(tuple),
    st.lists(st.sampled_from(["*", "crm"]), max_size=2).map(tuple),
    st.lists(st.sampled_from(["*", "front_desk"]), max_size=2).map(tuple),
    st.builds(
        Surrounding,
        site=st.none() | st.sampled_from(["a.example", "x.b.example", "c.example"]),
        application=st.none() | st.sampled_from(["crm", "scheduler"]),
        role=st.sampled_from(["front_desk", "billing_lead"]),
    ),
)
def test_what_is_shown_is_what_the_policy_allows_and_what_is_not_is_explained(
    sites: tuple[str, ...], applications: tuple[str, ...], roles: tuple[str, ...], around: Surrounding
) -> None:
    policy = with_allowlist(sites=sites, applications=applications, roles=roles)
    found = decide_display(around, policy)
    assert found == decide_display(around, policy)
    assert found.value[1:] == variant_for(policy, around.role)
    assert found.value.show_mini is not any("doesn't show" in sentence for sentence in found.rationale)


def test_a_deed_is_permitted_to_the_roles_that_are_named_for_it() -> None:
    assert is_permitted(("*",), "anybody")
    assert is_permitted(("front_desk", "billing_lead"), "billing_lead")
    assert not is_permitted(("front_desk",), "billing_lead")
    assert not is_permitted((), "front_desk")
    assert is_permitted(POLICY.allowlist.permissions.notes, "financial_counselor")
    assert not is_permitted(POLICY.allowlist.permissions.notes, "front_desk")


def test_a_patient_is_detected_from_allowed_source_systems_only() -> None:
    assert is_allowed_source(POLICY, "demo_ehr")
    assert not is_allowed_source(POLICY, "somewhere_else")
    assert not is_allowed_source(POLICY, "*")


def test_every_indicator_and_mode_has_words() -> None:
    assert proceed_text(POLICY, ProceedIndicator.GREEN) == "Nothing needed, go ahead"
    assert all(proceed_text(POLICY, indicator) for indicator in ProceedIndicator)
    assert mode_text(POLICY, ExecutionMode.COPILOT) == "Copilot"
    assert all(mode_text(POLICY, mode) for mode in ExecutionMode)
