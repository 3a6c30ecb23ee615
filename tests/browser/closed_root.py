"""What stands in a closed shadow root, found as assistive technology finds it: by role and name."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from typing import Any

from playwright.sync_api import CDPSession, Page

_WITHIN_S = 15.0


@dataclass(frozen=True)
class Node:
    """One node of the accessibility tree."""

    role: str
    name: str
    value: str
    backend_id: int
    properties: dict[str, Any]


class ClosedRoot:
    """The accessibility tree of a page, closed shadow roots included, and hands to use it with."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self._tools: CDPSession = page.context.new_cdp_session(page)
        self._tools.send("Accessibility.enable")
        self._tools.send("DOM.enable")

    def nodes(self) -> list[Node]:
        """All of it that is not ignored, from the top."""
        tree = self._tools.send("Accessibility.getFullAXTree")["nodes"]
        return [
            Node(
                role=str(each["role"]["value"]),
                name=str(each.get("name", {}).get("value", "")),
                value=str(each.get("value", {}).get("value", "")),
                backend_id=each["backendDOMNodeId"],
                properties={p["name"]: p["value"].get("value") for p in each.get("properties", ())},
            )
            for each in tree
            if not each.get("ignored") and "backendDOMNodeId" in each
        ]

    def text(self) -> str:
        """Every text that is shown."""
        return "\n".join(node.name for node in self.nodes() if node.role == "StaticText")

    def find(self, role: str, name: str = "") -> Node | None:
        """The first node of a role whose name matches."""
        fits = re.compile(name, re.IGNORECASE | re.MULTILINE)
        return next((n for n in self.nodes() if n.role == role and fits.search(n.name)), None)

    def expect(self, role: str, name: str = "", within_s: float = _WITHIN_S) -> Node:
        """The node, once it is there; fails when it does not come."""
        deadline = time.monotonic() + within_s
        while (node := self.find(role, name)) is None:
            assert time.monotonic() < deadline, f"no {role} named {name!r} in:\n{self.outline()}"
            self._page.wait_for_timeout(50)
        return node

    def expect_text(self, pattern: str, within_s: float = _WITHIN_S) -> str:
        """All that is shown, once it matches."""
        fits = re.compile(pattern, re.IGNORECASE | re.MULTILINE)
        deadline = time.monotonic() + within_s
        # Words of one sentence may be texts of their own.
        while not fits.search(text := self.text()) and not fits.search(" ".join(text.split())):
            assert time.monotonic() < deadline, f"{pattern!r} is not in:\n{text}"
            self._page.wait_for_timeout(50)
        return text

    def outline(self) -> str:
        """The tree for a person."""
        return "\n".join(f"{n.role}: {n.name} {n.value}" for n in self.nodes() if n.name or n.value)

    def click(self, role: str, name: str) -> None:
        """Clicks the middle of it, as a mouse does."""
        x, y, width, height = self.box(role, name)
        self._page.mouse.click(x + width / 2, y + height / 2)

    def box(self, role: str, name: str = "") -> tuple[float, float, float, float]:
        """Where it is on the screen: left, top, width and height in CSS pixels."""
        node = self.expect(role, name)
        self._tools.send("DOM.scrollIntoViewIfNeeded", {"backendNodeId": node.backend_id})
        model = self._tools.send("DOM.getBoxModel", {"backendNodeId": node.backend_id})["model"]
        corners = model["border"]
        return corners[0], corners[1], float(model["width"]), float(model["height"])

    def write(self, role: str, name: str, text: str) -> None:
        """Puts the cursor there and types."""
        node = self.expect(role, name)
        self._tools.send("DOM.focus", {"backendNodeId": node.backend_id})
        self._page.keyboard.type(text)
