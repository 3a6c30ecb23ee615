"""``mobius run`` as a process among processes: it starts, it heals, and it leaves nothing behind."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
import requests

from tests.stack import MOBIUS, Stack, connected, eventually, launch, start_stack

PARTS = {"postgres", "firestore", "pubsub", "api", "projector", "scheduler"}


@pytest.fixture(scope="module")
def state_dir() -> Iterator[Path]:
    """One folder for this file: what one run leaves is what the next one finds."""
    folder = Path(tempfile.mkdtemp(prefix="mobius-"))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def processes() -> Iterator[Callable[[Stack], list[psutil.Process]]]:
    """Notes every process below a stack; whatever of it is left after the test is killed."""
    noted: list[psutil.Process] = []

    def note(stack: Stack) -> list[psutil.Process]:
        top = psutil.Process(stack.process.pid)
        noted.extend([top, *top.children(recursive=True)])
        return noted

    yield note
    for process in alive(noted):
        process.kill()


def alive(processes: list[psutil.Process]) -> list[psutil.Process]:
    return [p for p in processes if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]


def database_identity(url: str) -> str:
    with connected(url) as connection:
        cursor = connection.cursor()
        cursor.execute("SELECT system_identifier::text FROM pg_control_system()")
        return str(cursor.fetchone()[0])


@pytest.fixture(scope="module")
def first_run(state_dir: Path) -> Iterator[Stack]:
    stack = start_stack(state_dir)
    yield stack
    stack.stop()


@pytest.fixture(scope="module")
def identity(first_run: Stack) -> str:
    return database_identity(first_run.description["database_url"])


def test_it_describes_itself_in_a_file_that_only_its_owner_reads(first_run: Stack) -> None:
    described = first_run.description
    assert set(described["pids"]) == PARTS
    assert all(psutil.pid_exists(pid) for pid in described["pids"].values())
    assert {"mini/status", "projector/project", "scheduler/relay"} <= set(described["functions"])
    assert all(user["token"] for tenant in described["tenants"] for user in tenant["users"])
    assert (first_run.state_dir / "stack.json").stat().st_mode & 0o077 == 0


def test_it_serves_the_api_document_and_a_problem_for_an_unknown_path(first_run: Stack) -> None:
    api = first_run.description["api_url"]
    assert requests.get(f"{api}/openapi.json", timeout=5).json()["openapi"].startswith("3.1")
    unknown = requests.get(f"{api}/api/v1/nothing", timeout=5)
    assert unknown.status_code == 404
    assert unknown.headers["Content-Type"] == "application/problem+json"
    assert unknown.json()["correlation_id"] == unknown.headers["X-Correlation-Id"]


def test_it_prints_calls_to_paste_but_keeps_tokens_out_of_the_logs(first_run: Stack) -> None:
    token = first_run.description["tenants"][0]["users"][0]["token"]
    assert f"TOKEN='{token}'" in first_run.output
    assert not [log for log in (first_run.state_dir / "logs").iterdir() if token in log.read_text()]


def test_a_second_stack_in_the_same_folder_is_refused(first_run: Stack) -> None:
    second = subprocess.run(
        (MOBIUS, "run", "--ports", "auto", "--state-dir", first_run.state_dir),
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert second.returncode == 1
    assert "already runs" in second.stderr
    assert str(first_run.process.pid) in second.stderr
    assert first_run.description["pids"]


@pytest.mark.parametrize("part", ["projector", "pubsub", "firestore", "postgres"])
def test_a_killed_part_comes_back_under_a_new_pid(first_run: Stack, part: str) -> None:
    old = first_run.description["pids"]
    os.kill(old[part], signal.SIGKILL)
    new = eventually(lambda: first_run.description["pids"][part] not in (None, old[part]), 20)
    assert new
    assert f"{part:<10} is back" in first_run.output
    assert {n: p for n, p in first_run.description["pids"].items() if n != part} == {
        n: p for n, p in old.items() if n != part
    }


def test_a_restarted_pubsub_has_its_topics_and_subscriptions_again(first_run: Stack) -> None:
    described = first_run.description
    project = f"http://{described['pubsub_emulator_host']}/v1/projects/{described['project_id']}"
    topics = requests.get(f"{project}/topics", timeout=5).json()["topics"]
    assert {t["name"].rsplit("/")[-1] for t in topics} == {"mobius-events", "mobius-events-dead"}
    push = requests.get(f"{project}/subscriptions/mobius-projector", timeout=5).json()
    assert push["pushConfig"]["pushEndpoint"] == described["functions"]["projector/project"]
    assert push["deadLetterPolicy"]["maxDeliveryAttempts"] == 5


def test_ctrl_c_leaves_no_process_and_no_description(
    first_run: Stack, identity: str, processes: Callable[[Stack], list[psutil.Process]]
) -> None:
    assert identity
    below = processes(first_run)
    assert len(below) >= len(PARTS)
    assert first_run.stop() == 0
    assert alive(below) == []
    assert not (first_run.state_dir / "stack.json").exists()


def test_the_next_run_keeps_the_data_and_a_killed_run_leaves_no_process(
    first_run: Stack, identity: str, processes: Callable[[Stack], list[psutil.Process]]
) -> None:
    first_run.stop()
    stack = start_stack(first_run.state_dir, {"MOBIUS_SUPERVISE": "off"})
    assert database_identity(stack.description["database_url"]) == identity

    # Nothing brings a part back when supervision is off.
    os.kill(stack.description["pids"]["projector"], signal.SIGKILL)
    assert eventually(lambda: stack.description["pids"]["projector"] is None, 20)
    assert "it stays down" in stack.output

    below = processes(stack)
    stack.process.kill()
    stack.process.wait()
    assert eventually(lambda: not alive(below), 20), alive(below)


def test_it_starts_over_a_killed_run_and_ends_with_its_parent(
    first_run: Stack, processes: Callable[[Stack], list[psutil.Process]]
) -> None:
    first_run.stop()
    state_dir = first_run.state_dir
    # The shell has a second command so that it doesn't become mobius itself.
    parent = launch(state_dir, through=("sh", "-c", '"$@"; exit', "sh"))
    assert eventually((state_dir / "stack.json").exists, 60), (state_dir / "output.txt").read_text()
    below = processes(Stack(parent, state_dir))
    parent.kill()
    parent.wait()
    assert eventually(lambda: not alive(below), 10), alive(below)


def test_a_taken_port_is_named_with_its_variable(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = launch(tmp_path, {"MOBIUS_API_PORT": str(port)}).wait(20)
    assert ended == 1
    assert (tmp_path / "output.txt").read_text() == (
        f"mobius: Port {port} for api is taken: set MOBIUS_API_PORT to a free one.\n"
    )


def test_without_gcloud_it_says_what_to_install(tmp_path: Path) -> None:
    assert launch(tmp_path, {"PATH": str(tmp_path)}).wait(20) == 1
    said = (tmp_path / "output.txt").read_text()
    assert said.startswith("mobius: The Google Cloud SDK is missing")
    assert "apt-get install google-cloud-cli" in said


def test_without_java_it_says_what_to_install(tmp_path: Path) -> None:
    gcloud = shutil.which("gcloud")
    assert gcloud
    (tmp_path / "gcloud").symlink_to(gcloud)
    assert launch(tmp_path, {"PATH": str(tmp_path), "JAVA_HOME": ""}).wait(20) == 1
    said = (tmp_path / "output.txt").read_text()
    assert said.startswith("mobius: Java is missing")
    assert "apt-get install openjdk-" in said
