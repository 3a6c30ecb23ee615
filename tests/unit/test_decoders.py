"""What comes in from outside is taken for what it is or refused as promised, and nothing else happens.

Tokens and files have their own: test_token_decoding, test_intake_damaged.
"""

from __future__ import annotations

import copy
import json
from datetime import UTC
from pathlib import Path
from typing import Any
from urllib.parse import quote_from_bytes
from uuid import UUID

import flask
import msgspec
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from werkzeug.test import EnvironBuilder

from shared.decisions.policy import PolicyError, decode_policy, encode_policy
from shared.errors import InvalidFields, MobiusError
from shared.messaging.codec import NotOurMessage, ProjectMessage, decode_message, encode_message
from shared.persistence.panel import HistoryPlace, InboxPlace
from shared.web.body import read_raw
from shared.web.cursors import decode_cursor, encode_cursor
from shared.web.fields import read_fields, read_idempotency_key
from shared.web.registry import ENDPOINTS
from tests.unit.damaged import depths, edited, edits, nested, places, replaced_somewhere, values

# Messages ---------------------------------------------------------------------------------------------

messages = st.builds(ProjectMessage, version=st.integers(-(2**63), 2**64 - 1))


@given(messages, st.data())
def test_what_looks_like_a_message_is_one_or_refused(message: ProjectMessage, data: st.DataObject) -> None:
    document = replaced_somewhere({**json.loads(encode_message(message)), "kind": "project"}, data)
    try:
        decoded = decode_message(json.dumps(document).encode())
    except NotOurMessage:
        return
    assert {**document, **json.loads(encode_message(decoded))} == document


@given(messages, edits)
def test_a_damaged_message_is_one_or_refused(message: ProjectMessage, changes: Any) -> None:
    try:
        decode_message(edited(encode_message(message), changes))
    except NotOurMessage as refused:
        assert str(refused) == "not a message of Mobius"  # noqa: PT017 -- both ends are right here


@depths
def test_however_deep_a_message_is_nested_it_is_refused(depth: int) -> None:
    for data in (nested(depth), b'{"kind":' + nested(depth) + b"}"):
        with pytest.raises(NotOurMessage):
            decode_message(data)


# Cursors ----------------------------------------------------------------------------------------------

places_in_lists = st.builds(HistoryPlace, seq=st.integers(1, 2**63 - 1)) | st.builds(
    InboxPlace, created_at=st.datetimes(timezones=st.just(UTC))
)


@given(places_in_lists)
def test_a_cursor_of_ours_is_the_place_that_it_was_made_of(place: HistoryPlace | InboxPlace) -> None:
    assert decode_cursor(encode_cursor(place), type(place)) == place


@given(places_in_lists, st.data(), st.text(max_size=60), edits)
def test_another_cursor_is_a_place_or_the_field_that_is_wrong(
    place: HistoryPlace | InboxPlace, data: st.DataObject, text: str, changes: Any
) -> None:
    other = encode_cursor(replaced_somewhere(msgspec.to_builtins(place), data))
    before_time = encode_cursor(
        {"created_at": "0001-01-01T00:00:00+14:00", "assignment_id": str(UUID(int=1))}
    )
    for cursor in (other, text, edited(other.encode(), changes).decode("latin-1"), before_time):
        for kind in (HistoryPlace, InboxPlace):
            try:
                decode_cursor(cursor, kind)
            except InvalidFields as refused:
                assert [error.field for error in refused.errors] == ["cursor"]  # noqa: PT017 -- as above


# Requests ---------------------------------------------------------------------------------------------


def sent(method: str, **given: Any) -> flask.Request:
    return flask.Request(EnvironBuilder(method=method, **given).get_environ())


def fields_of(request: flask.Request) -> dict[str, object] | None:
    """The fields of a request, or None when it is refused with a sentence for the caller."""
    try:
        fields = dict(read_raw(request))
    except MobiusError as refused:
        assert 400 <= refused.status < 500  # noqa: PT017 -- as above
        return None
    # What is let in can be stored: text is text.
    json.dumps(fields, ensure_ascii=False).encode()
    return fields


@given(st.binary(max_size=200) | values.map(lambda value: json.dumps(value).encode()), edits)
def test_a_body_is_the_object_that_it_holds_or_refused(body: bytes, changes: Any) -> None:
    usual = b'{"session_id": "try", "note_text": "Called the payer.", "detection": {"external_id": "7"}}'
    for data in (body, edited(body, changes), edited(usual, changes)):
        fields = fields_of(sent("POST", data=data, content_type="application/json"))
        if fields is not None:
            assert fields == json.loads(data)


@depths
def test_however_deep_a_body_is_nested_it_is_read_or_refused(depth: int) -> None:
    fields = fields_of(sent("POST", data=nested(depth), content_type="application/json"))
    assert (fields is not None) == (depth == 10)


@given(st.sampled_from(ENDPOINTS), st.data())
def test_any_query_is_read_into_a_request_or_names_what_is_wrong(endpoint: Any, data: st.DataObject) -> None:
    names = st.sampled_from(endpoint.request.__struct_fields__)
    pairs = st.tuples(names, st.binary(max_size=12).map(quote_from_bytes) | st.text("%zf0&=+", max_size=6))
    query = "&".join(f"{name}={value}" for name, value in data.draw(st.lists(pairs, max_size=6)))
    fields = fields_of(sent("GET", query_string=query))
    if fields is not None:
        request, errors = read_fields(endpoint.request, fields, from_query=True)
        assert errors or isinstance(request, endpoint.request)


@given(st.text(max_size=300) | st.text('"\\ a', max_size=12))
def test_an_idempotency_key_is_its_printable_self_or_named_as_wrong(header: str) -> None:
    key, errors = read_idempotency_key(header)
    assert (key is None) == bool(errors)
    assert key is None or (key.isascii() and key.isprintable() and 1 <= len(key) <= 255)


# Policy -----------------------------------------------------------------------------------------------

POLICY: dict[str, Any] = yaml.safe_load(
    (Path(__file__).parents[2] / "ops/default_policy.yaml").read_text("utf-8")
)
# What YAML makes besides what JSON has.
yaml_values = st.recursive(
    values | st.dates() | st.datetimes() | st.binary(max_size=4),
    lambda inner: st.dictionaries(
        st.none() | st.integers() | st.dates() | st.text(max_size=4), inner, max_size=2
    ),
    max_leaves=4,
)


@given(st.data())
def test_a_document_is_a_policy_that_it_says_or_refused_with_what_is_wrong(data: st.DataObject) -> None:
    document = replaced_somewhere(POLICY, data, yaml_values)
    try:
        policy = decode_policy(document)
    except PolicyError as refused:
        assert refused.problems  # noqa: PT017 -- as above
        return
    assert decode_policy(encode_policy(policy)) == policy


@depths
@settings(max_examples=10)
@given(st.data())
def test_however_deep_a_policy_is_nested_it_is_refused(depth: int, data: st.DataObject) -> None:
    document = copy.deepcopy(POLICY)
    deep: dict[str, Any] = {}
    for _ in range(depth):
        deep = {"x": deep}
    container, key = data.draw(st.sampled_from(list(places(document))))
    container[key] = deep
    with pytest.raises(PolicyError):
        decode_policy(document)
