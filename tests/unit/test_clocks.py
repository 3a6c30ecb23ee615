"""No decision hangs on a function's own clock: the database's is asked, or one that never goes back."""

from __future__ import annotations

import ast
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from shared.model import SubjectType, TenantId
from shared.projections.projector import YOUNG_S, Projected, project
from shared.projections.store import Stored
from shared.projections.subjects import Truth

ROOT = Path(__file__).parent.parent.parent
KNOWN = {
    # When a document was written, for people, and how young it is: no harm if wrong, as shown below.
    "shared/projections/projector.py",
    "shared/projections/rebuilding.py",
    # The signer states the time of its own clock.
    "shared/ledger/checkpoints/making.py",
    # A token's validity is the identity provider's business with whoever checks it.
    "shared/security/identity.py",
}


def asks_the_time_of_day(source: str) -> bool:
    calls = (ast.unparse(node.func) for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call))
    return any(
        call.endswith(("datetime.now", "datetime.utcnow", "date.today", "time.time")) for call in calls
    )


def test_only_these_ask_their_own_clock_for_the_time_of_day() -> None:
    asking = {
        str(path.relative_to(ROOT))
        for folder in ("shared", "functions")
        for path in (ROOT / folder).rglob("*.py")
        if asks_the_time_of_day(path.read_text())
    }
    assert asking <= KNOWN
    assert "shared/projections/projector.py" in asking


class OneSubject:
    """A truth that is newer than the document."""

    def __init__(self) -> None:
        self.confirmed: tuple[Any, ...] = ()

    def where_unconfirmed(self, *_: Any) -> str:
        return "a/b"

    def read(self, *_: Any) -> Truth:
        return Truth("a/b", {"version": 2, "version_head": None}, (uuid4(),), False, True)

    def confirm(self, _tenant_id: TenantId, covered: tuple[Any, ...]) -> None:
        self.confirmed = covered


class OneDocument:
    """A document of Firestore's own time."""

    def __init__(self, updated_at: datetime) -> None:
        self.stored = Stored({"version": 1, "version_head": None}, updated_at)

    def read(self, _path: str) -> Stored:
        return self.stored

    def write_if_unchanged(self, _path: str, content: Any, previous: Stored | None) -> bool:
        assert previous == self.stored
        self.stored = Stored(content, self.stored.update_time)
        return True


@pytest.mark.parametrize("off_h", [-5, -0.0001, 0.0001, 5])
def test_a_projector_whose_clock_is_hours_off_waits_no_longer_and_writes_the_same(off_h: float) -> None:
    there = datetime(2030, 1, 1, tzinfo=UTC)
    document, truths, waits = OneDocument(there), OneSubject(), list[float]()
    clock = [there + timedelta(hours=off_h)]

    def wait(seconds: float) -> None:
        waits.append(seconds)
        clock[0] += timedelta(seconds=seconds)

    told = project(
        truths,  # type: ignore[arg-type]  # of the port, what the loop calls
        document,  # type: ignore[arg-type]  # likewise
        TenantId(uuid4()),
        SubjectType.PATIENT,
        uuid4(),
        now=lambda: clock[0],
        wait=wait,
    )
    assert told is Projected.WRITTEN
    assert document.stored.content["version"] == 2
    assert len(truths.confirmed) == 1
    assert sum(waits) <= YOUNG_S
