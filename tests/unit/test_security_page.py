"""The security page names tests: each of them exists."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
TESTS = ROOT / "tests"
NAMED = re.compile(r"`((?:unit|integration|e2e)/test_\w+\.py)(?:::(\w+))?`")


def test_every_test_that_the_page_names_exists() -> None:
    named = NAMED.findall((ROOT / "docs" / "security.md").read_text(encoding="utf-8"))
    assert len(named) > 30
    missing = [f"{file} {test}" for file, test in named if not is_there(TESTS / file, test)]
    assert missing == []


def is_there(file: Path, test: str) -> bool:
    return file.is_file() and (not test or f"def {test}(" in file.read_text(encoding="utf-8"))


def test_every_threat_has_a_control_and_a_test_that_shows_it() -> None:
    page = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
    table = page.partition("| | threat |")[2].partition("\n\n")[0].splitlines()[2:]
    assert len(table) > 20
    for row in table:
        _, threat, control, shown = (cell.strip() for cell in row.strip("|").split("|"))
        assert threat, row
        assert control, row
        assert NAMED.search(shown), threat
