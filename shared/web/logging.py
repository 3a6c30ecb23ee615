"""Structured log lines for Cloud Logging that can't hold a patient's data.

A line is a code out of a catalogue, its fixed sentence, and fields whose names and types are listed
here. A string that came from outside has no way in: the only strings are enumerations and constants.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from enum import Enum
from functools import lru_cache
from pathlib import Path
from typing import TypedDict, Unpack, get_args, get_type_hints
from uuid import UUID

import msgspec

from shared.model import CorrelationId, SubjectType, Surface, TenantId, UserId
from shared.settings import settings

_ROOT = Path(__file__).parents[2]
_OWN_FOLDERS = ("functions", "shared", "ops", "migrations")
_LONGEST_CHAIN = 5
_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")
_TRACE_HEADERS = (
    ("traceparent", re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")),
    ("X-Cloud-Trace-Context", re.compile(r"([0-9a-f]{32})(?:/[0-9]{1,20})?(?:;o=[0-9])?")),
)


class Constant(str):
    """A string that is written in our source. Never wrap one that came in."""

    __slots__ = ()


class LogCode(Enum):
    """Everything that is ever logged: a severity and a sentence."""

    REQUEST_ANSWERED = ("INFO", "A request was answered.")
    UNEXPECTED_ERROR = ("ERROR", "A request failed with an error that nobody planned for.")
    DECISION_FAILED = ("ERROR", "A decision raised; the surface shows blue.")
    PUBLISH_FAILED = ("WARNING", "A change could not be published; the relay will do it again.")
    DENIAL_NOT_WRITTEN = ("ERROR", "A refusal could not be written to the ledger.")
    PROJECTION_READ_FAILED = ("WARNING", "Firestore could not be read; Postgres answered alone.")
    PROJECTION_ASKED_FOR = ("INFO", "A document was missing or behind: it was asked for again.")
    PROJECTION_NOT_ASKED = ("WARNING", "A document is missing or behind, and could not be asked for again.")
    PROJECTED = ("INFO", "A subject was projected.")
    NOTHING_TO_PROJECT = ("DEBUG", "Firestore already had what a message was about.")
    PROJECTION_CONTENDED = ("WARNING", "A document was held by somebody else; the relay will do it again.")
    PROJECTION_FAILED = ("ERROR", "A subject could not be projected; it will be tried again.")
    PROJECTION_HEAD_UNKNOWN = ("ERROR", "A document holds a ledger head that is not in the chain.")
    MESSAGE_REFUSED = ("ERROR", "A message is not one of ours.")
    PROJECTION_DRIFTED = ("WARNING", "A document was not what Postgres says; it is being written again.")
    PROJECTION_UNREPAIRABLE = (
        "ERROR",
        "A document is nobody's, or holds what Postgres has no more: see mobius projections recover.",
    )
    DRIFT_CHECKED = ("INFO", "Documents were compared with Postgres, and some were not as it says.")
    DRIFT_CHECK_FAILED = (
        "ERROR",
        "The documents of a tenant, or of all, could not be compared; the next call goes on from there.",
    )
    RELAYED = ("INFO", "Unconfirmed changes were published again.")
    RELAY_FAILED = ("ERROR", "The relay could not do its round.")
    SUBJECT_PARKED = (
        "ERROR",
        "A subject was told many times and is still unconfirmed; it is told once a minute from now on.",
    )
    SWEPT = ("INFO", "The sweep did what was due.")
    SWEEP_FAILED = ("ERROR", "The sweep could not do its round, or a part of it; what is due stays due.")
    ERASED = ("INFO", "What tenants' policies keep no longer was erased.")
    RETENTION_FAILED = ("ERROR", "Something that a policy keeps no longer could not be erased; it stays due.")
    TIDY_FAILED = ("ERROR", "The tabs of a tenant that nobody came back to could not be closed.")
    HEALTH_UNKNOWN = ("ERROR", "How everything stands could not be read.")
    CHECKPOINT_MADE = ("INFO", "How all chains of the ledger stand was signed.")
    CHECKPOINT_NOT_CONFIGURED = (
        "ERROR",
        "No checkpoint can be made: set LEDGER_SIGNING_KEY and CHECKPOINT_STORE for this function.",
    )
    CHECKPOINT_CONTRADICTED = (
        "ERROR",
        "A tenant's chains are not what the last checkpoint says: somebody may have altered the ledger.",
    )
    CHECKPOINT_LOG_BROKEN = ("ERROR", "The checkpoints themselves, or files of theirs, are not as written.")
    CHECKPOINT_FAILED = ("ERROR", "A checkpoint could not be made, or one tenant's part of it not renewed.")


class LogFields(TypedDict, total=False):
    """The fields that a line may have. Times are milliseconds unless the name says otherwise."""

    endpoint: Constant
    surface: Surface
    status: int
    duration_ms: float
    error: BaseException
    tenant_id: UUID
    user_id: UUID
    patient_context_id: UUID
    system_response_id: UUID
    submission_id: UUID
    assignment_id: UUID
    subject_type: SubjectType
    subject_id: UUID
    version: int
    attempts: int
    count: int
    delay_ms: float
    reason: Enum | Constant
    field: Constant


class _Context(msgspec.Struct, frozen=True):
    correlation_id: CorrelationId
    trace_id: str | None
    caller: tuple[TenantId, UserId] | None = None


_context: ContextVar[_Context | None] = ContextVar("log_context", default=None)


@contextmanager
def log_context(
    correlation_id: CorrelationId, header: Callable[[str], str | None] | None = None
) -> Iterator[None]:
    """Every line inside carries the correlation id, and the trace that a request's headers name, if any."""
    token = _context.set(_Context(correlation_id, _trace_id(header) if header else None))
    try:
        yield
    finally:
        _context.reset(token)


def log_caller(tenant_id: TenantId, user_id: UserId) -> None:
    """Every line from here to the end of the context says who calls, also where they are refused."""
    context = _context.get()
    if context is not None:
        _context.set(msgspec.structs.replace(context, caller=(tenant_id, user_id)))


def log(code: LogCode, **fields: Unpack[LogFields]) -> None:
    """Writes one line to standard output, if the configured level wants it.

    Never raises for what it is given: a field that is not listed, or not of its type, is left out and
    its name is not trusted either; ``refused`` then says how many there were.
    """
    severity, sentence = code.value
    if _LEVELS.index(severity) < _LEVELS.index(settings().log_level):
        return
    line: dict[str, object] = {"severity": severity, "message": sentence, "code": code.name.lower()}
    context = _context.get()
    if context is not None:
        line["correlation_id"] = context.correlation_id
        if context.caller is not None:
            line["tenant_id"], line["user_id"] = context.caller
        if context.trace_id is not None:
            project = settings().project_id
            line["logging.googleapis.com/trace"] = f"projects/{project}/traces/{context.trace_id}"
    kinds = _field_kinds()
    good = {name: value for name, value in fields.items() if isinstance(value, kinds.get(name, ()))}
    line.update((name, _plain(value)) for name, value in good.items())
    if len(good) < len(fields):
        line["refused"] = len(fields) - len(good)
    # One write per line: threads share the stream. Where functions-framework stands before it (it does where
    # LOG_EXECUTION_ID is set, as deployed) it would write in two, and add a label that the caller may choose.
    stream = getattr(sys.stdout, "stream", sys.stdout)
    stream.write(msgspec.json.encode(line).decode() + "\n")
    stream.flush()


@lru_cache(maxsize=1)
def _field_kinds() -> dict[str, tuple[type, ...]]:
    kinds = {name: get_args(kind) or (kind,) for name, kind in get_type_hints(LogFields).items()}
    return {name: (*kind, int) if float in kind else kind for name, kind in kinds.items()}


def _plain(value: object) -> object:
    if isinstance(value, BaseException):
        return describe_error(value)
    return str(value) if isinstance(value, Constant) else value


def describe_error(error: BaseException) -> str:
    """The error and what caused it: classes and our own lines, never a message, which may quote data."""
    described: list[str] = []
    link: BaseException | None = error
    while link is not None and len(described) < _LONGEST_CHAIN:
        kind = type(link)
        where = " ".join(_own_lines(link)) or "outside our code"
        described.append(f"{kind.__module__}.{kind.__qualname__} at {where}")
        link = link.__cause__ or link.__context__
    return " caused by ".join(described)


def _own_lines(error: BaseException) -> list[str]:
    lines = []
    frame = error.__traceback__
    while frame is not None:
        path = Path(frame.tb_frame.f_code.co_filename)
        if path.is_relative_to(_ROOT) and path.relative_to(_ROOT).parts[0] in _OWN_FOLDERS:
            lines.append(f"{path.relative_to(_ROOT)}:{frame.tb_lineno}")
        frame = frame.tb_next
    return lines


def _trace_id(header: Callable[[str], str | None]) -> str | None:
    for name, form in _TRACE_HEADERS:
        match = form.fullmatch(header(name) or "")
        if match:
            return match[1]
    return None
