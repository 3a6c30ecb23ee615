"""What the tests in a browser share."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Playwright, sync_playwright

from tests.browser.host_pages import HostPages
from tests.e2e.clinic import Clinic
from tests.stack import Stack


@pytest.fixture(scope="module")
def playwright() -> Iterator[Playwright]:
    # Of a module, not of the session: while it runs, this thread has an event loop, which others would meet.
    with sync_playwright() as running:
        yield running


@pytest.fixture(scope="module")
def hosts() -> Iterator[HostPages]:
    with HostPages() as pages:
        yield pages


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix="mobius-browser-"))
    yield made
    shutil.rmtree(made, ignore_errors=True)


@pytest.fixture(scope="module")
def clinic(stack: Stack) -> Clinic:
    return Clinic(stack, 0)


@pytest.fixture(scope="module")
def other_clinic(stack: Stack) -> Clinic:
    return Clinic(stack, 1)
