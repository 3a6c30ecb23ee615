from __future__ import annotations

import base64
import json
import subprocess
import sys
from pathlib import Path

import pytest

from ops.state_folder import AlreadyRunning, StateFolder


def test_a_secret_is_made_once_kept_and_private(tmp_path: Path) -> None:
    secret = StateFolder(tmp_path).secret("master-secret")
    assert len(base64.b64decode(secret)) == 32
    assert StateFolder(tmp_path).secret("master-secret") == secret
    assert (tmp_path / "master-secret").stat().st_mode & 0o777 == 0o600


def test_a_description_is_private_and_replaced_whole(tmp_path: Path) -> None:
    folder = StateFolder(tmp_path)
    folder.describe({"version": 1})
    before = folder.description.open()
    folder.describe({"version": 2})
    with before:
        assert json.load(before) == {"version": 1}
    assert json.loads(folder.description.read_text()) == {"version": 2}
    assert folder.description.stat().st_mode & 0o777 == 0o600


def test_a_held_folder_is_refused_to_another_process_and_free_afterwards(tmp_path: Path) -> None:
    takes_it = (
        "import sys, pathlib, ops.state_folder as s\n"
        "with s.StateFolder(pathlib.Path(sys.argv[1])).held(): pass"
    )
    command = (sys.executable, "-c", takes_it, str(tmp_path))
    with StateFolder(tmp_path).held():
        refused = subprocess.run(command, capture_output=True, text=True)
    assert AlreadyRunning.__name__ in refused.stderr
    assert subprocess.run(command).returncode == 0


def test_holding_removes_the_description_that_a_killed_run_left(tmp_path: Path) -> None:
    folder = StateFolder(tmp_path)
    folder.describe({})
    with folder.held():
        assert not folder.description.exists()


def test_two_holders_in_one_process_are_refused_as_well(tmp_path: Path) -> None:
    with (
        StateFolder(tmp_path).held(),
        pytest.raises(AlreadyRunning, match="choose another folder"),
        StateFolder(tmp_path).held(),
    ):
        pass
