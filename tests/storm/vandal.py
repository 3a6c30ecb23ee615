"""Deletes and edits documents by hand, and remembers what it put where."""

from __future__ import annotations

import random
from typing import Any

from google.api_core.exceptions import GoogleAPICallError
from google.cloud import firestore

from tests.storm.ground import Ground

_TIMEOUT_S = 3
_REMEMBERED = 24


class Vandal:
    """Somebody with the rights of a server and no idea what the documents are for."""

    def __init__(self, ground: Ground) -> None:
        self._client = ground.documents
        self._tenants = [str(tenant["tenant_id"]) for tenant in ground.tenants]
        self._inboxes = [
            f"tenants/{tenant['tenant_id']}/user_inbox/{user['user_id']}"
            for tenant in ground.tenants
            for user in tenant["users"]
        ]
        self._patients = [
            f"tenants/{tenant['tenant_id']}/patient_state/{patient['patient_key']}"
            for tenant in ground.tenants
            for patient in tenant["patients"]
        ]
        # The first of each clinic are those that are always busy.
        self._busy = [path for path in self._patients if path.rsplit("/", 1)[1] in _first_keys(ground)]
        self._copies: dict[str, dict[str, Any]] = {}
        self.put: set[tuple[str, object]] = set()
        """Path and ``updated_at`` of every whole copy that was put back: a listener may see these go back."""

    def inflict(self, kind: str, chance: random.Random) -> bool:
        """Does it; False when there is nothing to do it to, or Firestore is away."""
        self._remember(chance)
        try:
            if kind == "delete all":
                return self._delete_all(chance.choice(self._tenants))
            if kind == "put back":
                return self._put_back(chance)
            path = self._existing(chance)
            if path is None:
                return False
            if kind == "delete one":
                self._client.document(path).delete(timeout=_TIMEOUT_S, retry=None)
            else:
                self._client.document(path).update(_edit(path, chance), timeout=_TIMEOUT_S, retry=None)
        except GoogleAPICallError:
            return False
        return True

    def _existing(self, chance: random.Random) -> str | None:
        for path in chance.sample([*self._patients, *self._inboxes * 8, *self._busy * 8], 20):
            if self._read(path) is not None:
                return path
        return None

    def _delete_all(self, tenant_id: str) -> bool:
        references = [
            reference
            for collection in ("patient_state", "user_inbox", "invocation_presence")
            for reference in self._client.collection(f"tenants/{tenant_id}/{collection}").list_documents(
                timeout=_TIMEOUT_S, retry=None
            )
        ]
        for start in range(0, len(references), 400):
            batch = self._client.batch()
            for reference in references[start : start + 400]:
                batch.delete(reference)
            batch.commit(timeout=_TIMEOUT_S, retry=None)
        return bool(references)

    def _put_back(self, chance: random.Random) -> bool:
        for path in chance.sample(list(self._copies), len(self._copies)):
            copy, current = self._copies[path], self._read(path)
            if current is not None and current["version"] > copy["version"]:
                # Noted first: a listener may be faster than this thread.
                self.put.add((path, copy["updated_at"]))
                self._client.document(path).set(copy, timeout=_TIMEOUT_S, retry=None)
                del self._copies[path]
                return True
        return False

    def _remember(self, chance: random.Random) -> None:
        """Keeps copies of some documents as they are now."""
        try:
            for path in (*self._busy, *chance.sample(self._patients, 4)):
                if path not in self._copies and len(self._copies) < _REMEMBERED:
                    content = self._read(path)
                    if content is not None:
                        self._copies[path] = content
        except GoogleAPICallError:
            return

    def _read(self, path: str) -> dict[str, Any] | None:
        content: dict[str, Any] | None = (
            self._client.document(path).get(timeout=_TIMEOUT_S, retry=None).to_dict()
        )
        return content


def _first_keys(ground: Ground) -> frozenset[str]:
    return frozenset(str(tenant["patients"][0]["patient_key"]) for tenant in ground.tenants)


def _edit(path: str, chance: random.Random) -> dict[str, Any]:
    """A change of one field of a document, by a name that an update knows."""
    odd: tuple[dict[str, Any], ...] = ({"left_by_hand": 1}, {"updated_at": firestore.DELETE_FIELD})
    if "/user_inbox/" in path:
        return chance.choice(({"open_count": 77}, {"open_assignments": []}, {"active": False}, odd[0]))
    return chance.choice(
        (
            {"outcome": "edited"},
            {"flags.open_assignment_count": 77},
            {"flags": firestore.DELETE_FIELD},
            {"latest_system_response.proceed_indicator": "blue"},
            {"snapshot.display_name": None},
            {"last_mini_submission": None},
            *odd[:1],
        )
    )
