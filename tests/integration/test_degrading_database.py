"""Where the database is away, hangs or is busy, each caller is told so in time, and it heals by itself."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import make_url
from werkzeug.test import TestResponse

from shared import settings
from shared.model import PatientKey
from shared.patience import deadline
from shared.persistence import database
from shared.persistence.unit_of_work import unit_of_work
from shared.web.registry import ENDPOINTS
from tests.integration.product import BY_HAND, GREEN, INACTIVE, Clinic, Product, at_once, problem_of
from tests.integration.wires import Wire
from tests.stack import eventually

pytestmark = pytest.mark.usefixtures("held")

POOL = 4
WITHIN_S = 0.5
SLOWNESS_S = 3.0
"""What a busy machine may add. A wait that nothing ends takes longer."""


@pytest.fixture
def wire(product: Product) -> Iterator[Wire]:
    """Stands between the functions and Postgres; the pool has few connections."""
    made = Wire.to_database(product.stack["app_database_url"])
    product.configure(
        DATABASE_URL=made.url(product.stack["app_database_url"]),
        DATABASE_POOL_SIZE=str(POOL),
    )
    yield made
    made.close()


@contextmanager
def impatient(within_s: float = WITHIN_S) -> Iterator[None]:
    """Requests have that little time; before and after, as much as the busiest machine needs."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REQUEST_DEADLINE_S", str(within_s))
        # Not the engine with it: its connections are what is looked at.
        settings.settings.cache_clear()
        try:
            yield
        finally:
            patch.undo()
            settings.settings.cache_clear()


def body(clinic: Clinic) -> dict[str, Any]:
    """One that every endpoint takes: each ignores what is another's."""
    more = {"kind": "opened", "reason": "other", "message": "Why?", "q": "a", "assignment_id": str(uuid4())}
    return {**clinic.says(BY_HAND), **more, "explanation": "Because."}


def timed(call: Callable[[], TestResponse]) -> tuple[float, TestResponse]:
    began = time.monotonic()
    answer = call()
    return time.monotonic() - began, answer


def told_in_time(calls: list[Callable[[], TestResponse]], within_s: float = WITHIN_S) -> list[dict[str, Any]]:
    """The problems of calls made at once, all of them 503 with a Retry-After, none late.

    Each has a thread of its own, which has ended by then.
    """
    with impatient(within_s):
        answers = at_once([partial(timed, call) for call in calls])
    problems = [problem_of(answer, 503) for _, answer in answers]
    assert all(int(answer.headers["Retry-After"]) > 0 for _, answer in answers)
    assert max(took for took, _ in answers) < within_s + SLOWNESS_S
    return problems


def heals(clinic: Clinic) -> None:
    """Soon, without a restart, for as many at once as the pool has connections."""
    assert eventually(lambda: clinic.post("mini/status", clinic.names(GREEN)).status_code == 200, within_s=10)
    looks = at_once([partial(clinic.post, "mini/status", clinic.names(GREEN))] * POOL)
    assert {answer.status_code for answer in looks} == {200}


def every_connection(clinic: Clinic, wire: Wire) -> None:
    """Fills the pool."""
    taken = [database.engine().connect() for _ in range(POOL)]
    for each in taken:
        each.close()
    assert wire.connections >= POOL
    clinic.status(GREEN)
    for each in ENDPOINTS:
        clinic.product.client(each.key)  # not made by many threads at once


@pytest.mark.parametrize("fault", ["refuse", "hold", "stop in mid-answer", "full"])
def test_every_endpoint_says_in_time_that_the_database_is_away(
    clinic: Clinic, wire: Wire, fault: str
) -> None:
    every_connection(clinic, wire)
    before = clinic.counts()
    begin: dict[str, Callable[[], Any]] = {
        "refuse": wire.refuse,
        "hold": wire.hold,
        "stop in mid-answer": lambda: wire.stop_after(7),
        "full": lambda: (wire.cut(), limit(clinic, 0)),
    }
    try:
        begin[fault]()
        told_in_time([partial(clinic.post, each.key, body(clinic)) for each in ENDPOINTS])
    finally:
        limit(clinic, -1)
    wire.pass_on()
    heals(clinic)
    assert clinic.written_since(before).keys() <= {"session", "invocation", "session_view", "event_log"}


def limit(clinic: Clinic, connections: int) -> None:
    """Lets the stack's database take so many new connections; -1: any number. The owner's own is there."""
    name = make_url(clinic.product.stack["app_database_url"]).database
    clinic.sql(f'ALTER DATABASE "{name}" CONNECTION LIMIT {connections}')


def test_four_times_the_pool_are_told_at_once_that_a_frozen_database_is_away(
    clinic: Clinic, wire: Wire
) -> None:
    every_connection(clinic, wire)
    wire.hold()
    look = partial(clinic.post, "mini/status", clinic.names(GREEN))
    told_in_time([look] * (4 * POOL))
    # Nobody waits for what is known to be silent, but one now and then who finds out.
    with impatient(2):
        took = sorted(took for took, _ in (timed(look) for _ in range(5)))
    assert took[2] < 1
    wire.pass_on()
    heals(clinic)


def test_connections_that_died_while_idle_are_replaced_unseen_by_all_at_once(
    clinic: Clinic, wire: Wire
) -> None:
    every_connection(clinic, wire)
    wire.cut()
    looks = at_once([partial(clinic.post, "mini/status", clinic.names(GREEN))] * POOL)
    assert {answer.status_code for answer in looks} == {200}


def test_after_one_connection_was_silent_the_others_of_its_time_are_not_waited_for(
    clinic: Clinic, wire: Wire
) -> None:
    every_connection(clinic, wire)
    wire.strand()
    told_in_time([partial(clinic.post, "mini/status", clinic.names(GREEN))])
    time.sleep(0.6)  # until somebody may ask again
    began = time.monotonic()
    for _ in range(POOL):
        clinic.status(GREEN)
    assert time.monotonic() - began < 30


def test_a_database_that_is_slow_at_every_step_is_given_up_in_time(clinic: Clinic, wire: Wire) -> None:
    """Each wait for itself is short: signing in, beginning, reading."""
    wire.delay(WITHIN_S / 5)
    told_in_time([partial(clinic.post, "mini/status", clinic.names(GREEN))])
    wire.pass_on()
    heals(clinic)


def test_a_patient_whom_another_change_holds_is_told_as_that_and_in_time(clinic: Clinic, wire: Wire) -> None:
    clinic.status(BY_HAND)
    lock = "SELECT 1 FROM patient_context WHERE patient_context_id = :context FOR NO KEY UPDATE"
    with clinic.holding(lock, context=clinic.context(BY_HAND)), impatient(2):
        took, answer = timed(partial(clinic.post, "mini/ack", clinic.says(BY_HAND)))
    problem_of(answer, 409)
    assert took < 2 + SLOWNESS_S
    # The server said so itself: the connection is as good as before.
    made = wire.connections
    clinic.answer("mini/ack", clinic.says(BY_HAND))
    assert wire.connections == made


@pytest.mark.parametrize("cut", [False, True])
def test_a_send_whose_commit_was_lost_says_that_it_is_not_confirmed_and_is_one_send(
    clinic: Clinic, wire: Wire, cut: bool
) -> None:
    clinic.status(BY_HAND)
    key = {"Idempotency-Key": "key-1"}
    wire.lose_answers_after(b"COMMIT")
    if cut:
        threading.Timer(1, wire.cut).start()
    send = partial(clinic.post, "mini/ack", clinic.says(BY_HAND), headers=key)
    (problem,) = told_in_time([send], within_s=1.5)
    assert "did not confirm" in problem["detail"]
    wire.pass_on()
    time.sleep(0.6)  # until somebody may ask again
    again = clinic.answer("mini/ack", clinic.says(BY_HAND), headers=key)
    assert clinic.answer("mini/ack", clinic.says(BY_HAND), headers=key) == again
    assert clinic.count("mini_submission") == 1
    assert clinic.count("event_log", "event_type = 'User.Acknowledged'") == 1


def test_what_a_frozen_instance_holds_is_free_again_soon(clinic: Clinic) -> None:
    clinic.status(BY_HAND)
    key = PatientKey(clinic.key(BY_HAND))
    with deadline(0.1):
        frozen = unit_of_work(database.engine(), clinic.tenant_id, lock=key)
        frozen.__enter__()
        # From here on the instance does nothing any more, not even give up.
    took, _ = timed(partial(clinic.post, "mini/ack", clinic.says(BY_HAND)))
    assert took < 10  # and not the 30 s that a connection may idle otherwise
    assert clinic.count("mini_submission") == 1
    with pytest.raises(Exception, match="can't be reached"):
        frozen.__exit__(None, None, None)


def test_overload_is_told_to_some_and_is_over_when_it_ends(clinic: Clinic, wire: Wire) -> None:
    """Four times as many at once as there are connections, each busy for a while."""
    every_connection(clinic, wire)
    look = partial(clinic.post, "mini/status", clinic.names(INACTIVE))
    look()
    wire.delay(0.01)
    alone = [timed(look)[0] for _ in range(5)]
    wire.delay(0.03)
    until = time.monotonic() + 1

    def hammer() -> list[tuple[float, TestResponse]]:
        answers = []
        while time.monotonic() < until:
            answers.append(timed(look))
        return answers

    with impatient(0.4):
        answers = [each for some in at_once([hammer] * (4 * POOL)) for each in some]
    statuses = {answer.status_code for _, answer in answers}
    assert 503 in statuses
    assert statuses <= {200, 503}
    assert max(took for took, _ in answers) < 0.4 + SLOWNESS_S
    wire.delay(0.01)
    assert eventually(lambda: look().status_code == 200, within_s=10)
    assert min(timed(look)[0] for _ in range(5)) < 3 * min(alone) + 0.2
    wire.pass_on()
    heals(clinic)
