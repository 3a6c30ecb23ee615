"""How a request's body arrives: bounded in bytes and in time, whatever is sent and however slowly."""

from __future__ import annotations

import io
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import flask

from shared.errors import MalformedRequest

# Where gunicorn, which serves every function, says through which socket a request comes.
_SOCKET = "gunicorn.socket"
_PIECE = 64 * 1024
_LOOK_EVERY_S = 0.25
_AT_ONCE_S = 0.001


def pieces(request: flask.Request, *, most: int, within_s: float) -> Iterator[bytes]:
    """What the request sends, in pieces, until ``most`` bytes are exceeded.

    Raises MalformedRequest when it is no HTTP, breaks off, or is not there after ``within_s`` seconds, which
    become twice as many when its sender falls silent in the end.
    """
    # The framework's own limit answers with HTML; ours counts what really comes, also when no length was
    # announced.
    request.max_content_length = None
    length = 0
    with _in_time(request, within_s):
        while length <= most and (piece := _next(request)):
            length += len(piece)
            yield piece


def close(request: flask.Request) -> None:
    """Lets nobody read on: the framework would, after the answer was made, and into memory without end."""
    request.stream = io.BytesIO()


def _next(request: flask.Request) -> bytes:
    try:
        return request.stream.read(_PIECE)
    except TimeoutError:
        raise MalformedRequest("The request body took too long to arrive.") from None
    except Exception:  # noqa: BLE001 -- a server has its own errors for what is no HTTP, and we know no server
        raise MalformedRequest from None


class _Watch:
    """Ends the reading from sockets whose time is over.

    A socket's own time-out begins anew with every byte. A thread for each request would cost more than the
    request, so one looks after all, for as long as there are any.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ends: dict[socket.socket, float] = {}
        self._watched = False

    @contextmanager
    def over(self, connection: socket.socket, within_s: float) -> Iterator[None]:
        """While this lasts, reading from ``connection`` raises TimeoutError after ``within_s`` seconds."""
        as_served = connection.gettimeout()
        connection.settimeout(within_s)
        with self._lock:
            self._ends[connection] = time.monotonic() + within_s
            if not self._watched:
                self._watched = True
                threading.Thread(target=self._look, name="slow bodies", daemon=True).start()
        try:
            yield
        finally:
            with self._lock:
                del self._ends[connection]
                connection.settimeout(as_served)

    def _look(self) -> None:
        while True:
            time.sleep(_LOOK_EVERY_S)
            with self._lock:
                if not self._ends:
                    self._watched = False
                    return
                now = time.monotonic()
                for connection, end in self._ends.items():
                    if end <= now:
                        connection.settimeout(_AT_ONCE_S)


_watch = _Watch()


@contextmanager
def _in_time(request: flask.Request, within_s: float) -> Iterator[None]:
    connection = request.environ.get(_SOCKET)
    # Elsewhere, as in a test client, the body is here already.
    if isinstance(connection, socket.socket):
        with _watch.over(connection, within_s):
            yield
    else:
        yield
