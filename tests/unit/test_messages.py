"""What requests accept and refuse, field by field."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.web.fields import describe, read_fields
from shared.web.messages import (
    AckRequest,
    Request,
    SearchRequest,
    StatusRequest,
)
from shared.web.panel_messages import StateRequest
from shared.web.registry import ENDPOINTS

KEY = "p1_abcdefgh"
STATUS: dict[str, object] = {"session_id": "s"}
ACK: dict[str, object] = {
    "session_id": "s",
    "patient_key": KEY,
    "note_text": "Called.",
    "override_tasking": "act",
}


def wrong(kind: type[Request], raw: dict[str, object], *, from_query: bool = False) -> dict[str, str]:
    _, errors = read_fields(kind, raw, from_query=from_query)
    named = {error.field: error.message for error in errors}
    assert len(named) == len(errors)
    return named


def test_status_takes_a_key_a_detection_or_nobody() -> None:
    detection = {"source_system": "epic", "external_id": "MRN 0042"}
    assert not wrong(StatusRequest, STATUS)
    assert not wrong(StatusRequest, {**STATUS, "patient_key": KEY})
    request, errors = read_fields(StatusRequest, {**STATUS, "detection": detection}, from_query=False)
    assert not errors
    assert request.detection is not None
    assert request.detection.external_id == "MRN 0042"


def test_status_takes_a_patient_one_way_only() -> None:
    both = {**STATUS, "patient_key": KEY, "detection": {"source_system": "epic", "external_id": "1"}}
    assert wrong(StatusRequest, both) == {"detection": "must not be given together with patient_key"}


def test_fields_inside_an_object_are_named_with_their_way() -> None:
    assert wrong(StatusRequest, {**STATUS, "detection": {"source_system": "a b"}}) == {
        "detection.source_system": "must be 1 to 64 characters out of A-Z a-z 0-9 . _ : -",
        "detection.external_id": "is required",
    }
    assert wrong(StatusRequest, {**STATUS, "detection": "epic"}) == {
        "detection": "must be an object with source_system and external_id"
    }


def test_a_note_is_taken_under_its_old_name() -> None:
    older = {"session_id": "s", "note": "Called.", "patient_key": KEY, "override_proceed": "green"}
    request, errors = read_fields(AckRequest, older, from_query=False)
    assert not errors
    assert request.stated_note == "Called."


def test_two_notes_must_agree() -> None:
    assert not wrong(AckRequest, {**ACK, "note": "Called."})
    assert set(wrong(AckRequest, {**ACK, "note": "Another."})) == {"note"}


def test_an_acknowledgement_asserts_at_least_one_value() -> None:
    assert not wrong(AckRequest, {**ACK, "override_proceed": "grey"})
    assert wrong(AckRequest, {**ACK, "override_tasking": None}) == {
        "override_proceed": "or override_tasking is required"
    }


def test_null_is_the_same_as_absent() -> None:
    nulls = dict.fromkeys(StatusRequest.__struct_fields__)
    assert wrong(StatusRequest, nulls) == {"session_id": "is required"}
    request, _ = read_fields(SearchRequest, {"q": "a", "limit": None}, from_query=False)
    assert request.limit == 8


def test_unknown_fields_are_ignored() -> None:
    assert not wrong(StateRequest, {"session_id": "s", "patient_key": KEY, "later": {"a": [1]}})


def test_numbers_are_read_out_of_a_query_and_out_of_nothing_else() -> None:
    request, errors = read_fields(SearchRequest, {"q": "12", "limit": "8"}, from_query=True)
    assert not errors
    assert (request.q, request.limit) == ("12", 8)
    assert set(wrong(SearchRequest, {"q": "12", "limit": "8"})) == {"limit"}
    assert set(wrong(SearchRequest, {"q": 12})) == {"q"}


@pytest.mark.parametrize(
    ("field", "good"),
    [
        ("session_id", ["a", "A.b_c:d-9", "a" * 128]),
        ("patient_key", ["a" * 8, "A_-90000", "a" * 64]),
        ("application_id", ["epic", "a" * 64]),
        ("site", ["ehr.example.com", "127.0.0.1:9000", "a" * 253]),
        ("page_signature", ["epic-chart", "a" * 64]),
    ],
)
def test_names_have_an_alphabet_and_a_length(field: str, good: list[str]) -> None:
    for value in good:
        assert not wrong(StatusRequest, {**STATUS, field: value})
    longest = max(map(len, good))
    bad: list[Any] = [
        "",
        "a" * (longest + 1),
        "a b c d e",
        "abcdefgh\n",
        "abcdefgé",
        "abcdefg\x00",
        12345678,
        [],
    ]
    for value in bad:
        assert set(wrong(StatusRequest, {**STATUS, field: value})) == {field}


@pytest.mark.parametrize("note", ["a", "a" * 4000, "line\nline\n", "  a  ", "ő", "日本語", "😀"])
def test_a_note_is_what_a_person_writes(note: str) -> None:
    assert not wrong(AckRequest, {**ACK, "note_text": note})


@pytest.mark.parametrize("note", ["", " ", "\n\t\u2003", "a" * 4001, "a\x00", "\x00a", 7, ["a"], {"a": "b"}])
def test_a_note_is_not_blank_not_endless_and_free_of_nul(note: object) -> None:
    assert set(wrong(AckRequest, {**ACK, "note_text": note})) == {"note_text"}


def is_blank(text: str) -> bool:
    """Whether neither Python nor a browser sees anything in it."""
    return all(c.isspace() or c == "\ufeff" for c in text)


@given(st.text(max_size=200))
def test_a_note_is_taken_when_something_is_left_after_stripping(note: str) -> None:
    taken = not wrong(AckRequest, {**ACK, "note_text": note})
    assert taken == (not is_blank(note) and "\x00" not in note)


@given(st.text(max_size=120))
def test_a_search_is_one_line_of_something(q: str) -> None:
    controls = any(ord(character) < 32 or ord(character) == 127 for character in q)
    assert (not wrong(SearchRequest, {"q": q})) == (not is_blank(q) and len(q) <= 100 and not controls)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


@given(st.sampled_from(ENDPOINTS), st.data(), st.booleans())
def test_whatever_is_sent_reading_ends_in_a_right_request_or_in_names(
    endpoint: Any, data: st.DataObject, from_query: bool
) -> None:
    kind = endpoint.request
    raw = data.draw(st.dictionaries(st.sampled_from(kind.__struct_fields__), JSON))
    request, errors = read_fields(kind, raw, from_query=from_query)
    if not errors:
        assert msgspec.convert(msgspec.to_builtins(request), kind) == request


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda endpoint: endpoint.key)
def test_every_field_can_say_what_it_must_be(endpoint: Any) -> None:
    for field in msgspec.structs.fields(endpoint.request):
        assert describe(field.type) != "of the type that the API's description says"
