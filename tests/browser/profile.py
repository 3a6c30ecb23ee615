"""A browser of its own for one user, with the unpacked extension in it."""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, Playwright

from ops.extension import extension_origin, local_configuration

DIST = Path(__file__).parents[2] / "extension" / "dist"


def chromium() -> str:
    """Where Chromium is. Fails the test by name where it is missing: nothing is skipped."""
    for program in ("chromium", "chromium-browser"):
        if found := shutil.which(program):
            return found
    pytest.fail("Chromium is missing: tests/browser/install_chromium says how to get it.")


QUIET = (
    *("--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--disable-quic"),
)
"""As root in a container, and without calls to Google's hosts."""


def configured_extension(folder: Path, description: dict[str, Any], **changes: Any) -> Path:
    """A copy of the built extension for the running stack; ``changes`` to its settings, None for none."""
    if not (DIST / "manifest.json").is_file():
        pytest.fail("The extension is not built: make extension.")
    shutil.copytree(DIST, folder)
    configuration = {**local_configuration(description), **changes}
    settings = {name: value for name, value in configuration.items() if value is not None}
    (folder / "config.json").write_text(json.dumps(settings))
    return folder


class Profile:
    """A Chromium with a user folder of its own, in which the extension is loaded."""

    def __init__(self, playwright: Playwright, extension: Path, *arguments: str, **options: Any) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="mobius-profile-"))
        self.context: BrowserContext = playwright.chromium.launch_persistent_context(
            self.folder,
            executable_path=chromium(),
            headless=True,
            args=[
                *(*QUIET, *arguments),
                f"--disable-extensions-except={extension}",
                f"--load-extension={extension}",
            ],
            **options,
        )
        self.context.set_default_timeout(20_000)

    def __enter__(self) -> Profile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.context.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def page(self, address: str) -> Page:
        """Opens a tab."""
        page = self.context.new_page()
        page.goto(address)
        return page

    def panel(self, beside: Page | None = None) -> Page:
        """Opens the side panel's page as a tab; ``beside``: the tab whose patient it follows."""
        follows = ""
        if beside is not None:
            follows = f"?tab={self._tab_id(beside)}"
        return self.page(f"{extension_origin()}/panel.html{follows}")

    def sign_in_as(self, display_name: str) -> None:
        """Chooses one of the synthetic people, in the panel."""
        panel = self.panel()
        panel.get_by_role("button", name=display_name).click()
        panel.get_by_role("button", name="Sign out").wait_for()
        panel.close()

    def end_service_worker(self, page: Page) -> None:
        """Ends the extension's worker, as Chromium does after thirty idle seconds."""
        tools = self.context.new_cdp_session(page)
        tools.send("ServiceWorker.enable")
        tools.send("ServiceWorker.stopAllWorkers")
        tools.detach()

    def _tab_id(self, page: Page) -> int:
        """The extension's name for a tab."""
        asking = self.page(f"{extension_origin()}/panel.html")
        found = asking.evaluate(
            "async (url) => (await chrome.tabs.query({})).find((tab) => tab.url === url)?.id", page.url
        )
        asking.close()
        assert isinstance(found, int), f"no tab shows {page.url}"
        return found
