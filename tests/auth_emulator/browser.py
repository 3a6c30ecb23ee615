"""What a browser asks of the identity provider: the emulator's public API."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

from ops.emulators import local_session

PASSWORD = "made up for this test"  # pragma: allowlist secret -- made up


def asks(emulator: str, what: str, body: dict[str, Any]) -> Any:
    """Asks the emulator's public API as a browser does; returns its answer."""
    address = f"http://{emulator}/{what}?key=any"
    return local_session().post(address, json=body, timeout=10).json()


def sets_password(emulator: str, link: str) -> None:
    (code,) = parse_qs(urlsplit(link).query)["oobCode"]
    answer = asks(
        emulator,
        "identitytoolkit.googleapis.com/v1/accounts:resetPassword",
        {"oobCode": code, "newPassword": PASSWORD},
    )
    assert "error" not in answer


def signs_in(emulator: str, email: str) -> Any:
    return asks(
        emulator,
        "identitytoolkit.googleapis.com/v1/accounts:signInWithPassword",
        {"email": email, "password": PASSWORD, "returnSecureToken": True},
    )


def refreshes(emulator: str, signed_in: Any) -> Any:
    grant = {"grant_type": "refresh_token", "refresh_token": signed_in["refreshToken"]}
    return asks(emulator, "securetoken.googleapis.com/v1/token", grant)
