"""Secrets come from the environment and go nowhere else: not into what is printed, nor on a command line."""

from __future__ import annotations

import base64
import io
import pprint
import traceback
from pathlib import Path

import msgspec
import pytest
from rich.console import Console
from rich.traceback import Traceback

from ops.function_parts import function_environment, function_part
from ops.ports import Ports
from ops.state_folder import StateFolder
from shared.settings import Settings, SettingsError, read_settings

MASTER = b"a-master-secret-that-nobody-sees!"
PASSWORD = "hunter2-that-nobody-sees"  # pragma: allowlist secret -- made up
URL = f"postgresql://mobius:{PASSWORD}@127.0.0.1:5432/mobius"
ENVIRONMENT = {
    "GOOGLE_CLOUD_PROJECT": "clinic",
    "DATABASE_URL": URL,
    "MOBIUS_MASTER_SECRET": base64.b64encode(MASTER).decode(),
}
TOLD = (PASSWORD, MASTER.decode(), base64.b64encode(MASTER).decode())


@pytest.fixture
def settings() -> Settings:
    return read_settings(ENVIRONMENT)


def shown_by_rich(thing: object) -> str:
    console = Console(file=io.StringIO(), width=400)
    console.print(thing)
    return console.file.getvalue()  # type: ignore[attr-defined] -- the StringIO of above


def test_settings_are_shown_without_their_secrets(settings: Settings) -> None:
    looks = (
        repr(settings),
        str(settings),
        f"{settings}",
        pprint.pformat(settings),
        shown_by_rich(settings),
        repr(vars(type(settings))),
        repr((settings.master_secret, settings.database_url, {"a": settings})),
        f"{settings.master_secret} {settings.master_secret!r} {settings.database_url!r}",
        str(settings.master_secret),
    )
    for look in looks:
        assert not [secret for secret in TOLD if secret in look]
    assert "<secret>" in repr(settings)
    assert "clinic" in repr(settings)


def test_a_traceback_with_all_its_variables_shows_none(settings: Settings) -> None:
    def fails(used: Settings) -> None:
        master, url = used.master_secret, used.database_url
        raise ValueError(f"{len(master)} {url is None}")

    try:
        fails(settings)
    except ValueError as error:
        plain = "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())
        rich = shown_by_rich(
            Traceback.from_exception(type(error), error, error.__traceback__, show_locals=True)
        )
    for shown in (plain, rich):
        assert "used" in shown
        assert not [secret for secret in TOLD if secret in shown]


def test_settings_are_not_written_out_by_accident(settings: Settings) -> None:
    with pytest.raises(TypeError):
        msgspec.json.encode(settings)


def test_secrets_are_still_what_they_are(settings: Settings) -> None:
    assert settings.master_secret == MASTER
    assert settings.database_url == URL


@pytest.mark.parametrize(
    "name", ["GOOGLE_CLOUD_PROJECT", "ALLOWED_ORIGINS", "LOG_LEVEL", "DATABASE_POOL_SIZE"]
)
def test_a_secret_in_the_wrong_variable_is_not_repeated(name: str) -> None:
    environment = {**ENVIRONMENT, name: "" if name == "GOOGLE_CLOUD_PROJECT" else PASSWORD}
    with pytest.raises(SettingsError) as refusal:
        read_settings(environment)
    assert not [secret for secret in TOLD if secret in str(refusal.value)]


def test_a_function_gets_its_secrets_by_its_environment_and_not_on_its_command_line() -> None:
    ports = Ports(api=1, projector=2, scheduler=3, firestore=4, pubsub=5, postgres=6)
    environment = function_environment(ports, URL, ENVIRONMENT["MOBIUS_MASTER_SECRET"])
    assert environment["DATABASE_URL"] == URL
    for factory in ("api", "projector", "scheduler"):
        part = function_part(factory, factory=factory, port=1, environment=environment)
        assert not [secret for secret in TOLD if secret in " ".join(part.command)]


def test_nobody_else_can_look_into_the_folder_of_a_stack(tmp_path: Path) -> None:
    made = StateFolder(tmp_path / "outer" / "state").path
    assert made.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("mode", [0o755, 0o777])
def test_nor_into_one_that_was_there_once_a_stack_holds_it(tmp_path: Path, mode: int) -> None:
    tmp_path.chmod(mode)
    folder = StateFolder(tmp_path)
    assert tmp_path.stat().st_mode & 0o777 == mode
    with folder.held():
        assert tmp_path.stat().st_mode & 0o777 == 0o700


def test_a_folder_that_is_everybodys_stays_so_and_each_secret_in_it_is_private(tmp_path: Path) -> None:
    tmp_path.chmod(0o1777)
    folder = StateFolder(tmp_path)
    with folder.held():
        folder.secret("master-secret")
    assert tmp_path.stat().st_mode & 0o7777 == 0o1777
    assert (tmp_path / "master-secret").stat().st_mode & 0o777 == 0o600
