from __future__ import annotations

from pathlib import Path

import pytest

from ops.emulators import NotInstalled, find_sdk

PUBSUB = "platform/pubsub-emulator/bin/cloud-pubsub-emulator"
FIRESTORE = "platform/cloud-firestore-emulator/cloud-firestore-emulator.jar"


def program(path: Path, says: str = "") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{says}\n")
    path.chmod(0o755)


@pytest.fixture
def sdk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A whole SDK of release 528 with Java 17 beside it, alone on PATH."""
    for name in ("bin/gcloud", PUBSUB, FIRESTORE):
        program(tmp_path / name)
    program(tmp_path / "bin/java", """echo 'openjdk version "17.0.15" 2025-04-15' >&2""")
    (tmp_path / "VERSION").write_text("528.0.0\n")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    return tmp_path


def test_a_whole_sdk_is_found(sdk: Path) -> None:
    assert find_sdk() == sdk


@pytest.mark.parametrize(
    ("missing", "sentence"),
    [
        ("bin/gcloud", "The Google Cloud SDK is missing"),
        (PUBSUB, "gcloud components install pubsub-emulator, .* google-cloud-cli-pubsub-emulator"),
        (FIRESTORE, "gcloud components install cloud-firestore-emulator, .* google-cloud-cli-firestore-emu"),
        ("bin/java", "Java is missing; the emulators need version 17"),
    ],
)
def test_what_is_missing_is_named_with_how_to_install_it(sdk: Path, missing: str, sentence: str) -> None:
    (sdk / missing).unlink()
    with pytest.raises(NotInstalled, match=sentence):
        find_sdk()


def test_a_newer_sdk_wants_a_newer_java(sdk: Path) -> None:
    (sdk / "VERSION").write_text("541.0.0\n")
    with pytest.raises(NotInstalled, match=r"too old \(version 17\); the emulators need 21"):
        find_sdk()
