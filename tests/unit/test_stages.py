from __future__ import annotations

import re

from shared.stages import server_timing, stage, staged


def test_stages_are_collected_and_added_up_by_name() -> None:
    with staged() as stages:
        for name in ("commit", "publish", "commit"):
            with stage(name):
                pass
    assert list(stages) == ["commit", "publish"]
    assert re.fullmatch(r"commit;dur=\d+\.\d, publish;dur=\d+\.\d", server_timing(stages))


def test_outside_of_a_request_nothing_is_kept_and_nothing_breaks() -> None:
    with stage("commit"):
        pass
    with staged() as stages:
        pass
    assert stages == {}


def test_a_stage_that_raises_is_measured_too() -> None:
    with staged() as stages:
        try:
            with stage("publish"):
                raise OSError
        except OSError:
            pass
    assert list(stages) == ["publish"]
