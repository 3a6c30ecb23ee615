"""Task lines: a template and a detail make a sentence that stays true."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.decisions.wording import LINE_LIMIT, render, template_problem

names = st.sampled_from(["ends_on", "amount_minor", "currency", "service"])
anything = st.one_of(st.integers(), st.text(), st.dates().map(str), st.sampled_from(["USD", "JPY", "KWD"]))


@pytest.mark.parametrize(
    ("template", "detail", "line"),
    [
        ("Coverage ends {ends_on:date}", {"ends_on": "2026-12-02"}, "Coverage ends 2 Dec 2026"),
        ("Balance of {due:money}", {"due": 12500, "currency": "USD"}, "Balance of USD 125.00"),
        ("Balance of {due:money}", {"due": 123456789, "currency": "EUR"}, "Balance of EUR 1,234,567.89"),
        ("Balance of {due:money}", {"due": -5, "currency": "USD"}, "Balance of USD -0.05"),
        ("Balance of {due:money}", {"due": 12500, "currency": "JPY"}, "Balance of JPY 12,500"),
        ("Balance of {due:money}", {"due": 12500, "currency": "KWD"}, "Balance of KWD 12.500"),
        ("Ask for {service}", {"service": "imaging"}, "Ask for imaging"),
        ("{visits:text} visits left", {"visits": 3}, "3 visits left"),
        ("No placeholder", {}, "No placeholder"),
    ],
)
def test_a_placeholder_is_written_out(template: str, detail: dict[str, str | int], line: str) -> None:
    assert render(template, detail) == line


@pytest.mark.parametrize(
    ("template", "detail", "line"),
    [
        ("Coverage ends {ends_on:date}", {}, "Coverage ends (date not given)"),
        ("Coverage ends {ends_on:date}", {"ends_on": "soon"}, "Coverage ends (date not given)"),
        ("Coverage ends {ends_on:date}", {"ends_on": 20261202}, "Coverage ends (date not given)"),
        ("Balance of {due:money}", {"due": 12500}, "Balance of (amount not given)"),
        ("Balance of {due:money}", {"due": "a lot", "currency": "USD"}, "Balance of (amount not given)"),
        ("Balance of {due:money}", {"due": 1, "currency": "dollars"}, "Balance of (amount not given)"),
        ("Balance of {due:money}", {"due": 10**5000, "currency": "USD"}, "Balance of (amount not given)"),
        ("Ask for {kind_of_service}", {"kind_of_service": " "}, "Ask for (kind of service not given)"),
    ],
)
def test_what_is_not_given_is_said(template: str, detail: dict[str, str | int], line: str) -> None:
    assert render(template, detail) == line


def test_a_long_detail_is_cut_with_an_ellipsis() -> None:
    line = render("Ask for {service}", {"service": "a very long service " * 30})
    assert len(line) <= LINE_LIMIT
    assert line.endswith("…")


@pytest.mark.parametrize(
    "template", ["Ends {ends_on:epoch}", "Ends {ends_on", "Ends }", "{Ends On}", "{{x}}", "{}"]
)
def test_a_template_that_cannot_be_filled_is_refused_in_the_policy(template: str) -> None:
    assert template_problem(template) is not None


@given(
    st.one_of(
        st.text(), st.lists(st.sampled_from(["{ends_on:date}", "{due:money}", "{", "a b"])).map("".join)
    ),
    st.dictionaries(names, anything),
)
def test_no_template_and_no_detail_ever_raises(template: str, detail: dict[str, str | int]) -> None:
    line = render(template, detail)
    assert len(line) <= LINE_LIMIT
    assert "\n" not in line
