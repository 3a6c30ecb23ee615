"""axe-core over what a page shows, open shadow roots included."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Page

_AXE = Path(__file__).parents[2] / "extension" / "node_modules" / "axe-core" / "axe.min.js"
_RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


def violations(page: Page) -> list[str]:
    """What axe-core finds against WCAG 2.2 AA, each with the element that it is about."""
    page.evaluate(_AXE.read_text(encoding="utf-8"))
    found = page.evaluate(
        "async (rules) => (await axe.run({ runOnly: { type: 'tag', values: rules } })).violations", _RULES
    )
    return [f"{each['id']}: {node['html'][:200]}" for each in found for node in each["nodes"]]
