"""A day in which markers go everywhere: intake, every endpoint, every error, every role, retries, crashes."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import requests

from ops.emulators import local_session
from shared.web.registry import ENDPOINTS, MINI_ACK, SIDECAR_CHAT, SIDECAR_CLAIM
from tests.integration.canary import Markers, Piece
from tests.integration.canary_asking import FILE_NAME, SECOND, Asking, asker_of
from tests.integration.canary_faults import FAULTS, intake_breaks, raised, slow, talking
from tests.integration.canary_patients import broken, numbered, written
from tests.integration.canary_requests import Call, Calls
from tests.integration.canary_site import Site, mobius, output_to
from tests.integration.canary_wire import Line, garbage, no_http, push_of, throw
from tests.integration.intake_desk import Desk
from tests.integration.overdue import COUNSELOR, DESK, LEAD
from tests.integration.product import EXPIRING, Product
from tests.stack import eventually

QUESTIONS = (
    "Who is the patient, what is the name, the number and the date of birth?",
    "What did the note say, and who wrote it?",
    "Who broke the glass, and why?",
    "Why is it yellow?",
    "What changed?",
)
_POLICY = Path(__file__).parents[2] / "ops/default_policy.yaml"


class Day(Asking):
    """Lives the day. ``screens`` is what operators saw, ``raised`` the exceptions that came by our code."""

    def __init__(self, site: Site, product: Product, markers: Markers) -> None:
        super().__init__(site, product, markers)
        self.screens: list[Piece] = []
        self.messages: list[dict[str, object]] = []
        self.raised: list[BaseException] = []
        self.output = site.folder / "this process.log"

    def live(self) -> None:
        """Ends when everything is projected."""
        with output_to(self.output):
            self._take_patients_in()
        self._ask_everything()
        self._let_others_ask()
        self._repeat()
        self._send_what_is_no_request()
        self._run_timers()
        self._crash()
        with output_to(self.output):
            self._fail()
            self._look_as_operator()
        assert eventually(self._is_projected, within_s=30), "something was not projected"
        self.messages = self.site.messages()

    def _take_patients_in(self) -> None:
        """Through the real command, the neighbour's beside it, and one that fails; then again."""
        folder, report = self.site.folder, self.site.folder / "report.ndjson"
        lines = [*self.chart.resources, numbered(self.markers, SECOND), *broken(self.markers)]
        ours = written(folder, self.markers.word("name of a file"), lines)
        theirs = written(folder, "neighbour", [*self.strange.resources])
        command = (
            "intake",
            "fhir",
            str(ours),
            "--tenant",
            str(self.clinic.tenant_id),
            "--as-of",
            "2026-03-01",
        )
        with ThreadPoolExecutor() as pool:
            whole = pool.submit(mobius, self.site, *command, "--report", str(report), status=2)
            neighbours = Desk(self.neighbour).intake(theirs)
        desk = Desk(self.clinic)
        again = desk.intake(ours, status=2)
        assert "0 new, 0 changed, 2 unchanged" in again
        moved = written(folder, "moved", [{**self.chart.resources[0], "birthDate": "1904-06-01"}])
        with talking("patient_context", "UPDATE")(self.shop):
            refused = desk.intake(moved, status=1)
        with intake_breaks(self.shop):
            broken_off = desk.run(ours)
        told = {
            "an intake": whole.result(),
            "its report": report.read_text(),
            "the neighbour's intake": neighbours,
            "an intake that is repeated": again,
            "an intake that the database refuses": refused,
            "an intake that fails": f"{broken_off.output}{broken_off.exception!r}",
        }
        # Files are told by the names that the operator typed (docs/intake.md).
        self.screens += [Piece(name, text, fit=FILE_NAME) for name, text in told.items()]

    def _ask_everything(self) -> None:
        """Every marker in every field of every endpoint; first an open item, so that one can be claimed."""
        first = {"session_id": "first", "patient_key": self.key}
        self.clinic.answer("mini/status", first, user=LEAD)
        self._make_due(self.key)
        self.call_timer("sweep")
        item = self.clinic.rows("assignment", "assigned_to_role = 'financial_counselor'")[0].assignment_id
        calls = {s: list(Calls(self.markers, s, self.known(s, item=item)).everything()) for s in ENDPOINTS}

        def ask(batch: Iterable[Call]) -> None:
            line = Line(self.site.started["api"].url)
            for call in batch:
                self.ask(line, call, self.clinic, asker_of(call.spec))
            line.close()

        # Before a Send closes the item.
        ask(calls.pop(SIDECAR_CLAIM))
        with ThreadPoolExecutor(4) as pool:
            for done in [pool.submit(ask, batch) for batch in calls.values()]:
                done.result()

    def _let_others_ask(self) -> None:
        """The same of those who may see less, and across the wall between the clinics."""
        line = Line(self.site.started["api"].url)
        for who, asker, user, patient in (
            ("desk", self.clinic, DESK, self.key),
            ("counselor", self.clinic, COUNSELOR, self.key),
            ("lead with a stranger", self.clinic, LEAD, self.strange_key),
            ("neighbour's lead", self.neighbour, LEAD, self.strange_key),
            ("neighbour's desk", self.neighbour, DESK, self.strange_key),
            ("neighbour's lead with a stranger", self.neighbour, LEAD, self.key),
        ):
            other = {"tenant_id": str((self.neighbour if asker is self.clinic else self.clinic).tenant_id)}
            for spec in ENDPOINTS:
                calls = Calls(self.markers, spec, self.known(spec, patient=patient, tab=who), who=who)
                asked = [calls.right()]
                if who.endswith("stranger"):
                    asked.append(calls.also("with the stranger's tenant", other))
                if spec.name == "patient/search":
                    typed = (self.chart.typed, self.strange.typed, self.chart.external_id)
                    asked += [calls.also("by what is known", {"q": each}) for each in typed]
                if spec is SIDECAR_CHAT:
                    asked += [calls.also(each, {"message": each}) for each in QUESTIONS]
                for call in asked:
                    self.ask(line, call, asker, user)
        line.close()

    def _repeat(self) -> None:
        """A Send is repeated, its key is used for something else, a message is delivered again."""
        line = Line(self.site.started["api"].url)
        for spec in (each for each in ENDPOINTS if each.idempotent):
            calls = Calls(self.markers, spec, self.known(spec), who="again")
            key = {"Idempotency-Key": self.markers.word(f"again {spec.key} Idempotency-Key")}
            for what, fields in {"once": {}, "twice": {}, "otherwise": {"override_tasking": "act"}}.items():
                self.ask(line, calls.also(what, dict(fields), headers=key), self.clinic, LEAD)
        line.close()
        (context,) = self.clinic.rows("patient_context", f"patient_key = '{self.key}'")
        for _ in range(2):
            message = self.message_about(context.patient_context_id)
            self.push("delivered again", json.dumps(push_of(message)).encode())

    def _send_what_is_no_request(self) -> None:
        for name, path in (("api", MINI_ACK.path), ("projector", "/"), ("scheduler", "/sweep")):
            for data in no_http(self.markers, name, path):
                # gunicorn's answer quotes it, to nobody but who sent it. What is deployed never sees such:
                # Google's front end refuses what is no HTTP.
                throw(self.site.started[name].url, data)
        for what, body, headers in garbage(self.markers):
            self.push(what, body, headers)
        for method in ("GET", "PUT", "HEAD"):
            url = f"{self.site.started['projector'].url}/{self.markers.word('path of a push')}"
            got = local_session().request(method, url, timeout=10)
            self.answers.append(Piece(f"answer to a {method} of a push", f"{got.headers}{got.text}"))

    def _run_timers(self) -> None:
        self.clinic.status(EXPIRING, user=LEAD)
        self._make_due(self.clinic.key(EXPIRING))
        tabs = "UPDATE invocation SET last_seen_at = now() - interval '1 day' WHERE tenant_id = :tenant"
        self.clinic.sql(tabs)
        with talking("response_outcome", "INSERT")(self.shop), talking("session", "UPDATE")(self.shop):
            self.call_timer("sweep", 503)
            self.call_timer("tidy", 503)
        self.clinic.sql("UPDATE outbox SET next_attempt_at = now() WHERE tenant_id = :tenant")
        with talking("outbox", "UPDATE")(self.shop):
            self.call_timer("relay", 200, 503)
        for target in ("relay", "sweep", "tidy", "retention", "checkpoint"):
            self.call_timer(target)

    def _crash(self) -> None:
        """A worker is killed while somebody waits for the answer to a Send."""
        call = Calls(self.markers, MINI_ACK, self.known(MINI_ACK), who="crash").right()
        api = self.site.started["api"]
        waiting = threading.Thread(target=self.ask, args=(Line(api.url), call, self.clinic, LEAD))
        with slow("app_user")(self.shop):
            waiting.start()
            assert eventually(self._somebody_waits, within_s=10)
            for worker in psutil.Process(api.process.pid).children():
                worker.kill()
        waiting.join()
        assert eventually(lambda: requests.get(f"{api.url}/healthz", timeout=5).ok, within_s=20)

    def _fail(self) -> None:
        """Everything that can go wrong, in this process, where exceptions can be watched."""
        patients = len(self.clinic.patients)
        with raised() as self.raised, ThreadPoolExecutor(4) as pool:
            for number, (name, fault) in enumerate(FAULTS.items()):
                calls, tab = [], f"while {name}"
                for spec in ENDPOINTS:
                    # Of another patient each time: a glass that is broken stays so for a while.
                    patient = self.clinic.key(number % patients) if "break-glass" in spec.name else None
                    made = Calls(self.markers, spec, self.known(spec, patient=patient, tab=tab), who=tab)
                    calls += [made.right(), made.marked()] if name == "lock time-out" else [made.right()]
                message = push_of(self.message_about(self.clinic.context(number % patients)))
                with fault(self.shop):
                    for done in [pool.submit(self.ask_here, call) for call in calls]:
                        done.result()
                    got = self.shop.product.client("projector/project").post("/", json=message)
                told = f"{got.headers}{got.get_data(as_text=True)}"
                self.answers.append(Piece(f"answer to a push while {name}", told))

    def _look_as_operator(self) -> None:
        """Patients are told by their keys, staff by their names."""
        response = self.clinic.rows("system_response")[0].system_response_id
        for command in (
            ("why", str(response)),
            ("policy", "preview", str(_POLICY)),
            ("policy", "diff", str(_POLICY)),
            ("policy", "show"),
        ):
            self.screens.append(Piece(f"mobius {' '.join(command[:2])}", self.command(*command)))

    def _make_due(self, key: str) -> None:
        due = "UPDATE patient_context SET ack_due_at = now() - interval '1 hour' WHERE tenant_id = :tenant"
        self.clinic.sql(f"{due} AND patient_key = :key", key=key)

    def _somebody_waits(self) -> bool:
        waiting = "SELECT count(*) FROM pg_stat_activity WHERE cardinality(pg_blocking_pids(pid)) > 0"
        return bool(self.clinic.sql(waiting)[0][0])

    def _is_projected(self) -> bool:
        for clinic in (self.clinic, self.neighbour):
            clinic.sql("UPDATE outbox SET next_attempt_at = now() WHERE tenant_id = :tenant")
        self.call_timer("relay")
        return not (self.clinic.count("outbox") or self.neighbour.count("outbox"))
