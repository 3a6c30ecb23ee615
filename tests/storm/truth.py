"""Whether Firestore says what Postgres says: read and compared here, not by the product's own check."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import Engine

from ops.installation import find_installation
from shared.model import SubjectType, TenantId
from shared.projections.subjects import PostgresTruths
from tests.storm.ground import Ground

_PAGE = 500
_UNCONFIRMED = "SELECT count(*) FROM outbox"


class Comparison:
    """Reads both sides past the proxies."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._engine: Engine = find_installation(ground.stack.state_dir).engine
        self._tenants = [TenantId(UUID(tenant["tenant_id"])) for tenant in ground.tenants]

    def close(self) -> None:
        """Lets the connections go."""
        self._engine.dispose()

    def unconfirmed(self) -> int:
        """How many outbox rows there are, of all tenants."""
        return int(self._ground.rows(_UNCONFIRMED)[0][0])

    def differences(self) -> list[str]:
        """The documents that are not as Postgres has them, each with the names of the fields that differ."""
        return [each for tenant_id in self._tenants for each in self._differences_of(tenant_id)]

    def _differences_of(self, tenant_id: TenantId) -> list[str]:
        expected = self._expected(tenant_id)
        stored = {
            f"tenants/{tenant_id}/{collection}/{found.id}": found.to_dict()
            for collection in ("patient_state", "user_inbox")
            for found in self._ground.documents.collection(f"tenants/{tenant_id}/{collection}").stream()
        }
        return [
            f"{path}: {_how(expected.get(path), stored.get(path))}"
            for path in sorted(expected.keys() | stored.keys())
            if path not in expected or not _says(stored.get(path), expected[path])
        ]

    def _expected(self, tenant_id: TenantId) -> dict[str, Mapping[str, Any]]:
        truths, expected = PostgresTruths(self._engine), {}
        for subject_type in SubjectType:
            last = UUID(int=0)
            while page := truths.read_page(tenant_id, subject_type, last, _PAGE):
                expected.update({truth.path: _listed(truth.document) for _, truth in page})
                last = page[-1][0]
        return expected


def _says(stored: Mapping[str, Any] | None, expected: Mapping[str, Any]) -> bool:
    return stored is not None and "updated_at" in stored and _content(stored) == expected


def _listed(value: Any) -> Any:
    """A value as Firestore gives it back: it knows lists and no tuples."""
    if isinstance(value, Mapping):
        return {name: _listed(each) for name, each in value.items()}
    return [_listed(each) for each in value] if isinstance(value, list | tuple) else value


def _content(stored: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in stored.items() if name != "updated_at"}


def _how(expected: Mapping[str, Any] | None, stored: Mapping[str, Any] | None) -> str:
    if stored is None:
        return "missing"
    if expected is None:
        return "of nobody"
    names = {*expected, "updated_at", *stored}
    differing = [
        name for name in sorted(names) if name != "updated_at" and _at(stored, name) != _at(expected, name)
    ]
    return ", ".join(differing) or "updated_at"


def _at(document: Mapping[str, Any], name: str) -> Any:
    return document.get(name, ...)
