"""Deadlines shorten waits and never lengthen them; after a failure one asks at a time."""

from __future__ import annotations

import threading

import pytest

from shared.errors import DatabaseUnavailable
from shared.patience import Rest, at_most, deadline, left_s
from shared.persistence.outage import Outage


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_without_a_deadline_a_wait_lasts_as_long_as_it_may() -> None:
    assert left_s() is None
    assert at_most(7) == 7


def test_a_deadline_shortens_what_would_last_longer_and_is_over_with_its_request() -> None:
    with deadline(3600):
        assert at_most(7) == 7
        assert 3500 < at_most(5000) <= 3600
        with deadline(0):
            assert 0 < at_most(7) < 0.1
    assert left_s() is None


def test_a_deadline_is_of_its_own_thread() -> None:
    seen: list[float | None] = []
    with deadline(1):
        other = threading.Thread(target=lambda: seen.append(left_s()))
        other.start()
        other.join()
    assert seen == [None]


def test_after_a_failure_one_asks_after_each_rest_until_it_is_well() -> None:
    clock = Clock()
    rest = Rest(5, clock)
    assert rest.is_my_turn()
    assert rest.is_my_turn()
    rest.begin()
    assert not rest.is_my_turn()
    clock.now += 5
    assert [rest.is_my_turn() for _ in range(3)] == [True, False, False]
    clock.now += 5
    assert rest.is_my_turn()
    rest.end()
    assert [rest.is_my_turn() for _ in range(3)] == [True, True, True]


def test_a_database_that_nobody_hears_is_not_waited_for_until_somebody_does() -> None:
    clock = Clock()
    outage = Outage(clock)
    clock.now += 1
    outage.waited_in_vain(since=clock.now - 0.5)
    with pytest.raises(DatabaseUnavailable):
        outage.refuse_to_wait()
    assert outage.generation == 1
    outage.heard()
    outage.refuse_to_wait()


def test_one_dead_connection_is_no_silence() -> None:
    clock = Clock()
    outage = Outage(clock)
    began = clock.now
    clock.now += 1
    outage.heard()
    clock.now += 1
    outage.waited_in_vain(since=began)
    outage.refuse_to_wait()
    assert outage.generation == 0


def test_many_who_find_connections_of_one_time_dead_begin_one_new_time() -> None:
    outage = Outage()
    for _ in range(8):
        outage.lost(generation=0)
    assert outage.generation == 1
