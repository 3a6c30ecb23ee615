"""Firebase Authentication as identity provider; its emulator, where FIREBASE_AUTH_EMULATOR_HOST is set."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

from firebase_admin import App, auth, credentials, exceptions  # type: ignore[import-untyped]  # it ships no types
from google.auth.exceptions import GoogleAuthError

from ops.users.identities import ProviderFailed, SignIn
from shared.model import UserId

_CODE = re.compile(r"\(([A-Z][A-Z_]+)\)")


class FirebaseIdentities:
    """The users of one Firebase project; each call may take ``timeout_s``.

    Raises ProviderFailed for an emulator's address that is none.
    """

    def __init__(self, project_id: str, timeout_s: float) -> None:
        emulator = os.environ.get("FIREBASE_AUTH_EMULATOR_HOST")
        self.name = (
            f"the Auth emulator at {emulator}" if emulator else f"Firebase Authentication of {project_id}"
        )
        # Not registered with the library: a process may ask for another project next.
        app = App(
            "mobius", credentials.ApplicationDefault(), {"projectId": project_id, "httpTimeout": timeout_s}
        )
        with self._sentences():
            self._client: Any = auth.Client(app)

    def find(self, user_id: UserId) -> SignIn | None:
        """The identity of a user."""
        return self._found(lambda: self._client.get_user(str(user_id)))

    def find_by_email(self, email: str) -> SignIn | None:
        """The identity with that address."""
        return self._found(lambda: self._client.get_user_by_email(email))

    def make(self, user_id: UserId, email: str, display_name: str) -> SignIn | None:
        """A new identity without claims; None when the address is taken meanwhile."""
        with self._sentences():
            try:
                made = self._client.create_user(uid=str(user_id), email=email, display_name=display_name)
            except (auth.EmailAlreadyExistsError, auth.UidAlreadyExistsError):
                # The second: the library asked twice, because the answer to its first time was lost.
                return None
            return _sign_in(made)

    def change(
        self, user_id: UserId, *, claims: Mapping[str, object], display_name: str, disabled: bool
    ) -> None:
        """Makes the identity say this, at once."""
        with self._sentences():
            self._client.update_user(
                str(user_id), custom_claims=dict(claims), display_name=display_name, disabled=disabled
            )

    def revoke(self, user_id: UserId) -> None:
        """Ends the user's sign-ins so far: their refresh tokens no longer count."""
        with self._sentences():
            self._client.revoke_refresh_tokens(str(user_id))

    def remove(self, user_id: UserId) -> None:
        """Makes the user's identity go for good, and with it all sign-ins."""
        with self._sentences(), suppress(auth.UserNotFoundError):
            self._client.delete_user(str(user_id))

    def reset_link(self, email: str) -> str:
        """A link at which the address's owner sets a password, as the provider makes it."""
        with self._sentences():
            return str(self._client.generate_password_reset_link(email))

    def everybody(self) -> Iterator[SignIn]:
        """All identities, a thousand a call."""
        with self._sentences():
            for user in self._client.list_users().iterate_all():
                yield _sign_in(user)

    def _found(self, ask: Any) -> SignIn | None:
        with self._sentences():
            try:
                return _sign_in(ask())
            except auth.UserNotFoundError:
                return None

    @contextmanager
    def _sentences(self) -> Iterator[None]:
        """Turns what the library says, which may quote an address, into a sentence."""
        try:
            yield
        except ValueError:
            raise ProviderFailed(
                "FIREBASE_AUTH_EMULATOR_HOST, or what the identity provider was asked, is malformed: give "
                "the emulator as host:port."
            ) from None
        except GoogleAuthError:
            raise ProviderFailed(
                f"There are no credentials for {self.name}: run gcloud auth application-default login, or "
                "set GOOGLE_APPLICATION_CREDENTIALS."
            ) from None
        except (exceptions.UnavailableError, exceptions.DeadlineExceededError):
            raise ProviderFailed(
                f"The identity provider, {self.name}, can't be reached: check its address and the network."
            ) from None
        except (exceptions.PermissionDeniedError, exceptions.UnauthenticatedError):
            raise ProviderFailed(
                f"Your account may not manage users in {self.name}: it needs the role Firebase "
                "Authentication Admin (roles/firebaseauth.admin)."
            ) from None
        except exceptions.FirebaseError as error:
            code = _CODE.search(str(error))
            raise ProviderFailed(
                f"The identity provider, {self.name}, refused: {code[1] if code else error.code}."
            ) from None


def _sign_in(user: Any) -> SignIn:
    return SignIn(
        subject=user.uid, email=user.email, disabled=user.disabled, claims=dict(user.custom_claims or {})
    )
