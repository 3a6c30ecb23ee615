"""Hundreds of calls out of thin air, and no answer that the API's own description doesn't promise.

`make fuzz` makes many more; what it and this do is in tests/fuzz.
"""

from __future__ import annotations

import pytest

from tests.fuzz.clinics import fuzzed_stack, open_clinics
from tests.fuzz.fuzzing import Fuzz
from tests.fuzz.report import Report

pytestmark = pytest.mark.timeout(300)

CALLS, SEED, PATIENTS = 480, 1, 12


@pytest.fixture(scope="module")
def report() -> Report:
    # A stack of its own: what was fuzzed is of no use to other tests, and its users must be free of limits.
    with fuzzed_stack() as stack:
        made = Report(SEED)
        Fuzz(stack.description["api_url"], open_clinics(stack, PATIENTS), made).run(CALLS, borderline=False)
    return made


def test_every_answer_is_one_that_the_description_promises(report: Report) -> None:
    assert report.calls == CALLS
    assert not report.failures, str(report)


def test_enough_calls_to_every_operation_are_let_in_to_prove_something(report: Report) -> None:
    assert not report.hardly_let_in, report.accepted
