"""The README's calls, run as they stand against the running stack; answers have the shape that it shows."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.stack import Stack

ROOT = Path(__file__).parents[2]
MORE = "…"
_BLOCK = re.compile(r"^```bash\n(.*?)^```\n(?:```(json|text)\n(.*?)^```\n)?", re.DOTALL | re.MULTILINE)
_WATCH_LINE = re.compile(
    r"version \d+  (grey|green|yellow)  .+  acknowledged  .+: .+  \d+ ms after the Send\n"
)

BLOCKS = [(match[1], match[2], match[3]) for match in _BLOCK.finditer((ROOT / "README.md").read_text())]


def here(block: str, stack: Stack) -> str:
    """``block`` with this stack's ports, folder and environment in the place of the defaults."""
    block = block.replace("http://127.0.0.1:8080", stack.description["api_url"])
    block = block.replace(".local/", f"{stack.state_dir}/")
    block = re.sub(r"(\.venv/bin/mobius .*)", rf"\1 --state-dir {stack.state_dir}", block)
    return block.replace(".venv/bin/", f"{Path(sys.executable).parent}/")


def shape_differs(shown: Any, answer: Any, at: str = "answer") -> str | None:
    """Where ``answer`` is not as shown: the same keys and types, more of them only where a … stands."""
    if isinstance(shown, dict) and isinstance(answer, dict):
        keys = set(shown) - {MORE}
        if not keys <= set(answer) or (MORE not in shown and keys != set(answer)):
            return f"{at}: {sorted(keys)} is shown, {sorted(answer)} came"
        pairs = [(shown[key], answer[key], f"{at}.{key}") for key in sorted(keys)]
    elif isinstance(shown, list) and isinstance(answer, list):
        items = [item for item in shown if item != MORE]
        if len(items) > len(answer) or (len(items) == len(shown) and len(items) != len(answer)):
            return f"{at}: {len(items)} items are shown, {len(answer)} came"
        pairs = [(item, answer[n], f"{at}[{n}]") for n, item in enumerate(items)]
    else:
        # What is null for a patient nobody acknowledged yet may be there on a second run.
        same = shown is None or type(shown) is type(answer)
        return None if same else f"{at}: {shown!r} is shown, a {type(answer).__name__} came"
    return next((found for pair in pairs if (found := shape_differs(*pair))), None)


def test_every_call_answers_in_the_shape_shown(stack: Stack) -> None:
    calls = [(block, shown) for block, kind, shown in BLOCKS if kind == "json"]
    assert len(calls) >= 5
    setup = here(BLOCKS[0][0], stack)
    for block, shown in calls:
        ended = subprocess.run(
            ("bash", "-c", setup + here(block, stack)), cwd=ROOT, capture_output=True, text=True, timeout=30
        )
        assert ended.returncode == 0, ended.stderr
        assert shape_differs(json.loads(shown), json.loads(ended.stdout)) is None, block


def test_watch_prints_lines_like_those_shown(stack: Stack) -> None:
    ((block, shown),) = ((block, shown) for block, _, shown in BLOCKS if "mobius watch" in block)
    assert all(_WATCH_LINE.fullmatch(line) for line in shown.splitlines(keepends=True))
    setup = here(BLOCKS[0][0], stack)
    send = next(block for block, _, _ in BLOCKS if "mini/ack" in block)
    subprocess.run(("bash", "-c", setup + here(send, stack)), cwd=ROOT, check=True, capture_output=True)
    watching = subprocess.Popen(
        ("bash", "-c", setup + here(block, stack)),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        assert watching.stdout
        lines = iter(watching.stdout.readline, "")
        assert next((line for line in lines if _WATCH_LINE.fullmatch(line)), None)
        os.killpg(watching.pid, signal.SIGINT)
        watching.wait(10)
    finally:
        if watching.poll() is None:
            os.killpg(watching.pid, signal.SIGKILL)
            watching.wait()


def test_every_command_says_what_is_shown_but_for_its_numbers(stack: Stack) -> None:
    commands = [(block, shown) for block, kind, shown in BLOCKS if kind == "text" and "watch" not in block]
    assert len(commands) >= 2
    for block, shown in commands:
        ended = subprocess.run(
            ("bash", "-c", here(block, stack)), cwd=ROOT, capture_output=True, text=True, timeout=60
        )
        assert ended.returncode == 0, ended.stderr
        assert re.sub(r"\d+", "#", ended.stdout) == re.sub(r"\d+", "#", here(shown, stack))


@pytest.mark.parametrize(
    ("shown", "answer"),
    [({"a": 1}, {"a": 1, "b": 2}), ({"a": 1}, {}), ([{"a": ""}], []), ({"a": {"b": 1}}, {"a": {"b": ""}})],
)
def test_a_difference_in_shape_is_found(shown: Any, answer: Any) -> None:
    assert shape_differs(shown, answer)
