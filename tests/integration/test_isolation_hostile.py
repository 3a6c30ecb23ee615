"""Nobody becomes another tenant by what they write where a tenant or a patient is asked for."""

# The fixture is imported, and asked for by its name.
# ruff: noqa: F401, F811

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine, event, text

from shared.model import PatientKey, TenantId
from shared.persistence.unit_of_work import flight, unit_of_work
from tests.integration.databases import Database, application_engine, database

ROOT = Path(__file__).parent.parent.parent
A_TENANT = "6f1c1f0e-0000-4000-8000-00000000000a"
NO_UUID = r"badly formed|invalid literal"
ANOTHER = "6f1c1f0e-0000-4000-8000-00000000000b"
SETTING = text("SELECT coalesce(current_setting('app.tenant_id', true), '')")


@pytest.fixture
def engine(database: Database) -> Iterator[Engine]:
    made = application_engine(database, 1)
    yield made
    made.dispose()


@pytest.mark.parametrize(
    "hostile",
    [
        "",
        " ",
        "'",
        "*",
        "null",
        "x' OR '1'='1",
        f"{A_TENANT}'; SET app.tenant_id = '{ANOTHER}",
        f"{A_TENANT}'; SET SESSION app.tenant_id = '{ANOTHER}'; --",
        f"{A_TENANT}'; COMMIT; SET app.tenant_id = '{ANOTHER}'; BEGIN; --",
        f"{A_TENANT}'; SELECT set_config('app.tenant_id', '{ANOTHER}', false); --",
        f"{A_TENANT}'; RESET ROLE; --",
        f"{A_TENANT}\n; SET app.tenant_id = '{ANOTHER}'",
        f"{A_TENANT}\0",
        f"{A_TENANT} {ANOTHER}",
        f"{A_TENANT},{ANOTHER}",
        f"{A_TENANT[:-1]}g",
        f"{A_TENANT}00",
        f"{A_TENANT}\u2019",
        f"$${A_TENANT}$$",
        f"E'{A_TENANT}",
        7,
        b"6f1c1f0e0000400",
        [A_TENANT],
        {"tenant_id": A_TENANT},
        True,
    ],
)
def test_what_is_no_uuid_is_no_tenant_and_nothing_of_it_is_sent(engine: Engine, hostile: Any) -> None:
    sent: list[str] = []
    event.listen(engine, "checkout", lambda *_: sent.append("a connection was asked for"))
    with pytest.raises(ValueError, match=NO_UUID), unit_of_work(engine, hostile):
        pass
    with pytest.raises(ValueError, match=NO_UUID):
        flight(engine, hostile, "SELECT 1")
    assert sent == []


@pytest.mark.parametrize(
    "spelling",
    [
        A_TENANT.upper(),
        A_TENANT.replace("-", ""),
        f"{{{A_TENANT}}}",
        f"urn:uuid:{A_TENANT}",
        f"\uff16{A_TENANT[1:]}",
    ],
)
def test_however_a_tenant_is_spelled_it_is_sent_as_a_uuid(engine: Engine, spelling: Any) -> None:
    with unit_of_work(engine, spelling) as uow:
        assert uow.value(SETTING) == A_TENANT


@pytest.mark.parametrize(
    "hostile",
    [
        *("", " ", "a b", "a'b", "a\\b", "a\nb", "a\n", "a\0b", "é", "a;b", "a--b'", "x" * 65),
        f"x'; SET app.tenant_id = '{ANOTHER}'; --",
    ],
)
def test_a_patient_key_that_was_not_checked_locks_nobody(engine: Engine, hostile: str) -> None:
    asked, key = TenantId(UUID(A_TENANT)), PatientKey(hostile)
    with pytest.raises(ValueError, match="not checked"), unit_of_work(engine, asked, lock=key):
        pass
    with engine.connect() as connection:
        assert connection.scalar(SETTING) == ""


LASTING = {
    "a tenant for longer than a transaction": r"set_config\(|SET\s+(?!LOCAL\b)(SESSION\s+)?app\.",
    "a lock for longer than a transaction": r"pg_(try_)?advisory_(lock|unlock)",
    "a cursor for longer than a transaction": r"WITH\s+HOLD",
    "a channel, which every tenant may listen to": r"pg_notify|\bNOTIFY\s+\w|\bLISTEN\s+\w",
    "a large object, which every tenant may read": r"\blo_\w+\(",
}


@pytest.mark.parametrize("what", LASTING)
def test_nothing_of_ours_uses(what: str) -> None:
    parts = ("shared", "functions", "ops", "migrations")
    ours = [each for part in parts for each in (ROOT / part).rglob("*.py")]
    assert len(ours) > 100
    assert [each.name for each in ours if re.search(LASTING[what], each.read_text("utf-8"))] == []
