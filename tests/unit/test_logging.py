"""Log lines: a catalogue, typed fields, and no way in for a patient's data."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import pytest

from shared.model import CorrelationId, SubjectType, TenantId, UserId
from shared.settings import settings
from shared.web.logging import Constant, LogCode, log, log_caller, log_context

Start = Callable[[str], None]


@pytest.fixture
def start(monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    def with_level(level: str) -> None:
        monkeypatch.delenv("K_SERVICE", raising=False)
        monkeypatch.delenv("CLOUD_SQL_INSTANCE", raising=False)
        monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "demo-mobius")
        monkeypatch.setenv("DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")
        monkeypatch.setenv("MOBIUS_MASTER_SECRET", "A" * 43 + "=")
        monkeypatch.setenv("LOG_LEVEL", level)
        settings.cache_clear()

    yield with_level
    settings.cache_clear()


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_a_line_holds_a_code_its_sentence_and_typed_fields(
    start: Start, capsys: pytest.CaptureFixture[str]
) -> None:
    start("INFO")
    subject = uuid4()
    log(LogCode.PROJECTED, subject_type=SubjectType.PATIENT, subject_id=subject, version=3, delay_ms=4)
    assert lines(capsys) == [
        {
            "severity": "INFO",
            "message": "A subject was projected.",
            "code": "projected",
            "subject_type": "patient",
            "subject_id": str(subject),
            "version": 3,
            "delay_ms": 4,
        }
    ]


def test_text_is_left_out_whatever_the_field_and_so_are_fields_nobody_listed(
    start: Start, capsys: pytest.CaptureFixture[str]
) -> None:
    start("INFO")
    sneaked: Any = {"tenant_id": "Maria", "reason": "Maria", "Maria": 1, "count": [1], "version": 2}
    log(LogCode.PROJECTED, **sneaked)
    (line,) = lines(capsys)
    assert "Maria" not in json.dumps(line)
    assert line["version"] == 2
    assert line["refused"] == 4


def test_what_the_level_does_not_want_is_not_written(
    start: Start, capsys: pytest.CaptureFixture[str]
) -> None:
    start("WARNING")
    log(LogCode.PROJECTED)
    log(LogCode.PUBLISH_FAILED, reason=Constant("timeout"))
    assert [line["code"] for line in lines(capsys)] == ["publish_failed"]


@pytest.mark.parametrize(
    ("name", "value", "trace"),
    [
        ("traceparent", f"00-{'a' * 32}-{'b' * 16}-01", "a" * 32),
        ("X-Cloud-Trace-Context", f"{'c' * 32}/123;o=1", "c" * 32),
        ("X-Cloud-Trace-Context", "c" * 32, "c" * 32),
        ("traceparent", "Maria", None),
        ("X-Cloud-Trace-Context", f"{'c' * 32}/Maria", None),
    ],
)
def test_lines_of_one_request_share_its_correlation_id_and_trace(
    start: Start, capsys: pytest.CaptureFixture[str], name: str, value: str, trace: str | None
) -> None:
    start("INFO")
    correlation_id = CorrelationId(uuid4())
    with log_context(correlation_id, {name: value}.get):
        log(LogCode.RELAYED, count=1)
    log(LogCode.RELAYED, count=2)
    inside, outside = lines(capsys)
    assert inside["correlation_id"] == str(correlation_id)
    expected = None if trace is None else f"projects/demo-mobius/traces/{trace}"
    assert inside.get("logging.googleapis.com/trace") == expected
    assert "correlation_id" not in outside


def test_lines_say_who_calls_from_when_it_is_known(start: Start, capsys: pytest.CaptureFixture[str]) -> None:
    start("INFO")
    tenant_id, user_id = TenantId(uuid4()), UserId(uuid4())
    with log_context(CorrelationId(uuid4())):
        log(LogCode.RELAYED, count=1)
        log_caller(tenant_id, user_id)
        log(LogCode.RELAYED, count=2)
    log_caller(tenant_id, user_id)
    log(LogCode.RELAYED, count=3)
    before, inside, outside = lines(capsys)
    assert (inside["tenant_id"], inside["user_id"]) == (str(tenant_id), str(user_id))
    assert not {"tenant_id", "user_id"} & {*before, *outside}


def test_an_error_is_named_by_class_and_place_never_by_its_words(
    start: Start, capsys: pytest.CaptureFixture[str]
) -> None:
    start("INFO")
    with pytest.raises(ValueError, match="Maria") as caught:
        int("Maria")
    log(LogCode.RELAY_FAILED, error=caught.value)
    (line,) = lines(capsys)
    assert line["error"] == "builtins.ValueError at outside our code"


def test_every_code_has_a_severity_that_cloud_logging_knows_and_a_sentence_of_its_own() -> None:
    sentences = [code.value[1] for code in LogCode]
    assert {code.value[0] for code in LogCode} <= {"DEBUG", "INFO", "WARNING", "ERROR"}
    assert len(set(sentences)) == len(sentences)
    assert all(sentence.endswith(".") for sentence in sentences)
