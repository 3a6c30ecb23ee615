"""Sends through kills, freezes, cuts and lost messages: nothing is lost, and everything agrees afterwards.

`make storm` is the long one; what it and this do is in tests/storm.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import pytest

from tests.storm.checks import check_submissions
from tests.storm.faults import DEADLY, draw_faults
from tests.storm.ground import Ground, stormy_ground
from tests.storm.report import Report
from tests.storm.storm import rage
from tests.storm.truth import Comparison

pytestmark = pytest.mark.timeout(300)

SENDS, SEED, FAULTS = 60, 9, 5


@pytest.fixture(scope="module")
def ground() -> Iterator[Ground]:
    with stormy_ground(SEED) as made:
        yield made


@pytest.fixture(scope="module")
def report(ground: Ground) -> Report:
    made = Report(SEED, SENDS, FAULTS)
    rage(ground, made, lambda _report, _stage: None)
    return made


def test_nothing_is_lost_nothing_stays_stale_and_every_chain_is_whole(report: Report) -> None:
    assert not report.wrong, report.complaints()
    figures = report.figures()
    assert figures["answered"] == SENDS
    assert figures["faults"] == FAULTS
    assert report.by_kind["kill"]


def test_the_storm_sees_what_is_lost_or_was_never_sent(ground: Ground, report: Report) -> None:
    altered = dataclasses.replace(report.sent[0], body={**report.sent[0].body, "note_text": "Another note."})
    complaints = list(check_submissions(ground, [altered, *report.sent[2:]], frozenset()))
    numbers = {each.split(":")[0] for each in complaints}
    assert f"Send {altered.number}" in numbers
    assert sum("was never answered to anybody" in each for each in complaints) == 1


def test_the_storm_sees_a_document_that_is_wrong(ground: Ground, report: Report) -> None:
    comparison = Comparison(ground)
    tenant = ground.tenants[0]
    # The first patient of each clinic is the busiest.
    path = f"tenants/{tenant['tenant_id']}/patient_state/{tenant['patients'][0]['patient_key']}"
    ground.documents.document(path).update({"outcome": "edited", "left_by_hand": 1})
    assert comparison.differences() == [f"{path}: left_by_hand, outcome"]
    comparison.close()


def test_a_seed_draws_the_same_faults_and_kills_no_part_twice_in_a_short_storm() -> None:
    drawn = draw_faults(SEED, SENDS, FAULTS)
    assert drawn == draw_faults(SEED, SENDS, FAULTS)
    assert drawn != draw_faults(SEED + 1, SENDS, FAULTS)
    assert [fault.at for fault in drawn] == sorted(fault.at for fault in drawn)
    dying = [fault.target for fault in drawn if fault.kind in DEADLY]
    assert len(dying) == len(set(dying))
