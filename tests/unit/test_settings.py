"""A wrong variable stops the start with a sentence that names it and never holds its value."""

from __future__ import annotations

import base64

import pytest

from shared.ledger.checkpoints.notes import Signer
from shared.settings import SettingsError, read_settings

GOOD = {
    "GOOGLE_CLOUD_PROJECT": "clinic",
    "DATABASE_URL": "postgresql://somebody@localhost/mobius",
    "MOBIUS_MASTER_SECRET": base64.b64encode(bytes(32)).decode(),
}


VERIFIER_KEY = str(Signer("clinic/ledger", bytes(32)).verifier)


def test_three_variables_are_enough() -> None:
    settings = read_settings(GOOD)
    assert settings.project_id == "clinic"
    assert settings.pubsub_topic == "mobius-events"
    assert not settings.emulated


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("GOOGLE_CLOUD_PROJECT", ""),
        ("DATABASE_URL", "mysql://secret-host/x"),
        ("DATABASE_URL", ""),
        ("DATABASE_URL", "postgresql://mobius:hunter2/mobius"),
        ("DATABASE_URL", "postgresql://mobius:hunter2@db:port/mobius"),  # pragma: allowlist secret -- made up
        ("DATABASE_URL", "postgresql://mobius:hunter@2@db/mobius"),  # pragma: allowlist secret -- made up
        ("DATABASE_URL", "hunter2"),
        ("MOBIUS_MASTER_SECRET", "not base64!"),
        ("MOBIUS_MASTER_SECRET", base64.b64encode(b"short").decode()),
        ("ALLOWED_ORIGINS", "*"),
        ("ALLOWED_ORIGINS", "https://clinic.example/path"),
        ("DATABASE_POOL_SIZE", "many"),
        ("DATABASE_POOL_SIZE", "0"),
        ("RATE_LIMIT_BURST", "1.9"),
        ("DATABASE_LOCK_TIMEOUT_S", "-1"),
        ("LOG_LEVEL", "LOUD"),
        ("RATE_LIMIT_PER_USER_S", "none"),
        ("RATE_LIMIT_BURST", "0"),
        ("LEDGER_SIGNING_KEY", "not base64!"),
        ("LEDGER_SIGNING_KEY", base64.b64encode(bytes(31)).decode()),
        ("LEDGER_SIGNING_KEY", base64.b64encode(bytes(33)).decode()),
        ("LEDGER_PUBLIC_KEYS", "hunter2"),
        ("LEDGER_PUBLIC_KEYS", f"{VERIFIER_KEY} {VERIFIER_KEY[:-4]}AAAA"),
        ("LEDGER_PUBLIC_KEYS", VERIFIER_KEY.replace("clinic", "another")),
        ("CHECKPOINT_STORE", "checkpoints"),
        ("CHECKPOINT_STORE", "s3://clinic-checkpoints"),
        ("CHECKPOINT_STORE", "gs://Clinic"),
        ("CHECKPOINT_STORE", "gs://clinic-checkpoints//x"),
        ("CHECKPOINT_STORE", "gs://clinic-checkpoints/../x"),
    ],
)
def test_a_wrong_value_is_named_and_not_repeated(name: str, value: str) -> None:
    with pytest.raises(SettingsError) as refusal:
        read_settings({**GOOD, name: value})
    assert name in str(refusal.value)
    assert len(value) < 3 or value not in str(refusal.value)
    assert "hunter" not in str(refusal.value)


def test_what_signs_checkpoints_and_keeps_them_is_read() -> None:
    assert read_settings(GOOD).ledger_signing_key is None
    settings = read_settings(
        {
            **GOOD,
            "LEDGER_SIGNING_KEY": base64.b64encode(b"seed" * 8).decode(),
            "LEDGER_PUBLIC_KEYS": f"{VERIFIER_KEY} {VERIFIER_KEY}",
            "CHECKPOINT_STORE": "gs://clinic-checkpoints/ledger",
        }
    )
    assert settings.ledger_signing_key == b"seed" * 8
    assert "seed" not in repr(settings)
    assert settings.ledger_public_keys == (VERIFIER_KEY, VERIFIER_KEY)
    assert settings.checkpoint_store == "gs://clinic-checkpoints/ledger"
    assert read_settings({**GOOD, "CHECKPOINT_STORE": "/srv/checkpoints"}).checkpoint_store


def test_a_deployed_function_keeps_checkpoints_in_a_real_bucket_only() -> None:
    deployed = {**GOOD, "K_SERVICE": "scheduler-checkpoint"}
    assert read_settings({**deployed, "CHECKPOINT_STORE": "gs://clinic-checkpoints"}).checkpoint_store
    with pytest.raises(SettingsError, match="CHECKPOINT_STORE"):
        read_settings({**deployed, "CHECKPOINT_STORE": "/srv/checkpoints"})
    with pytest.raises(SettingsError, match="STORAGE_EMULATOR_HOST"):
        read_settings({**deployed, "STORAGE_EMULATOR_HOST": "http://127.0.0.1:1"})


def test_googles_libraries_are_not_made_to_log_what_they_write() -> None:
    with pytest.raises(SettingsError, match="GOOGLE_SDK_PYTHON_LOGGING_SCOPE"):
        read_settings({**GOOD, "GOOGLE_SDK_PYTHON_LOGGING_SCOPE": "google"})


def test_a_url_and_an_instance_at_once_are_refused() -> None:
    with pytest.raises(SettingsError, match="exactly one"):
        read_settings({**GOOD, "CLOUD_SQL_INSTANCE": "p:r:i"})


@pytest.mark.parametrize("emulator", ["FIRESTORE", "PUBSUB", "FIREBASE_AUTH"])
def test_a_deployed_function_refuses_to_start_with_an_emulator(emulator: str) -> None:
    name = f"{emulator}_EMULATOR_HOST"
    with pytest.raises(SettingsError, match=name):
        read_settings({**GOOD, "K_SERVICE": "mini-status", name: "127.0.0.1:1"})
    assert read_settings({**GOOD, name: "127.0.0.1:1"}).emulated


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://mobius_app:pa%40ss@db.example:5432/mobius",  # pragma: allowlist secret -- made up
        "postgres://mobius_app@/mobius?host=/var/run/postgresql",
        "postgresql://mobius_app:p/w@[::1]:5432/mobius",
    ],
)
def test_a_database_is_told_in_the_usual_ways(url: str) -> None:
    assert read_settings({**GOOD, "DATABASE_URL": url}).database_url == url
