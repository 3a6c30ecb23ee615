"""Visitors of every kind to Firestore, and two tenants for them to look at.

Whose project a token is from, whether it is signed and whether it has expired is the service's to see to,
before any rule; the emulator looks at none of it, so nothing of it can be tried here.
"""

from __future__ import annotations

import time
from types import MappingProxyType
from typing import Any, NamedTuple
from uuid import uuid4

from tests.integration.firestore_client import Firestore, Json, unsigned_token

NOW = int(time.time())
YES, NO, NULL = {"booleanValue": True}, {"booleanValue": False}, {"nullValue": None}
ACTIVE = {"active": YES, "tokens_valid_after": NULL}


def moment(seconds: int) -> Json:
    return {"timestampValue": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))}


class Visitor(NamedTuple):
    """Somebody with an inbox (or none) in the tenant OWN, and the claims in which their token is unusual.

    Claims that are a word are sent as they stand; ``None`` is no token at all.
    """

    inbox: Json | None = ACTIVE
    claims: Json | str | None = MappingProxyType({})


def since(moment: Json) -> Visitor:
    """Somebody whose sign-ins count since then."""
    return Visitor({"active": YES, "tokens_valid_after": moment})


ADMITTED = {
    "an active user": Visitor(),
    "a user who signed in after being signed out": Visitor(
        {"active": YES, "tokens_valid_after": moment(NOW - 9)}
    ),
    "a user who signed in the second that counts": Visitor(
        {"active": YES, "tokens_valid_after": moment(NOW)}
    ),
    "a user with an inbox of an earlier release": Visitor({"active": YES}),
    "a user who can't tell when they signed in, nor need to": Visitor(claims={"auth_time": ...}),
}
REFUSED = {
    "nobody": Visitor(claims=None),
    "somebody with garbage": Visitor(claims="garbage"),
    "somebody with three parts of garbage": Visitor(claims="a.b.c"),
    "a user of another project": Visitor(None, {"iss": "https://securetoken.google.com/x", "aud": "x"}),
    "a user of another tenant": Visitor(None, {"tenant_id": "OTHER"}),
    "a user who is active here, with a token for another tenant": Visitor(claims={"tenant_id": "OTHER"}),
    "a user without a tenant": Visitor(claims={"tenant_id": ...}),
    "a user whose tenant is null": Visitor(claims={"tenant_id": None}),
    "a user whose tenant is empty": Visitor(claims={"tenant_id": ""}),
    "a user whose tenant is a number": Visitor(claims={"tenant_id": 7}),
    "a user whose tenant is true": Visitor(claims={"tenant_id": True}),
    "a user whose tenant is a list": Visitor(claims={"tenant_id": ["OWN"]}),
    "a user whose tenant is a map": Visitor(claims={"tenant_id": {"OWN": True, "id": "OWN"}}),
    "a user whose tenant is written large": Visitor(claims={"tenant_id": "LARGE"}),
    "a user whose tenant is a pattern": Visitor(claims={"tenant_id": ".*"}),
    "a user whose tenant is a path": Visitor(claims={"tenant_id": "OTHER/../OWN"}),
    "a user whose tenant has another name": Visitor(
        claims={"tenant_id": ..., "tenant": "OWN", "tenantId": "OWN"}
    ),
    "a user whose tenant is the provider's": Visitor(
        claims={"tenant_id": ..., "firebase": {"tenant": "OWN"}}
    ),
    "somebody whom the tenant doesn't know": Visitor(None),
    "somebody without an id": Visitor(claims={"sub": ..., "user_id": ...}),
    "somebody whose id is a path": Visitor(claims={"sub": "x/../USER", "user_id": "x/../USER"}),
    "somebody whose id is a longer path": Visitor(
        claims={"sub": "USER/drafts/n", "user_id": "USER/drafts/n"}
    ),
    "a user who was disabled": Visitor({"active": NO, "tokens_valid_after": NULL}),
    "a user who is active in a word": Visitor({"active": {"stringValue": "true"}}),
    "a user who is active in a number": Visitor({"active": {"integerValue": "1"}}),
    "a user who is active in a list": Visitor({"active": {"arrayValue": {"values": [YES]}}}),
    "a user who is active null": Visitor({"active": NULL}),
    "a user with an inbox that doesn't say": Visitor({"tokens_valid_after": NULL}),
    "a user who was signed out": since(moment(NOW + 1)),
    "a user who was signed out by a word": Visitor(
        {"active": YES, "tokens_valid_after": {"stringValue": "1970"}}
    ),
    "a user who was signed out by a number": Visitor(
        {"active": YES, "tokens_valid_after": {"integerValue": "1"}}
    ),
    "a user who can't tell when they signed in": since(moment(1))._replace(claims={"auth_time": ...}),
    "a user who says it in words": since(moment(1))._replace(claims={"auth_time": "9999999999"}),
    "a user who was disabled and signs in anew": Visitor({"active": NO}, {"auth_time": NOW + 60}),
}
EVERYBODY = ADMITTED | REFUSED
A_FEW = (
    *ADMITTED,
    *(
        "nobody",
        "a user of another tenant",
        "somebody whom the tenant doesn't know",
        "a user who was disabled",
    ),
)
"""For what no rule mentions: who may at least read something, and some who may nothing."""


class World:
    """Two tenants with a document of each kind, and every visitor's inbox in the first."""

    def __init__(self, firestore: Firestore) -> None:
        self.firestore = firestore
        self.own, self.other = str(uuid4()), str(uuid4())
        self.users = {name: str(uuid4()) for name in EVERYBODY}
        for tenant in (self.own, self.other):
            marked = {"what": {"stringValue": f"seen of {tenant}"}}
            for path in (
                *("", "/patient_state/KEY", "/patient_state/KEY/notes/n", "/invocation_presence/i"),
                *("/user_inbox/colleague", "/user_inbox/colleague/drafts/n", "/patient_secret/x"),
            ):
                firestore.put(f"tenants/{tenant}{path}", {**marked, **ACTIVE})
            firestore.put(f"clinics/{tenant}", marked)
            for elsewhere in ("projects/elsewhere/databases/(default)", self._archive):
                firestore.put(f"/v1/{elsewhere}/documents/tenants/{tenant}/patient_state/KEY", marked)
        for name, visitor in EVERYBODY.items():
            if visitor.inbox is not None:
                fields = {**visitor.inbox, "what": {"stringValue": f"seen of {self.own}"}}
                firestore.put(f"tenants/{self.own}/user_inbox/{self.users[name]}", fields)
        firestore.put(f"tenants/{self.other}/user_inbox/{self.users['a user of another tenant']}", ACTIVE)

    @property
    def _archive(self) -> str:
        return self.firestore.database.replace("(default)", "archive")

    def token(self, name: str) -> str | None:
        """A visitor's token, new from the sign-in of a moment ago."""
        claims = EVERYBODY[name].claims
        if claims is None or isinstance(claims, str):
            return claims
        return self.token_of(self.users[name], **self.filled(name, dict(claims)))

    def token_of(self, user: str, **claims: object) -> str:
        """A token for the tenant OWN, but for ``claims``."""
        project = self.firestore.database.split("/")[1]
        usual = {"iss": f"https://securetoken.google.com/{project}", "aud": project, "tenant_id": self.own}
        usual |= {"sub": user, "user_id": user, "iat": NOW, "auth_time": NOW, "exp": NOW + 3600}
        return unsigned_token(**{**usual, **claims})

    def filled(self, name: str, template: Any) -> Any:
        """The template with this world's names in it."""
        if isinstance(template, dict):
            return {self.filled(name, k): self.filled(name, v) for k, v in template.items()}
        if isinstance(template, list | tuple):
            return [self.filled(name, each) for each in template]
        if not isinstance(template, str):
            return template
        names = {"OWN": self.own, "OTHER": self.other, "LARGE": self.own.upper(), "USER": self.users[name]}
        names |= {"DATABASE": self.firestore.database, "ARCHIVE": self._archive}
        for word, value in names.items():
            template = template.replace(word, value)
        return template
