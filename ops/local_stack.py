"""The whole product on this machine: what ``make run`` starts, watches, describes and stops."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor

import requests

from ops.demo_load import enqueue_all, load_demo
from ops.demo_page import HOME
from ops.emulators import find_sdk, firestore_part, local_session, make_topics, pubsub_part
from ops.function_parts import (
    PROJECT_ID,
    TOPIC,
    function_environment,
    function_part,
    ledger_environment,
    local_url,
    loopback,
)
from ops.gateway import ROOT, SCHEDULED, STANDING, ScheduledTarget
from ops.health_watch import HealthWatch
from ops.ports import PortChoice, choose_ports, reached_at
from ops.postgres_server import admin_url, postgres_part
from ops.readable import Screen
from ops.schema import DatabaseUrls, prepare_database
from ops.stack_description import Json, calls_to_paste, describe_stack, stack_table
from ops.state_folder import StateFolder
from ops.stopping import ignore_stop_requests
from ops.supervisor import PartFailed, Supervisor
from shared.settings import LOCAL_ROUND_TIMEOUT_S, LOCAL_TIMEOUT_S, read_settings

_SLOWEST_TIMER_S = 30.0
_HEALTH_EVERY_S = 2.0


class LocalStack:
    """One run of the stack in a folder that the descriptor ``lock`` holds.

    Raises NotInstalled or PortUnusable when this machine can't run it.
    """

    def __init__(self, folder: StateFolder, screen: Screen, port_choice: PortChoice, lock: int) -> None:
        self._folder = folder
        self._screen = screen
        self._given_database = os.environ.get("DATABASE_URL")
        unneeded = frozenset({"postgres"} if self._given_database else ())
        self._sdk = find_sdk()
        self._ports = choose_ports(port_choice, os.environ, unneeded)
        self._urls: DatabaseUrls | None = None
        self._description: Json | None = None
        self._describing = threading.Lock()
        self._stopping = threading.Event()
        self._supervisor = Supervisor(
            log_folder=folder.path / "logs",
            screen=screen,
            restart=os.environ.get("MOBIUS_SUPERVISE", "on") != "off",
            on_change=self._describe,
            guardian_holds=(lock,),
        )

    def run(self) -> None:
        """Runs until StopRequested is raised, or PartFailed because a part failed for good.

        Whichever it is, every process has ended before it leaves here.
        """
        began = time.monotonic()
        try:
            self._description = self._start()
            self._screen.print(stack_table(self._ports, self._pids()))
            self._screen.print(calls_to_paste(self._description))
            took_s = time.monotonic() - began
            page = local_url(self._ports.api, HOME)
            self._screen.say("stack", f"ready after {took_s:.1f} s: open {page} (Ctrl-C stops everything)")
            # Last: whoever finds the description may rely on everything above.
            self._describe()
            while (failure := self._supervisor.wait_for_failure(timeout_s=0.5)) is None:
                pass
            raise PartFailed(f"{failure} The stack has stopped; what the part wrote is in the logs folder.")
        finally:
            ignore_stop_requests()
            self._stopping.set()
            self._screen.say("stack", "stopping")
            self._supervisor.stop()
            with self._describing:
                self._description = None
                self._folder.undescribe()

    def _start(self) -> Json:
        """Starts all parts, at once those that don't need each other; returns the stack's description."""
        start, ports, pool = self._supervisor.start, self._ports, ThreadPoolExecutor()
        rules = ROOT / "firestore.rules"
        firestore = pool.submit(start, firestore_part(self._sdk, ports.firestore, rules, self._rebuild))
        pubsub = pool.submit(self._start_pubsub)
        # In the pool as well: a stop request may interrupt this thread anywhere, and a process that was
        # made but not yet noted down would be left behind.
        self._urls = urls = prepare_database(pool.submit(self._start_postgres).result())
        app = self._environment(urls.app)
        worker = {**self._environment(urls.worker), **ledger_environment(self._folder)}
        tenants = load_demo(urls, read_settings(app))
        # The Firestore emulator starts empty; the database perhaps doesn't.
        enqueue_all(urls)
        functions: list[Future[None]] = [
            pool.submit(start, part)
            for part in (
                function_part("api", factory="api", port=ports.api, environment=app),
                function_part("projector", factory="projector", port=ports.projector, environment=app),
                function_part("scheduler", factory="scheduler", port=ports.scheduler, environment=worker),
            )
        ]
        for started in (firestore, pubsub, *functions):
            started.result()
        for job in SCHEDULED:
            threading.Thread(target=self._call_regularly, args=(job,), name=job.target, daemon=True).start()
        threading.Thread(target=self._watch_health, name="health", daemon=True).start()
        return describe_stack(ports, urls, tenants)

    def _start_postgres(self) -> str:
        """Starts the embedded server unless one was given; returns the administrator's URL."""
        if self._given_database:
            return self._given_database
        # In hex, because it becomes part of a URL.
        password = self._folder.secret("postgres-password").encode().hex()
        port = self._ports.postgres
        self._supervisor.start(
            postgres_part(data=self._folder.path / "postgres", port=port, password=password)
        )
        return admin_url(port, password)

    def _start_pubsub(self) -> None:
        self._supervisor.start(pubsub_part(self._sdk, self._ports.pubsub, after_restart=self._make_topics))
        self._make_topics()

    def _make_topics(self) -> None:
        make_topics(
            host=loopback(self._ports.pubsub),
            project_id=PROJECT_ID,
            topic=TOPIC,
            push_to=local_url(reached_at(self._ports, "projector", os.environ), "/"),
        )

    def _rebuild(self) -> None:
        """Has every projection written again, into an emulator that came back empty."""
        if self._urls is not None:
            enqueue_all(self._urls)

    def _environment(self, database_url: str) -> Mapping[str, str]:
        return function_environment(self._ports, database_url, self._folder.secret("master-secret"))

    def _call_regularly(self, job: ScheduledTarget) -> None:
        """Stands in for Cloud Scheduler until the stack stops; calls more slowly while the target fails."""
        session = local_session()
        pause, failing = job.every_s, False
        while not self._stopping.wait(pause):
            try:
                session.post(
                    local_url(self._ports.scheduler, job.path), json={}, timeout=LOCAL_ROUND_TIMEOUT_S
                ).raise_for_status()
            except requests.RequestException as error:
                if not failing and not self._stopping.is_set():
                    self._screen.say("scheduler", f"{job.target} failed: {type(error).__name__}", "WARNING")
                pause, failing = min(pause * 2, _SLOWEST_TIMER_S), True
            else:
                pause, failing = job.every_s, False

    def _watch_health(self) -> None:
        """Shows until the stack stops what is behind. While nobody answers, a part is down: that is shown."""
        session, watch = local_session(), HealthWatch(self._screen)
        while not self._stopping.wait(_HEALTH_EVERY_S):
            with contextlib.suppress(requests.RequestException, KeyError):
                url = local_url(self._ports.scheduler, STANDING)
                watch.saw(session.get(url, timeout=LOCAL_TIMEOUT_S).json())

    def _pids(self) -> dict[str, int | None]:
        return {"postgres": None, **self._supervisor.pids()}

    def _describe(self) -> None:
        """Writes ``stack.json`` as things are now, once the stack has been ready."""
        with self._describing:
            if self._description is not None:
                self._folder.describe({**self._description, "pids": self._pids()})
