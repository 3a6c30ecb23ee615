"""Makes the README's pictures from the running product: ``python -m tests.browser.screenshots``.

Starts nothing: a local stack has to run, and the demo page has to be built. What is sent stays in the stack.
"""

from __future__ import annotations

import argparse
import base64
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright

from tests.browser.profile import QUIET, chromium

ROOT = Path(__file__).parents[2]
PICTURES = ROOT / "docs" / "pictures"
MOST_BYTES = 250_000
# The records of the day from which a patient is taken who still waits for an acknowledgement.
FIRST_RECORD, RECORDS = 8, 24
# The record over which the Sends are made that the strip shows.
SENT_BEFORE = 6
CAPTIONS = (
    "The front desk sees it",
    "agrees in eight words",
    "and sends it",
    "The counselor sees it at once",
)
NOTES = (
    "Asked for new card. She calls back today.",
    "Left a message for the payer, reference noted.",
    "Told at check-in; brings the card on Friday.",
    "Card is here and copied: coverage continues.",
)
Scheme = Literal["light", "dark"]


class DemoPage:
    """The demo page as a visitor uses it."""

    def __init__(self, browser: Browser, address: str, scheme: Scheme) -> None:
        self._address = address
        self.page: Page = browser.new_page(
            viewport={"width": 1440, "height": 900}, color_scheme=scheme, reduced_motion="reduce"
        )
        self.left, self.right = self.page.locator(".is-left"), self.page.locator(".is-right")
        self.mini = self.left.locator("section.mini")
        self.sidecar = self.right.locator(".window-body")

    def open_record(self, place: int) -> None:
        """Opens a record of the day in both windows."""
        self.page.goto(f"{self._address}/#/records/{place}")
        name = self.left.locator(".record h2").inner_text()
        expect(self.mini).to_contain_text(name)
        expect(self.sidecar.get_by_text(name).first).to_be_visible()
        # A window that begins to listen later than the Send can't tell when it came.
        expect(self.sidecar.locator(".liveness.is-live").first).to_be_visible()

    def open_waiting(self) -> None:
        """Opens the next patient whose response nobody has acknowledged yet."""
        for place in range(FIRST_RECORD, FIRST_RECORD + RECORDS):
            self.open_record(place % RECORDS)
            if self.mini.get_by_text("needs your acknowledgement").count():
                expect(self.mini.locator(".liveness.is-live")).to_be_visible()
                return
        raise SystemExit("Every patient of the day has been acknowledged: begin with another state folder.")

    def write(self, window: Locator, note: str) -> None:
        """Begins an acknowledgement in a window."""
        window.get_by_placeholder("Note…").fill(note)

    def send(self, window: Locator) -> None:
        """Presses Send, and waits until its way to the other window is known."""
        sent = self.page.locator(".ways tbody tr .lane")
        before = sent.count()
        window.get_by_role("button", name="Send", exact=True).last.click()
        expect(window.get_by_text("Sent", exact=True).last).to_be_visible()
        expect(sent).to_have_count(min(3, before + 1))
        expect(self.page.locator(".ways tbody tr:first-child td.whole")).not_to_contain_text("not known")


def whole_page(browser: Browser, address: str, scheme: Scheme) -> bytes:
    """Both windows over a patient of whom something is open, after a few Sends."""
    demo = DemoPage(browser, address, scheme)
    demo.open_record(SENT_BEFORE)
    for number, note in enumerate(NOTES):
        window = demo.right if number % 2 else demo.left
        demo.write(window, note)
        demo.send(window)
    demo.open_waiting()
    demo.page.mouse.move(0, 0)
    picture = demo.page.screenshot()
    demo.page.close()
    return picture


def send_in_four(browser: Browser, address: str) -> bytes:
    """A Send from Mini to the other user's Sidecar: before, typing, sent, seen."""
    demo = DemoPage(browser, address, "light")
    demo.open_waiting()
    # Where the counselor reads the note, too.
    demo.right.get_by_role("button", name="History").click()
    before = demo.mini.screenshot()
    demo.write(demo.left, NOTES[0])
    typing = demo.mini.screenshot()
    demo.send(demo.left)
    sent = demo.mini.screenshot()
    expect(demo.right.get_by_text(NOTES[0])).to_be_visible()
    box = demo.sidecar.bounding_box()
    if box is None:
        raise SystemExit("Sidecar is not there.")
    seen = demo.page.screenshot(clip={**box, "height": min(box["height"], 360)})
    demo.page.close()
    return in_a_row(browser, (before, typing, sent, seen))


def in_a_row(browser: Browser, pictures: Sequence[bytes]) -> bytes:
    """The pictures side by side, each over its caption."""
    cells = "".join(
        f"<figure><figcaption><b>{number}</b>{caption}</figcaption>"
        f'<img src="{_as_address(picture)}" alt="{caption}"></figure>'
        for number, (picture, caption) in enumerate(zip(pictures, CAPTIONS, strict=True), start=1)
    )
    style = """
        body { margin: 0; padding: 24px; display: flex; gap: 24px; align-items: start; width: max-content;
               background: #eceef1; color: #17202b; font: 600 15px/20px system-ui, sans-serif }
        figure { margin: 0 } figcaption { padding: 0 0 12px } img { display: block; border-radius: 6px }
        b { display: inline-block; width: 24px; color: #5146a8 }
    """
    page = browser.new_page(viewport={"width": 1600, "height": 400})
    page.set_content(f"<!doctype html><style>{style}</style>{cells}")
    row = page.locator("body").screenshot()
    page.close()
    return row


def main() -> None:
    """Writes the three pictures, and says how large each became."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--state-dir", type=Path, default=ROOT / ".local", help="the running stack's folder")
    parser.add_argument("--to", type=Path, default=PICTURES, help="where the pictures go")
    given = parser.parse_args()
    description = given.state_dir / "stack.json"
    if not description.is_file():
        raise SystemExit(f"No stack is running over {given.state_dir}: start it with make run.")
    address = json.loads(description.read_text())["api_url"]
    given.to.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), headless=True, args=list(QUIET))
        made = {
            "light.png": whole_page(browser, address, "light"),
            "dark.png": whole_page(browser, address, "dark"),
            "send.png": send_in_four(browser, address),
        }
        browser.close()
    for name, picture in made.items():
        (given.to / name).write_bytes(picture)
        sys.stdout.write(f"{given.to / name}: {len(picture) // 1000} kB\n")
    if large := [name for name, picture in made.items() if len(picture) > MOST_BYTES]:
        raise SystemExit(f"Too large for a README: {', '.join(large)}.")


def _as_address(picture: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(picture).decode()}"


if __name__ == "__main__":
    main()
