"""No secret is in the repository, nor ever was: all files that git knows, and every line of the history."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from detect_secrets import SecretsCollection
from detect_secrets.plugins.base import RegexBasedDetector
from detect_secrets.settings import default_settings, get_plugins, transient_settings

ROOT = Path(__file__).parents[2]
# The detectors that look at every line, for what is next to a telling word, or looks drawn by lot.
BY_LINE = [
    {"name": "KeywordDetector"},
    {"name": "Base64HighEntropyString", "limit": 4.5},
    {"name": "HexHighEntropyString", "limit": 3.0},
]
# Locks are made of hashes, of packages that everybody can download.
NOT_LOCKS = ("--", ".", ":!requirements/*.txt", ":!*package-lock.json")

# What looks like a secret and is none, and why. A new one may say so itself, in a comment at the end of its
# line: "pragma: allowlist secret", and why. A real one has to be revoked: taking it out changes nothing.
TOLD_APART = {
    "password": "the word, where it is said how a database's address is written",
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=": "32 zero bytes, the master secret of tests",
    "p1HuXmDsoCL4YSgdQY3VGcr6Ze": "the key of a made-up patient, in an example answer",
    "0af7651916cd43dd8448eb211c80319c": "the trace id of the example in W3C's Trace Context",
    "4997b98009f6eb285f9cf89be985e895fe4c1028c0fa2d38d2ff0201e642e184": "a digest that a test expects",
    # Chromium makes the extension's id of it.
    json.loads((ROOT / "extension" / "manifest.json").read_text())["key"]: "a public key",
    # Of the bodies of the database's functions.
    "26f23aec0319113c79c270575b7938de2467498e57d33581b74fd684321bbbbe": "a guard's digest",
    "7f109292444e257a087bcde23e458cfafc52973033cf881d169a113a3926eba4": "a guard's digest",
    "d23b200ae9511c30fd4d170b0dc8b4c284cdffef4812312500ec161e3343ea05": "a guard's digest",
    "0c3051112b577ec95d23e870fda247dc8307b2aa27f52b5dbb4209efd33e8446": "a guard's digest",
    # Beside "password", in what people read.
    "The e-mail address or the password is wrong.": "a sentence",
    "correct horse battery": "a made-up password",
    # What tests send in order to see that it does not come back.
    "Wilma Testermann": "a made-up name",
    "MariaExample1970": "a made-up name",
    "Maria-Example-1970": "a made-up name",
    "Maria Example, born 1970-01-01": "a made-up name",
    "Zyntherson-4711": "a made-up name",
}


def git(folder: Path, *arguments: str) -> str:
    try:
        done = subprocess.run(("git", "-C", str(folder), *arguments), capture_output=True, check=False)
    except FileNotFoundError:
        pytest.fail("The scan for secrets needs git, which knows the files and their history: install it.")
    if done.returncode:
        pytest.fail(f"The scan for secrets needs the repository's history: {done.stderr.decode().strip()}")
    return done.stdout.decode(errors="replace")


def files_of(folder: Path) -> list[Path]:
    """What git tracks, and what it would if all were added."""
    listed = git(folder, "ls-files", "-z", "--cached", "--others", "--exclude-standard", *NOT_LOCKS)
    return [path for name in listed.split("\0") if name and (path := folder / name).is_file()]


def removed_lines(folder: Path) -> Iterator[tuple[str, str]]:
    """Each line that a file of the history had and that no file has now, with the file's name."""
    known = {line for path in files_of(folder) for line in path.read_text(errors="replace").splitlines()}
    log = ("log", "-p", "-m", "--unified=0", "--no-color", "--no-ext-diff", "--no-renames", "--format=")
    name = ""
    for line in git(folder, *log, *NOT_LOCKS).splitlines():
        if line.startswith("+++ "):
            name = line.removeprefix("+++ ").removeprefix("b/")
        elif line.startswith("+") and line[1:] not in known:
            known.add(line[1:])
            yield name, line[1:]


def secrets_in(paths: Iterable[Path], folder: Path) -> list[str]:
    """Where the secrets are, and of which kind; never what they are."""
    texts = {str(path.relative_to(folder)): path.read_text(errors="replace") for path in paths}
    found = SecretsCollection(root=str(folder))
    with default_settings():
        # Two dozen detectors know the form of one service's keys each. To ask all of them about each line
        # takes half a minute; to see whether the form is anywhere in a file, a second.
        forms = [
            re.compile(form.pattern, form.flags | re.MULTILINE)
            for detector in get_plugins()
            if isinstance(detector, RegexBasedDetector)
            for form in detector.denylist
        ]
        for name, text in texts.items():
            if any(form.search(text) for form in forms):
                found.scan_file(name)
    with transient_settings({"plugins_used": BY_LINE}):
        for name in texts:
            found.scan_file(name)
    return sorted(
        f"{name}:{secret.line_number}: {secret.type}"
        for name, secret in found
        if secret.secret_value not in TOLD_APART
    )


def secrets_that_were_in(folder: Path, scratch: Path) -> list[str]:
    """The same of what is in the history only; the line is counted within what was removed."""
    removed: dict[Path, list[str]] = {}
    for name, line in removed_lines(folder):
        removed.setdefault(scratch / name, []).append(line)
    for path, lines in removed.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(lines))
    return secrets_in(removed, scratch)


def test_no_file_holds_a_secret() -> None:
    assert secrets_in(files_of(ROOT), ROOT) == []


def test_the_history_holds_no_secret(tmp_path: Path) -> None:
    assert secrets_that_were_in(ROOT, tmp_path) == []


# That it would find one ---------------------------------------------------------------------------------

# Put together here, or this file would hold them.
PLANTED = {
    "a cloud's access key": ('key = "AKIA' + 'Q3EGRLM5T7XZ2W4N"', "AWS Access Key"),
    "a private key": ("-----BEGIN RSA " + "PRIVATE KEY-----", "Private Key"),
    "a password": ("database_password = " + '"open-sesame-42"', "Secret Keyword"),
    "an address with one": ("postgresql://mobius:" + "open-sesame-42@db.example/x", "Basic Auth Credentials"),
    "a token": ("ghp_" + "x7Kq" * 9, "GitHub Token"),
    "a master secret": (
        "MASTER = '" + "q83vEjRWeJq8z/ASNFZ4mrze8BI0Vnias3jvEjRWeJo='",
        "Base64 High Entropy String",
    ),
}


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    git(tmp_path, "init", "--quiet")
    return tmp_path


def commit(repository: Path, text: str) -> None:
    (repository / "settings.py").write_text(text)
    who = ("-c", "user.name=A", "-c", "user.email=a@example.com", "-c", "commit.gpgsign=false")
    git(repository, "add", ".")
    git(repository, *who, "commit", "--quiet", "--message", "A change")


@pytest.mark.parametrize(("line", "kind"), PLANTED.values(), ids=PLANTED)
def test_what_somebody_leaves_in_a_file_is_found_before_it_is_committed(
    repository: Path, line: str, kind: str
) -> None:
    (repository / "settings.py").write_text(f"import os\n{line}\n")
    assert f"settings.py:2: {kind}" in secrets_in(files_of(repository), repository)


def test_what_was_committed_and_taken_out_again_is_found(
    repository: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    line, kind = PLANTED["a private key"]
    commit(repository, f"import os\n{line}\n")
    commit(repository, "import os\n")
    assert secrets_in(files_of(repository), repository) == []
    assert secrets_that_were_in(repository, tmp_path_factory.mktemp("removed")) == [f"settings.py:1: {kind}"]


def test_a_line_may_say_that_it_holds_none(repository: Path) -> None:
    line, _ = PLANTED["a password"]
    (repository / "settings.py").write_text(f"{line}  # pragma: allowlist secret -- made up\n")
    assert secrets_in(files_of(repository), repository) == []


def test_without_a_repository_it_fails_and_says_why(tmp_path: Path) -> None:
    with pytest.raises(pytest.fail.Exception, match="needs the repository's history"):
        files_of(tmp_path)


def test_without_git_it_fails_and_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(pytest.fail.Exception, match="install it"):
        files_of(tmp_path)
