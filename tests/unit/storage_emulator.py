"""A bucket on this machine: gcp-storage-emulator, with the one condition that it leaves out."""

from __future__ import annotations

import io
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import HTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

from gcp_storage_emulator.exceptions import NotFound
from gcp_storage_emulator.handlers.buckets import create_bucket
from gcp_storage_emulator.server import RequestHandler
from gcp_storage_emulator.storage import Storage

_PATH = re.compile(r".*/b/([^/]+)/o")


class _Handler(RequestHandler):
    """Answers 412 where ``ifGenerationMatch=0`` says that an object must not be there and it is."""

    def do_POST(self) -> None:  # noqa: N802 -- http.server's name
        """Looks at the condition, then does as the emulator does."""
        url = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.rfile = io.BytesIO(body)
        query = parse_qs(url.query)
        if query.get("ifGenerationMatch") == ["0"] and self._is_there(url.path, query, body):
            answer = json.dumps({"error": {"code": 412, "message": "conditionNotMet"}}).encode()
            self.send_response(412)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)
        else:
            super().do_POST()

    def _is_there(self, path: str, query: dict[str, list[str]], body: bytes) -> bool:
        match = _PATH.fullmatch(path)
        assert match is not None
        # In one request the object's name is in its first part, in several in the body of the first.
        told = re.search(rb'"name": *"([^"]+)"', body)
        name = query["name"][0] if "name" in query else told[1].decode() if told else ""
        try:
            self.storage.get_file_obj(match[1], unquote(name))
        except NotFound:
            return False
        return True


@contextmanager
def storage_emulator(bucket: str) -> Iterator[str]:
    """Serves an empty bucket until it is left; gives what STORAGE_EMULATOR_HOST is to be."""
    storage = Storage(use_memory_fs=True)
    create_bucket(bucket, storage)
    server = HTTPServer(("127.0.0.1", 0), partial(_Handler, storage))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
