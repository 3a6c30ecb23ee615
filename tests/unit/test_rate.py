"""How fast one user may ask: per user, per instance, in bounded memory."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.settings import SettingsError, read_settings
from shared.web.rate import RateLimit
from tests.unit.endpoint_calls import (
    ACK,
    ENVIRONMENT,
    USER,
    client_of,
    environment,  # noqa: F401 -- a fixture
    forget,
    problem_of,
    send,
    signed_in,
)

pytestmark = pytest.mark.usefixtures("environment")

ANYBODY = ("clinic", "user")


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        # As a machine that has been up for long.
        self.now = 3_000_000.0

    def __call__(self) -> float:
        return self.now


# The bucket ---------------------------------------------------------------------------------------------


def test_a_user_may_ask_in_a_burst_and_then_at_the_rate() -> None:
    clock = Clock()
    limit = RateLimit(20, 100, clock=clock)
    assert [limit.take(ANYBODY) for _ in range(100)] == [0] * 100
    assert limit.take(ANYBODY) == pytest.approx(0.05, abs=1e-3)
    clock.now += 0.05
    assert limit.take(ANYBODY) == 0
    assert limit.take(ANYBODY) > 0


def test_a_refusal_costs_nothing() -> None:
    clock = Clock()
    limit = RateLimit(1, 1, clock=clock)
    limit.take(ANYBODY)
    for _ in range(50):
        assert limit.take(ANYBODY) > 0
    clock.now += 1
    assert limit.take(ANYBODY) == 0


def test_each_user_has_a_bucket_of_their_own() -> None:
    limit = RateLimit(1, 1, clock=Clock())
    people = [("clinic", "a"), ("clinic", "b"), ("other clinic", "a")]
    assert [limit.take(who) for who in people] == [0, 0, 0]
    assert all(limit.take(who) > 0 for who in people)


@given(
    per_s=st.floats(0.1, 1_000_000),
    burst=st.integers(1, 200),
    pauses=st.lists(st.floats(0, 5), max_size=200),
)
def test_no_stretch_of_time_holds_more_than_a_burst_and_the_rate(
    per_s: float, burst: int, pauses: list[float]
) -> None:
    clock = Clock()
    limit = RateLimit(per_s, burst, clock=clock)
    taken: list[float] = []
    for pause in pauses:
        clock.now += pause
        if limit.take(ANYBODY) == 0:
            taken.append(clock.now)
    for first in range(len(taken)):
        for last in range(first, len(taken)):
            allowed = burst + (taken[last] - taken[first]) * per_s
            assert last - first + 1 <= allowed * (1 + 1e-6) + 1e-3


@given(per_s=st.floats(0.1, 1000), burst=st.integers(1, 50))
def test_who_waits_as_long_as_said_is_let_through(per_s: float, burst: int) -> None:
    clock = Clock()
    limit = RateLimit(per_s, burst, clock=clock)
    for _ in range(burst * 3):
        wait_s = limit.take(ANYBODY)
        if wait_s:
            clock.now += wait_s
            assert limit.take(ANYBODY) == 0


def test_a_full_bucket_is_forgotten() -> None:
    clock = Clock()
    limit = RateLimit(10, 10, clock=clock)
    for user in range(1000):
        limit.take(("clinic", user))
    assert len(limit) == 1000
    clock.now += 0.2
    limit.take(ANYBODY)
    assert len(limit) == 1


def test_no_more_users_are_remembered_than_said_and_the_quietest_goes_first() -> None:
    limit = RateLimit(0.1, 1, clock=Clock(), remembered=100)
    for user in range(10_000):
        limit.take(("clinic", user))
        assert len(limit) <= 100
    assert limit.take(("clinic", 9_999)) > 0
    assert limit.take(("clinic", 9_900)) > 0
    assert limit.take(("clinic", 0)) == 0


def test_threads_together_get_no_more_than_one_would() -> None:
    class Slow:
        """Gives the others a turn between looking a user up and writing them down."""

        def __hash__(self) -> int:
            time.sleep(0.0005)
            return 1

    user = Slow()
    limit = RateLimit(1, 20, clock=Clock())
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: limit.take(("clinic", user)), range(80)))
    assert answers.count(0) == 20


# The endpoints ------------------------------------------------------------------------------------------


@pytest.fixture
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three at once, then one in ten seconds."""
    monkeypatch.setenv("RATE_LIMIT_PER_USER_S", "0.1")
    monkeypatch.setenv("RATE_LIMIT_BURST", "3")
    forget()


def test_one_too_many_is_told_when_to_come_back_and_that_it_is_their_own_limit(narrow: None) -> None:
    assert [send("ack").status_code for _ in range(3)] == [200] * 3
    response = send("ack")
    problem = problem_of(response, 429)
    assert problem["type"] == "urn:mobius:problem:too-many-requests"
    assert "Your account" in str(problem["detail"])
    assert 1 <= int(response.headers["Retry-After"]) <= 10


def test_one_too_many_is_not_carried_out_nor_read(narrow: None) -> None:
    for _ in range(3):
        send("ack")
    # What is wrong with its fields is not even looked at.
    problem_of(send("ack", {}), 429)
    problem_of(client_of("ack").post("/", data=b"\xff", headers=signed_in()), 429)


def test_endpoints_of_one_process_share_a_users_limit_and_another_user_has_their_own(narrow: None) -> None:
    for _ in range(3):
        send("ack")
    assert client_of("patient_search").get("/?q=a", headers=signed_in()).status_code == 429
    assert client_of("ack").post("/", json=ACK, headers=signed_in(user_id=uuid4())).status_code == 200
    assert client_of("ack").post("/", json=ACK, headers=signed_in(uuid4(), USER)).status_code == 200


def test_what_comes_without_a_right_token_takes_nothing_from_anybody(narrow: None) -> None:
    for _ in range(10):
        assert client_of("ack").options("/").status_code == 204
        assert client_of("ack").post("/", json=ACK).status_code == 401
        assert client_of("ack").put("/", headers=signed_in()).status_code == 405
    assert send("ack").status_code == 200


# The settings -------------------------------------------------------------------------------------------


def test_the_usual_limit_is_20_a_second_and_100_at_once() -> None:
    usual = read_settings(ENVIRONMENT)
    assert (usual.rate_per_user_s, usual.rate_burst) == (20, 100)


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("RATE_LIMIT_PER_USER_S", ("0", "0.09", "1000001", "-1", "nan", "fast")),
        ("RATE_LIMIT_BURST", ("0", "1000001", "many")),
    ],
)
def test_a_limit_that_is_none_is_refused(name: str, wrong: tuple[str, ...]) -> None:
    for value in wrong:
        with pytest.raises(SettingsError, match=name):
            read_settings({**ENVIRONMENT, name: value})
