"""The functions as they are deployed: no emulator in sight, real signatures, keys served on loopback."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import msgspec
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import HMACAlgorithm
from werkzeug.test import TestResponse

from shared.security import identity
from shared.security.identity import development_token
from shared.web.registry import ENDPOINTS
from tests.integration.product import BY_HAND, Clinic, Product, new_clinic, problem_of
from tests.signing import GOOD_KEY, serving_keys, sign, token_claims

Call = Callable[[str], TestResponse]
REVOKE = "UPDATE app_user SET tokens_valid_after = now() WHERE tenant_id = :tenant AND user_id = :user"
DISABLE = "UPDATE app_user SET status = 'disabled' WHERE tenant_id = :tenant AND user_id = :user"
OTHER_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)


@pytest.fixture
def deployed(product: Product, clinic: Clinic, monkeypatch: pytest.MonkeyPatch) -> Iterator[Clinic]:
    with serving_keys() as server:
        for name in ("FIRESTORE_EMULATOR_HOST", "PUBSUB_EMULATOR_HOST"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setattr(identity, "GOOGLE_KEYS_URL", server.url)
        identity._verifier.cache_clear()
        product.configure(K_SERVICE="mini-status")
        product.use(product.core())
        yield clinic
        identity._verifier.cache_clear()


def claims(clinic: Clinic, **changes: object) -> dict[str, Any]:
    project = clinic.product.stack["project_id"]
    return token_claims(project, clinic.users[0].user_id, clinic.tenant_id, **changes)


def call(clinic: Clinic, authorization: str, endpoint: str = "mini/status") -> TestResponse:
    client = clinic.product.client(endpoint)
    return client.post("/", json=clinic.says(BY_HAND), headers={"Authorization": authorization})


def test_a_signed_token_is_let_in(deployed: Clinic) -> None:
    answer = call(deployed, sign(claims(deployed)))
    assert answer.status_code == 200
    assert answer.get_json()["patient"]["found"] is True


def _part(content: object) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode(content)).rstrip(b"=").decode()


def _without_signature(clinic: Clinic) -> str:
    return f"Bearer {_part({'alg': 'none', 'typ': 'JWT', 'kid': 'good'})}.{_part(claims(clinic))}."


def _public_key_as_secret(clinic: Clinic) -> str:
    public = GOOD_KEY.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    body = f"{_part({'alg': 'HS256', 'typ': 'JWT', 'kid': 'good'})}.{_part(claims(clinic))}"
    mac = HMACAlgorithm(HMACAlgorithm.SHA256).sign(body.encode(), public)
    return f"Bearer {body}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"


def _other_payload(clinic: Clinic) -> str:
    header, _, signature = sign(claims(clinic)).split(".")
    return f"{header}.{_part(claims(clinic, sub=str(clinic.users[2].user_id)))}.{signature}"


NOT_SIGNED_IN: dict[str, Callable[[Clinic], str]] = {
    "another key": lambda c: sign(claims(c), key=OTHER_KEY),
    "an unknown key id": lambda c: sign(claims(c), kid="other"),
    "another audience": lambda c: sign(claims(c, aud="another-project")),
    "another issuer": lambda c: sign(claims(c, iss="https://securetoken.google.com/another-project")),
    "expired": lambda c: sign(claims(c, exp=int(time.time()) - 60)),
    "not valid yet": lambda c: sign(claims(c, nbf=int(time.time()) + 600)),
    "no tenant": lambda c: sign(claims(c, tenant_id=None)),
    "no user": lambda c: sign(claims(c, sub=None)),
    "alg none": _without_signature,
    "HS256 with the public key": _public_key_as_secret,
    "another payload under a good signature": _other_payload,
    "nothing": lambda _: "",
}


@pytest.mark.parametrize("what", NOT_SIGNED_IN)
def test_no_other_token_gets_anywhere(deployed: Clinic, what: str) -> None:
    before = deployed.counts()
    for endpoint in ENDPOINTS:
        answer = call(deployed, NOT_SIGNED_IN[what](deployed), endpoint.key)
        problem_of(answer, 401)
        assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert deployed.counts() == before


def test_a_development_token_is_worth_nothing(deployed: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("K_SERVICE")
    token = development_token(
        deployed.product.stack["project_id"], deployed.users[0].user_id, deployed.tenant_id, 60
    )
    problem_of(call(deployed, f"Bearer {token}"), 401)


def test_somebody_of_another_tenant_reads_and_writes_nothing_here(deployed: Clinic) -> None:
    other = new_clinic(deployed.product)
    before = deployed.counts()
    # Their own tenant's token, this tenant's patient; then this tenant's claim for a user who isn't here.
    theirs = sign(claims(deployed, sub=str(other.users[0].user_id), tenant_id=str(other.tenant_id)))
    assert call(deployed, theirs).get_json()["patient"]["found"] is False
    problem_of(call(deployed, theirs, "mini/ack"), 404)
    forged = sign(claims(deployed, sub=str(other.users[0].user_id)))
    problem_of(call(deployed, forged), 403)
    (told,) = deployed.events(None)
    assert (told.event_type, told.actor_user_id) == ("Access.Denied", None)
    assert deployed.written_since(before) == {"event_log": 1}


def test_a_disabled_user_and_a_revoked_sign_in_are_refused(deployed: Clinic) -> None:
    user = {"user": deployed.users[0].user_id}
    deployed.sql(REVOKE, **user)
    problem_of(call(deployed, sign(claims(deployed))), 401)
    fresh = sign(claims(deployed, auth_time=int(time.time()) + 2))
    assert call(deployed, fresh).status_code == 200
    deployed.sql(DISABLE, **user)
    problem_of(call(deployed, fresh), 403)


def test_a_stranger_with_a_good_signature_is_refused(deployed: Clinic) -> None:
    problem_of(call(deployed, sign(claims(deployed, sub=str(uuid4()), tenant_id=str(uuid4())))), 403)
