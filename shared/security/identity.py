"""Who calls: Firebase ID tokens, and the unsigned ones of a developer's machine.

The signature is PyJWT's business; what the claims must say is one function for both kinds of token.
A token says who somebody is and in which tenant, never what they may do: that is the database's word.
"""

from __future__ import annotations

import base64
import binascii
import os
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Annotated
from uuid import UUID

import msgspec

from shared.errors import Unauthenticated
from shared.model import TenantId, UserId
from shared.security.signing_keys import SigningKeys
from shared.settings import SettingsError, settings

GOOGLE_KEYS_URL = "https://www.googleapis.com/service_accounts/v1/jwk/securetoken@system.gserviceaccount.com"
_ISSUER = "https://securetoken.google.com/"
_SKEW_S = 30

Seconds = Annotated[float, msgspec.Meta(ge=0)]


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """The signed-in user. ``issued_at`` is the sign-in, or else the making of the token."""

    tenant_id: TenantId
    user_id: UserId
    issued_at: datetime


class _Header(msgspec.Struct, frozen=True):
    alg: str
    kid: str | None = None


class _Claims(msgspec.Struct, frozen=True):
    iss: str
    aud: str
    sub: UserId
    tenant_id: TenantId
    exp: Seconds
    iat: Seconds
    nbf: Seconds = 0
    auth_time: Seconds | None = None


class TokenVerifier:
    """Checks the tokens of one Firebase project.

    With keys, a token is signed RS256 by one of them and nothing else is accepted. Without keys, it has
    the form of the Firebase emulators: algorithm "none" and an empty signature.
    """

    def __init__(self, project_id: str, keys: SigningKeys | None) -> None:
        self._project_id = project_id
        self._keys = keys

    def verify(self, authorization: str | None) -> Identity:
        """The identity in an Authorization header.

        Raises Unauthenticated, never saying what the token held; KeysUnavailable when no key was ever
        fetched and none can be, which is not the caller's fault.
        """
        scheme, _, token = (authorization or "").strip().partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise Unauthenticated
        payload = self._unsigned_payload(token) if self._keys is None else _signed_payload(token, self._keys)
        try:
            claims = msgspec.json.decode(payload, type=_Claims)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise Unauthenticated("The token lacks a claim that is needed, or has a wrong one.") from None
        return self._identity(claims, time.time())

    def _unsigned_payload(self, token: str) -> bytes:
        header, payload, signature = _parts(token)
        if _read_header(header).alg != "none" or signature:
            raise Unauthenticated("This stack runs on emulators and takes unsigned development tokens only.")
        return _decode_part(payload)

    def _identity(self, claims: _Claims, now: float) -> Identity:
        if claims.iss != _ISSUER + self._project_id or claims.aud != self._project_id:
            raise Unauthenticated("The token was made for another project.")
        if claims.exp <= now - _SKEW_S:
            raise Unauthenticated("The token has expired: sign in again.")
        issued_at = claims.iat if claims.auth_time is None else claims.auth_time
        if max(claims.iat, claims.nbf, issued_at) > now + _SKEW_S:
            raise Unauthenticated("The token is not valid yet: check the clock.")
        return Identity(
            tenant_id=claims.tenant_id,
            user_id=claims.sub,
            issued_at=datetime.fromtimestamp(issued_at, UTC),
        )


def verify_token(authorization: str | None) -> Identity:
    """The identity in an Authorization header, by this process's settings; raises as TokenVerifier does."""
    here = settings()
    return _verifier(here.project_id, here.emulated, here.outside_timeout_s).verify(authorization)


def development_token(project_id: str, user_id: UUID, tenant_id: UUID, lifetime_s: int) -> str:
    """An unsigned token in the emulators' form; nothing that is deployed accepts it.

    Raises SettingsError where a function is deployed, so that none is ever made there.
    """
    if "K_SERVICE" in os.environ:
        raise SettingsError("Development tokens are for emulators; this process is deployed.")
    now = int(time.time())
    claims = {
        "iss": _ISSUER + project_id,
        "aud": project_id,
        "sub": user_id,
        "user_id": user_id,
        "tenant_id": tenant_id,
        "iat": now,
        "auth_time": now,
        "exp": now + lifetime_s,
        "firebase": {"sign_in_provider": "custom", "identities": {}},
    }
    return f"{_encode_part({'alg': 'none', 'typ': 'JWT'})}.{_encode_part(claims)}."


@lru_cache(maxsize=4)
def _verifier(project_id: str, emulated: bool, timeout_s: float) -> TokenVerifier:
    # settings() refuses emulators on anything deployed, so forged tokens have no way in there.
    return TokenVerifier(project_id, None if emulated else SigningKeys(GOOGLE_KEYS_URL, timeout_s))


def _signed_payload(token: str, keys: SigningKeys) -> bytes:
    # Imported here: it brings cryptography along, which a process on emulators never needs.
    from jwt import PyJWS
    from jwt.exceptions import PyJWTError

    header = _read_header(_parts(token)[0])
    if header.alg != "RS256" or header.kid is None:
        raise Unauthenticated
    key = keys.find(header.kid)
    if key is None:
        raise Unauthenticated
    try:
        payload: bytes = PyJWS().decode(token, key=key, algorithms=["RS256"])
    except PyJWTError:
        raise Unauthenticated from None
    return payload


def _parts(token: str) -> tuple[str, str, str]:
    parts = token.split(".")
    if len(parts) != 3:
        raise Unauthenticated
    return parts[0], parts[1], parts[2]


def _read_header(part: str) -> _Header:
    try:
        return msgspec.json.decode(_decode_part(part), type=_Header)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Unauthenticated from None


def _decode_part(part: str) -> bytes:
    try:
        return base64.b64decode(part + "=" * (-len(part) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise Unauthenticated from None


def _encode_part(content: Mapping[str, object]) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode(content)).rstrip(b"=").decode()
