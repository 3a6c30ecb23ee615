from __future__ import annotations

import gzip
import json
from pathlib import Path

from typer.testing import CliRunner

from ops.cli import app
from ops.extension import extension_origin, local_configuration

STACK = {
    "api_url": "http://127.0.0.1:9000",
    "project_id": "mobius-local",
    "firestore_emulator_host": "127.0.0.1:9084",
}


def test_its_origin_follows_from_the_key_in_its_manifest() -> None:
    # As Chromium shows it once the extension is loaded.
    assert extension_origin() == "chrome-extension://eeogjkioepodgjjajabckdnomhkbjdlf"


def test_what_ships_is_for_the_local_stack_at_its_default_ports() -> None:
    shipped = json.loads(Path("extension/src/extension/config.json").read_text())
    default = {
        "api_url": "http://127.0.0.1:8080",
        "project_id": "mobius-local",
        "firestore_emulator_host": "127.0.0.1:8084",
    }
    assert shipped == local_configuration(default)


def test_a_built_extension_is_led_to_the_stack_that_runs(tmp_path: Path) -> None:
    (tmp_path / "stack.json").write_text(json.dumps(STACK))
    (tmp_path / "manifest.json").write_text("{}")
    said = CliRunner().invoke(
        app, ["extension", "config", "--state-dir", str(tmp_path), "--to", str(tmp_path)]
    )
    assert said.exit_code == 0, said.output
    assert json.loads((tmp_path / "config.json").read_text()) == local_configuration(STACK)


def test_without_a_stack_or_a_build_it_says_what_to_do(tmp_path: Path) -> None:
    ask = ["extension", "config", "--state-dir", str(tmp_path), "--to", str(tmp_path)]
    said = CliRunner().invoke(app, ask)
    assert said.exit_code == 1
    assert "make run" in said.output
    (tmp_path / "stack.json").write_text(json.dumps(STACK))
    said = CliRunner().invoke(app, ask)
    assert said.exit_code == 1
    assert "make extension" in said.output


def test_the_description_of_the_api_needs_no_stack() -> None:
    said = CliRunner().invoke(app, ["openapi"])
    assert said.exit_code == 0
    assert json.loads(said.stdout)["openapi"].startswith("3.1")


def test_what_runs_in_every_page_is_small() -> None:
    # The Firebase SDK lives elsewhere.
    script = Path("extension/dist/content.js")
    assert script.is_file(), "The extension is not built: make extension."
    assert len(gzip.compress(script.read_bytes(), 9)) <= 60_000
