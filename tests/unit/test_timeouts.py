"""Nothing is waited for without end: every call to the outside has a time-out, and it is a setting's."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
FOLDERS = ("shared", "functions", "ops")

OUTSIDE = re.compile(
    "|".join(
        (
            # Firestore
            r"(?:document\(.*\)|reference)\.(?:get|create|set|update|delete)",
            r".*\.(?:stream|get_all|list_documents|collections)",
            r".*batch(?:\(\))?\.commit",
            # Cloud Storage
            r".*\.(?:list_blobs|download_as_bytes|upload_from_string)",
            # Pub/Sub
            r".*(?:_client\(\)\.publish|subscriber\.(?:get_subscription|pull|acknowledge|\w+_ack_deadline|seek))",
            # HTTP
            r"(?:.*session(?:\(\))?|requests)\.(?:get|post|put|patch|delete|request)",
            r"(?:.*\.)?urlopen",
            # Sockets, and the database without a pool
            r"(?:.*\.)?create_connection|pg8000\.(?:native|dbapi)\.(?:Connection|connect)",
        )
    ),
    re.DOTALL,
)
A_SETTINGS = re.compile(r"(?:.*_)?(?:timeout_s|longest_s|wait_s)|LOCAL_\w*TIMEOUT_S")


def outside_calls(source: str) -> Iterator[ast.Call]:
    """The calls that leave this process. What a client's chain ends with is what waits."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call):
            chain = ast.unparse(node.func)
            if OUTSIDE.fullmatch(chain) or OUTSIDE.fullmatch(".".join(chain.rsplit(".", 2)[-2:])):
                yield node


def unbounded(source: str) -> list[int]:
    """The lines of calls that have no time-out, or one that is just a number."""
    return [call.lineno for call in outside_calls(source) if not _is_bounded(call)]


def _is_bounded(call: ast.Call) -> bool:
    given = [each.value for each in call.keywords if each.arg == "timeout"]
    if ast.unparse(call.func).endswith("create_connection"):
        given += call.args[1:2]
    # A store that gives all of its calls the same.
    shared = any(each.arg is None and ast.unparse(each.value) == "self._waits" for each in call.keywords)
    return shared or any(_is_a_settings(value) for value in given)


def _is_a_settings(value: ast.expr) -> bool:
    names = [each.id for each in ast.walk(value) if isinstance(each, ast.Name)]
    names += [each.attr for each in ast.walk(value) if isinstance(each, ast.Attribute)]
    return any(A_SETTINGS.fullmatch(name) for name in names)


def sources() -> dict[str, str]:
    return {
        str(path.relative_to(ROOT)): path.read_text()
        for folder in FOLDERS
        for path in sorted((ROOT / folder).rglob("*.py"))
    }


def test_every_call_to_the_outside_ends_in_a_time_that_settings_say() -> None:
    found = {name: lines for name, source in sources().items() if (lines := unbounded(source))}
    assert found == {}, "give these calls a time-out out of shared.settings"


def test_the_calls_are_really_found() -> None:
    found = {name for name, source in sources().items() if list(outside_calls(source))}
    assert found >= {
        "ops/emulators.py",
        "ops/installation.py",
        "ops/local_stack.py",
        "ops/postgres_server.py",
        "shared/ledger/checkpoints/stores.py",
        "shared/messaging/publisher.py",
        "shared/persistence/sockets.py",
        "shared/projections/heads.py",
        "shared/projections/removal.py",
        "shared/projections/store.py",
        "shared/security/signing_keys.py",
    }


@pytest.mark.parametrize(
    "call",
    [
        "client.document(path).get()",
        "client.document(path).get(timeout=5, retry=None)",
        "self.client.document(path).get(retry=None)",
        "reference.update(content, option=unchanged)",
        "each.reference.delete()",
        "client.collection(name).limit(3).stream()",
        "self._client.batch().commit()",
        "batch.commit(timeout=_TIMEOUT_S)",
        "_client().publish(topic=topic, messages=[])",
        "self._subscriber.pull(subscription=name, max_messages=1)",
        "blob.download_as_bytes()",
        "local_session().post(url, json={})",
        "session.get(url, timeout=60)",
        "requests.get(url)",
        "urlopen(url)",
        "socket.create_connection((host, port))",
        "socket.create_connection((host, port), 2)",
        "pg8000.native.Connection(user, host=host)",
    ],
)
def test_a_call_that_may_wait_without_end_would_be_noticed(call: str) -> None:
    assert unbounded(f"found = {call}") == [1]


@pytest.mark.parametrize(
    "call",
    [
        "client.document(path).get(timeout=settings().outside_timeout_s)",
        "session.get(url, timeout=LOCAL_TIMEOUT_S)",
        "batch.commit(timeout=min(self._timeout_s, 3))",
        "fields.get(name)",
        "context.update(values)",
        "uow.commit()",
    ],
)
def test_a_call_that_ends_or_goes_nowhere_is_none(call: str) -> None:
    assert unbounded(f"found = {call}") == []
