"""The pages on security and reliability name tests: each of them exists, and no row is without one."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TESTS = ROOT / "tests"
NAMED = re.compile(r"`((?:unit|integration|e2e|browser)/test_\w+\.py)(?:::(\w+))?`")


@pytest.mark.parametrize("name", ["security.md", "reliability.md"])
def test_every_test_that_a_page_names_exists(name: str) -> None:
    named = NAMED.findall(page(name))
    assert len(named) > 30
    missing = [f"{file} {test}" for file, test in named if not is_there(TESTS / file, test)]
    assert missing == []


@pytest.mark.parametrize(
    ("name", "head"), [("security.md", "| | threat |"), ("reliability.md", "| what fails |")]
)
def test_every_row_says_what_is_done_and_which_test_shows_it(name: str, head: str) -> None:
    table = page(name).partition(head)[2].partition("\n\n")[0].splitlines()[2:]
    assert len(table) > 20
    for row in table:
        *cells, shown = (cell.strip() for cell in row.strip("|").split("|"))
        assert all(cells), row
        assert NAMED.search(shown), row


def page(name: str) -> str:
    return (ROOT / "docs" / name).read_text(encoding="utf-8")


def is_there(file: Path, test: str) -> bool:
    return file.is_file() and (not test or f"def {test}(" in file.read_text(encoding="utf-8"))
