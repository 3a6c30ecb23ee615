"""Tokens out of thin air, mutated and put together from pieces: nobody gets in who was not let in."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable
from typing import Any, NamedTuple
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import assume, given
from hypothesis import strategies as st
from jwt import PyJWK
from jwt.algorithms import RSAAlgorithm

from shared.errors import Unauthenticated
from shared.security.identity import Identity, TokenVerifier
from shared.security.signing_keys import SigningKeys
from tests.unit.damaged import depths, edited, edits, values

PROJECT = "demo-mobius"
KEY, OTHER_KEY = (rsa.generate_private_key(public_exponent=65537, key_size=2048) for _ in range(2))
RS256 = RSAAlgorithm(RSAAlgorithm.SHA256)
USER, OTHER_USER, TENANT = UUID(int=1), UUID(int=2), UUID(int=7)


class OneKey(SigningKeys):
    """The issuer has one key, and nobody has to be asked for it."""

    def __init__(self) -> None:
        described = RSAAlgorithm.to_jwk(KEY.public_key(), as_dict=True)
        self._known = PyJWK({**described, "kid": "good", "alg": "RS256"})

    def find(self, key_id: str) -> PyJWK | None:
        return self._known if key_id == "good" else None


def part(content: bytes) -> bytes:
    return base64.urlsafe_b64encode(content).rstrip(b"=")


def signed(header: bytes, payload: bytes, key: rsa.RSAPrivateKey = KEY) -> list[bytes]:
    text = part(header) + b"." + part(payload)
    return [*text.split(b"."), part(RS256.sign(text, key))]


def unsigned(header: bytes, payload: bytes) -> list[bytes]:
    return [part(header), part(payload), b""]


class Kind(NamedTuple):
    """One of the two kinds of token that there are, each with its verifier."""

    verifier: TokenVerifier
    make: Callable[[bytes, bytes], list[bytes]]
    header: dict[str, str]

    def token(self, payload: object, **header: object) -> bytes:
        return b".".join(self.make(encoded({**self.header, **header}), encoded(payload)))

    def identity(self, token: bytes) -> Identity | None:
        """Who is let in with a token; None when it is refused, and nothing else may happen."""
        try:
            return self.verifier.verify(f"Bearer {token.decode('latin-1')}")
        except Unauthenticated:
            return None


SIGNED = Kind(TokenVerifier(PROJECT, OneKey()), signed, {"alg": "RS256", "kid": "good", "typ": "JWT"})
UNSIGNED = Kind(TokenVerifier(PROJECT, None), unsigned, {"alg": "none", "typ": "JWT"})
of_both_kinds = pytest.mark.parametrize("kind", [SIGNED, UNSIGNED], ids=["signed", "unsigned"])


def claims(user: UUID = USER) -> dict[str, Any]:
    now = int(time.time())
    return {
        "iss": f"https://securetoken.google.com/{PROJECT}",
        "aud": PROJECT,
        "sub": str(user),
        "tenant_id": str(TENANT),
        "iat": now - 10,
        "nbf": now - 10,
        "auth_time": now - 100,
        "exp": now + 3600,
    }


def encoded(content: object) -> bytes:
    return json.dumps(content).encode()


@of_both_kinds
@given(data=st.data())
def test_with_any_claims_a_token_is_taken_only_when_all_of_them_hold(kind: Kind, data: st.DataObject) -> None:
    told, now = claims(), time.time()
    others = values | st.uuids().map(str) | st.sampled_from([-1, 1e300, [PROJECT], [str(USER)]])
    for name in data.draw(st.lists(st.sampled_from(sorted(told)), min_size=1, max_size=2)):
        told[name] = data.draw(others)
    found = kind.identity(kind.token(told))
    if found is not None:
        assert (told["iss"], told["aud"]) == (claims()["iss"], PROJECT)
        assert (found.user_id, found.tenant_id) == (UUID(told["sub"]), UUID(told["tenant_id"]))
        assert told["exp"] > now - 31
        assert all(0 <= told[name] < now + 60 for name in ("iat", "nbf"))
        signed_in = told["iat"] if told["auth_time"] is None else told["auth_time"]
        assert found.issued_at.timestamp() == pytest.approx(signed_in)


@of_both_kinds
@given(st.sampled_from(["iat", "nbf", "auth_time", "exp"]), st.integers(-100, 100) | st.integers())
def test_a_token_holds_between_its_times(kind: Kind, name: str, offset: int) -> None:
    # Clocks may differ by 30 seconds, and this test may take some.
    assume(not 20 < abs(offset) < 40)
    told = claims()
    told[name] = max(0, int(time.time()) + offset)
    found = kind.identity(kind.token(told))
    assert (found is not None) == (offset > -30 if name == "exp" else offset < 30)


@of_both_kinds
@given(st.dictionaries(st.sampled_from(["alg", "kid", "typ", "b64", "crit", "zip", "jwk"]), values))
def test_with_any_header_a_token_says_nothing_else(kind: Kind, header: dict[str, Any]) -> None:
    found = kind.identity(kind.token(claims(), **header))
    assert found in (None, kind.identity(kind.token(claims())))


@of_both_kinds
@given(st.binary(max_size=60) | values.map(encoded), st.binary(max_size=60) | values.map(encoded))
def test_what_is_no_header_or_no_claims_is_refused(kind: Kind, header: bytes, payload: bytes) -> None:
    good_header, good_claims = encoded(kind.header), encoded(claims())
    for parts in ((header, good_claims), (good_header, payload), (header, payload)):
        assert kind.identity(b".".join(kind.make(*parts))) is None


@of_both_kinds
@depths
def test_however_deep_a_part_is_nested_it_is_read_or_refused(kind: Kind, depth: int) -> None:
    nested = b'{"a":' * depth + b"1" + b"}" * depth
    told = encoded(claims())
    for header, payload in (
        (encoded(kind.header)[:-1] + b',"x":' + nested + b"}", told),
        (encoded(kind.header), told[:-1] + b',"x":' + nested + b"}"),
    ):
        found = kind.identity(b".".join(kind.make(header, payload)))
        assert found is None or found.user_id == USER


@given(edits)
def test_a_signed_token_that_was_tampered_with_says_nothing_else(changes: Any) -> None:
    good = SIGNED.token(claims())
    token = edited(good, changes)
    # The last letter of a signature has bits that count for nothing: another one is the same signature.
    assert SIGNED.identity(token) in (None, SIGNED.identity(good))


@given(st.lists(st.integers(0, 3), min_size=3, max_size=3))
def test_pieces_of_several_tokens_make_none(picked: list[int]) -> None:
    header = encoded(SIGNED.header)
    mine, theirs = (signed(header, encoded(claims(user))) for user in (USER, OTHER_USER))
    forged = signed(header, encoded(claims(OTHER_USER)), OTHER_KEY)
    tokens = (mine, theirs, forged, unsigned(encoded(UNSIGNED.header), encoded(claims(OTHER_USER))))
    pieces = [tokens[which][place] for place, which in enumerate(picked)]
    assert (SIGNED.identity(b".".join(pieces)) is not None) == (pieces in (mine, theirs))
    assert (UNSIGNED.identity(b".".join(pieces)) is not None) == (picked[0] == picked[2] == 3)
