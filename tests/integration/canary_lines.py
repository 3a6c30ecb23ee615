"""What a line of a log must be: an entry of the catalogue for Cloud Logging, and nothing else."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import get_type_hints
from uuid import UUID

from shared.web.logging import LogCode, LogFields
from tests.integration.canary_site import PROJECT

_KILLED = re.compile(r"\[[-+: 0-9]+\] \[\d+\] \[ERROR\] Worker \(pid:\d+\) was sent SIGKILL! .*")
"""The only line of anybody else's: gunicorn, which lost a worker."""

_TRACE = re.compile(rf"projects/{PROJECT}/traces/[0-9a-f]{{32}}")
_OF_THE_REQUEST: Mapping[str, Callable[[str], object]] = {
    "correlation_id": UUID,
    "logging.googleapis.com/trace": _TRACE.fullmatch,
}
"""What a line may have beside LogFields."""

_ERROR = r"[\w.]+ at [\w./: -]+"
_WORD = re.compile(r"[a-z][a-z_/-]*")
_CHAIN = re.compile(rf"{_ERROR}( caused by {_ERROR})*")


def what_is_wrong(line: str) -> str:
    """Why a line is none of the catalogue's, without anything of it; nothing when it is one."""
    if _KILLED.fullmatch(line):
        return ""
    try:
        fields = json.loads(line)
        code = LogCode[fields.pop("code").upper()]
        told = (fields.pop("severity"), fields.pop("message"))
    except (ValueError, KeyError, AttributeError):
        return "no JSON object with a code of the catalogue, a severity and a message"
    if told != code.value:
        return f"another severity or sentence than {code.name} has"
    wrong = sum(not _is_of_its_type(name, value) for name, value in fields.items())
    return f"{wrong} fields that it may not have, or of another type" if wrong else ""


def _is_of_its_type(name: str, value: object) -> object:
    if name in _OF_THE_REQUEST:
        return _OF_THE_REQUEST[name](str(value))
    kind = get_type_hints(LogFields).get(name)
    if kind is UUID:
        return UUID(str(value))
    if kind in (int, float):
        return isinstance(value, int | float) and not isinstance(value, bool)
    if kind is BaseException:
        return _CHAIN.fullmatch(str(value))
    # An enumeration's value, or a constant such as an endpoint's name.
    return kind is not None and _WORD.fullmatch(str(value))
