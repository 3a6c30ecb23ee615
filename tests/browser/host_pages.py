"""Pages of somebody else's application, over which Mini floats: served on a port of their own."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from urllib.parse import parse_qs, urlsplit

STRICT = "default-src 'none'; script-src 'none'; style-src 'none'; connect-src 'none'; frame-src 'none'"
HOSTILE = """<style>
* { all: unset !important; font-size: 60px !important; color: red !important; }
div, section, form, button, textarea { display: none !important; visibility: hidden !important; }
body > *, html > * { position: static !important; transform: scale(3) !important; z-index: 0 !important; }
</style>"""


class HostPages:
    """``address(id)`` is a record page of the patient with that external id; ``kind`` makes it worse.

    ``strict``: a content security policy that allows nothing. ``hostile``: style sheets that would hide or
    blow up whatever they reach. ``keys``: a script of the host's own that eats every key.
    """

    def __init__(self) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _Page)
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> HostPages:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    def address(self, external_id: str | None, kind: str = "plain", host: str = "127.0.0.1") -> str:
        """The page's address."""
        return f"http://{host}:{self.port}/{kind}?id={external_id or ''}"


class _Page(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        asked = urlsplit(self.path)
        kind = asked.path.strip("/")
        patient = parse_qs(asked.query).get("id", [""])[0]
        attribute = f' data-patient-id="{patient}"' if patient.isdecimal() else ""
        style = HOSTILE if kind == "hostile" else ""
        script = (
            "<script>window.keys = []; addEventListener('keydown', (e) => window.keys.push(e.key));</script>"
            if kind == "keys"
            else ""
        )
        body = (
            f"<!doctype html><html lang=en><title>Host application</title>{style}{script}"
            f"<body><main{attribute}><h1>Record</h1><p>{'Host text. ' * 200}</p></main></body></html>"
        ).encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        if kind == "strict":
            self.send_header("Content-Security-Policy", STRICT)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- the library's name
        pass
