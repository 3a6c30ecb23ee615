"""What is installed is what the locks say, and the locks say exactly what, by version and by hash."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from functools import lru_cache
from importlib import metadata
from pathlib import Path, PurePosixPath

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "requirements"
SETS = ("bootstrap", "runtime", "local", "dev")
OURS = {"functions", "shared", "ops", "migrations", "tests", "_typeshed"}
# What makes the environment, and the product itself.
NOT_LOCKED = {"setuptools", "wheel", "mobius-mini-sidecar"}
# Some packages speak to their callers in the types of another one, which is therefore imported with them.
SPEAKS_IN = {
    "functions-framework": {"flask", "werkzeug", "cloudevents"},
    "google-cloud-firestore": {"google-api-core", "google-auth"},
    "google-cloud-pubsub": {"google-api-core", "grpcio"},
    "pyjwt": {"cryptography"},
    "pytest": {"packaging"},
}

every_lock = pytest.mark.parametrize("name", SETS)


def locked(name: str) -> list[tuple[Requirement, list[str]]]:
    """The requirements of a lock, each with its hashes."""
    text = "".join(line for line in lines_of(FOLDER / f"{name}.txt"))
    entries = re.split(r"(?m)^(?=\S)", text.replace("\\\n", " "))
    found = []
    for entry in filter(str.strip, entries):
        what, *hashes = entry.split("--hash=")
        found.append((Requirement(what), [each.strip() for each in hashes]))
    return found


def lines_of(path: Path) -> list[str]:
    """The lines that are not comments."""
    return [line for line in path.read_text().splitlines(keepends=True) if not line.lstrip().startswith("#")]


def versions(name: str) -> dict[str, str]:
    return {canonicalize_name(one.name): str(one.specifier) for one, _ in locked(name)}


def declared(name: str) -> set[str]:
    """What a set asks for itself, with what the set under it asks for."""
    asked: set[str] = set()
    for line in filter(None, map(str.strip, lines_of(FOLDER / f"{name}.in"))):
        if line.startswith("-r "):
            asked |= declared(line.removeprefix("-r ").removesuffix(".in"))
        else:
            asked.add(canonicalize_name(Requirement(line).name))
    return asked


@every_lock
def test_every_requirement_is_one_version_with_hashes(name: str) -> None:
    assert len(locked(name)) >= 1
    for requirement, hashes in locked(name):
        assert re.fullmatch(r"==[0-9][^*,]*", str(requirement.specifier)), requirement
        assert hashes, requirement
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", each) for each in hashes), requirement


@every_lock
def test_a_lock_names_no_registry_no_address_and_no_path(name: str) -> None:
    for kind in ("in", "txt"):
        for line in (FOLDER / f"{name}.{kind}").read_text().splitlines():
            assert "://" not in line
            assert " @ " not in line
            # -r and -c name the sets beside it; -i, -f and -e would name other places.
            assert not re.match(r"\s*-(?!r \w+\.in$|-hash=)", line), line


@every_lock
def test_what_a_set_asks_for_is_locked(name: str) -> None:
    assert declared(name) <= set(versions(name))


def test_the_sets_agree() -> None:
    runtime, local, dev = versions("runtime"), versions("local"), versions("dev")
    assert runtime.items() <= local.items() <= dev.items()
    assert versions("bootstrap").items() <= dev.items()


def test_what_is_installed_is_what_is_locked() -> None:
    wanted = {
        canonicalize_name(one.name): str(one.specifier).removeprefix("==")
        for one, _ in locked("dev")
        if one.marker is None or one.marker.evaluate()
    }
    installed = {canonicalize_name(one.name): one.version for one in metadata.distributions()}
    assert {name: installed[name] for name in set(installed) - NOT_LOCKED} == wanted


# What is imported ---------------------------------------------------------------------------------------


@lru_cache(maxsize=1)
def owners() -> dict[str, str]:
    """Which distribution each installed module belongs to."""
    found = {}
    for distribution in metadata.distributions():
        # Read as text: as objects it takes seconds.
        for line in (distribution.read_text("RECORD") or "").splitlines():
            path = PurePosixPath(line.partition(",")[0])
            if path.suffix in {".py", ".so"}:
                parts = (*path.parts[:-1], path.name.partition(".")[0])
                module = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
                found[module] = canonicalize_name(distribution.name)
    return found


def imported(folder: str) -> Iterator[str]:
    """The modules, or things out of modules, that the files of a folder import from elsewhere."""
    for path in (ROOT / folder).rglob("*.py"):
        if "node_modules" in path.parts:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            names: list[str] = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names = [f"{node.module}.{alias.name}" for alias in node.names]
            yield from (name for name in names if name.split(".")[0] not in sys.stdlib_module_names | OURS)


def owner(name: str) -> str:
    """The distribution that a module, or a thing out of one, comes from; its own name if none is known."""
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        if found := owners().get(".".join(parts[:length])):
            return found
    return name


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        ("functions", "runtime"),
        ("shared", "runtime"),
        ("ops", "local"),
        ("migrations", "local"),
        ("tests", "dev"),
    ],
)
def test_what_is_imported_was_asked_for_by_name_in_the_set_that_is_there(folder: str, name: str) -> None:
    asked = declared(name)
    asked |= {each for package in asked for each in SPEAKS_IN.get(package, ())}
    assert {owner(each) for each in imported(folder)} - asked == set()


def test_a_package_speaks_in_the_types_of_another_only_if_it_brings_that_along() -> None:
    for package, others in SPEAKS_IN.items():
        needed = {canonicalize_name(Requirement(each).name) for each in metadata.requires(package) or ()}
        assert others <= needed
