"""Finding a patient by name: what is stored and what is typed meet."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.security.search_terms import MAX_TERM_LENGTH, MAX_TERMS, normalize_query, search_terms


def found(query: str, name: str | None, id_masked: str | None = "····7731") -> bool:
    terms = search_terms(name, id_masked)
    asked = normalize_query(query)
    return bool(asked) and all(any(term.startswith(part) for term in terms) for part in asked)


@pytest.mark.parametrize(
    "query", ["zoe", "ZOË", "dell zo", "van", "ann", "Zoë-Ann van Dell", "zoeann", "7731", "77", "Dell, Zoe"]
)
def test_a_patient_is_found_by_parts_in_any_order_case_and_accent(query: str) -> None:
    assert found(query, "Zoë-Ann van Dell")


@pytest.mark.parametrize("query", ["odarrow", "o'darrow", "O\u2019Darrow", "darrow"])
def test_an_apostrophe_may_be_typed_or_left_out(query: str) -> None:
    assert found(query, "Hana O'Darrow")


@pytest.mark.parametrize("query", ["", "  ", "-", "····", "ell", "7732", "zoe miller"])
def test_what_does_not_match_is_not_found(query: str) -> None:
    assert not found(query, "Zoë-Ann van Dell")


def test_terms_are_sorted_and_each_stored_once() -> None:
    assert search_terms("Ann ann Lee", "····0042") == ("0042", "ann", "lee")
    assert search_terms(None, None) == ()


@given(st.text(), st.text(max_size=12))
def test_terms_stay_small_enough_for_an_index(name: str, id_masked: str) -> None:
    terms = search_terms(name, id_masked)
    assert len(terms) <= MAX_TERMS
    assert all(0 < len(term) <= MAX_TERM_LENGTH for term in terms)


@given(st.lists(st.text(min_size=1, max_size=12), min_size=1, max_size=3).map(" ".join))
def test_a_short_name_is_found_by_itself(name: str) -> None:
    asked = normalize_query(name)
    assert not asked or found(name, name)
