"""Everything that can go wrong behind a request, and says as much as it knows while it does."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from types import FrameType
from typing import Any, NoReturn

import pytest
from sqlalchemy import make_url, text

from ops.intake import run as intake_run
from shared import runtime
from shared.persistence import database
from shared.web import rate
from tests.integration.canary import Markers
from tests.integration.canary_site import Site
from tests.integration.product import Product, closed_port

_TALKER = "canary_tells_all"
# What it says it says to the client alone: the server's own log is looked through too.
_MAKE_TALKER = text(f"""
CREATE OR REPLACE FUNCTION {_TALKER}() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET log_min_messages = panic AS $$ BEGIN
    RAISE EXCEPTION 'refused: %', to_jsonb(NEW) USING DETAIL = to_jsonb(NEW), HINT = to_jsonb(NEW),
        COLUMN = left(to_jsonb(NEW)::text, 60), CONSTRAINT = left(to_jsonb(NEW)::text, 60);
END $$""")


class Shop:
    """The functions of this process over the canary's site."""

    def __init__(self, site: Site, product: Product, markers: Markers) -> None:
        self.site = site
        self.product = product
        self.markers = markers

    def mark(self, name: str) -> str:
        return self.markers.word(f"fault {name}")

    def fail(self, name: str) -> NoReturn:
        """Raises an error full of markers: in its text, its arguments, its notes, its cause, beside it."""
        local = self.mark(f"{name} local")
        try:
            raise KeyError({"patient": self.mark(f"{name} cause")})
        except KeyError as cause:
            error = ValueError(f"{self.mark(f'{name} text')} {local}", self.mark(f"{name} argument"))
            error.add_note(self.mark(f"{name} note"))
            raise error from cause


class Crashing:
    """A core of which every method fails."""

    def __init__(self, shop: Shop) -> None:
        self._shop = shop

    def __getattr__(self, name: str) -> Callable[..., NoReturn]:
        return lambda *_args, **_named: self._shop.fail("crash")


class Undelivering:
    """A publisher whose client tells what it could not send."""

    def __init__(self, shop: Shop) -> None:
        self._shop = shop

    def publish(self, messages: object) -> NoReturn:
        self._shop.fail(f"publish of {type(messages).__name__}")


Fault = Callable[[Shop], AbstractContextManager[None]]


@contextmanager
def _configured(shop: Shop, **variables: str) -> Iterator[None]:
    shop.product.configure(**variables)
    rate.rate_limit.cache_clear()
    yield
    shop.product.configure(**shop.site.variables, **_USUAL)
    rate.rate_limit.cache_clear()


_USUAL = {
    "DATABASE_LOCK_TIMEOUT_S": "60",
    "DATABASE_STATEMENT_TIMEOUT_S": "60",
    "DATABASE_POOL_SIZE": "20",
    "DATABASE_POOL_TIMEOUT_S": "60",
    "OUTSIDE_TIMEOUT_S": "5",
}


@contextmanager
def no_fault(_shop: Shop) -> Iterator[None]:
    yield


@contextmanager
def database_away(shop: Shop) -> Iterator[None]:
    url = f"postgresql://mobius_app:{shop.mark('password')}@127.0.0.1:{closed_port()}/{shop.mark('database')}"
    with _configured(shop, DATABASE_URL=url):
        yield


@contextmanager
def database_locked_out(shop: Shop) -> Iterator[None]:
    url = make_url(shop.site.database.urls.app).set(password=shop.mark("wrong password"))
    with _configured(shop, DATABASE_URL=url.render_as_string(hide_password=False)):
        yield


def slow(name: str, **variables: str) -> Fault:
    """Somebody holds ``name``, a table, and the time is short."""

    @contextmanager
    def held(shop: Shop) -> Iterator[None]:
        with _configured(shop, **variables), shop.site.database.superuser.connect() as other:
            other.execute(text(f"LOCK TABLE {name} IN ACCESS EXCLUSIVE MODE"))
            yield

    return held


@contextmanager
def pool_exhausted(shop: Shop) -> Iterator[None]:
    small = {"DATABASE_POOL_SIZE": "1", "DATABASE_POOL_TIMEOUT_S": "0.05"}
    with _configured(shop, **small), database.engine().connect():
        yield


def talking(table: str, change: str) -> Fault:
    """The database refuses what is written into ``table`` and quotes all of it."""

    @contextmanager
    def told(shop: Shop) -> Iterator[None]:
        with shop.site.database.superuser.begin() as connection:
            connection.execute(_MAKE_TALKER)
            trigger = f"a_{_TALKER} BEFORE {change} ON {table} FOR EACH ROW EXECUTE FUNCTION {_TALKER}()"
            connection.execute(text(f"CREATE TRIGGER {trigger}"))
        yield
        with shop.site.database.superuser.begin() as connection:
            connection.execute(text(f"DROP TRIGGER a_{_TALKER} ON {table}"))

    return told


@contextmanager
def topic_away(shop: Shop) -> Iterator[None]:
    with _configured(shop, PUBSUB_EMULATOR_HOST=f"127.0.0.1:{closed_port()}", OUTSIDE_TIMEOUT_S="0.1"):
        yield


@contextmanager
def documents_away(shop: Shop) -> Iterator[None]:
    with _configured(shop, FIRESTORE_EMULATOR_HOST=f"127.0.0.1:{closed_port()}", OUTSIDE_TIMEOUT_S="0.1"):
        yield


@contextmanager
def too_many_requests(shop: Shop) -> Iterator[None]:
    with _configured(shop, RATE_LIMIT_PER_USER_S="0.1", RATE_LIMIT_BURST="1"):
        yield


@contextmanager
def decision_raises(shop: Shop) -> Iterator[None]:
    with _core(shop.product.core(decide=lambda *_: shop.fail("decision"))):
        yield


@contextmanager
def publisher_raises(shop: Shop) -> Iterator[None]:
    with _core(shop.product.core(publisher=Undelivering(shop))):
        yield


@contextmanager
def handler_crashes(shop: Shop) -> Iterator[None]:
    with _core(Crashing(shop)):
        yield


@contextmanager
def _core(core: Any) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runtime, "SharedPatientStateCore", lambda *_: core)
        runtime.core.cache_clear()
        yield
    runtime.core.cache_clear()


@contextmanager
def intake_breaks(shop: Shop) -> Iterator[None]:
    """A mistake of ours in the middle of the intake, with the patient in its text."""

    def shown(*patient: object) -> NoReturn:
        raise ValueError(f"{patient} {shop.mark('intake')}", *patient)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(intake_run, "shown", shown)
        yield


FAULTS: Mapping[str, Fault] = {
    "no fault": no_fault,
    "database away": database_away,
    "database locks us out": database_locked_out,
    "lock time-out": slow("patient_context", DATABASE_LOCK_TIMEOUT_S="0.05"),
    "statement time-out": slow("app_user", DATABASE_STATEMENT_TIMEOUT_S="0.1"),
    "pool exhausted": pool_exhausted,
    "topic away": topic_away,
    "documents away": documents_away,
    "too many requests": too_many_requests,
    "decision raises": decision_raises,
    "publisher raises": publisher_raises,
    "handler crashes": handler_crashes,
    "submission refused": talking("mini_submission", "INSERT"),
    "explanation refused": talking("break_glass", "INSERT"),
    "session refused": talking("session", "INSERT"),
    "event refused": talking("event_log", "INSERT"),
    "outbox refused": talking("outbox", "INSERT OR UPDATE OR DELETE"),
    "context refused": talking("patient_context", "UPDATE"),
}


@contextmanager
def raised() -> Iterator[list[BaseException]]:
    """Every exception that comes by our own code while this lasts, whoever raised it."""
    seen: list[BaseException] = []
    ours: dict[str, bool] = {}

    def enter(frame: FrameType, _event: str, _arg: Any) -> Callable[..., Any] | None:
        path = frame.f_code.co_filename
        if path not in ours:
            ours[path] = any(f"/{folder}/" in path for folder in ("shared", "functions", "ops")) and (
                "site-packages" not in path
            )
        if not ours[path]:
            return None
        frame.f_trace_lines = False
        return inside

    def inside(_frame: FrameType, event: str, arg: Any) -> Callable[..., Any]:
        if event == "exception" and isinstance(arg[1], BaseException):
            seen.append(arg[1])
        return inside

    before = sys.gettrace()
    threading.settrace(enter)
    sys.settrace(enter)
    try:
        yield seen
    finally:
        sys.settrace(before)
        threading.settrace(before)  # type: ignore[arg-type]  # None: nobody traced
