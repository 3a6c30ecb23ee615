"""Which fields of a document differ, said by their names and never by what is in them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from shared.projections.comparison import FOREIGN, differing_fields

AT = datetime(2026, 11, 23, 14, 5, tzinfo=UTC)
BUILT: dict[str, Any] = {
    "patient_key": "pk-1",
    "version": 3,
    "version_head": {"seq": 4, "hash": "ab"},
    "snapshot": None,
    "latest_system_response": {"proceed_indicator": "yellow", "computed_at": AT, "rationale": [{"a": 1}]},
    "flags": {"needs_ack": True, "open_assignment_count": 1},
}


def stored(**changes: Any) -> dict[str, Any]:
    return {**BUILT, "updated_at": AT, **changes}


def without(name: str) -> dict[str, Any]:
    return {key: value for key, value in stored().items() if key != name}


def test_what_is_equal_does_not_differ_whenever_it_was_written() -> None:
    assert differing_fields(stored(updated_at=datetime(2020, 1, 1, tzinfo=UTC)), BUILT) == ()


@pytest.mark.parametrize(
    ("document", "fields"),
    [
        (stored(version=4), ("version",)),
        (stored(version=3.0), ("version",)),
        (stored(version=None), ("version",)),
        (without("snapshot"), ("snapshot",)),
        (without("updated_at"), ("updated_at",)),
        (stored(updated_at="yesterday"), ("updated_at",)),
        (stored(snapshot={"display_name": "Somebody"}), ("snapshot",)),
        (stored(version_head={"seq": 4, "hash": "ac"}), ("version_head.hash",)),
        (stored(version_head=None), ("version_head",)),
        (stored(version_head="x"), ("version_head",)),
        (stored(flags={"needs_ack": 1, "open_assignment_count": 1}), ("flags.needs_ack",)),
        (stored(flags={"needs_ack": True}), ("flags.open_assignment_count",)),
        (
            stored(latest_system_response={**BUILT["latest_system_response"], "rationale": [{"a": 1}, {}]}),
            ("latest_system_response.rationale",),
        ),
        (
            stored(latest_system_response={**BUILT["latest_system_response"], "computed_at": "14:05"}),
            ("latest_system_response.computed_at",),
        ),
        (
            stored(latest_system_response={**BUILT["latest_system_response"], "rationale": [{"a": True}]}),
            ("latest_system_response.rationale",),
        ),
        ({}, (*BUILT, "updated_at")),
    ],
    ids=range(16),
)  # fmt: skip
def test_each_field_that_differs_is_named(document: dict[str, Any], fields: tuple[str, ...]) -> None:
    assert differing_fields(document, BUILT) == fields


def test_a_field_that_is_not_ours_is_never_named() -> None:
    assert differing_fields(stored(**{"Ann Smith": 1}), BUILT) == (FOREIGN,)
    flags = {**BUILT["flags"], "born 1970": 1}
    assert differing_fields(stored(flags=flags), BUILT) == (FOREIGN,)
