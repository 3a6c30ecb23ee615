"""The unpacked extension in a real Chromium, over the running stack: what a worker sees and does."""

from __future__ import annotations

import random
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from playwright.sync_api import Page, Playwright

from ops.demo import demo_tenants
from tests.browser.axe import violations
from tests.browser.closed_root import ClosedRoot
from tests.browser.host_pages import HostPages
from tests.browser.profile import Profile, configured_extension
from tests.browser.records import record
from tests.e2e.clinic import Clinic
from tests.stack import MOBIUS, Stack, eventually
from tests.storm.proxies import Loop, Proxy

pytestmark = pytest.mark.timeout(180)

DESK, COUNSELOR, OTHER_DESK = "Dana Whitlow", "Imre Castellane", "Tomas Ellerby"


class Wires:
    """What lies between the browsers and the stack, and can be cut."""

    def __init__(self, stack: Stack) -> None:
        self._loop = Loop()
        chance = random.Random(1)  # noqa: S311 - what is drawn is a delay
        told = stack.description
        api = int(told["api_url"].rpartition(":")[2])
        firestore = int(told["firestore_emulator_host"].rpartition(":")[2])
        self.both = [Proxy(self._loop, port, chance) for port in (api, firestore)]
        api_url, host = (f"127.0.0.1:{proxy.port}" for proxy in self.both)
        self.description = {**told, "api_url": f"http://{api_url}", "firestore_emulator_host": host}

    def break_for(self, seconds: float) -> None:
        """Cuts what is open and lets nothing in."""
        for proxy in self.both:
            proxy.be_gone(seconds)

    def mend(self) -> None:
        """Passes everything on again."""
        for proxy in self.both:
            proxy.calm()

    def close(self) -> None:
        """Ends it."""
        for proxy in self.both:
            proxy.close()
        self._loop.close()


@pytest.fixture(scope="module")
def wires(stack: Stack) -> Iterator[Wires]:
    made = Wires(stack)
    yield made
    made.close()


@pytest.fixture(scope="module")
def extension(folder: Path, wires: Wires) -> Path:
    return configured_extension(folder / "extension", wires.description)


@pytest.fixture(scope="module")
def desk(playwright: Playwright, extension: Path) -> Iterator[Profile]:
    with Profile(playwright, extension) as profile:
        profile.sign_in_as(DESK)
        yield profile


@pytest.fixture(scope="module")
def counselor(playwright: Playwright, extension: Path) -> Iterator[Profile]:
    with Profile(playwright, extension) as profile:
        profile.sign_in_as(COUNSELOR)
        yield profile


@pytest.fixture(scope="module")
def stranger(playwright: Playwright, extension: Path) -> Iterator[Profile]:
    """Somebody of another clinic."""
    with Profile(playwright, extension) as profile:
        profile.sign_in_as(OTHER_DESK)
        yield profile


@pytest.fixture
def closing(desk: Profile, counselor: Profile, stranger: Profile, wires: Wires) -> Iterator[None]:
    """No tab of one test is there in the next one, and no broken wire."""
    yield
    wires.mend()
    for profile in (desk, counselor, stranger):
        for page in profile.context.pages[1:]:
            page.close()


pytestmark = [pytestmark, pytest.mark.usefixtures("closing")]


def mini_on(page: Page) -> ClosedRoot:
    mini = ClosedRoot(page)
    mini.expect("dialog", "Mobius Mini")
    return mini


def write_and_send(mini: ClosedRoot, note: str) -> None:
    mini.write("textbox", "Note", note)
    mini.click("button", "^Send$")


def test_mini_shows_the_patient_on_the_page_and_a_send_crosses_to_the_neighbors_sidecar(
    desk: Profile, counselor: Profile, hosts: HostPages, clinic: Clinic
) -> None:
    patient = record(clinic)
    mini = mini_on(desk.page(hosts.address(patient.external_id)))
    assert "Yellow" in mini.expect_text(patient.name)
    mini.expect_text("^Live$")

    beside = counselor.page(hosts.address(patient.external_id))
    mini_on(beside).expect_text(patient.name)
    sidecar = ClosedRoot(counselor.panel(beside))
    sidecar.expect_text(patient.name)
    sidecar.expect_text("^Live$|Live ")
    assert "Acknowledged by" not in sidecar.text()

    write_and_send(mini, "Called the payer.")
    mini.expect_text("Sent")
    sidecar.expect_text(f"Acknowledged by {DESK}", within_s=5)
    submissions, events, _ = clinic.counts(patient.patient_key)
    assert (submissions, events) == (1, 1)
    mini.expect_text("seen by 1")


def test_a_draft_outlives_a_reload_and_is_never_sent_by_itself(
    desk: Profile, hosts: HostPages, clinic: Clinic
) -> None:
    patient = record(clinic)
    page = desk.page(hosts.address(patient.external_id))
    mini = mini_on(page)
    mini.write("textbox", "Note", "Half a thought")
    page.wait_for_timeout(1_000)
    page.reload()
    mini = mini_on(page)
    assert eventually(lambda: mini.expect("textbox", "Note").value == "Half a thought", 10)
    assert clinic.counts(patient.patient_key)[0] == 0


def holding(profile: Profile, *words: str) -> dict[str, str]:
    """The words that are somewhere in the profile's folder, and where. Chromium has either encoding."""
    files = {file: file.read_bytes() for file in profile.folder.rglob("*") if file.is_file()}
    return {
        word: str(file.relative_to(profile.folder))
        for file, content in files.items()
        for word in words
        if any(word.encode(code) in content for code in ("utf-8", "utf-16-le"))
    }


def test_nothing_of_a_patient_is_kept_on_disk(desk: Profile, hosts: HostPages, clinic: Clinic) -> None:
    patient = record(clinic)
    page = desk.page(hosts.address(patient.external_id))
    mini = mini_on(page)
    mini.expect_text(patient.name)
    mini.write("textbox", "Note", "Zanzibarquill")
    page.wait_for_timeout(1_500)
    panel = desk.panel(page)
    ClosedRoot(panel).expect_text(patient.name)
    # What is kept on purpose is found, so what isn't found isn't kept.
    panel.evaluate("chrome.storage.local.set({ kept: 'Quillmarzanib' })")
    panel.evaluate("localStorage.setItem('kept', 'Marzquillanib')")
    assert eventually(lambda: len(holding(desk, "Quillmarzanib", "Marzquillanib")) == 2, 20)
    assert holding(desk, "Zanzibarquill", patient.name, patient.patient_key) == {}


def test_without_a_network_a_send_is_kept_as_a_draft_and_both_come_back_by_themselves(
    desk: Profile, counselor: Profile, hosts: HostPages, clinic: Clinic, wires: Wires
) -> None:
    patient = record(clinic)
    mini = mini_on(desk.page(hosts.address(patient.external_id)))
    mini.expect_text("^Live$")
    beside = counselor.page(hosts.address(patient.external_id))
    mini_on(beside).expect_text("^Live$")
    sidecar = ClosedRoot(counselor.panel(beside))
    sidecar.expect_text(patient.name)
    sidecar.expect_text("^Live$")
    wires.break_for(120)
    sidecar.expect_text("Reconnecting|Offline", within_s=30)
    write_and_send(mini, "Written without a network.")
    mini.expect_text("kept|draft|not stored", within_s=40)
    assert clinic.counts(patient.patient_key)[0] == 0
    wires.mend()
    sidecar.expect_text("^Live$", within_s=60)
    assert mini.expect("textbox", "Note").value == "Written without a network."
    mini.click("button", "^Send")
    mini.expect_text("Sent", within_s=30)
    sidecar.expect_text(f"Acknowledged by {DESK}", within_s=30)
    assert clinic.counts(patient.patient_key)[0] == 1


def test_axe_finds_nothing_in_the_panel(counselor: Profile, hosts: HostPages, clinic: Clinic) -> None:
    patient = record(clinic)
    beside = counselor.page(hosts.address(patient.external_id))
    mini_on(beside).expect_text("^Live$")
    panel = counselor.panel(beside)
    ClosedRoot(panel).expect_text(patient.name)
    assert violations(panel) == []


def test_with_the_service_worker_ended_the_panel_stays_live(
    counselor: Profile, hosts: HostPages, clinic: Clinic
) -> None:
    patient = record(clinic)
    beside = counselor.page(hosts.address(patient.external_id))
    mini = mini_on(beside)
    mini.expect_text("^Live$")
    panel = counselor.panel(beside)
    sidecar = ClosedRoot(panel)
    sidecar.expect_text("^Live$")
    counselor.end_service_worker(panel)
    clinic.send(patient.patient_key)
    sidecar.expect_text(f"Acknowledged by {DESK}", within_s=5)
    mini.expect_text(f"Acknowledged by {DESK}", within_s=5)
    # And the worker comes back for what is asked next.
    write_and_send(mini, "Sent after the worker had ended.")
    mini.expect_text("Sent")


def test_a_page_that_allows_nothing_and_one_that_hides_everything_show_mini_all_the_same(
    desk: Profile, hosts: HostPages, clinic: Clinic
) -> None:
    for kind in ("strict", "hostile"):
        patient = record(clinic)
        page = desk.page(hosts.address(patient.external_id, kind))
        mini = mini_on(page)
        mini.expect_text(patient.name)
        left, top, width, height = mini.box("dialog", "Mobius Mini")
        size = page.viewport_size or {"width": 0, "height": 0}
        assert 280 <= width <= 360, kind
        assert left + width <= size["width"], kind
        assert top + height <= size["height"], kind
        write_and_send(mini, f"Sent on a {kind} page.")
        mini.expect_text("Sent")


def test_the_host_page_does_not_move_and_none_of_its_shortcuts_fires(
    desk: Profile, hosts: HostPages, clinic: Clinic
) -> None:
    patient = record(clinic)
    page = desk.page("about:blank")
    page.add_init_script(
        "window.moved = []; new PerformanceObserver((list) => { for (const entry of list.getEntries()) "
        "for (const { node } of entry.sources) window.moved.push(node?.nodeName ?? 'Mini'); "
        "}).observe({type: 'layout-shift', buffered: true});"
    )
    page.goto(hosts.address(patient.external_id, "keys"))
    mini = mini_on(page)
    mini.write("textbox", "Note", "secret words")
    # Mini itself may grow, as it does when more is known.
    assert set(page.evaluate("window.moved")) <= {"Mini"}
    assert page.evaluate("window.keys") == []
    assert page.evaluate("document.body.innerText").count("secret") == 0
    assert page.evaluate("[...document.querySelectorAll('*')].some((e) => e.shadowRoot)") is False


def test_where_the_policy_names_no_site_there_is_no_mini(
    stranger: Profile, hosts: HostPages, stack: Stack, other_clinic: Clinic, folder: Path
) -> None:
    patient = record(other_clinic)
    both = [hosts.address(patient.external_id, host=host) for host in ("127.0.0.1", "localhost")]
    for address in both:
        mini_on(stranger.page(address)).expect_text(patient.name)
    with published(stack, other_clinic, folder, sites=["127.0.0.1"]):
        # The panel asks for the policy as it is now.
        stranger.page(both[0]).wait_for_timeout(3_000)
        named, other = (stranger.page(address) for address in both)
        mini_on(named).expect_text(patient.name)
        other.wait_for_timeout(1_000)
        tree = ClosedRoot(other)
        assert eventually(lambda: tree.find("dialog", "Mobius") is None, 20)
        assert patient.name not in tree.text()


def test_what_the_policy_hides_from_a_role_leaves_nothing_on_the_page(
    stranger: Profile, hosts: HostPages, stack: Stack, other_clinic: Clinic, folder: Path
) -> None:
    patient = record(other_clinic)
    mini_on(stranger.page(hosts.address(patient.external_id))).expect_text(patient.name)
    with published(stack, other_clinic, folder, roles=["billing_lead"]):
        fresh = stranger.page(hosts.address(patient.external_id, "keys"))
        # What was known shows at once; then the answer that says otherwise takes it away.
        tree = ClosedRoot(fresh)
        fresh.wait_for_timeout(1_000)
        assert eventually(lambda: tree.find("dialog", "Mobius") is None, 20)
        assert patient.name not in tree.text()


@contextmanager
def published(stack: Stack, clinic: Clinic, folder: Path, **allowlist: Any) -> Iterator[None]:
    """The clinic's policy with another allowlist; afterwards as it was."""
    shown = policy_of(stack, clinic)
    publish(stack, clinic, {**shown, "allowlist": {**shown["allowlist"], **allowlist}}, folder)
    try:
        yield
    finally:
        publish(stack, clinic, shown, folder)


def policy_of(stack: Stack, clinic: Clinic) -> dict[str, Any]:
    """The clinic's newest policy, as the operator's command prints it."""
    shown = mobius(stack, "policy", "show", "--tenant", clinic.tenant["name"])
    return dict(yaml.safe_load(shown))


def publish(stack: Stack, clinic: Clinic, policy: dict[str, Any], folder: Path) -> None:
    """Makes ``policy`` the clinic's newest one."""
    newest = policy_of(stack, clinic)["version"]
    file = folder / "policy.yaml"
    file.write_text(yaml.safe_dump({**policy, "version": newest}))
    mobius(stack, "policy", "publish", str(file), "--tenant", clinic.tenant["name"])


def mobius(stack: Stack, *arguments: str) -> str:
    """What an operator's command prints."""
    said = subprocess.run(
        (str(MOBIUS), *arguments, "--state-dir", str(stack.state_dir)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert said.returncode == 0, said.stderr
    return said.stdout


def test_a_patient_of_another_tenant_is_not_known(
    stranger: Profile, hosts: HostPages, clinic: Clinic, other_clinic: Clinic
) -> None:
    # Both clinics number their patients alike, and Larkfield has more of them.
    patient = clinic.tenant["patients"][-1]
    assert len(clinic.tenant["patients"]) > len(other_clinic.tenant["patients"])
    mini = mini_on(stranger.page(hosts.address(last_number())))
    mini.expect_text("not known")
    assert patient["display_name"] not in mini.text()


def last_number() -> str:
    return demo_tenants(datetime.now(UTC).date())[0].patients[-1].external_id
