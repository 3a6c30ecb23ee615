"""Requests that no client of ours would make: what a generator that follows the schema doesn't think of."""

from __future__ import annotations

import json
import random
from collections.abc import Collection, Mapping
from typing import Any, NamedTuple
from urllib.parse import quote_from_bytes

_LIMIT = 64 * 1024
_DEEPEST = 30_000

# No JSON, or JSON that not all read alike: numbers past a double, NaN, NUL, lone surrogates, bad UTF-8.
_VALUES = (
    *(b"1e999", b"-1e999", b"NaN", b"-Infinity", b"9" * 400, b"9" * 5000, b"0.1e-400", b"01", b"-0", b"8.0"),
    *(rb'"\ud800"', rb'"\udc00\ud800"', rb'"\u0000"', rb'"a\u0000b"', rb'"\uffff"', rb'"\u202e\u2028"'),
    *(b'"\x00"', b'"\xff\xfe"', b'"\xed\xa0\x80"', b'"\xc0\x80"', b'"\xf4\x90\x80\x80"', b'"\n"', b"''"),
    *(b"null", b"true", b"0", b"-1", b"[]", b"{}", b'""', b'" "', b"[null]", b'{"a":1}', b"1 2", b"", b"nul"),
    *(b'"' + b"x" * 5000 + b'"', b'"' + b"x" * _LIMIT + b'"', '"\u0130\ufb03\U0001f600"'.encode(), b"/**/1"),
)
_QUERY_VALUES = (
    *("", "%", "%zz", "%00", "%ff", "%ed%a0%80", "%C0%80", "+", "%0a", "%u0041", "[]", "8.0", "1e3", "true"),
    *("a" * 5000, "9" * 400, "%F0%9F%98%80", "%E2%80%AE", "null", "-1", "0x8", "1_0", "%d9%a3"),
)
# Not HEAD, whose answers have no body to check, and not OPTIONS, which the document leaves to CORS.
_OTHER_METHODS = ("PUT", "PATCH", "DELETE", "TRACE", "BREW")
_MEDIA_TYPES = (
    *(b"application/json; charset=utf-16", b"APPLICATION/JSON", b"application/json;", b"application/jsonx"),
    *(b"application/x-www-form-urlencoded", b"multipart/form-data; boundary=x", b"text/plain", b"/", b""),
)
_ODD_HEADERS: Mapping[str, tuple[bytes, ...]] = {
    "Idempotency-Key": (b'"', b'""', b'"\\"', b'"a\\"b"', b"a", b"a" * 255, b"a" * 256, b"a b", b"\xe9"),
    "X-Correlation-Id": (
        b"c0ffee00-0000-4000-8000-000000000000",
        b"{c0ffee00}",
        b"0" * 32,
        b"\xff",
        b"x" * 99,
    ),
    "Authorization": (
        b"",
        b"Bearer",
        b"Bearer a.b.c",
        b"Basic eDp5",
        b"Bearer " + b"a" * 7900,
        b"Bearer \xff",
    ),
    "Origin": (b"null", b"https://evil.example", b"\xff"),
    "Accept": (b"text/html", b"*/*;q=0", b"\xff"),
    "Content-Encoding": (b"gzip", b"br", b"identity"),
    "Cookie": (b"a=b; ;=;", b"\xff=\xff"),
    "traceparent": (b"00-" + b"0" * 32 + b"-" + b"0" * 16 + b"-00", b"00-x"),
    "X-Cloud-Trace-Context": (b"a" * 32 + b"/1;o=1", b"/;"),
    "X-HTTP-Method-Override": (b"DELETE", b"GET"),
}


class Wild(NamedTuple):
    """One request as it goes out. The headers come on top of the signed-in user's, or in place of them."""

    method: str
    query: str
    headers: dict[str, bytes]
    body: bytes
    chunked: bool


def make_wild(chance: random.Random, method: str, fields: Mapping[str, Any]) -> Wild:
    """A request to an operation that would take ``fields``, with something wrong in it here or there."""
    in_query = method == "GET"
    return Wild(
        method=chance.choice(_OTHER_METHODS) if chance.random() < 0.1 else method,
        query=_query(chance, fields) if in_query or chance.random() < 0.1 else "",
        headers=_headers(chance),
        body=_body(chance, fields) if not in_query or chance.random() < 0.1 else b"",
        chunked=chance.random() < 0.2,
    )


def _body(chance: random.Random, fields: Mapping[str, Any]) -> bytes:
    good = _object(_members(fields))
    return chance.choice(
        (
            # Mostly right but for a member or two, so that it is looked at closely.
            *[lambda: _object(_with_odd_ones(chance, fields))] * 8,
            lambda: chance.randbytes(chance.randrange(200)),
            lambda: chance.choice(_VALUES),
            lambda: good[: chance.randrange(len(good))],
            lambda: chance.choice((good + good, b"[" + good + b"]", b"\xef\xbb\xbf" + good)),
            lambda: good + b" " * (_LIMIT - len(good) + chance.randrange(2)),
            lambda: good.decode().encode(chance.choice(("utf-16", "utf-32", "utf-7"))),
            lambda: _object([*_members(fields), _member("detection", _nested(chance))]),
            lambda: _nested(chance),
        )
    )()


def _with_odd_ones(chance: random.Random, fields: Mapping[str, Any]) -> list[bytes]:
    names = [*fields, *fields, "__proto__", "", "\x00", "tenant_id"]
    odd = {chance.choice(names): chance.choice(_VALUES) for _ in range(chance.randint(1, 3))}
    members = _members(_rest(chance, fields, odd)) + [_member(name, value) for name, value in odd.items()]
    chance.shuffle(members)
    return members


def _rest(chance: random.Random, fields: Mapping[str, Any], odd: Collection[str]) -> dict[str, Any]:
    """The fields that are not odd; now and then those as well, so that a name comes twice."""
    twice = chance.random() < 0.1
    return {name: value for name, value in fields.items() if twice or name not in odd}


def _nested(chance: random.Random) -> bytes:
    depth = chance.choice((10, 900, 1_100, _DEEPEST))
    opening, closing = chance.choice(((b"[", b"]"), (b'{"a":', b"}")))
    return opening * (depth // len(opening)) + b"1" + closing * (depth // len(opening))


def _object(members: list[bytes]) -> bytes:
    return b"{" + b",".join(members) + b"}"


def _members(fields: Mapping[str, Any]) -> list[bytes]:
    return [_member(name, json.dumps(value).encode()) for name, value in fields.items()]


def _member(name: str, value: bytes) -> bytes:
    return json.dumps(name).encode() + b":" + value


def _query(chance: random.Random, fields: Mapping[str, Any]) -> str:
    names = [*fields, *fields, "tenant_id", "%00", "", "limit[]"]
    odd = {chance.choice(names): chance.choice(_QUERY_VALUES) for _ in range(chance.randint(1, 3))}
    rest = _rest(chance, fields, odd).items()
    pairs = [f"{name}={quote_from_bytes(str(value).encode())}" for name, value in rest]
    pairs += [f"{name}={value}" for name, value in odd.items()]
    chance.shuffle(pairs)
    return "&".join(pairs)


def _headers(chance: random.Random) -> dict[str, bytes]:
    # Line breaks and NUL are left out: the server refuses them before any function is called.
    headers = {"Content-Type": chance.choice(_MEDIA_TYPES) if chance.random() < 0.1 else b"application/json"}
    for name, values in _ODD_HEADERS.items():
        if chance.random() < 0.07:
            printable = bytes(chance.choice(range(0x21, 0x100)) for _ in range(chance.randrange(1, 40)))
            headers[name] = chance.choice((*values, printable.replace(b"\x7f", b"")))
    return headers
