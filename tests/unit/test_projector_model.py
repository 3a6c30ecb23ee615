"""The projector's loop under every interleaving of what can happen to it, and naive loops found guilty.

Two projectors that are told three times, the application's commits, and by scenario: a projector that dies
before any step, a write whose caller got a time-out and that arrives at any later moment or never, a document
deleted by hand. In the end the relay tells again until the outbox is empty. Then the document must say what
Postgres says, and it must never have gone back in between; one that was deleted begins anew, and is the drift
check's to find.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from shared.model import SubjectType
from shared.projections.documents import already_says
from shared.projections.projector import project
from shared.projections.store import Contended, Stored
from shared.projections.subjects import Truth
from tests.unit.interleavings import Explored, Explorer, Guilty
from tests.unit.projector_world import (
    PATH,
    SUBJECT,
    TENANT,
    Change,
    Ports,
    ProjectorSystem,
    Said,
    World,
    Written,
    telling,
)

Loop = Callable[[Ports, SubjectType], object]

PATIENT, USER = SubjectType.PATIENT, SubjectType.USER
OLD = Said(1, "old", 1)
STORED = Written(OLD, 1)
SEND, SEND_AGAIN = Change("sent"), Change("sent again")
POLICY, POLICY_AGAIN = Change("shown otherwise", new_version=False), Change("old", new_version=False)

SCENARIOS = {
    "two Sends": World(PATIENT, OLD, STORED, (SEND, SEND_AGAIN), deaths=2, timeouts=2),
    "a patient's first": World(PATIENT, Said(0, "new", 0), None, (SEND, SEND_AGAIN), deaths=1, timeouts=2),
    "deleted by hand": World(PATIENT, OLD, STORED, (SEND,), deaths=1, timeouts=2, deletions=1),
    "a policy is published": World(PATIENT, OLD, STORED, (SEND, POLICY), deaths=1, timeouts=1),
    "a policy and the old one again": World(
        PATIENT, OLD, STORED, (POLICY, POLICY_AGAIN), deaths=1, timeouts=1
    ),
    "an inbox": World(USER, OLD, STORED, (Change("one more"), Change("old")), deaths=1, timeouts=1),
}
AT_LEAST = 8_000
"""States of a scenario; the schedules that lead through them are millions of times as many."""


def explore(loop: Loop, start: World) -> Explored:
    run = telling(loop, start.kind)
    return Explorer(ProjectorSystem(), (run, run, run)).explore(start)


def truth_of(ports: Ports, kind: SubjectType, stored: Stored | None) -> Truth:
    truth: Truth = ports.read(TENANT, kind, SUBJECT, stored and stored.content)
    return truth


def real(ports: Ports, kind: SubjectType) -> object:
    return project(ports, ports, TENANT, kind, SUBJECT, now=ports.now, wait=ports.wait)


def plain(ports: Ports, kind: SubjectType) -> None:
    """One try, always written: as naive as the others below, and right."""
    stored = ports.read(PATH)
    truth = truth_of(ports, kind, stored)
    if truth.outbox and ports.write_if_unchanged(PATH, truth.document, stored):
        ports.confirm(TENANT, truth.outbox)


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_every_interleaving_ends_right(scenario: str) -> None:
    explored = explore(real, SCENARIOS[scenario])
    assert explored.states > AT_LEAST
    assert explored.schedules > 1_000_000 * AT_LEAST
    # More than one: with and without what the late writes brought.
    assert explored.ends > 1


# What one might have written instead -------------------------------------------------------------------


@pytest.mark.parametrize("scenario", ["two Sends", "a policy is published", "an inbox"])
def test_a_plain_loop_is_not_found_guilty(scenario: str) -> None:
    # So what the others are found guilty of is what each does otherwise.
    assert explore(plain, SCENARIOS[scenario]).ends > 1


def writes_without_precondition(ports: Ports, kind: SubjectType) -> None:
    truth = truth_of(ports, kind, ports.read(PATH))
    if truth.outbox:
        ports.overwrite(truth.document)
        ports.confirm(TENANT, truth.outbox)


def reads_the_truth_first(ports: Ports, kind: SubjectType) -> None:
    truth = truth_of(ports, kind, None)
    stored = ports.read(PATH)
    if truth.outbox and ports.write_if_unchanged(PATH, truth.document, stored):
        ports.confirm(TENANT, truth.outbox)


def reads_version_and_content_apart(ports: Ports, kind: SubjectType) -> None:
    stored = ports.read(PATH)
    content = truth_of(ports, kind, stored).document
    truth = truth_of(ports, kind, stored)
    document = {**truth.document, "content": content["content"], "serial": content["serial"]}
    if truth.outbox and ports.write_if_unchanged(PATH, document, stored):
        ports.confirm(TENANT, truth.outbox)


def confirms_by_version(ports: Ports, kind: SubjectType) -> None:
    stored = ports.read(PATH)
    truth = truth_of(ports, kind, stored)
    if truth.outbox and ports.write_if_unchanged(PATH, truth.document, stored):
        ports.confirm_up_to(truth.document["version"])


def confirms_all_that_waits(ports: Ports, kind: SubjectType) -> None:
    stored = ports.read(PATH)
    truth = truth_of(ports, kind, stored)
    if truth.outbox and ports.write_if_unchanged(PATH, truth.document, stored):
        ports.confirm_all()


def confirms_before_it_writes(ports: Ports, kind: SubjectType) -> None:
    stored = ports.read(PATH)
    truth = truth_of(ports, kind, stored)
    if truth.outbox:
        ports.confirm(TENANT, truth.outbox)
        ports.write_if_unchanged(PATH, truth.document, stored)


def takes_a_time_out_for_written(ports: Ports, kind: SubjectType) -> None:
    stored = ports.read(PATH)
    truth = truth_of(ports, kind, stored)
    if not truth.outbox:
        return
    try:
        written = ports.write_if_unchanged(PATH, truth.document, stored)
    except Contended:
        written = True
    if written:
        ports.confirm(TENANT, truth.outbox)


def takes_a_failed_precondition_for_written(ports: Ports, kind: SubjectType) -> None:
    stored = ports.read(PATH)
    truth = truth_of(ports, kind, stored)
    if truth.outbox:
        ports.write_if_unchanged(PATH, truth.document, stored)
        ports.confirm(TENANT, truth.outbox)


def looks_whether_it_says_so_before_the_truth_is_read_again(ports: Ports, kind: SubjectType) -> None:
    """Compares with a document that was read after the truth, and writes over that one if it differs."""
    truth = truth_of(ports, kind, None)
    stored = ports.read(PATH)
    if not truth.outbox:
        return
    says = stored is not None and already_says(stored.content, truth.document) and not truth.forced
    if says or ports.write_if_unchanged(PATH, truth.document, stored):
        ports.confirm(TENANT, truth.outbox)


def skips_what_has_the_version_though_forced(ports: Ports, kind: SubjectType) -> None:
    stored = ports.read(PATH)
    truth = truth_of(ports, kind, stored)
    says = stored is not None and already_says(stored.content, truth.document)
    if truth.outbox and (says or ports.write_if_unchanged(PATH, truth.document, stored)):
        ports.confirm(TENANT, truth.outbox)


def skips_what_has_the_same_content(ports: Ports, kind: SubjectType) -> None:
    stored = ports.read(PATH)
    truth = truth_of(ports, kind, stored)
    says = stored is not None and stored.content["content"] == truth.document["content"]
    if truth.outbox and (says or ports.write_if_unchanged(PATH, truth.document, stored)):
        ports.confirm(TENANT, truth.outbox)


WENT_BACK, STALE = "the document went back", "the document is stale and nobody knows"


@pytest.mark.parametrize(
    ("naive", "scenario", "wrong"),
    [
        (writes_without_precondition, "two Sends", WENT_BACK),
        (reads_the_truth_first, "two Sends", WENT_BACK),
        (reads_version_and_content_apart, "two Sends", STALE),
        (confirms_by_version, "a policy is published", STALE),
        (confirms_all_that_waits, "two Sends", STALE),
        (confirms_before_it_writes, "two Sends", STALE),
        (takes_a_time_out_for_written, "two Sends", STALE),
        (takes_a_failed_precondition_for_written, "two Sends", STALE),
        (looks_whether_it_says_so_before_the_truth_is_read_again, "two Sends", WENT_BACK),
        (skips_what_has_the_version_though_forced, "a policy is published", STALE),
        (skips_what_has_the_same_content, "an inbox", STALE),
    ],
    ids=lambda each: each.__name__ if callable(each) else each.replace(" ", "-"),
)
def test_a_naive_loop_is_found_guilty(naive: Loop, scenario: str, wrong: str) -> None:
    with pytest.raises(Guilty) as found:
        explore(naive, SCENARIOS[scenario])
    assert found.value.wrong == wrong
