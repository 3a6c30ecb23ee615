"""A wire to a part of the stack that a test cuts, holds, delays, or loses what comes back over."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import make_url


@dataclass
class _Line:
    """One connection over the wire."""

    client: socket.socket
    server: socket.socket
    dead: bool = False
    """Open, and nothing passes any more."""
    mute: bool = False
    """What the server says is lost."""

    def close(self) -> None:
        for end in (self.client, self.server):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()


def _start(work: Callable[..., None], *given: object) -> None:
    threading.Thread(target=work, args=given, name="wire", daemon=True).start()


class Wire:
    """Stands before a server and passes everything on, until a test says otherwise."""

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._lines: list[_Line] = []
        self._passes = threading.Event()
        self._passes.set()
        self._delay_s = 0.0
        self._last_word = b""
        self._mid_answer = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._listen()

    @classmethod
    def to_database(cls, url: str) -> Wire:
        """One to the server of a database URL."""
        parts = make_url(url)
        return cls(parts.host or "", parts.port or 5432)

    def url(self, url: str) -> str:
        """The same database by way of this wire."""
        return make_url(url).set(host="127.0.0.1", port=self.port).render_as_string(hide_password=False)

    @property
    def connections(self) -> int:
        """How many were made so far."""
        return len(self._lines)

    def pass_on(self) -> None:
        """All is well again; what was held passes."""
        self._delay_s, self._last_word, self._mid_answer = 0.0, b"", 0
        if self._listener.fileno() < 0:
            self._listener = socket.create_server(("127.0.0.1", self.port))
            self._listen()
        self._passes.set()

    def cut(self) -> None:
        """Ends the connections that there are. New ones may be made."""
        for line in self._lines:
            line.close()

    def refuse(self) -> None:
        """Ends them, and refuses new ones, as where no process listens."""
        # A thread that accepts would go on to listen.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()

    def hold(self) -> None:
        """Accepts, and passes nothing on, either way."""
        self._passes.clear()

    def strand(self) -> None:
        """The connections that there are stay open and silent for good. New ones pass."""
        for line in self._lines:
            line.dead = True

    def delay(self, seconds: float) -> None:
        """Whatever is said takes so long, either way."""
        self._delay_s = seconds

    def lose_answers_after(self, word: bytes) -> None:
        """Once the client said ``word``, nothing that the server says on that connection arrives."""
        self._last_word = word

    def stop_after(self, count: int) -> None:
        """Of each answer only so many bytes arrive."""
        self._mid_answer = count

    def close(self) -> None:
        """Ends everything."""
        self._passes.set()
        if self._listener.fileno() >= 0:
            self.refuse()
        self.cut()

    def _listen(self) -> None:
        _start(self._accept, self._listener)

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
                server = socket.create_connection(self._target)
            except OSError:
                return
            for end in (client, server):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            line = _Line(client, server)
            self._lines.append(line)
            _start(self._ask, line)
            _start(self._answer, line)

    def _ask(self, line: _Line) -> None:
        with contextlib.suppress(OSError):
            while data := line.client.recv(65536):
                self._wait()
                if self._last_word and self._last_word in data:
                    line.mute = True
                if not line.dead:
                    line.server.sendall(data)
        line.close()

    def _answer(self, line: _Line) -> None:
        with contextlib.suppress(OSError):
            while data := line.server.recv(65536):
                self._wait()
                if line.dead or line.mute:
                    continue
                line.client.sendall(data[: self._mid_answer] if self._mid_answer else data)
        line.close()

    def _wait(self) -> None:
        time.sleep(self._delay_s)
        self._passes.wait()
