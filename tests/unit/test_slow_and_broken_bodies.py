"""Bodies that no decent client sends, to a function as it is deployed: they cost little and end soon."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import time
from collections.abc import Iterator
from functools import partial

import psutil
import pytest

from tests.unit.endpoint_calls import (
    ACK,
    environment,  # noqa: F401 -- a fixture
    signed_in,
)
from tests.unit.served import Server, framework

pytestmark = pytest.mark.usefixtures("environment")

THREADS = 2
MIB = 1024 * 1024
CHUNKED = "Transfer-Encoding: chunked"


@pytest.fixture(scope="module")
def function(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setenv("THREADS", str(THREADS))
        with framework(str(tmp_path_factory.mktemp("function")), "ack") as server:
            yield server


@contextlib.contextmanager
def begun(server: Server, *headers: str, known: bool = False) -> Iterator[socket.socket]:
    """A request whose body is still to come."""
    lines = ["POST / HTTP/1.1", "Host: localhost", "Content-Type: application/json", *headers]
    lines += [f"{name}: {value}" for name, value in (signed_in() if known else {}).items()]
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
        connection.sendall("\r\n".join(lines).encode() + b"\r\n\r\n")
        yield connection


def status_of(connection: socket.socket) -> int:
    return int(connection.recv(65536).split()[1])


def served_memory(server: Server) -> int:
    of_server = [
        process
        for process in psutil.Process().children(recursive=True)
        if f"{server.port}" in process.cmdline()
    ]
    assert of_server
    return max(process.memory_info().rss for process in of_server)


@pytest.mark.parametrize("known", [False, True])
def test_however_much_is_sent_nothing_of_it_is_kept(function: Server, known: bool) -> None:
    before = served_memory(function)
    with begun(function, CHUNKED, known=known) as connection:
        piece = b"100000\r\n" + b" " * MIB + b"\r\n"
        with contextlib.suppress(OSError):
            for _ in range(100):
                connection.sendall(piece)
            connection.sendall(b"0\r\n\r\n")
    time.sleep(0.2)
    assert served_memory(function) - before < 20 * MIB


@pytest.mark.parametrize(
    "body",
    [b"zz\r\n{}\r\n0\r\n\r\n", b"2;;=\r\n{}\r\n0\r\n\r\n", b"2\r\n{}xx0\r\n\r\n", b"-2\r\n{}\r\n0\r\n\r\n"],
    ids=["size", "extension", "end", "sign"],
)
def test_chunks_that_are_none_are_a_malformed_request_and_no_error_of_ours(
    function: Server, body: bytes
) -> None:
    for known, status in ((True, 400), (False, 401)):
        before = function.output()
        with begun(function, CHUNKED, known=known) as connection:
            connection.sendall(body)
            assert status_of(connection) == status
        told = function.output().removeprefix(before).splitlines()
        assert [json.loads(line)["severity"] for line in told] == ["INFO"]


def test_a_stranger_who_sends_slowly_is_answered_within_moments(function: Server) -> None:
    began = time.monotonic()
    with begun(function, "Content-Length: 60000") as connection:
        assert trickled(connection) == 401
    assert time.monotonic() - began < 4


def test_strangers_who_send_slowly_to_every_thread_do_not_keep_it(function: Server) -> None:
    with contextlib.ExitStack() as slow:
        for _ in range(THREADS + 1):
            slow.enter_context(begun(function, "Content-Length: 60000"))
        answer = function.ask(
            "POST / HTTP/1.1", {**signed_in(), "Content-Type": "application/json"}, json.dumps(ACK).encode()
        )
    assert answer.status == 200


@pytest.mark.parametrize("framing", ["Content-Length: 60000", CHUNKED])
def test_a_body_that_trickles_in_is_given_up_though_its_sender_is_known(
    function: Server, framing: str
) -> None:
    began = time.monotonic()
    with begun(function, framing, known=True) as connection:
        if framing == CHUNKED:
            connection.sendall(b"ffff\r\n")
        assert trickled(connection) == 400
        # The rest of the body is not taken for another request. The answer's own may come in two parts.
        connection.settimeout(10)
        rest = b"".join(iter(partial(connection.recv, 65536), b""))
        assert b"HTTP/1.1" not in rest
    assert 9 < time.monotonic() - began < 14


def trickled(connection: socket.socket) -> int:
    """The status of the answer to which a byte now and then leads at last."""
    connection.settimeout(0.3)
    while True:
        with contextlib.suppress(TimeoutError):
            return status_of(connection)
        connection.sendall(b" ")


def test_after_a_body_that_came_whole_the_connection_serves_on(function: Server) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", function.port, timeout=30)
    ports = set()
    for headers, status in ((signed_in(), 200), ({}, 401), (signed_in(), 200)):
        body = json.dumps(ACK)
        connection.request("POST", "/", body, {**headers, "Content-Type": "application/json"})
        ports.add(connection.sock.getsockname())
        answer = connection.getresponse()
        answer.read()
        assert answer.status == status
    connection.close()
    assert len(ports) == 1
