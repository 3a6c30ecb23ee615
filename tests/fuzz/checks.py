"""What every answer must be like, whatever was asked."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit
from uuid import UUID

import msgspec
from schemathesis import Case, CheckContext, Response
from schemathesis.checks import CHECKS, CheckFunction, load_all_checks

import shared
from shared.web.fields import describe
from shared.web.registry import ENDPOINTS

load_all_checks()

CONFIG: dict[str, Any] = {
    "checks": {
        # A request may fit field by field and break a rule between fields, which a schema doesn't tell:
        # refused_for_its_company looks at these closely.
        "positive_data_acceptance": {"expected-statuses": [200, 403, 404, 409, 422, 429]},
        "negative_data_rejection": {"expected-statuses": [400, 401, 403, 404, 405, 413, 414, 415, 422, 429]},
    }
}
COSTLY: tuple[CheckFunction, ...] = (CHECKS.get_one("ignored_auth"),)
"""For a few calls of each operation: it sends two more for each, without a token and with a wrong one."""

LEFT_OFF: tuple[CheckFunction, ...] = tuple(
    CHECKS.get_one(name)
    for name in (
        # Nothing is made or deleted under an address of its own.
        "use_after_free",
        "ensure_resource_availability",
        # Wants a list of identities in a form of its own; test_isolation asks the same of every endpoint.
        "object_level_authorization",
    )
)
# max_response_time is off by itself: a busy machine is no failure, and bench measures.

_LONG = 12


def found_again(_ctx: CheckContext, response: Response, _case: Case) -> None:
    """A correlation id comes back: the caller's if it was one, and the same one in a problem."""
    told = response.headers.get("x-correlation-id", [""])[0]
    sent = response.request.headers.get("X-Correlation-Id", "")
    try:
        given: UUID | None = UUID(sent if isinstance(sent, str) else sent.decode("latin-1"))
    except ValueError:
        given = None
    assert given is None or told == str(given), "The caller's correlation id was not taken over."
    problem = _problem(response)
    assert not problem or problem["correlation_id"] == told, "Header and problem differ."


def quotes_nothing(_ctx: CheckContext, response: Response, _case: Case) -> None:
    """A problem never says what was sent."""
    problem = _problem(response)
    told = json.dumps({k: v for k, v in problem.items() if k != "correlation_id"}, ensure_ascii=False)
    for text in _sent(response):
        if len(text) >= _LONG and text in told:
            # schemathesis sends words out of our own sources too, which a problem may well hold.
            assert text in _sources(), f"The problem quotes {text!r}."


@functools.cache
def _sources() -> str:
    return "".join(path.read_text("utf-8") for path in Path(shared.__file__).parent.rglob("*.py"))


def refused_for_its_company(_ctx: CheckContext, response: Response, case: Case) -> None:
    """What fits the schema is never told that a field by itself is wrong."""
    if case.meta is None or not case.meta.generation.mode.is_positive:
        return
    for error in _problem(response).get("errors", ()):
        name, message = error["field"], error["message"]
        assert message not in _ALONE, f"{name} {message}, yet it is as the API's description says."


def _alone() -> Iterator[str]:
    """What is said of a field that is wrong whatever is beside it."""
    for endpoint in ENDPOINTS:
        for field in msgspec.structs.fields(endpoint.request):
            must_be = describe(field.type)
            # A schema can't say what is inside of a cursor, and takes 8.0 for a whole number, which we don't.
            if field.name != "cursor" and not must_be.startswith("a whole number"):
                yield f"must be {must_be}"


_ALONE = frozenset(_alone())

OURS: tuple[CheckFunction, ...] = (found_again, quotes_nothing, refused_for_its_company)


def _problem(response: Response) -> dict[str, Any]:
    if response.headers.get("content-type") != ["application/problem+json"]:
        return {}
    try:
        return dict(response.json())
    except ValueError:
        # Empty after HEAD; of others the schema's check says it.
        return {}


def _sent(response: Response) -> Iterator[str]:
    query = urlsplit(response.request.url or "").query
    yield from (value for _, value in parse_qsl(str(query), errors="replace"))
    try:
        yield from _texts(json.loads(response.request.body or b"null"))
    except (ValueError, TypeError, RecursionError):
        return


def _texts(node: Any) -> Iterator[str]:
    if isinstance(node, str):
        yield node
    elif isinstance(node, list | dict):
        for each in node.values() if isinstance(node, dict) else node:
            yield from _texts(each)
