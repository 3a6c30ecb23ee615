"""Takes the fields out of an HTTP request: from the query of a GET, from the JSON body of a POST.

How much there may be of each is limited here; how long a field may be is its type's business.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Mapping, Sequence

import flask
import msgspec

from shared.errors import BodyTooLarge, MalformedRequest, QueryTooLong, UnsupportedMediaType
from shared.web import arrival

MAX_BODY = 64 * 1024
MAX_DEPTH = 16
"""Objects and lists within each other, the body's own among them."""
MAX_QUERY = 8 * 1024
MAX_PARAMETERS = 64
# Of a caller who is signed in all is heard out that Cloud Run takes over HTTP/1; of any other, a little.
_MOST_HEARD = 32 * 1024 * 1024
_HEARD_WITHIN_S = 10.0
_MOST_DROPPED = 1024 * 1024
_DROPPED_WITHIN_S = 1.0

_TOO_DEEP = f"The request body may hold at most {MAX_DEPTH} objects and lists within each other."
_TWICE = "The request body holds an object that names a member twice."
_TOO_MANY = f"The query may hold at most {MAX_PARAMETERS} parameters."


def read_raw(request: flask.Request) -> Mapping[str, object]:
    """The fields as they were sent, unchecked; of a parameter that came more than once, the first.

    Raises UnsupportedMediaType, BodyTooLarge, QueryTooLong and MalformedRequest.
    """
    if request.method == "GET":
        _measure_query(request.query_string)
        return request.args.to_dict()
    if request.mimetype != "application/json":
        raise UnsupportedMediaType
    return _read_object(_read_body(request))


def repeated_parameters(request: flask.Request, known: Sequence[str]) -> list[str]:
    """Those of the ``known`` fields that a GET gives more than once: which one counts would be a guess."""
    if request.method != "GET":
        return []
    return [name for name in known if len(request.args.getlist(name)) > 1]


def drop_rest(request: flask.Request) -> None:
    """Reads on for a moment what a request still sends, without keeping it; after this nobody can.

    A server that closes while the client is still sending resets the connection, and the client never sees
    the answer. Who sends more, or slowly, may be anybody, and is not waited for: the server then closes.
    """
    with contextlib.suppress(MalformedRequest):
        for _ in arrival.pieces(request, most=_MOST_DROPPED, within_s=_DROPPED_WITHIN_S):
            pass
    arrival.close(request)


def _measure_query(query: bytes) -> None:
    # Before anything is decoded.
    if len(query) > MAX_QUERY:
        raise QueryTooLong
    if query.count(b"&") >= MAX_PARAMETERS:
        raise MalformedRequest(_TOO_MANY)


def _read_object(body: bytes) -> dict[str, object]:
    try:
        raw = msgspec.json.decode(body)
        # msgspec takes the last of two members of one name, others the first: whoever looked at the body on
        # its way may have seen another one than we. A second reading that only looks at names costs 3 µs.
        json.loads(body, object_pairs_hook=_refuse_twice, parse_int=str, parse_float=str)
    except RecursionError:
        raise MalformedRequest(_TOO_DEEP) from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise MalformedRequest from None
    if not isinstance(raw, dict):
        raise MalformedRequest
    if deeper_than(raw, MAX_DEPTH):
        raise MalformedRequest(_TOO_DEEP)
    return raw


def deeper_than(value: object, limit: int) -> bool:
    """Whether objects and lists lie deeper than ``limit`` within each other: level by level, no recursion."""
    level = [value]
    for _ in range(limit):
        level = [inner for each in level for inner in _inside(each) if isinstance(inner, dict | list)]
        if not level:
            return False
    return True


def _inside(container: object) -> Iterable[object]:
    if isinstance(container, dict):
        return container.values()
    return container if isinstance(container, list) else ()


def _refuse_twice(members: list[tuple[str, object]]) -> None:
    if len({name for name, _ in members}) < len(members):
        raise MalformedRequest(_TWICE)


def _read_body(request: flask.Request) -> bytes:
    body = bytearray()
    length = 0
    for piece in arrival.pieces(request, most=_MOST_HEARD, within_s=_HEARD_WITHIN_S):
        length += len(piece)
        if length <= MAX_BODY:
            body += piece
    if length > MAX_BODY:
        raise BodyTooLarge
    arrival.close(request)
    return bytes(body)
