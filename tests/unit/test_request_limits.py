"""How much a request may hold, and that it is refused before it costs anything."""

from __future__ import annotations

import json
import time
import tracemalloc

import pytest
from werkzeug.test import TestResponse

from shared.errors import MalformedRequest
from shared.web import body as limits
from tests.unit.endpoint_calls import (
    ACK,
    client_of,
    environment,  # noqa: F401 -- a fixture
    post,
    problem_of,
    send,
    signed_in,
    wrong_fields,
)

pytestmark = pytest.mark.usefixtures("environment")

# Bodies -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"null",
        b"[1]",
        b'"text"',
        b"\xff\xfe\x00",
        b'{"note": "\xff"}',
        b'{"note": "\\ud800"}',
        b'{"a": 1e999}',
        b'{"a": ' + b"9" * 6000 + b"}",
        b"[" * 60_000,
        b'{"a":' * 10_000,
        b'{"session_id": "s"} trailing',
    ],
)
def test_what_is_not_a_json_object_is_malformed(body: bytes) -> None:
    problem_of(post("ack", body), 400)


@pytest.mark.parametrize("media_type", [None, "text/plain", "application/x-www-form-urlencoded"])
def test_a_body_of_another_media_type_is_refused(media_type: str | None) -> None:
    problem_of(post("ack", json.dumps(ACK).encode(), media_type), 415)


def test_a_charset_beside_the_media_type_is_fine() -> None:
    body = json.dumps(ACK).encode()
    assert post("ack", body, "application/json; charset=utf-8").status_code == 200


def test_64_kib_is_the_most_a_body_may_hold() -> None:
    body = json.dumps(ACK).encode()
    assert post("ack", body.ljust(64 * 1024)).status_code == 200
    problem_of(post("ack", body.ljust(64 * 1024 + 1)), 413)


def test_ten_megabytes_are_too_large_also_where_the_framework_has_a_limit_of_its_own() -> None:
    problem_of(post("ack", b" " * 10_500_000), 413)


def test_a_body_of_no_announced_length_is_measured() -> None:
    class Endless:
        def __init__(self, size: int) -> None:
            self.left = size

        def read(self, size: int = -1) -> bytes:
            taken = min(self.left, size if size >= 0 else self.left, 1000)
            self.left -= taken
            return b" " * taken

    headers = {**signed_in(), "Content-Type": "application/json", "Transfer-Encoding": "chunked"}
    response = client_of("ack").post(
        "/",
        headers=headers,
        environ_overrides={"wsgi.input": Endless(70_000), "wsgi.input_terminated": True},
    )
    problem_of(response, 413)


def test_a_body_that_is_refused_is_read_without_being_kept() -> None:
    client = client_of("ack")
    data = b" " * 20_000_000
    tracemalloc.start()
    problem_of(client.post("/", data=data, content_type="application/json"), 401)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 2_000_000


# Depth and names ----------------------------------------------------------------------------------------


def nested(depth: int) -> dict[str, object]:
    """An acknowledgement whose containers lie ``depth`` deep, lists and objects by turns."""
    inner: object = 1
    for level in range(depth - 1):
        inner = {"a": inner} if level % 2 else [inner]
    return {**ACK, "later": inner}


def test_sixteen_objects_and_lists_may_lie_within_each_other() -> None:
    assert limits.MAX_DEPTH == 16
    assert send("ack", nested(16)).status_code == 200


@pytest.mark.parametrize("depth", [17, 100, 5000])
def test_more_is_refused_with_a_sentence_that_names_the_limit(depth: int) -> None:
    opening = "".join('{"a":' if level % 2 else "[" for level in range(depth - 1))
    closing = "".join("}" if level % 2 else "]" for level in reversed(range(depth - 1)))
    problem = problem_of(post("ack", f'{{"later": {opening}1{closing}}}'.encode()), 400)
    assert problem["detail"] == "The request body may hold at most 16 objects and lists within each other."


def test_around_the_depth_where_python_gives_up_nothing_but_a_refusal_comes() -> None:
    # The second reading takes a few more frames than the first; a member that is overwritten is only in it.
    for depth in range(850, 1050):
        overwritten = f'{{"later": {"[" * depth}{"]" * depth}, "later": 5}}'
        with pytest.raises(MalformedRequest):
            limits._read_object(overwritten.encode())


def test_a_wide_body_is_not_a_deep_one() -> None:
    wide = {"later": [{"a": [{}]}] * 5000}
    assert send("ack", {**ACK, **wide}).status_code == 200


@pytest.mark.parametrize(
    "body",
    ['{"session_id": "a", "session_id": "b"}', '{"later": [{"a": 1, "\\u0061": 1}]}', '{"a": 1, "a": 1}'],
)
def test_an_object_that_names_a_member_twice_is_refused_for_which_one_counts_is_a_guess(body: str) -> None:
    problem = problem_of(post("ack", body.encode()), 400)
    assert problem["detail"] == "The request body holds an object that names a member twice."


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 65_535,
        b'{"a":' * 13_000,
        b'{"a": [' + b",".join([b"9" * 4000] * 16) + b"]}",
        b'{"a": [' + b",".join([b"{}"] * 21_000) + b"]}",
        b'{"a": "' + b"\\" * 65_000 + b'"}',
    ],
    ids=["lists", "objects", "numbers", "many", "backslashes"],
)
def test_the_worst_of_64_kib_costs_less_than_half_a_second(body: bytes) -> None:
    began = time.thread_time()
    post("ack", body)
    assert time.thread_time() - began < 0.5


# Queries ------------------------------------------------------------------------------------------------


def ask(query: str) -> TestResponse:
    return client_of("patient_search").get(f"/?{query}", headers=signed_in())


def test_8_kib_is_the_most_a_query_may_hold() -> None:
    filler = "&x=" + "x" * (8 * 1024 - len("q=a&x="))
    assert ask("q=a" + filler).status_code == 200
    problem = problem_of(ask("q=a" + filler + "x"), 414)
    assert problem["type"] == "urn:mobius:problem:uri-too-long"
    assert "8 KiB" in str(problem["detail"])


def test_64_parameters_are_the_most_a_query_may_hold() -> None:
    assert ask("q=a" + "&x=1" * 63).status_code == 200
    assert "64" in str(problem_of(ask("q=a" + "&x=1" * 64), 400)["detail"])


def test_a_field_that_comes_twice_in_a_query_is_named() -> None:
    assert wrong_fields(ask("q=a&q=b&limit=1&limit=1")) == {
        "q": "must be given once",
        "limit": "must be given once",
    }


def test_a_field_that_comes_twice_is_complained_about_once_with_all_others() -> None:
    assert wrong_fields(ask("limit=x&limit=y")) == {"q": "is required", "limit": "must be given once"}


def test_what_is_no_field_may_come_as_often_as_it_likes() -> None:
    assert ask("q=a&utm=1&utm=2").status_code == 200


def test_the_query_of_a_post_is_not_looked_at() -> None:
    assert send("ack", query_string={"session_id": "no spaces please"}).status_code == 200


# Headers ------------------------------------------------------------------------------------------------


def test_a_token_of_more_than_8_kib_is_refused_before_it_is_looked_at(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looked_at: list[str | None] = []
    monkeypatch.setattr("shared.web.endpoint.verify_token", looked_at.append)
    header = "Bearer ".ljust(8 * 1024 + 1, "a")
    response = client_of("ack").post("/", json=ACK, headers={"Authorization": header})
    assert "8 KiB" in str(problem_of(response, 401)["detail"])
    assert response.headers["WWW-Authenticate"] == "Bearer"
    assert looked_at == []
