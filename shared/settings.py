"""Configuration: the environment, read once into one frozen object.

A wrong value stops the start with a sentence that names the variable. Emulators and unsigned
development tokens exist only where nothing is deployed: a deployed function that finds emulator
settings refuses to start. What is secret comes from the environment alone (deployed: from Secret Manager,
which puts it there), and no look at the object shows it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import re
from collections.abc import Mapping
from functools import lru_cache

import msgspec

LOCAL_TIMEOUT_S = 5.0
"""How long the local stack waits for one of its own parts to answer."""

LOCAL_ROUND_TIMEOUT_S = 60.0
"""How long it waits for a round of the scheduler, which is what Cloud Scheduler's calls may take here."""

_EMULATORS = ("FIRESTORE_EMULATOR_HOST", "PUBSUB_EMULATOR_HOST", "FIREBASE_AUTH_EMULATOR_HOST")
_STORAGE_EMULATOR = "STORAGE_EMULATOR_HOST"
_GOOGLE_LOGGING = "GOOGLE_SDK_PYTHON_LOGGING_SCOPE"
# What SQLAlchemy would make of anything else it says in an error, parts of the password included.
_DATABASE_URL = re.compile(r"postgres(?:ql)?://(?:[^@]*@)?(?:\[[^\]]*\]|[^:/?@]*)(?::\d+)?(?:[/?][^@]*)?")
_BUCKET = re.compile(r"gs://[a-z0-9][a-z0-9._-]{1,220}[a-z0-9](?:/[A-Za-z0-9_-][A-Za-z0-9._-]*)*")


class SettingsError(Exception):
    """A configuration variable is missing or wrong; the message says which and how to mend it."""


class SecretText(str):
    """A text that shows itself to nobody who only looks: in a traceback, a log, another object's repr."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "<secret>"


class SecretBytes(bytes):
    """Bytes that show themselves to nobody who only looks."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "<secret>"

    __str__ = __repr__


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What a process needs to know of where it runs. Times are seconds."""

    project_id: str
    database_url: SecretText | None
    cloud_sql_instance: str | None
    database_user: str
    database_name: str
    master_secret: SecretBytes
    ledger_signing_key: SecretBytes | None
    ledger_public_keys: tuple[str, ...]
    checkpoint_store: str | None
    pubsub_topic: str
    allowed_origins: tuple[str, ...]
    emulated: bool
    pool_size: int
    pool_timeout_s: float
    statement_timeout_s: float
    lock_timeout_s: float
    request_deadline_s: float
    outside_timeout_s: float
    bulk_timeout_s: float
    drift_cycle_s: float
    rate_per_user_s: float
    rate_burst: int
    log_level: str


def read_settings(environ: Mapping[str, str]) -> Settings:
    """Reads settings from ``environ``.

    Raises SettingsError naming the variable that is missing or wrong, without its value.
    """
    deployed = "K_SERVICE" in environ
    emulated = any(environ.get(name) for name in _EMULATORS)
    if deployed and emulated:
        found = ", ".join(name for name in _EMULATORS if environ.get(name))
        raise SettingsError(
            f"{found} is set on a deployed function. Emulators accept unsigned tokens, so this function "
            "refuses to start: remove the variable from its configuration."
        )
    if deployed and environ.get(_STORAGE_EMULATOR):
        raise SettingsError(
            f"{_STORAGE_EMULATOR} is set on a deployed function: checkpoints would go to where nothing keeps "
            "them. Remove the variable from its configuration."
        )
    if environ.get(_GOOGLE_LOGGING):
        raise SettingsError(
            f"{_GOOGLE_LOGGING} is set: Google's libraries would write whole documents into the log, names "
            "included. Remove it."
        )
    database_url = environ.get("DATABASE_URL") or None
    instance = environ.get("CLOUD_SQL_INSTANCE") or None
    if (database_url is None) == (instance is None):
        raise SettingsError(
            "Set exactly one of DATABASE_URL (postgresql://user@host:port/name) and "
            "CLOUD_SQL_INSTANCE (project:region:instance)."
        )
    if database_url is not None and not _DATABASE_URL.fullmatch(database_url):
        raise SettingsError(
            "DATABASE_URL must have the form postgresql://user:password@host:port/name; write an @ in the "
            "password as %40."
        )
    return Settings(
        project_id=_required(environ, "GOOGLE_CLOUD_PROJECT", "the project's id"),
        database_url=None if database_url is None else SecretText(database_url),
        cloud_sql_instance=instance,
        database_user=environ.get("DATABASE_USER", "mobius_app"),
        database_name=environ.get("DATABASE_NAME", "mobius"),
        master_secret=_secret(environ),
        ledger_signing_key=_signing_key(environ),
        ledger_public_keys=_public_keys(environ),
        checkpoint_store=_checkpoint_store(environ, deployed=deployed),
        pubsub_topic=environ.get("PUBSUB_TOPIC", "mobius-events"),
        allowed_origins=_origins(environ),
        emulated=emulated,
        pool_size=_whole(environ, "DATABASE_POOL_SIZE", 5, 1, 100),
        pool_timeout_s=_number(environ, "DATABASE_POOL_TIMEOUT_S", 2, 0.05, 60),
        statement_timeout_s=_number(environ, "DATABASE_STATEMENT_TIMEOUT_S", 5, 0.1, 3600),
        lock_timeout_s=_number(environ, "DATABASE_LOCK_TIMEOUT_S", 3, 0.05, 60),
        # Below the 2 s within which the API answers, so that the way to the caller is in there too.
        request_deadline_s=_number(environ, "REQUEST_DEADLINE_S", 1.6, 0.1, 600),
        # One call to what is outside, other than the database, while somebody waits; and one over many
        # documents, while nobody does.
        outside_timeout_s=_number(environ, "OUTSIDE_TIMEOUT_S", 2, 0.05, 60),
        bulk_timeout_s=_number(environ, "BULK_TIMEOUT_S", 60, 0.05, 600),
        drift_cycle_s=_number(environ, "DRIFT_CYCLE_S", 3600, 1, 604_800),
        rate_per_user_s=_number(environ, "RATE_LIMIT_PER_USER_S", 20, 0.1, 1_000_000),
        rate_burst=_whole(environ, "RATE_LIMIT_BURST", 100, 1, 1_000_000),
        log_level=_choice(environ, "LOG_LEVEL", "INFO", ("DEBUG", "INFO", "WARNING", "ERROR")),
    )


@lru_cache(maxsize=1)
def settings() -> Settings:
    """The settings of this process. Raises SettingsError as ``read_settings`` does."""
    return read_settings(os.environ)


def _required(environ: Mapping[str, str], name: str, what: str) -> str:
    value = environ.get(name)
    if not value:
        raise SettingsError(f"{name} is not set: give it {what}.")
    return value


def _secret(environ: Mapping[str, str]) -> SecretBytes:
    how = "at least 32 random bytes in base64, for example from: openssl rand -base64 32"
    try:
        secret = base64.b64decode(_required(environ, "MOBIUS_MASTER_SECRET", how), validate=True)
    except binascii.Error:
        raise SettingsError(f"MOBIUS_MASTER_SECRET is not base64: give it {how}.") from None
    if len(secret) < 32:
        raise SettingsError(f"MOBIUS_MASTER_SECRET is too short: give it {how}.")
    return SecretBytes(secret)


def _signing_key(environ: Mapping[str, str]) -> SecretBytes | None:
    if not (value := environ.get("LEDGER_SIGNING_KEY")):
        return None
    how = "32 random bytes in base64, for example from: openssl rand -base64 32"
    try:
        seed = base64.b64decode(value, validate=True)
    except ValueError:
        raise SettingsError(f"LEDGER_SIGNING_KEY is not base64: give it {how}.") from None
    if len(seed) != 32:
        raise SettingsError(f"LEDGER_SIGNING_KEY is not of 32 bytes: give it {how}.")
    return SecretBytes(seed)


def _public_keys(environ: Mapping[str, str]) -> tuple[str, ...]:
    keys = tuple(environ.get("LEDGER_PUBLIC_KEYS", "").split())
    for key in keys:
        name, _, rest = key.partition("+")
        key_id, _, encoded = rest.partition("+")
        try:
            decoded = base64.b64decode(encoded, validate=True)
        except ValueError:
            decoded = b""
        expected = hashlib.sha256(f"{name}\n".encode() + decoded).hexdigest()[:8]
        if not name or len(decoded) != 33 or decoded[0] != 1 or key_id != expected:
            raise SettingsError(
                "LEDGER_PUBLIC_KEYS must be verifier keys with spaces between them, each as mobius ledger "
                "key prints it: name+hash+key."
            )
    return keys


def _checkpoint_store(environ: Mapping[str, str], *, deployed: bool) -> str | None:
    if not (value := environ.get("CHECKPOINT_STORE")):
        return None
    if value.startswith("/") and not deployed:
        return value
    if not _BUCKET.fullmatch(value):
        raise SettingsError(
            "CHECKPOINT_STORE must be gs://bucket or gs://bucket/folder, or on one's own machine a folder's "
            "absolute path: a deployed function has no folder that lasts."
        )
    return value


def _origins(environ: Mapping[str, str]) -> tuple[str, ...]:
    origins = tuple(o.strip() for o in environ.get("ALLOWED_ORIGINS", "").split(",") if o.strip())
    for origin in origins:
        if not origin.startswith(("https://", "http://", "chrome-extension://")) or origin.count("/") > 2:
            raise SettingsError(
                "ALLOWED_ORIGINS must be a comma-separated list of origins, each scheme://host[:port] "
                "without a path; '*' is not an origin."
            )
    return origins


def _whole(environ: Mapping[str, str], name: str, default: int, low: int, high: int) -> int:
    value = _number(environ, name, default, low, high)
    if value != int(value):
        raise SettingsError(f"{name} must be a whole number from {low} to {high}.")
    return int(value)


def _number(environ: Mapping[str, str], name: str, default: float, low: float, high: float) -> float:
    try:
        value = float(environ.get(name, default))
    except ValueError:
        value = float("nan")
    if not low <= value <= high:
        raise SettingsError(f"{name} must be a number from {low:g} to {high:g}.")
    return value


def _choice(environ: Mapping[str, str], name: str, default: str, allowed: tuple[str, ...]) -> str:
    value = environ.get(name, default)
    if value not in allowed:
        raise SettingsError(f"{name} must be one of {', '.join(allowed)}.")
    return value
