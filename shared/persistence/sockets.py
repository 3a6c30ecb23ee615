"""The sockets to PostgreSQL: nothing is waited for longer than the request's deadline allows.

A time-out that is set once begins anew with each piece that comes in, and a request makes many round trips.
So every single wait gets what is left at that moment.
"""

from __future__ import annotations

import io
import socket
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from shared.patience import at_most
from shared.persistence.outage import Outage

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, WriteableBuffer


class _InTime(io.RawIOBase):
    """What goes over a socket; tells ``outage`` what it heard, or that it waited in vain."""

    def __init__(self, sock: socket.socket, raw: Any, longest_s: float, outage: Outage) -> None:
        super().__init__()
        self._sock = sock
        self._raw = raw
        self._longest_s = longest_s
        self._outage = outage

    def readable(self) -> bool:
        """It is."""
        return True

    def writable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: WriteableBuffer) -> int | None:
        """Reads what is there, once something is. Raises TimeoutError."""
        read: int | None = self._waiting(lambda: self._raw.readinto(buffer))
        self._outage.heard()
        return read

    def write(self, data: ReadableBuffer) -> int | None:
        """Writes as much as there is room for, once there is some. Raises TimeoutError."""
        written: int | None = self._waiting(lambda: self._raw.write(data))
        return written

    def close(self) -> None:
        """Closes the way, not the socket."""
        self._raw.close()
        super().close()

    def _waiting(self, doing: Callable[[], Any]) -> Any:
        began = time.monotonic()
        self._sock.settimeout(at_most(self._longest_s))
        try:
            return doing()
        except TimeoutError:
            self._outage.waited_in_vain(began)
            raise


def in_time(sock: socket.socket, longest_s: float, outage: Outage) -> io.BufferedRWPair:
    """A buffered way over ``sock`` whose every wait ends in time."""
    raw = _InTime(sock, socket.socket.makefile(sock, "rwb", buffering=0), longest_s, outage)
    return io.BufferedRWPair(raw, raw)


class TimelySocket(socket.socket):
    """A socket that gives the driver such a way; ``prepare`` comes first."""

    _way: Callable[[], io.BufferedRWPair]

    def prepare(self, longest_s: float, outage: Outage) -> None:
        """Says how long a wait may be where there is no deadline."""
        self._way = lambda: in_time(self, longest_s, outage)

    def makefile(self, *_args: Any, **_options: Any) -> Any:
        """The way, whatever was asked for: the driver reads and writes bytes."""
        return self._way()


def connected_socket(host: str, port: int, longest_s: float, outage: Outage) -> TimelySocket:
    """A connection to a server, within the deadline. Raises OSError."""
    plain = socket.create_connection((host, port), at_most(longest_s))
    sock = TimelySocket(fileno=plain.detach())
    sock.settimeout(at_most(longest_s))
    sock.prepare(longest_s, outage)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    return sock
