"""Makes the calls, many at once, and checks every answer."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import requests
import schemathesis
from schemathesis import APIOperation, Case, Response
from schemathesis.core.failures import FailureGroup

from tests.fuzz.checks import CONFIG, COSTLY, LEFT_OFF, OURS
from tests.fuzz.clinics import Caller
from tests.fuzz.drawing import Drawing, Drawn
from tests.fuzz.known import Asked, mix_in
from tests.fuzz.report import Failure, Report, shown
from tests.fuzz.wild import make_wild

_TIMEOUT_S = 90
# Enough at once to meet each other, and never more than the functions have threads.
_AT_ONCE = 4


class Fuzz:
    """One run. The report's seed makes the same calls again, but for what the answers tell: new ids, say."""

    def __init__(
        self,
        api_url: str,
        callers: Sequence[Caller],
        report: Report,
        on_call: Callable[[], None] = lambda: None,
    ) -> None:
        config = schemathesis.Config.from_dict(CONFIG)
        schema = schemathesis.openapi.from_url(f"{api_url}/openapi.json", config=config)
        self._drawing = Drawing(schema, report.seed)
        self._asked = {each.label: _asked(schema.raw_schema, each) for each in self._drawing.operations}
        self._api_url = api_url
        self._callers = callers
        self._on_call = on_call
        self._local = threading.local()
        self._report = report

    def run(self, calls: int, *, borderline: bool) -> None:
        """Makes so many calls and fills the report; all borderline cases first if they are asked for."""
        started = time.monotonic()
        pool = ThreadPoolExecutor(_AT_ONCE)
        try:
            sent: list[Future[None]] = []
            for drawn in self._drawing.rounds(calls, borderline=borderline):
                # One round is sent while the next is drawn.
                _finish(sent)
                sent = [pool.submit(self._make, each) for each in drawn]
            _finish(sent)
        finally:
            pool.shutdown(cancel_futures=True)
            self._report.duration_s = time.monotonic() - started

    def _make(self, drawn: Drawn) -> None:
        for _ in range(drawn.people):
            caller = drawn.chance.choice(self._callers)
            try:
                if drawn.case is None:
                    self._call_wildly(drawn.operation, caller, drawn.chance)
                else:
                    if drawn.is_mixed:
                        self._mix_in(drawn.operation, _fields(drawn.case), caller, drawn.chance)
                    self._call(drawn.case, caller)
            except requests.RequestException as error:
                self._report.add_silence(drawn.operation.label, error)
            self._on_call()

    def _call(self, case: Case, caller: Caller) -> None:
        headers = {"Authorization": f"Bearer {caller.token}"}
        response = case.call(session=self._session, headers=headers, timeout=_TIMEOUT_S)
        self._check(case, response, headers)
        if response.status_code == 200:
            # What is not JSON was told as a failure.
            with suppress(ValueError):
                caller.known.learn(_fields(case), response.json())

    def _call_wildly(self, operation: APIOperation, caller: Caller, chance: random.Random) -> None:
        fields: dict[str, Any] = {}
        self._mix_in(operation, fields, caller, chance)
        made = make_wild(chance, operation.method.upper(), fields)
        headers: dict[str, Any] = {"Authorization": f"Bearer {caller.token}", **made.headers}
        pieces = (made.body[at : at + 4096] for at in range(0, len(made.body), 4096))
        response = self._session.request(
            made.method,
            f"{self._api_url}{operation.path}?{made.query}".removesuffix("?"),
            data=pieces if made.chunked else made.body,
            headers=headers,
            timeout=_TIMEOUT_S,
        )
        self._check(operation.Case(), Response.from_any(response), headers)

    def _check(self, case: Case, response: Response, headers: dict[str, Any]) -> None:
        operation = case.operation.label
        count = self._report.add_answer(operation, response.status_code)
        spared = () if case.meta and response.status_code < 300 and count <= 2 else COSTLY
        try:
            case.validate_response(
                response,
                headers=headers,
                additional_checks=list(OURS),
                excluded_checks=[*LEFT_OFF, *spared],
                transport_kwargs={"headers": headers, "base_url": self._api_url},
            )
        except FailureGroup as group:
            for each in group.exceptions:
                self._report.add_failure(
                    Failure(
                        operation, each.title, response.status_code, each.message, shown(response.request)
                    )
                )

    def _mix_in(
        self, operation: APIOperation, fields: dict[str, Any], caller: Caller, chance: random.Random
    ) -> None:
        asked = self._asked[operation.label]
        # Whose names a call uses: the caller's own, but for one in ten.
        known = caller.known if chance.random() < 0.9 else caller.another
        mix_in(fields, asked, known.choose(chance, asked.required), chance)

    @property
    def _session(self) -> requests.Session:
        if not hasattr(self._local, "session"):
            self._local.session = requests.Session()
            # Of a connection that is kept, one can't tell whether the server ends it as the next call begins.
            self._local.session.headers["Connection"] = "close"
        session: requests.Session = self._local.session
        return session


def _fields(case: Case) -> dict[str, Any]:
    fields = case.query if case.method == "GET" else case.body
    return fields if isinstance(fields, dict) else {}


def _asked(document: dict[str, Any], operation: APIOperation) -> Asked:
    described = document["paths"][operation.path][operation.method.lower()]
    if "requestBody" not in described:
        inputs = [each for each in described["parameters"] if each["in"] == "query"]
        required = frozenset(each["name"] for each in inputs if each["required"])
        return Asked(frozenset(each["name"] for each in inputs), required)
    reference = described["requestBody"]["content"]["application/json"]["schema"]["$ref"]
    schema = document["components"]["schemas"][reference.rpartition("/")[2]]
    return Asked(frozenset(schema["properties"]), frozenset(schema["required"]))


def _finish(sent: list[Future[None]]) -> None:
    for each in sent:
        each.result()
