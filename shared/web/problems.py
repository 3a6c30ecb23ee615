"""Errors as they leave: RFC 9457 problem documents."""

from __future__ import annotations

from msgspec import UNSET, Struct, UnsetType, json

from shared.errors import FieldError, MethodNotAllowed, MobiusError, Unauthenticated
from shared.model import CorrelationId

PROBLEM_TYPE = "application/problem+json"


class ProblemField(Struct, frozen=True, kw_only=True):
    """One wrong field and how to mend it."""

    field: str
    message: str


class Problem(Struct, frozen=True, kw_only=True):
    """What went wrong. ``error`` repeats ``detail``: existing clients show it."""

    type: str
    title: str
    status: int
    detail: str
    error: str
    correlation_id: CorrelationId
    errors: tuple[ProblemField, ...] | UnsetType = UNSET


def problem_type(error: type[MobiusError] | MobiusError) -> str:
    """The name of a kind of problem, for programs."""
    return "urn:mobius:problem:" + error.title.lower().replace(" ", "-")


def problem_body(error: MobiusError, correlation_id: CorrelationId) -> bytes:
    """The document of one error."""
    return json.encode(
        Problem(
            type=problem_type(error),
            title=error.title,
            status=error.status,
            detail=error.detail,
            error=error.detail,
            correlation_id=correlation_id,
            errors=tuple(map(_field, error.errors)) or UNSET,
        )
    )


def problem_headers(error: MobiusError) -> dict[str, str]:
    """The headers that HTTP wants beside some statuses."""
    headers = {}
    if isinstance(error, Unauthenticated):
        headers["WWW-Authenticate"] = "Bearer"
    if isinstance(error, MethodNotAllowed):
        headers["Allow"] = ", ".join(error.allowed)
    if error.retry_after_s is not None:
        headers["Retry-After"] = str(error.retry_after_s)
    return headers


def _field(error: FieldError) -> ProblemField:
    return ProblemField(field=error.field, message=error.message)
