"""One storm: clients Send, the driver hurts, then nothing hurts any more and everything has to agree."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pg8000.exceptions
import requests
from google.api_core.exceptions import GoogleAPICallError

from ops.emulators import local_session
from shared.errors import MobiusError
from tests.stack import eventually
from tests.storm.checks import check_command, check_logs, check_submissions, submissions
from tests.storm.clients import Clients
from tests.storm.driver import Driver
from tests.storm.faults import draw_faults
from tests.storm.ground import Ground
from tests.storm.listening import Listening
from tests.storm.parts import Parts
from tests.storm.report import Report, Sample
from tests.storm.truth import Comparison
from tests.storm.vandal import Vandal

CONVERGED_WITHIN_S = 60.0
"""After the last fault: the promise."""
SENDS_PER_S = 40
"""At most so many Sends begin in a second."""
_GIVES_UP_AFTER_S = 120.0
_SAMPLED_EVERY_S = 0.5
_ASKED_EVERY_S = 0.5


def rage(ground: Ground, report: Report, on_progress: Callable[[Report, str], None]) -> None:
    """Fills ``report``. What is wrong is in its ``wrong``; raises only when the storm itself can't go on."""
    before = submissions(ground)
    parts = Parts(ground.stack)
    vandal = Vandal(ground)
    listening = Listening(
        ground,
        lambda: parts.returns["firestore"],
        lambda path, updated_at: (path, updated_at) in vandal.put,
    )
    faults = draw_faults(report.seed, report.sends, report.faults)
    driver = Driver(ground, parts, vandal, faults, slack=max(50, report.sends // 20))
    comparison = Comparison(ground)
    report.began = time.monotonic()

    def may_begin(number: int) -> bool:
        # At its own pace: a machine without a moment to spare would measure itself.
        return number <= (time.monotonic() - report.began) * SENDS_PER_S and driver.may_begin(number)

    clients = Clients(ground, report.seed, report.sends, may_begin)
    report.inflicted = driver.inflicted
    report.answered_at = clients.answered_at
    try:
        with _sampling(report, comparison):
            clients.start()
            _wait(ground, report, driver, clients, on_progress)
            report.sent = clients.made
            report.answers = clients.answers
            if ground.stack.process.poll() is not None:
                report.wrong.append(f"the stack gave up: {ground.stack.output.strip().splitlines()[-1]}")
                return
            on_progress(report, "converging")
            _converge(report, comparison, parts)
        on_progress(report, "checking")
        report.wrong += clients.wrong + driver.wrong
        eventually(lambda: not _behind(ground, listening), 15)
        report.wrong += [
            f"a listener never saw the newest version of {path}" for path in _behind(ground, listening)
        ]
        report.wrong += listening.wrong
        report.seen = listening.seen
        if not listening.seen:
            report.wrong.append("no listener ever saw a document")
        report.wrong += check_submissions(ground, clients.made, before)
        began = time.monotonic()
        report.wrong += check_command(ground.mobius("projections", "verify"))
        report.verified_s = time.monotonic() - began
        report.wrong += check_command(ground.mobius("ledger", "verify"))
        report.wrong += _health(ground)
        report.wrong += check_logs(ground)
    finally:
        clients.stop()
        driver.stop()
        listening.close()
        parts.close()
        comparison.close()
        ground.calm()


def _wait(
    ground: Ground,
    report: Report,
    driver: Driver,
    clients: Clients,
    on_progress: Callable[[Report, str], None],
) -> None:
    """Until every fault happened and every Send is answered, or nothing goes on any more."""
    hurting = threading.Thread(target=driver.run, args=(lambda: clients.begun,), name="driver", daemon=True)
    hurting.start()
    moved, done = time.monotonic(), (0, 0)
    while hurting.is_alive() or not clients.done:
        if not hurting.is_alive() and report.calm_at is None:
            ground.calm()
            report.calm_at = time.monotonic()
        if done != (done := (len(clients.answered_at), len(driver.inflicted))):
            moved = time.monotonic()
        if ground.stack.process.poll() is not None:
            break
        if time.monotonic() - moved > _GIVES_UP_AFTER_S:
            report.wrong.append(f"nothing went on for {_GIVES_UP_AFTER_S:g} s")
            break
        on_progress(report, "raging")
        time.sleep(0.1)
    driver.stop()
    hurting.join()
    ground.calm()
    report.calm_at = report.calm_at or time.monotonic()
    if not clients.done:
        clients.stop()


def _converge(report: Report, comparison: Comparison, parts: Parts) -> None:
    """Until the outbox is empty and every document says what Postgres says."""
    calm_at, differences = report.calm_at or time.monotonic(), ["not looked at"]
    while time.monotonic() < calm_at + CONVERGED_WITHIN_S + 30:
        # A part that is just coming back is waited for.
        with suppress(GoogleAPICallError, pg8000.exceptions.Error, MobiusError, OSError):
            if parts.all_up and comparison.unconfirmed() == 0:
                report.outbox_s = report.outbox_s or time.monotonic() - calm_at
                differences = comparison.differences()
                # What changed in between is looked at again.
                if not differences and comparison.unconfirmed() == 0:
                    report.documents_s = time.monotonic() - calm_at
                    break
        time.sleep(_ASKED_EVERY_S)
    if report.outbox_s is None:
        report.wrong.append(f"{comparison.unconfirmed()} changes were never confirmed")
    if report.documents_s is None:
        report.wrong += [f"stale: {each}" for each in differences]
    elif report.documents_s > CONVERGED_WITHIN_S:
        report.wrong.append(f"converged only {report.documents_s:.0f} s after the last fault")


def _behind(ground: Ground, listening: Listening) -> list[str]:
    """The listened documents of which nobody told the listener the newest version."""
    versions = {
        f"tenants/{tenant_id}/patient_state/{key}": version
        for tenant_id, key, version in ground.rows(
            "SELECT tenant_id, patient_key, version FROM patient_context"
        )
    }
    return [path for path, seen in sorted(listening.newest().items()) if seen != versions[path]]


def _health(ground: Ground) -> Iterator[str]:
    """The scheduler's health says ok."""
    url = ground.told["functions"].get("scheduler/health")
    if url is None:
        return

    def asked() -> requests.Response:
        return local_session().get(url, timeout=10)

    eventually(lambda: asked().ok and asked().json()["ok"], 15)
    answer = asked()
    if not answer.ok or not answer.json()["ok"]:
        yield f"health answers {answer.status_code}: {answer.text[:200]}"


@contextmanager
def _sampling(report: Report, comparison: Comparison) -> Iterator[None]:
    """Notes twice a second how many changes are unconfirmed."""
    stop = threading.Event()

    def sample() -> None:
        while not stop.wait(_SAMPLED_EVERY_S):
            try:
                unconfirmed: int | None = comparison.unconfirmed()
            except Exception:  # noqa: BLE001 -- Postgres is away at times, in whatever way the driver says it
                unconfirmed = None
            report.samples.append(Sample(time.monotonic(), unconfirmed))

    thread = threading.Thread(target=sample, name="sampling", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
