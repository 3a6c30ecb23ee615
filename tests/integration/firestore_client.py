"""Firestore as a browser meets it: under the rules, with a token of its own."""

from __future__ import annotations

import base64
import http.client
import json
from collections.abc import Iterator, Mapping
from queue import SimpleQueue
from typing import Any, NamedTuple

import grpc
from google.api_core.exceptions import GoogleAPICallError
from google.cloud.firestore_v1 import types
from google.cloud.firestore_v1.services.firestore import FirestoreClient
from google.cloud.firestore_v1.services.firestore.transports import FirestoreGrpcTransport

SKIP_RULES = "owner"
"""A token that the emulator lets pass every rule: for setting up, and for looking at what is really there."""

PERMISSION_DENIED = 7
"""Why a listener is sent away."""

_REFUSED = (400, 401, 403)
_WITHIN_S = 30

Json = Mapping[str, Any]
Change = types.TargetChange.TargetChangeType


class Answer(NamedTuple):
    """Whether a request was let pass, and all that came of it."""

    allowed: bool
    text: str


def unsigned_token(**claims: object) -> str:
    """A token in the emulators' form; a claim that is ``...`` is left out."""
    said = {name: value for name, value in claims.items() if value is not ...}
    return f"{_part({'alg': 'none', 'typ': 'JWT'})}.{_part(said)}."


class Firestore:
    """One project's Firestore emulator."""

    def __init__(self, host: str, project: str) -> None:
        self.database = f"projects/{project}/databases/(default)"
        self._host = host
        self._made: set[str] = set()
        self._channel = grpc.insecure_channel(host)
        self._stubs = FirestoreClient(transport=FirestoreGrpcTransport(channel=self._channel))

    def close(self) -> None:
        """Removes what it put there, and hangs up."""
        for path in self._made:
            self.ask("DELETE", path, SKIP_RULES)
        self._channel.close()

    def ask(self, method: str, path: str, token: str | None, body: object = None) -> Answer:
        """One call by REST: to ``path`` as it stands, from the root or below the database's documents."""
        if not path.startswith("/"):
            path = f"/v1/{self.database}/documents{'' if path.startswith(':') else '/'}{path}"
        headers = {"Content-Type": "application/json"}
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        connection = http.client.HTTPConnection(self._host, timeout=_WITHIN_S)
        try:
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            response = connection.getresponse()
            text = response.read().decode()
        finally:
            connection.close()
        assert response.status < 500, text
        # What is missing was looked for, which is allowed, too.
        return Answer(response.status not in _REFUSED, text)

    def put(self, path: str, fields: Json) -> None:
        """Writes a document, whatever the rules say; ``fields`` in REST's own form."""
        answer = self.ask("PATCH", path, SKIP_RULES, {"fields": fields})
        assert answer.allowed, answer.text
        self._made.add(path)

    def below(self, path: str) -> str:
        """Everything that is really there below a document."""
        everything = {"structuredQuery": {"from": [{"allDescendants": True}]}}
        found = json.loads(self.ask("POST", f"{path}:runQuery", SKIP_RULES, everything).text)
        return json.dumps([each.get("document") for each in found])

    def listen(self, token: str | None, target: Json) -> Answer:
        """What a listener gets until it is up to date or is sent away."""
        told: list[str] = []
        try:
            for said in self.listening(token, target):
                told.append(str(said))
                if said.target_change.target_change_type == Change.REMOVE:
                    assert said.target_change.cause.code == PERMISSION_DENIED, said
                    return Answer(False, "".join(told))
                if said.target_change.target_change_type == Change.CURRENT:
                    return Answer(True, "".join(told))
        except GoogleAPICallError as error:
            return Answer(False, str(error))
        raise AssertionError("the listener ended without a word")

    def listening(self, token: str | None, target: Json) -> Iterator[types.ListenResponse]:
        """What a listener is told, as it comes; who stops asking stops listening."""
        asked: SimpleQueue[types.ListenRequest | None] = SimpleQueue()
        wanted = types.Target.from_json(json.dumps({"targetId": 2, **target}))
        asked.put(types.ListenRequest(database=self.database, add_target=wanted))
        try:
            yield from self._stubs.listen(
                requests=iter(asked.get, None), metadata=self._metadata(token), timeout=_WITHIN_S
            )
        finally:
            asked.put(None)

    def write(self, token: str | None, writes: list[Json]) -> Answer:
        """A stream of writes, as the browsers' libraries send theirs."""
        asked: SimpleQueue[types.WriteRequest | None] = SimpleQueue()
        asked.put(types.WriteRequest(database=self.database))
        try:
            answers = self._stubs.write(
                requests=iter(asked.get, None), metadata=self._metadata(token), timeout=_WITHIN_S
            )
            sent = [types.Write.from_json(json.dumps(write)) for write in writes]
            asked.put(types.WriteRequest(stream_token=next(answers).stream_token, writes=sent))
            return Answer(True, str(next(answers)))
        except GoogleAPICallError as error:
            return Answer(False, str(error))
        finally:
            asked.put(None)

    def _metadata(self, token: str | None) -> list[tuple[str, str]]:
        where = [("google-cloud-resource-prefix", self.database)]
        return where if token is None else [*where, ("authorization", f"Bearer {token}")]


def _part(content: Json) -> str:
    return base64.urlsafe_b64encode(json.dumps(content).encode()).rstrip(b"=").decode()
