"""What stands between Pub/Sub and the projector: repeats, reverses, refuses and loses pushes."""

from __future__ import annotations

import threading
import time
from collections import Counter
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import requests

from ops.emulators import local_session

_PASSED_ON = ("content-type", "user-agent")
_TIMEOUT_S = 40


class PushProxy:
    """A port whose posts go on to the projector at another one."""

    def __init__(self, projector: int) -> None:
        self._url = f"http://127.0.0.1:{projector}/"
        self._lock = threading.Lock()
        self._next = Counter[str]()
        self._later_s = 0.0
        self._holding = False
        self._held: list[_Push] = []
        self._own = threading.local()
        self._server = _Server(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.port = int(self._server.server_address[1])
        threading.Thread(target=self._server.serve_forever, name="pushes", daemon=True).start()

    def repeat(self, count: int, after_s: float) -> None:
        """Delivers each of the next ``count`` pushes twice: the second time after ``after_s``."""
        self._later_s = after_s
        self._plan("repeat", count)

    def refuse(self, count: int) -> None:
        """Answers 503 to the next ``count`` pushes and delivers none of them."""
        self._plan("refuse", count)

    def lose(self, count: int) -> None:
        """Answers 200 to the next ``count`` pushes and delivers none of them: these messages are lost."""
        self._plan("lose", count)

    def reverse(self, for_s: float) -> None:
        """Accepts pushes for ``for_s`` without delivering them, then delivers the last one first."""
        self._holding = True
        time.sleep(for_s)
        self._let_go()

    def calm(self) -> None:
        """Hurts no more; what is held is delivered."""
        with self._lock:
            self._next.clear()
        self._let_go()

    def close(self) -> None:
        """Listens no more."""
        self._server.shutdown()
        self._server.server_close()

    def _plan(self, what: str, count: int) -> None:
        with self._lock:
            self._next[what] += count

    def _let_go(self) -> None:
        with self._lock:
            self._holding = False
            held, self._held = self._held, []
        for push in reversed(held):
            self._deliver(push)

    def _take(self, push: _Push) -> int:
        """Does with a push what is planned; returns the status of the answer."""
        with self._lock:
            if self._holding:
                self._held.append(push)
                return HTTPStatus.OK
            planned = next((what for what in ("refuse", "lose", "repeat") if self._next[what] > 0), None)
            if planned is not None:
                self._next[planned] -= 1
        if planned == "refuse":
            return HTTPStatus.SERVICE_UNAVAILABLE
        if planned == "lose":
            return HTTPStatus.OK
        if planned == "repeat":
            again = threading.Timer(self._later_s, self._deliver, [push])
            again.daemon = True
            again.start()
        return self._deliver(push)

    def _deliver(self, push: _Push) -> int:
        if not hasattr(self._own, "session"):
            self._own.session = local_session()
        try:
            answer = self._own.session.post(
                self._url, data=push.body, headers=push.headers, timeout=_TIMEOUT_S
            )
        except requests.RequestException:
            return HTTPStatus.SERVICE_UNAVAILABLE
        return int(answer.status_code)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        take = self._take

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                headers = {name: self.headers[name] for name in _PASSED_ON if name in self.headers}
                self.send_response(take(_Push(body, headers)))
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- the base class's name
                """Says nothing."""

        return Handler


class _Server(ThreadingHTTPServer):
    """One that has nothing to say about a Pub/Sub that is killed while it speaks."""

    def handle_error(self, request: object, client_address: object) -> None:
        """Says nothing."""


class _Push:
    """A push as it came in."""

    def __init__(self, body: bytes, headers: dict[str, str]) -> None:
        self.body = body
        self.headers = headers
