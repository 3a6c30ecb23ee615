"""The only errors that cross the boundary: each has an HTTP status and a public sentence.

A sentence never holds a value that the caller sent, a driver's text or a patient's data.
"""

from __future__ import annotations

from typing import ClassVar, NamedTuple

from shared.model import DeniedReason


class FieldError(NamedTuple):
    """One wrong field and how to mend it."""

    field: str
    message: str


class MobiusError(Exception):
    """Base of everything that Mobius says to a caller."""

    status: ClassVar[int] = 500
    title: ClassVar[str] = "Internal error"
    detail: str = "Something went wrong on our side. Try again; if it stays, report the correlation id."
    retry_after_s: int | None = None
    errors: tuple[FieldError, ...] = ()

    def __init__(self, detail: str | None = None) -> None:
        if detail is not None:
            self.detail = detail
        super().__init__(self.detail)


class MalformedRequest(MobiusError):
    """The body is not a JSON object, or one too deep or ambiguous; or the query has too many parameters."""

    status = 400
    title = "Malformed request"
    detail = "The request body must be one JSON object in UTF-8."


class Unauthenticated(MobiusError):
    """No token, or one that does not hold."""

    status = 401
    title = "Not signed in"
    detail = "Send a valid ID token in the Authorization header: 'Bearer <token>'."


class Forbidden(MobiusError):
    """The caller is known and may not do this; ``denied`` is how the ledger says why."""

    status = 403
    title = "Not allowed"
    detail = "Your account may not do this."
    denied: ClassVar[DeniedReason] = DeniedReason.ROLE


class NotFound(MobiusError):
    """What a write is about does not exist in this tenant."""

    status = 404
    title = "Not found"
    detail = "There is no such patient in this tenant."


class MethodNotAllowed(MobiusError):
    """The endpoint is not called that way."""

    status = 405
    title = "Method not allowed"

    def __init__(self, allowed: tuple[str, ...]) -> None:
        self.allowed = allowed
        super().__init__(f"Call this endpoint with {' or '.join(allowed)}.")


class StillRunning(MobiusError):
    """Another change to the same patient holds its lock, perhaps this very request's first try."""

    status = 409
    title = "Still running"
    detail = "The same request, or another change to this patient, is still running. Try again."
    retry_after_s = 1


class Collided(StillRunning):
    """Two requests got into each other's way in a way that the second try won't meet again."""


class AlreadyClaimed(MobiusError):
    """Somebody else has taken the item on."""

    status = 409
    title = "Already claimed"
    detail = "Somebody else has claimed this item. Send take_over: true to take it over."


class BodyTooLarge(MobiusError):
    """More than the API accepts."""

    status = 413
    title = "Body too large"
    detail = "The request body may hold at most 64 KiB."


class QueryTooLong(MobiusError):
    """More after the question mark than the API accepts."""

    status = 414
    title = "URI too long"
    detail = "The query may hold at most 8 KiB. Send the same fields in the body of a POST."


class UnsupportedMediaType(MobiusError):
    """Not JSON."""

    status = 415
    title = "Unsupported media type"
    detail = "Send the body as application/json."


class InvalidFields(MobiusError):
    """Fields that are wrong, every one of them named."""

    status = 422
    title = "Invalid fields"

    def __init__(self, *errors: FieldError) -> None:
        self.errors = errors
        super().__init__("Mend these fields: " + "; ".join(f"{e.field} {e.message}" for e in errors) + ".")


class Overloaded(MobiusError):
    """Every database connection of this instance is in use."""

    status = 503
    title = "Too busy"
    detail = "Too many requests at once. Nothing was changed; try again shortly."
    retry_after_s = 1


class TooManyRequests(MobiusError):
    """One user asks faster than this instance answers a single user."""

    status = 429
    title = "Too many requests"
    detail = "Your account asks faster than one user may. Nothing was changed; try again shortly."
    retry_after_s = 1

    def __init__(self, retry_after_s: int) -> None:
        self.retry_after_s = retry_after_s
        super().__init__()


class DatabaseUnavailable(MobiusError):
    """The truth can't be reached, so nothing is answered from anywhere else."""

    status = 503
    title = "Temporarily unavailable"
    detail = "The database can't be reached. Nothing was changed; try again shortly."
    retry_after_s = 2
