"""Who gets in, with real signatures and keys served on loopback."""

from __future__ import annotations

import base64
import http.server
import json
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import Unauthenticated
from shared.security.identity import Identity, TokenVerifier, development_token, verify_token
from shared.security.signing_keys import KeysUnavailable, SigningKeys
from shared.settings import SettingsError, settings
from tests.signing import GOOD_KEY, KeyServer, serving_keys, sign, token_claims

PROJECT = "demo-mobius"
USER = uuid4()
TENANT = uuid4()
OTHER_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def server() -> Iterator[KeyServer]:
    with serving_keys() as started:
        yield started


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def verifier(server: KeyServer, clock: Clock) -> TokenVerifier:
    return TokenVerifier(PROJECT, SigningKeys(server.url, 2, clock))


def claims(**changes: object) -> dict[str, Any]:
    return token_claims(PROJECT, USER, TENANT, **changes)


def signed(key: Any = GOOD_KEY, kid: str | None = "good", algorithm: str = "RS256", **changes: object) -> str:
    return sign(claims(**changes), key=key, kid=kid, algorithm=algorithm)


def unsigned(algorithm: str = "none", signature: str = "", **changes: object) -> str:
    def part(content: object) -> str:
        return base64.urlsafe_b64encode(json.dumps(content).encode()).rstrip(b"=").decode()

    header = {"alg": algorithm, "typ": "JWT", "kid": "good"}
    return f"Bearer {part(header)}.{part(claims(**changes))}.{signature}"


def refused(verifier: TokenVerifier, authorization: str | None) -> None:
    with pytest.raises(Unauthenticated) as caught:
        verifier.verify(authorization)
    for piece in (authorization or "").removeprefix("Bearer ").split("."):
        assert len(piece) < 8 or piece not in caught.value.detail


# Signed tokens ----------------------------------------------------------------------------------------


def test_a_good_token_says_who_where_and_since_when(verifier: TokenVerifier) -> None:
    since = int(time.time()) - 100
    assert verifier.verify(signed(auth_time=since)) == Identity(
        tenant_id=TENANT, user_id=USER, issued_at=datetime.fromtimestamp(since, UTC)
    )


def test_without_a_sign_in_time_the_time_of_issue_counts(verifier: TokenVerifier) -> None:
    issued = int(time.time()) - 7
    identity = verifier.verify(signed(auth_time=None, iat=issued))
    assert identity.issued_at == datetime.fromtimestamp(issued, UTC)


def test_the_scheme_is_read_whatever_its_case(verifier: TokenVerifier) -> None:
    assert verifier.verify(signed().replace("Bearer", "bEARER")).user_id == USER


@pytest.mark.parametrize(
    "changes",
    [
        {"aud": "another-project"},
        {"aud": [PROJECT]},
        {"iss": "https://securetoken.google.com/another-project"},
        {"iss": "https://evil.example/demo-mobius"},
        {"exp": int(time.time()) - 40},
        {"exp": None},
        {"exp": "tomorrow"},
        {"iat": int(time.time()) + 100_000},
        {"iat": None},
        {"iat": -1},
        {"nbf": int(time.time()) + 100_000},
        {"auth_time": int(time.time()) + 100_000},
        {"auth_time": 1e300},
        {"sub": None},
        {"sub": "maria"},
        {"sub": ""},
        {"tenant_id": None},
        {"tenant_id": "mercy-hospital"},
        {"tenant_id": ""},
    ],
    # Without their values, some of which are times: a test is called the same each time.
    ids=" and ".join,
)
def test_a_token_with_a_wrong_claim_is_refused_signed_or_not(
    verifier: TokenVerifier, changes: dict[str, object]
) -> None:
    refused(verifier, signed(**changes))
    refused(TokenVerifier(PROJECT, None), unsigned(**changes))


def test_clocks_may_differ_by_half_a_minute(verifier: TokenVerifier) -> None:
    now = int(time.time())
    assert verifier.verify(signed(exp=now - 20, iat=now + 20, nbf=now + 20, auth_time=None)).user_id == USER


def test_a_token_signed_with_another_key_is_refused(verifier: TokenVerifier) -> None:
    refused(verifier, signed(key=OTHER_KEY))


def test_a_tampered_payload_is_refused(verifier: TokenVerifier) -> None:
    header, _, signature = signed().split(".")
    _, payload, _ = signed(tenant_id=str(uuid4())).split(".")
    refused(verifier, f"{header}.{payload}.{signature}")


def test_unsigned_tokens_are_refused_where_keys_are(verifier: TokenVerifier) -> None:
    good_signature = signed().split(".")[2]
    for algorithm in ("none", "None", "NONE", "RS256"):
        refused(verifier, unsigned(algorithm))
        refused(verifier, unsigned(algorithm, good_signature))
    token = development_token(PROJECT, USER, TENANT, 60)
    refused(verifier, f"Bearer {token}")


def test_a_public_key_used_as_a_shared_secret_is_refused(verifier: TokenVerifier) -> None:
    public = GOOD_KEY.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    header = base64.urlsafe_b64encode(b'{"alg":"HS256","typ":"JWT","kid":"good"}').rstrip(b"=").decode()
    payload = signed().split(".")[1]
    secret = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256)
    signature = base64.urlsafe_b64encode(secret.sign(f"{header}.{payload}".encode(), public))
    refused(verifier, f"Bearer {header}.{payload}.{signature.rstrip(b'=').decode()}")


@pytest.mark.parametrize("algorithm", ["RS384", "PS256"])
def test_another_algorithm_of_the_right_key_is_refused(verifier: TokenVerifier, algorithm: str) -> None:
    refused(verifier, signed(algorithm=algorithm))


def test_a_token_without_a_key_id_is_refused(verifier: TokenVerifier) -> None:
    refused(verifier, signed(kid=None))


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "",
        "Bearer",
        "Bearer ",
        "Basic eDp5",
        "Bearer a.b",
        "Bearer a.b.c.d",
        "Bearer ..",
        "Bearer é.é.é",
    ],
)
def test_what_is_no_token_is_refused(verifier: TokenVerifier, authorization: str | None) -> None:
    refused(verifier, authorization)
    refused(TokenVerifier(PROJECT, None), authorization)


@given(st.text(alphabet=st.characters(max_codepoint=0x2FF), max_size=80))
def test_no_text_does_anything_but_be_refused(text: str) -> None:
    refused(TokenVerifier(PROJECT, None), f"Bearer {text}")
    refused(TokenVerifier(PROJECT, SigningKeys("http://127.0.0.1:9/", 0.05)), f"Bearer {text}")


# The keys ---------------------------------------------------------------------------------------------


def test_keys_are_fetched_once_while_they_are_fresh(
    verifier: TokenVerifier, server: KeyServer, clock: Clock
) -> None:
    for _ in range(3):
        verifier.verify(signed())
    clock.now += 3599
    verifier.verify(signed())
    assert server.asked == 1
    clock.now += 2
    verifier.verify(signed())
    assert server.asked == 2


def test_fetched_keys_are_kept_while_their_server_is_away(
    verifier: TokenVerifier, server: KeyServer, clock: Clock
) -> None:
    verifier.verify(signed())
    server.away = True
    clock.now += 100_000
    for _ in range(3):
        assert verifier.verify(signed()).user_id == USER
    assert server.asked == 2


def test_a_new_key_is_found_and_made_up_ones_cost_one_fetch_a_minute(
    verifier: TokenVerifier, server: KeyServer, clock: Clock
) -> None:
    verifier.verify(signed())
    for n in range(5):
        refused(verifier, signed(kid=f"made-up-{n}"))
    assert server.asked == 1
    server.keys = {"new": OTHER_KEY}
    clock.now += 61
    assert verifier.verify(signed(key=OTHER_KEY, kid="new")).user_id == USER
    for n in range(5):
        refused(verifier, signed(kid=f"made-up-{n}"))
    assert server.asked == 2
    refused(verifier, signed())


def test_without_any_key_the_token_is_not_blamed(
    verifier: TokenVerifier, server: KeyServer, clock: Clock
) -> None:
    server.away = True
    for _ in range(3):
        with pytest.raises(KeysUnavailable) as caught:
            verifier.verify(signed())
        assert caught.value.status == 503
    assert server.asked == 1
    server.away = False
    clock.now += 2
    assert verifier.verify(signed()).user_id == USER


def test_a_key_server_that_hangs_holds_nobody_longer_than_the_time_out() -> None:
    with http.server.HTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler) as silent:
        keys = SigningKeys(f"http://127.0.0.1:{silent.server_address[1]}/", 0.1)
        started = time.monotonic()
        with pytest.raises(KeysUnavailable):
            keys.find("good")
        assert time.monotonic() - started < 2


def test_threads_that_come_together_fetch_once(server: KeyServer) -> None:
    verifier = TokenVerifier(PROJECT, SigningKeys(server.url, 2))
    found: list[UUID] = []
    token = signed()

    def enter() -> None:
        found.append(verifier.verify(token).user_id)

    threads = [threading.Thread(target=enter) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [USER] * 8
    assert server.asked == 1


# Development tokens -----------------------------------------------------------------------------------


@pytest.fixture
def emulated(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv("K_SERVICE", raising=False)
    monkeypatch.delenv("CLOUD_SQL_INSTANCE", raising=False)
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", PROJECT)
    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")
    monkeypatch.setenv("MOBIUS_MASTER_SECRET", base64.b64encode(bytes(32)).decode())
    monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", "127.0.0.1:1")
    settings.cache_clear()
    yield
    settings.cache_clear()


def test_a_development_token_is_taken_on_emulators(emulated: None) -> None:
    identity = verify_token(f"Bearer {development_token(PROJECT, USER, TENANT, 60)}")
    assert (identity.user_id, identity.tenant_id) == (USER, TENANT)
    assert abs(identity.issued_at.timestamp() - time.time()) < 5


def test_a_development_token_ends() -> None:
    refused(TokenVerifier(PROJECT, None), f"Bearer {development_token(PROJECT, USER, TENANT, -60)}")


def test_emulators_take_nothing_that_claims_a_signature() -> None:
    verifier = TokenVerifier(PROJECT, None)
    refused(verifier, signed())
    refused(verifier, unsigned(signature="c2lnbmF0dXJl"))
    refused(verifier, unsigned("RS256"))


def test_no_development_token_is_made_where_a_function_is_deployed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("K_SERVICE", "mini-status")
    with pytest.raises(SettingsError):
        development_token(PROJECT, USER, TENANT, 60)


def test_a_deployed_function_with_emulator_settings_lets_nobody_in(
    emulated: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = f"Bearer {development_token(PROJECT, USER, TENANT, 60)}"
    monkeypatch.setenv("K_SERVICE", "mini-status")
    settings.cache_clear()
    with pytest.raises(SettingsError):
        verify_token(token)
