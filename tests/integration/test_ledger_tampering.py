"""A thousand tamperings by the database's owner: all that the checkpoint covers are found, and named."""

# Fixtures are imported, and asked for by their names; chance is no secret.
# ruff: noqa: F401, F811, S311

from __future__ import annotations

import random
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass

import pytest
from sqlalchemy import Connection, text

from tests.integration.databases import Database, database
from tests.integration.forging import DOORS
from tests.integration.small_ledger import Ledger, new_ledger
from tests.integration.tampering import Owner

TAMPERINGS = 1_000
SEED = random.SystemRandom().randrange(2**32)


@pytest.fixture
def chance(request: pytest.FixtureRequest) -> random.Random:
    # Printed with a failure, to be put in here again.
    print(f"seed {SEED}")  # noqa: T201 -- shown when it fails, to run it again
    return random.Random(SEED)


@pytest.fixture
def ledger(database: Database, chance: random.Random) -> Ledger:
    return new_ledger(database, chance)


@pytest.fixture
def opened(ledger: Ledger) -> Iterator[Connection]:
    """The owner's transaction, in which every guard is off; rolled back."""
    with ledger.database.owner.connect() as connection:
        for door in DOORS:
            connection.exec_driver_sql(door)
        yield connection
        connection.rollback()


def test_a_thousand_tamperings(ledger: Ledger, opened: Connection, chance: random.Random) -> None:
    assert ledger.verified(opened).findings == []
    documents, exposed = deepcopy(ledger.documents), 0
    for number in range(TAMPERINGS):
        opened.exec_driver_sql("SAVEPOINT before")
        owner = Owner(opened, ledger, chance)
        deed = owner.do_something()
        report = ledger.verified(opened)
        lines = "\n".join(finding.line for finding in report.findings)
        told = f"{number}: {deed.what}\n{lines}"
        # What is not found is only what was said to be exposed: after the checkpoint, all of it rewritten.
        assert bool(report.found) is deed.is_found, told
        if deed.chains is not None:
            accused = {(finding.tenant_id, finding.patient) for finding in report.findings}
            assert accused <= {(chain.tenant_id, chain.key) for chain in deed.chains}, told
        assert "Jane" not in lines, told
        exposed += not deed.is_found
        opened.exec_driver_sql("ROLLBACK TO before")
        ledger.documents = deepcopy(documents)
    assert ledger.verified(opened).findings == []
    # Both kinds came by.
    assert 0 < exposed < TAMPERINGS / 4
