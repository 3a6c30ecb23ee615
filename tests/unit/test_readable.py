from __future__ import annotations

import io

import pytest
from rich.console import Console

from ops.readable import Event, Screen, is_alarming, read_event


def test_a_json_line_becomes_its_message_and_short_fields() -> None:
    line = (
        '{"severity":"WARNING","message":"late","time":"2026-01-01","user_id":"u","took_ms":4,'
        '"logging.googleapis.com/trace":"t","nested":{"a":1}}'
    )
    assert read_event(line) == Event("WARNING", "late took_ms=4")


@pytest.mark.parametrize("line", ["{not json", "plain words", '["a", "list"]'])
def test_any_other_line_stays_as_it_is(line: str) -> None:
    assert read_event(line) == Event("INFO", line)


def test_an_empty_line_says_nothing() -> None:
    assert read_event("  \n") is None


def test_only_alarms_of_a_third_party_are_shown() -> None:
    assert is_alarming("2026 UTC [1] FATAL:  no space left")
    assert not is_alarming("INFO: Detected HTTP/2 connection.")


def test_markup_in_a_message_is_shown_not_obeyed() -> None:
    out = io.StringIO()
    Screen(Console(file=out, width=100)).say("api", "[red]x[/nothing]")
    assert "[red]x[/nothing]" in out.getvalue()


def test_a_terminal_that_is_gone_is_no_error() -> None:
    class Gone(io.StringIO):
        def write(self, _text: str, /) -> int:
            raise OSError("gone")

    Screen(Console(file=Gone())).say("api", "hello")
