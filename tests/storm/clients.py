"""Many clients that Send until each Send has a definite answer, whatever becomes of the stack meanwhile."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import requests

from ops.emulators import local_session
from tests.storm.ground import Ground
from tests.storm.sends import Aside, Send, draw_send

CLIENTS = 24
_TIMEOUT_S = 8.0
_SOON_S = 0.03
_NO_ANSWER = "no answer"


class Clients:
    """The clients of one storm. ``may_begin`` says whether the Send of a number may go out already."""

    def __init__(self, ground: Ground, seed: int, sends: int, may_begin: Callable[[int], bool]) -> None:
        self._ground = ground
        self._seed = seed
        self._sends = sends
        self._may_begin = may_begin
        self._lock = threading.Lock()
        self._next = 0
        self._stop = threading.Event()
        self._looked_at: set[str] = set()
        self.made: list[Send] = []
        self.answers: Counter[str] = Counter()
        """Every answer of every call, by status."""
        self.wrong: list[str] = []
        """Answers that no fault excuses."""
        self.answered_at: list[float] = []
        """When each Send had its definite answer."""
        self._threads = [
            threading.Thread(target=self._work, args=(number,), name=f"client {number}", daemon=True)
            for number in range(CLIENTS)
        ]

    def start(self) -> None:
        """Begins."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Ends, answered or not."""
        self._stop.set()
        for thread in self._threads:
            thread.join(_TIMEOUT_S + 2)

    @property
    def begun(self) -> int:
        """How many Sends went out, answered or not."""
        return self._next

    @property
    def done(self) -> bool:
        """Whether every Send has its answer, and every client has ended."""
        return not any(thread.is_alive() for thread in self._threads)

    def _work(self, number: int) -> None:
        # How long a client waits changes nothing that is sent.
        pauses = random.Random(f"{self._seed} client {number}")  # noqa: S311 -- to be had again
        patient, session = number % 2 == 0, local_session()
        while not self._stop.is_set():
            with self._lock:
                if self._next >= self._sends:
                    return
                number_of_send, self._next = self._next, self._next + 1
            while not self._may_begin(number_of_send) and not self._stop.wait(0.05):
                pass
            send = draw_send(self._ground, self._seed, number_of_send)
            with self._lock:
                self.made.append(send)
            self._look(session, send)
            for aside in send.before:
                self._ask(session, send, aside)
            if send.claims:
                self._claim(session, send)
            self._send(session, send, pauses, patient)
            for aside in send.after:
                self._ask(session, send, aside)

    def _look(self, session: requests.Session, send: Send) -> None:
        """Has the patient surfaced if nobody has looked yet: before that there is nothing to acknowledge."""
        looking = Aside("mini/status", {name: send.body[name] for name in ("session_id", "patient_key")})
        while send.patient_key not in self._looked_at and not self._stop.is_set():
            answer = self._ask(session, send, looking)
            if answer is not None and answer.status_code == 200:
                self._looked_at.add(send.patient_key)
            else:
                self._stop.wait(0.3)

    def _send(self, session: requests.Session, send: Send, pauses: random.Random, patient: bool) -> None:
        send.began = time.monotonic()
        if send.twice_at_once:
            other = threading.Thread(target=self._try, args=(local_session(), send, _TIMEOUT_S), daemon=True)
            other.start()
        timeout_s = _SOON_S if send.gives_up_soon else _TIMEOUT_S
        while not self._stop.is_set():
            definite, wait_s = self._try(session, send, timeout_s)
            if definite:
                break
            timeout_s = _TIMEOUT_S
            # Half of the clients wait as long as they were told, the others hammer on.
            self._stop.wait(wait_s if patient else pauses.uniform(0.05, 0.4))
        else:
            return
        send.answered = time.monotonic()
        with self._lock:
            self.answered_at.append(send.answered)
        if send.twice_at_once:
            other.join()
        if send.again:
            self._try(session, send, _TIMEOUT_S)

    def _try(self, session: requests.Session, send: Send, timeout_s: float) -> tuple[bool, float]:
        """Sends once; returns whether the answer was definite, and how long to wait when it was not."""
        send.attempts += 1
        answer = self._call(session, send, send.endpoint, send.body, timeout_s, {"Idempotency-Key": send.key})
        if answer is None:
            return False, 0.5
        if answer.status_code == 200:
            self._note(send, answer.json())
            return True, 0
        if 400 <= answer.status_code < 500 and answer.status_code not in (409, 429):
            send.refused = answer.status_code
            self._complain(send, f"a Send that is right was answered {answer.status_code}")
            return True, 0
        return False, float(answer.headers.get("Retry-After", 1))

    def _note(self, send: Send, told: dict[str, Any]) -> None:
        send.submission_ids.add(told["submission_id"])
        stored = told["submission"]
        if any(
            stored[name] != send.body[other]
            for name, other in (
                ("note", "note_text"),
                ("override_proceed", "override_proceed"),
                ("override_tasking", "override_tasking"),
            )
        ):
            self._complain(send, "a Send was answered with what another one asserted")

    def _ask(self, session: requests.Session, send: Send, aside: Aside) -> requests.Response | None:
        return self._call(session, send, aside.endpoint, aside.body, _TIMEOUT_S, {})

    def _claim(self, session: requests.Session, send: Send) -> None:
        inbox = self._ask(session, send, Aside("sidecar/inbox", {"limit": 5}))
        if inbox is not None and inbox.status_code == 200:
            for item in inbox.json()["assignments"][:1]:
                body = {"assignment_id": item["assignment_id"], "take_over": send.number % 2 == 0}
                self._ask(session, send, Aside("sidecar/assignment/claim", body))

    def _call(
        self,
        session: requests.Session,
        send: Send,
        endpoint: str,
        body: dict[str, Any],
        timeout_s: float,
        headers: dict[str, str],
    ) -> requests.Response | None:
        try:
            answer = session.post(
                self._ground.told["functions"][endpoint],
                json=body,
                headers={"Authorization": f"Bearer {send.token}", **headers},
                timeout=timeout_s,
            )
        except requests.RequestException:
            with self._lock:
                self.answers[_NO_ANSWER] += 1
            return None
        status = answer.status_code
        with self._lock:
            self.answers[str(status)] += 1
        if status >= 500 and status != 503:
            self._complain(send, f"{endpoint} answered {status}")
        if status in (429, 503) and "Retry-After" not in answer.headers:
            self._complain(send, f"{endpoint} answered {status} without Retry-After")
        return answer

    def _complain(self, send: Send, what: str) -> None:
        with self._lock:
            self.wrong.append(f"Send {send.number}: {what}")
