"""Takes the fields out of an HTTP request: from the query of a GET, from the JSON body of a POST."""

from __future__ import annotations

from collections.abc import Mapping

import flask
import msgspec
from werkzeug.exceptions import ClientDisconnected

from shared.errors import BodyTooLarge, MalformedRequest, UnsupportedMediaType

MAX_BODY = 64 * 1024
# Cloud Run takes no more than this over HTTP/1.
_MAX_DRAINED = 32 * 1024 * 1024


def read_raw(request: flask.Request) -> Mapping[str, object]:
    """The fields as they were sent, unchecked.

    Raises UnsupportedMediaType, BodyTooLarge and MalformedRequest.
    """
    if request.method == "GET":
        return request.args.to_dict()
    if request.mimetype != "application/json":
        raise UnsupportedMediaType
    try:
        raw = msgspec.json.decode(_read_body(request))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise MalformedRequest from None
    if not isinstance(raw, dict):
        raise MalformedRequest
    return raw


def _read_body(request: flask.Request) -> bytes:
    # The framework's own limit answers with HTML; ours is lower and counts what really comes, also
    # when no length was announced.
    request.max_content_length = None
    body = bytearray()
    length = 0
    try:
        while length <= _MAX_DRAINED and (chunk := request.stream.read(MAX_BODY)):
            length += len(chunk)
            # A body that is too large is read and dropped: a server that closes while the client is
            # still sending resets the connection, and the client never sees the 413.
            if length <= MAX_BODY:
                body += chunk
    except (ClientDisconnected, OSError):
        raise MalformedRequest from None
    if length > MAX_BODY:
        raise BodyTooLarge
    return bytes(body)
