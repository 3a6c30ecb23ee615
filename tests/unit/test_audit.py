"""``make audit`` tells what it found from what it could not ask, against an OSV of our own."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

AUDIT = Path(__file__).parents[2] / "requirements" / "audit.py"
HASH = "0" * 64
LOCK = f"fine==1.0 \\\n    --hash=sha256:{HASH}\nwrong==2.0 \\\n    --hash=sha256:{HASH}\n"
KNOWN = {
    "id": "OSV-1",
    "affected": [
        {
            "package": {"name": "wrong", "ecosystem": "PyPI"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "2.1"}]}],
        }
    ],
}


class Osv(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        known = {"vulns": [KNOWN]} if asked["package"]["name"] == "wrong" else {}
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps(known).encode())

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def osv() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), Osv)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()


def audit(tmp_path: Path, lock: str, osv: str) -> tuple[int, list[str]]:
    path = tmp_path / "lock.txt"
    path.write_text(lock)
    options = ("--osv-url", osv, "--cache-dir", str(tmp_path / "cache"))
    done = subprocess.run((sys.executable, AUDIT, path, *options), capture_output=True, text=True)
    return done.returncode, done.stdout.splitlines()


def test_a_vulnerable_version_is_named_with_the_one_that_mends_it(tmp_path: Path, osv: str) -> None:
    status, said = audit(tmp_path, LOCK, osv)
    assert status == 1
    assert said == [
        "wrong 2.0: OSV-1, mended in 2.1",
        "advisories: 2 versions checked, 1 vulnerable",
    ]


def test_without_findings_it_says_how_many_were_checked(tmp_path: Path, osv: str) -> None:
    assert audit(tmp_path, LOCK.replace("wrong", "right"), osv) == (
        0,
        ["advisories: 2 versions checked, 0 vulnerable"],
    )


def test_without_the_service_nothing_counts_as_checked(tmp_path: Path) -> None:
    status, said = audit(tmp_path, LOCK, "http://127.0.0.1:1/")
    assert status == 2
    assert said == ["advisories: not checked, the service can't be reached"]
