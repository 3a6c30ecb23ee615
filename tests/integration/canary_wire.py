"""How the canary's calls travel: whole requests, what is no HTTP, and what Pub/Sub would never push."""

from __future__ import annotations

import base64
import http.client
import json
import socket
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import NamedTuple
from urllib.parse import urlsplit

from tests.integration.canary import Markers
from tests.integration.canary_requests import Call


class Answer(NamedTuple):
    """What came back: everything that the caller can read."""

    status: int
    text: str


class Line:
    """A connection to a process, made anew when the process closed it. For one thread."""

    def __init__(self, url: str) -> None:
        self._host = urlsplit(url).netloc
        self._connection = http.client.HTTPConnection(self._host, timeout=20)

    def send(self, call: Call, headers: Mapping[str, str]) -> Answer:
        """The answer; status 0 when there was none."""
        # Its own headers count: a call may be about a wrong token.
        sent = {**headers, **call.headers}
        if call.body is not None:
            sent["Content-Length"] = str(len(call.body))
        at_endpoint = call.path == "/" or call.path.startswith("/?")
        path = call.spec.path + call.path[1:] if at_endpoint else call.path
        own_host = "Host" in sent
        try:
            self._connection.putrequest(call.method, path, skip_host=own_host, skip_accept_encoding=True)
            for name, value in sent.items():
                self._connection.putheader(name, value)
            self._connection.endheaders(call.body)
            response = self._connection.getresponse()
            body = response.read().decode("utf-8", "replace")
        except (OSError, http.client.HTTPException):
            self.close()
            self._connection = http.client.HTTPConnection(self._host, timeout=20)
            return Answer(0, "")
        return Answer(response.status, f"{response.reason}\n{response.headers}\n{body}")

    def close(self) -> None:
        self._connection.close()


def no_http(markers: Markers, who: str, path: str) -> Iterator[bytes]:
    """What a server gets that is open to the world, with a marker in each."""

    def mark(name: str) -> str:
        return markers.word(f"no HTTP to {who}: {name}")

    line, host = f"GET {path}", "Host: x\r\nConnection: close"
    for text in (
        f"{mark('no line')}\r\n",
        f"{mark('method')} / HTTP/1.1\r\n{host}\r\n",
        f"{mark('long method').upper() * 4} / HTTP/1.1\r\n{host}\r\n",
        f"{line} HTTP/{mark('version')}\r\n{host}\r\n",
        f"{line}?q={mark('bytes in a query')}é HTTP/1.1\r\n{host}\r\n",
        f"GET /{mark('bytes in a path')}é HTTP/1.1\r\n{host}\r\n",
        f"GET http://[{mark('address')}/ HTTP/1.1\r\n{host}\r\n",
        f"{line} HTTP/1.1\r\n{host}\r\n{mark('name')}(: x\r\n",
        f"{line} HTTP/1.1\r\n{host}\r\n{mark('no colon')}\r\n",
        f"{line} HTTP/1.1\r\n{host}\r\nX-A: {mark('value')}\x00\r\n",
        f"{line} HTTP/1.1\r\n{host}\r\nX-A: a\r\n {mark('folded')}\r\n",
        f"{line} HTTP/1.1\r\n{host}\r\nExpect: {mark('Expect')}\r\n",
        f"{line} HTTP/1.1\r\nHost: {mark('Host')}/<>\r\nConnection: close\r\n",
        f"POST {path} HTTP/1.1\r\n{host}\r\nContent-Length: {mark('length')}\r\n",
        f"POST {path} HTTP/1.1\r\n{host}\r\nTransfer-Encoding: {mark('encoding')}\r\n",
        f"POST {path} HTTP/1.1\r\n{host}\r\nTransfer-Encoding: chunked\r\n\r\n{mark('chunk')}\r\n",
        f"PROXY TCP4 {mark('proxy')} 1 2 3\r\n{line} HTTP/1.1\r\n{host}\r\n",
        f"\x16\x03\x01{mark('TLS')}\r\n",
    ):
        yield f"{text}\r\n".encode("latin-1")


def throw(url: str, data: bytes) -> str:
    """Sends bytes as they are and returns what came back."""
    address = urlsplit(url)
    said = b""
    with socket.create_connection((address.hostname or "", address.port or 0), timeout=10) as wire:
        wire.sendall(data)
        with suppress(OSError):
            while more := wire.recv(65536):
                said += more
    return said.decode("utf-8", "replace")


def push_of(data: bytes) -> dict[str, object]:
    """A message as a push subscription delivers it."""
    encoded = base64.b64encode(data).decode()
    message = {"data": encoded, "messageId": "1", "publishTime": "2030-01-01T00:00:00Z", "attributes": {}}
    return {"message": message, "subscription": "projects/x/subscriptions/projector"}


def garbage(markers: Markers) -> Iterator[tuple[str, bytes, dict[str, str]]]:
    """What is pushed that is none of our messages: what it is, body, headers."""

    def mark(name: str) -> str:
        return markers.word(f"pushed {name}")

    typed = {"Content-Type": "application/json"}
    ours = {"kind": "project", "subject_type": "patient", "version": 1, "subject": mark("subject")}
    ids = {"tenant_id": mark("tenant"), "correlation_id": mark("id")}
    for what, data in {
        "text": mark("text").encode(),
        "JSON": json.dumps({mark("name"): mark("value")}).encode(),
        "nearly ours": json.dumps(ours | ids).encode(),
        "bytes": b"\xff" + mark("bytes").encode(),
    }.items():
        yield what, json.dumps(push_of(data)).encode(), typed
    whole = push_of(b"{}")
    marked = {n: mark(n) for n in ("data", "messageId", "publishTime", "orderingKey")}
    attributes = {mark("attribute"): mark("attribute's value")}
    wrong = {"message": {**marked, "attributes": attributes}, "subscription": mark("subscription")}
    yield "no base64", json.dumps(wrong).encode(), typed
    yield "no message", json.dumps({mark("no message"): whole}).encode(), typed
    yield "no JSON", mark("no JSON").encode(), typed
    yield "another type", mark("another type").encode(), {"Content-Type": f"text/{mark('type')}"}
    events = {f"ce-{name}": mark(f"ce-{name}") for name in ("id", "type", "source", "subject", "time")}
    yield "an event", mark("event's data").encode(), {**typed, **events, "ce-specversion": "1.0"}
    yield "no version", mark("event's data").encode(), {**typed, **events, "ce-specversion": mark("version")}
    inside = {name: mark(f"event's {name}") for name in ("id", "source", "type", "time", "data")}
    event = {"Content-Type": "application/cloudevents+json"}
    yield "an event inside", json.dumps({"specversion": "1.0", **inside}).encode(), event
    yield "half an event", json.dumps(inside).encode(), event
