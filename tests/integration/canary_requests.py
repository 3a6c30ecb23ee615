"""Requests with markers wherever a client can put one, made from the registry: of new endpoints too."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any
from urllib.parse import quote, urlencode
from uuid import UUID, uuid4

import msgspec

from shared.web.fields import is_struct, without_none
from shared.web.registry import Endpoint
from tests.integration.canary import Markers

Spec = Endpoint[Any, Any]
Fields = dict[str, Any]

MARKED = object()
"""The value of a field that is to be sent, whatever it is."""

ECHOED = ("session_id", "q", "note_text", "note", "patient_key")
"""What an answer says back to whoever sent it (handbook: api.md). No error does."""

HARMLESS_HEADERS = (
    *("User-Agent", "Referer", "Cookie", "Accept", "Accept-Language", "From", "Via", "X-Forwarded-For"),
    *("Forwarded", "X-Correlation-Id", "traceparent", "tracestate", "baggage", "X-Cloud-Trace-Context"),
    *("X-Request-Id", "Function-Execution-Id", "X-Http-Method-Override", "X-Goog-Authenticated-User-Email"),
    *("ce-id", "ce-type", "If-None-Match", "Range", "Sec-WebSocket-Key", "X-Patient-Name"),
)


_WRONG: Mapping[str, Callable[[str], object]] = {
    "of no alphabet": lambda word: f"{word}\u0000\ud7ff é/%\n",
    "too long": lambda word: word * 400,
    "in a list": lambda word: [word],
    "in an object": lambda word: {word: word},
}


@dataclass(frozen=True, kw_only=True)
class Call:
    """One request. ``echoes`` are the markers that an answer, not an error, may give back."""

    what: str
    spec: Spec
    method: str = "POST"
    path: str = "/"
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    echoes: frozenset[str] = frozenset()


class Calls:
    """Makes the calls of one endpoint. ``known`` are fields with values that have to be right, or MARKED."""

    def __init__(self, markers: Markers, spec: Spec, known: Fields, *, who: str = "client") -> None:
        self._markers = markers
        self.spec = spec
        self._who = f"{who} {spec.key}"
        fields = msgspec.structs.fields(spec.request)
        self._types = {each.name: without_none(each.type) for each in fields}
        wanted = {each.name for each in fields if each.required}
        self.base: Fields = {
            name: self._right(name, kind) if known.get(name, MARKED) is MARKED else known[name]
            for name, kind in self._types.items()
            if name in wanted or name in known
        }

    def right(self) -> Call:
        """What the endpoint takes."""
        return self._sent("all is right", self.base)

    def marked(self) -> Call:
        """As ``right``, about a patient whose key is a marker, from a client that says all it can."""
        # Not the note under its older name, which must say the same, nor a place in a list.
        others = {name: kind for name, kind in self._types.items() if name not in ("note", "cursor")}
        texts = {name: self._word(name) for name, kind in others.items() if _is_text(kind)}
        return self._sent("all is marked", self.base | texts)

    def also(self, what: str, fields: Fields, headers: Mapping[str, str] | None = None) -> Call:
        """As ``right`` with other fields."""
        whole = self.base | fields
        body = json.dumps(whole).encode()
        return self._call(what, headers=headers, body=body, echoes=self._echoes(whole))

    def everything(self) -> Iterator[Call]:
        """Every way to put a marker into a request."""
        yield self.right()
        yield from self._fields()
        yield from self._bodies()
        yield from self._headers()
        yield from self._elsewhere()
        if "GET" in self.spec.methods:
            yield from self._queries()

    def _fields(self) -> Iterator[Call]:
        """Each field with what its type takes; all at once with what none takes, for all are named."""
        words = {name: self._word(name) for name in self._types}
        for name, kind in self._types.items():
            if is_struct(kind):
                rest = {each: value for each, value in self.base.items() if each != "patient_key"}
                inside = {each: self._word(f"{name}.{each}") for each in kind.__struct_fields__}
                yield self._sent(f"{name} whole", rest | {name: inside})
                wrong = {each: [words[name]] for each in inside}
                yield self._sent(f"{name} wrong inside", rest | {name: wrong})
            else:
                yield self._sent(f"{name} alone is a marker", self.base | {name: words[name]})
        for how, put in _WRONG.items():
            yield self._sent(f"every field {how}", {name: put(word) for name, word in words.items()})
        unknown = {self._word("unknown field"): self._word("unknown field's value")}
        yield self._sent("an unknown field", self.base | unknown)
        yield self._sent("another tenant", self.base | {"tenant_id": str(uuid4())})
        yield self._sent("everything missing", {self._word("the only field"): 1})

    def _bodies(self) -> Iterator[Call]:
        marked = self._word("body")
        whole = json.dumps(self.base | {"page_signature": marked}).encode()
        for what, body in {
            "a body cut off": whole[:-1],
            "a body with more behind it": whole + marked.encode(),
            "a list": json.dumps([marked, self.base]).encode(),
            "a text": json.dumps(marked).encode(),
            "no JSON": marked.encode(),
            "no UTF-8": b'{"session_id": "' + marked.encode() + b'\xff"}',
            "half a letter": b'{"session_id": "' + marked.encode() + b'\\ud800"}',
            "a name twice": f'{{"{marked}": 1, "{marked}": 2}}'.encode(),
            "deep": b'{"a":' * 40 + json.dumps(marked).encode() + b"}" * 40,
            "a body too large": json.dumps(self.base | {marked: marked * 8000}).encode(),
            "nothing": b"",
        }.items():
            yield self._call(what, body=body)
        for name in ("text/plain", f"text/{marked}", f"application/json; charset={marked}", marked):
            yield self._call(f"another type of body, {name[:5]}", content_type=name)

    def _headers(self) -> Iterator[Call]:
        many = {name: self._word(name) for name in HARMLESS_HEADERS}
        yield self._call("harmless headers", headers=many)
        for name, value in {
            "traceparent": f"00-{self._word('traceparent')}-00",
            "X-Cloud-Trace-Context": f"{self._word('trace context')}/1;o=1",
            "Origin": f"https://{self._word('Origin')}.example",
            "Host": f"{self._word('Host')}.example",
            "Idempotency-Key": self._word("Idempotency-Key"),
            "Content-Encoding": self._word("Content-Encoding"),
        }.items():
            yield self._call(f"a header {name}", headers={name: value})
        yield self._call("a quoted key", headers={"Idempotency-Key": f'"{self._word("quoted key")} \\" x"'})
        yield self._call("a wrong key", headers={"Idempotency-Key": f"{self._word('wrong key')} x"})
        for what, token in {
            "no scheme": self._word("Authorization"),
            "Basic": f"Basic {self._word('Authorization Basic')}",
            "no token": f"Bearer {self._word('Bearer')}",
            "parts": f"Bearer a.{self._word('Bearer parts')}.c",
            "a signature": f"{_token({'sub': self._word('sub')})}{self._word('signature')}",
            "wrong claims": _token({"sub": self._word("sub"), "tenant_id": self._word("tenant")}),
            "another algorithm": _token({"sub": "x"}, alg=self._word("alg"), kid=self._word("kid")),
            "too long": f"Bearer {self._word('long token') * 900}",
        }.items():
            yield self._call(f"a token: {what}", headers={"Authorization": token})

    def _elsewhere(self) -> Iterator[Call]:
        marked = self._word("method")
        for method in ("PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "TRACE", marked.upper()):
            yield self._call("another method", method=method, headers={"X-Mark": marked})
        marked = self._word("path")
        yield self._call("a query on a POST", path=f"/?{marked}={marked}")
        for path in ("/", "//", "/%2e%2e/%00%ff", "/static/", "/robots.txt?"):
            yield self._call("a path", path=f"{path}{marked}")

    def _queries(self) -> Iterator[Call]:
        simple = {name: value for name, value in self.base.items() if not isinstance(value, dict)}
        words = {name: self._word(f"{name} in a query") for name in self._types}
        yield self._asked("all is right", simple)
        for name, word in words.items():
            yield self._asked(f"{name} alone is a marker", simple | {name: word})
        yield self._asked("every field of no alphabet", {n: f"{word} \u0000/" for n, word in words.items()})
        twice = "&".join(f"{name}={word}&{name}={word}" for name, word in words.items())
        yield self._call("every field twice in a query", method="GET", path=f"/?{twice}")
        marked = self._word("query")
        for what, query in {
            "unknown": f"{marked}={marked}",
            "no UTF-8": f"q={marked}%ff%fe%zz",
            "too long": f"q={marked * 800}",
            "too many": "&".join(f"{marked}{number}=1" for number in range(70)),
        }.items():
            echoes = self._echoes({"q": query})
            yield self._call(f"a query: {what}", method="GET", path=f"/?{query}", echoes=echoes)

    def _sent(self, what: str, fields: Fields) -> Call:
        return self._call(what, body=json.dumps(fields).encode(), echoes=self._echoes(fields))

    def _asked(self, what: str, fields: Fields) -> Call:
        query, echoes = urlencode(fields, quote_via=quote), self._echoes(fields)
        return self._call(f"{what} in a query", method="GET", path=f"/?{query}", echoes=echoes)

    def _call(
        self,
        what: str,
        *,
        method: str = "POST",
        path: str = "/",
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        content_type: str = "application/json",
        echoes: frozenset[str] | None = None,
    ) -> Call:
        if body is None and method == "POST":
            body = json.dumps(self.base).encode()
        typed = {"Content-Type": content_type} if body is not None else {}
        return Call(
            what=f"{self._who}: {what}",
            spec=self.spec,
            method=method,
            path=path,
            headers={**typed, **(headers or {})},
            body=body,
            echoes=self._echoes(self.base) if echoes is None else echoes,
        )

    def _echoes(self, fields: Fields) -> frozenset[str]:
        texts = (str(fields[name]) for name in ECHOED if name in fields)
        return frozenset(name for text in texts for name in self._markers.find(text))

    def _right(self, name: str, kind: Any) -> Any:
        plain = getattr(kind, "__supertype__", kind)
        if isinstance(plain, type) and issubclass(plain, Enum):
            return next(iter(plain)).value
        if isinstance(plain, type) and issubclass(plain, UUID):
            return str(uuid4())
        return self._word(name) if _is_text(kind) else 1

    def _word(self, name: str) -> str:
        return self._markers.word(f"{self._who} {name}")


def _is_text(kind: Any) -> bool:
    """Whether a field's type takes any text, within some alphabet."""
    plain = getattr(kind, "__origin__", kind)
    return getattr(plain, "__supertype__", plain) is str


def _token(claims: Mapping[str, object], **header: str) -> str:
    """A Bearer token without a signature."""
    parts = ({"alg": "none", "typ": "JWT", **header}, claims)
    encoded = (base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts)
    return f"Bearer {'.'.join(encoded)}."
