"""Real signatures: keys as Google serves them, served on loopback, and tokens that are signed with them."""

from __future__ import annotations

import http.server
import json
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

GOOD_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)


class KeyServer(http.server.ThreadingHTTPServer):
    """Serves ``keys``, or fails while ``away``; counts how often it was asked."""

    def __init__(self) -> None:
        self.keys: dict[str, rsa.RSAPrivateKey] = {"good": GOOD_KEY}
        self.away = False
        self.asked = 0
        super().__init__(("127.0.0.1", 0), KeyHandler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/keys"


class KeyHandler(http.server.BaseHTTPRequestHandler):
    server: KeyServer

    def do_GET(self) -> None:
        self.server.asked += 1
        if self.server.away:
            self.send_error(503)
            return
        keys = [
            {**RSAAlgorithm.to_jwk(key.public_key(), as_dict=True), "kid": kid, "alg": "RS256", "use": "sig"}
            for kid, key in self.server.keys.items()
        ]
        body = json.dumps({"keys": keys}).encode()
        self.send_response(200)
        self.send_header("Cache-Control", "public, max-age=3600, must-revalidate")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        pass


@contextmanager
def serving_keys() -> Iterator[KeyServer]:
    """A key server on loopback that has GOOD_KEY under the id "good"."""
    with KeyServer() as started:
        thread = threading.Thread(target=started.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield started
        finally:
            started.shutdown()
            thread.join()


def token_claims(project: str, user: UUID, tenant: UUID, **changes: object) -> dict[str, Any]:
    """What a Firebase ID token says, with ``changes``; None takes a claim away."""
    now = int(time.time())
    whole = {
        "iss": f"https://securetoken.google.com/{project}",
        "aud": project,
        "sub": str(user),
        "tenant_id": str(tenant),
        "iat": now - 10,
        "auth_time": now - 100,
        "exp": now + 3600,
        **changes,
    }
    return {name: value for name, value in whole.items() if value is not None}


def sign(
    claims: Mapping[str, Any], *, key: Any = GOOD_KEY, kid: str | None = "good", algorithm: str = "RS256"
) -> str:
    """An Authorization header with a signed token."""
    headers = {} if kid is None else {"kid": kid}
    return "Bearer " + jwt.encode(dict(claims), key, algorithm=algorithm, headers=headers)
