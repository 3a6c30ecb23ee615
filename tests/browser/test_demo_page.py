"""The demo page as a visitor sees it: two users side by side, and the way of each Send."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import pytest
from playwright.sync_api import Browser, Locator, Page, Playwright, expect

from tests.browser.axe import violations
from tests.browser.profile import QUIET, chromium
from tests.stack import Stack

pytestmark = pytest.mark.timeout(180)

expect.set_options(timeout=20_000)
Scheme = Literal["light", "dark"]
WIDE, MIDDLE, NARROW = (1440, 900), (1024, 800), (390, 844)


@pytest.fixture(scope="module")
def browser(playwright: Playwright) -> Iterator[Browser]:
    launched = playwright.chromium.launch(executable_path=chromium(), headless=True, args=list(QUIET))
    yield launched
    launched.close()


@pytest.fixture
def page(browser: Browser, stack: Stack) -> Iterator[Page]:
    yield from opened(browser, stack, WIDE, "light")


def opened(browser: Browser, stack: Stack, size: tuple[int, int], scheme: Scheme) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": size[0], "height": size[1]}, color_scheme=scheme)
    context.set_default_timeout(20_000)
    made = context.new_page()
    complaints: list[str] = []
    made.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
    made.on("pageerror", lambda error: complaints.append(str(error)))
    made.goto(stack.description["api_url"])
    expect(made.get_by_role("dialog", name="Mobius Mini").get_by_text("Live", exact=True)).to_be_visible()
    yield made
    context.close()
    assert complaints == []


def mini_of(page: Page) -> Locator:
    return page.get_by_role("dialog", name="Mobius Mini")


def sidecar_of(page: Page) -> Locator:
    return page.get_by_role("region", name="Sidecar")


def test_a_send_in_mini_shows_in_the_others_sidecar_and_its_way_is_drawn(page: Page) -> None:
    mini, sidecar = mini_of(page), sidecar_of(page)
    mini.get_by_role("textbox", name="Note").fill("Called the payer.")
    mini.get_by_role("button", name="Send", exact=True).click()
    expect(mini.get_by_text("Sent", exact=True)).to_be_visible()
    expect(sidecar.get_by_text("Dana Whitlow acknowledged").first).to_be_visible()
    row = page.get_by_role("region", name="The way of each Send").get_by_role("row").nth(1)
    expect(row.get_by_role("img")).to_be_visible()
    # HTTP, commit, publish, project, visible, and the whole: all were measured.
    numbers = [float(text) for text in row.locator("td.number").all_inner_texts()]
    assert len(numbers) == 6
    assert all(0 <= number < 10_000 for number in numbers)
    *stages, whole = numbers
    assert whole >= max(stages[1], stages[4])


def test_a_send_in_sidecar_shows_in_mini(page: Page) -> None:
    mini, sidecar = mini_of(page), sidecar_of(page)
    sidecar.get_by_role("textbox", name="Note").fill("Spoke with the plan.")
    sidecar.get_by_role("form").get_by_role("button", name="Send", exact=True).click()
    expect(sidecar.get_by_text("Sent", exact=True)).to_be_visible()
    expect(mini.locator(".ack")).to_contain_text("Acknowledged by Imre Castellane")


def test_the_keyboard_alone_is_enough_for_a_send(page: Page) -> None:
    note = mini_of(page).get_by_role("textbox", name="Note")
    note.focus()
    page.keyboard.type("By keyboard.")
    page.keyboard.press("Control+Enter")
    expect(mini_of(page).get_by_text("Sent", exact=True)).to_be_visible()
    page.keyboard.press("Escape")
    expect(note).to_be_hidden()


def test_another_record_is_another_patient_in_both_windows(page: Page) -> None:
    before = page.url
    name = mini_of(page).locator(".name").inner_text()
    page.locator(".window.is-left nav a, .window.is-left aside a").nth(3).click()
    page.wait_for_url(lambda url: url != before)
    expect(mini_of(page).locator(".name")).not_to_have_text(name)
    expect(sidecar_of(page).get_by_role("heading", level=2).nth(1)).to_have_text(
        mini_of(page).locator(".name").inner_text()
    )


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [WIDE, MIDDLE, NARROW], ids=["wide", "middle", "narrow"])
def test_axe_finds_nothing_and_nothing_is_wider_than_the_screen(
    browser: Browser, stack: Stack, size: tuple[int, int], scheme: Scheme
) -> None:
    for page in opened(browser, stack, size, scheme):
        assert violations(page) == []
        assert page.evaluate("document.documentElement.scrollWidth") <= size[0]


def test_axe_looks_into_the_shadow_roots(page: Page) -> None:
    page.evaluate(
        """() => {
            const roots = [...document.querySelectorAll('*')].map((each) => each.shadowRoot).filter(Boolean);
            for (const root of roots)
                root.querySelector('section, div').append(document.createElement('button'));
            return roots.length;
        }"""
    )
    found = [each for each in violations(page) if each.startswith("button-name")]
    assert len(found) == 2


def test_somebody_of_another_clinic_does_not_know_the_patient(page: Page) -> None:
    sidecar_of(page).get_by_role("combobox", name="Signed in").select_option("Tomas Ellerby · Front desk")
    expect(sidecar_of(page).get_by_text("not known").first).to_be_visible()
    assert page.locator(".window.is-left h1, .window.is-left .record h2").first.inner_text()
