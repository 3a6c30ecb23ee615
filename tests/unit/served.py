"""A real server process, and requests that no decent client would send."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from tests.unit.endpoint_calls import ENVIRONMENT, FUNCTIONS, NOT_PASSED_ON, ROOT

_READY_WITHIN_S = 60.0


@dataclass(frozen=True)
class Answer:
    """What came back for one request; header names in small letters."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Server:
    """A server on this machine and the file that it writes its output to."""

    port: int
    log: str

    def ask(self, request: str, headers: Mapping[str, str] | None = None, body: bytes = b"") -> Answer:
        """Sends a request line and headers as they are, over a connection of their own."""
        lines = [request, "Host: localhost", "Connection: close", f"Content-Length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
        with socket.create_connection(("127.0.0.1", self.port), timeout=30) as connection:
            connection.sendall("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body)
            received = b""
            while chunk := connection.recv(65536):
                received += chunk
        head, _, content = received.partition(b"\r\n\r\n")
        first, *fields = head.decode("latin-1").split("\r\n")
        named = {name.lower(): value.strip() for name, _, value in (each.partition(":") for each in fields)}
        return Answer(int(first.split()[1]), named, content)

    def output(self) -> str:
        """Everything it wrote so far."""
        with open(self.log, encoding="utf-8") as log:  # noqa: PTH123 -- a path in text
            return log.read()


@contextmanager
def framework(folder: str, target: str, source: str = str(FUNCTIONS)) -> Iterator[Server]:
    """One function as it is deployed: ``functions-framework`` and what it starts."""
    port = free_port()
    command = (sys.executable, "-m", "functions_framework", "--target", target, "--source", source)
    with served((*command, "--host", "127.0.0.1", "--port", str(port)), port, folder) as server:
        yield server


@contextmanager
def served(
    command: tuple[str, ...], port: int, folder: str, env: Mapping[str, str] | None = None
) -> Iterator[Server]:
    """A server process, from when it answers until the end."""
    own = {name: value for name, value in os.environ.items() if name not in NOT_PASSED_ON}
    log = f"{folder}/output.txt"
    with open(log, "w", encoding="utf-8") as output:  # noqa: PTH123 -- a path in text
        process = subprocess.Popen(
            command,
            env={**own, **ENVIRONMENT, "PYTHONPATH": str(ROOT), **(env or {})},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    server = Server(port, log)
    try:
        _wait_for(process, server)
        yield server
    finally:
        process.terminate()
        process.wait(30)


def free_port() -> int:
    """A port at which nobody listens yet."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def _wait_for(process: subprocess.Popen[bytes], server: Server) -> None:
    deadline = time.monotonic() + _READY_WITHIN_S
    while process.poll() is None and time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", server.port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError(f"the server did not start:\n{server.output()}")
