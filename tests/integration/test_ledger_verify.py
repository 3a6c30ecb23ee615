"""``mobius ledger verify``: what an operator reads, of an intact ledger and of others."""

# Fixtures are imported, and asked for by their names; SQL is our own text, chance no secret.
# ruff: noqa: F401, F811, S311, S608

from __future__ import annotations

import base64
import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text
from typer.testing import CliRunner, Result

from ops import cli
from shared.persistence.tables import APPEND_ONLY
from tests.integration.databases import Database, database, new_database, run
from tests.integration.forging import DOORS, PATIENTS_HEADS
from tests.integration.small_ledger import Chain, Ledger, new_ledger
from tests.stack import Stack

_SECRET = base64.b64encode(b"x" * 32).decode()


_OF_PATIENT = ("mini_submission", "response_outcome", "system_response", "event_log", "patient_context")
_OF_TENANT = ("app_user", "policy_config", "outbox", "tenant")

Operator = Callable[..., Result]


@pytest.fixture
def ledger(database: Database) -> Ledger:
    """One tenant; what other tests made and altered is there too."""
    return new_ledger(database, random.Random(5), tenants=1, patients=3)


@pytest.fixture
def operator(ledger: Ledger, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Operator:
    """Somebody at the command line of a deployed installation, whose checkpoints lie in a folder."""
    return at_desk(ledger, monkeypatch, tmp_path)


def at_desk(ledger: Ledger, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Operator:
    # Where no stack runs.
    monkeypatch.chdir(tmp_path)
    urls = ledger.database.urls
    common = {
        "GOOGLE_CLOUD_PROJECT": "clinic",
        "MOBIUS_MASTER_SECRET": _SECRET,
        "LEDGER_SIGNING_KEY": _SECRET,
        "CHECKPOINT_STORE": str(tmp_path / "checkpoints"),
    }

    def call(*command: str, **changed: str) -> Result:
        env = {**common, "DATABASE_URL": urls.owner, **changed}
        return CliRunner().invoke(cli.app, ["ledger", *command], env=env)

    return call


def verified(ledger: Ledger, operator: Operator, *options: str, status: int = 0) -> list[str]:
    """What is said of this ledger's tenant."""
    tenant = str(ledger.chains[0].tenant_id)
    result = operator("verify", "--without-firestore", "--tenant", tenant, *options)
    assert result.exit_code == status, result.output
    return result.output.splitlines()


def events(ledger: Ledger) -> int:
    return sum(chain.length for chain in ledger.chains)


def append(ledger: Ledger, chain: Chain, times: int) -> None:
    run(
        ledger.database.app, chain.tenant_id,
        """INSERT INTO event_log (tenant_id, patient_context_id, event_id, event_type, payload_json)
        SELECT :tenant, :context, gen_random_uuid(), 'User.Interaction',
            '{"kind": "opened", "surface": "mini"}'
        FROM generate_series(1, :times)""",
        tenant=chain.tenant_id, context=chain.context, times=times,
    )  # fmt: skip


def alter(ledger: Ledger, *statements: str, chain: Chain, **values: Any) -> None:
    """As the owner, in a transaction that takes the guards away and puts them back."""
    database = ledger.database
    with database.owner.begin() as connection:
        connection.execute(text(f"SET LOCAL app.tenant_id = '{chain.tenant_id}'"))
        tables = (*APPEND_ONLY, "patient_context", "tenant")
        for table in tables:
            connection.execute(text(f"ALTER TABLE {table} DISABLE TRIGGER USER"))
        for statement in statements:
            connection.execute(
                text(statement), {"tenant": chain.tenant_id, "context": chain.context, **values}
            )
        for table in tables:
            connection.execute(text(f"ALTER TABLE {table} ENABLE TRIGGER USER"))


def test_an_auditor_reads_that_nothing_was_altered_and_how_far_the_checkpoint_reaches(
    stack: Stack, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with new_database(stack, "audited") as database:
        ledger = new_ledger(database, random.Random(5), patients=2)
        operator = at_desk(ledger, monkeypatch, tmp_path)

        def lines(*options: str) -> list[str]:
            result = operator("verify", "--without-firestore", *options)
            assert result.exit_code == 0, result.output
            return result.output.splitlines()

        first, missing, documents = lines()
        assert first == f"{events(ledger)} events, chain intact: 6 chains of 2 tenants"
        assert missing.startswith("There is no checkpoint yet: ")
        assert documents == "Firestore was not looked at."

        assert operator("checkpoint").exit_code == 0
        first, covers, _ = lines()
        assert first == f"{events(ledger)} events, chain intact: 6 chains of 2 tenants"
        assert re.fullmatch(
            rf"Checkpoint 1 \(.+\) covers {events(ledger)} of these events, all of them\.", covers
        )

        chain = ledger.chains[1]
        append(ledger, chain, 3)
        first, covers, _ = lines()
        assert first.startswith(f"{events(ledger) + 3} events, chain intact")
        assert f"covers {events(ledger)} of these events. Of the 3 after it, " in covers
        tenant = ("--tenant", str(chain.tenant_id))
        assert lines(*tenant)[0].endswith(" 3 chains of 1 tenant")
        one, covers, _ = lines(*tenant, "--patient", chain.key or "")
        assert one == f"{chain.length + 3} events, chain intact: 1 chain"
        assert f"covers {chain.length} of these events. Of the 3 " in covers


def test_what_is_wrong_is_told_in_a_line_each_and_ends_with_1(ledger: Ledger, operator: Operator) -> None:
    _, chain, other, untouched = ledger.chains
    operator("checkpoint")
    alter(
        ledger, "UPDATE event_log SET correlation_id = :new WHERE patient_context_id = :context AND seq = 2",
        chain=chain, new=uuid4(),
    )  # fmt: skip
    alter(
        ledger, "DELETE FROM event_log WHERE patient_context_id = :context AND seq = :last", PATIENTS_HEADS,
        chain=other, last=other.length,
    )  # fmt: skip
    lines = verified(ledger, operator, status=1)
    where = f"tenant {chain.tenant_id}, patient"
    assert any(line.startswith(f"altered: {where} {chain.key}: event 2: ") for line in lines)
    assert any(line.startswith(f"truncated: {where} {other.key}: the chain ends at") for line in lines)
    assert lines[-3].startswith(f"{events(ledger) - 1} events, NOT INTACT: ")
    findings = lines[:-3]
    assert findings == sorted(findings, key=lambda line: re.search(r"patient (\S+):", line)[1])  # type: ignore[index]  # each has one
    one = verified(ledger, operator, "--patient", chain.key or "", status=1)
    assert one[:-3] == [line for line in findings if str(chain.key) in line]
    verified(ledger, operator, "--patient", untouched.key or "")


def test_of_very_much_that_is_wrong_the_beginning_is_shown(ledger: Ledger, operator: Operator) -> None:
    chain = ledger.chains[1]
    append(ledger, chain, 100)
    alter(
        ledger,
        "UPDATE event_log SET hash = sha256('forged') WHERE patient_context_id = :context",
        chain=chain,
    )
    lines = verified(ledger, operator, status=1)
    assert len(lines) == 50 + 4
    more = re.fullmatch(r"and (\d+) more; see all of it with --all", lines[50])
    assert more
    assert len(verified(ledger, operator, "--all", status=1)) == 50 + int(more[1]) + 3


def test_a_patient_or_a_tenant_that_is_gone_is_named(ledger: Ledger, operator: Operator) -> None:
    own, chain, *_ = ledger.chains
    assert "is signed" in operator("checkpoint").output
    gone = [f"DELETE FROM {table} WHERE tenant_id = :tenant" for table in _OF_PATIENT]
    alter(ledger, *(f"{each} AND patient_context_id = :context" for each in gone), chain=chain)
    says = f"patient {chain.key}: no event is left of {chain.length} that the checkpoint covers"
    assert any(says in line for line in verified(ledger, operator, status=1))
    assert any(says in line for line in verified(ledger, operator, "--patient", chain.key or "", status=1))
    gone += [f"DELETE FROM {table} WHERE tenant_id = :tenant" for table in _OF_TENANT]
    alter(ledger, *gone, chain=own)
    told = operator("verify", "--without-firestore", "--all").output
    assert f"tenant removed: tenant {own.tenant_id}: it is gone; the checkpoint covers" in told
    assert verified(ledger, operator, status=1)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--tenant", str(uuid4())), "There is no such tenant"),
        (("--patient", "p1-nobody-at-all"), "Say which tenant with --tenant"),
        (("--patient", "Jane Roe", "--tenant", "own"), "That is no patient's key"),
        (("--patient", "p1-nobody-at-all", "--tenant", "own"), "This tenant has no patient of that key"),
    ],
)
def test_what_can_not_be_verified_is_refused(
    ledger: Ledger, operator: Operator, options: tuple[str, ...], says: str
) -> None:
    own = str(ledger.chains[0].tenant_id)
    result = operator("verify", "--without-firestore", *(own if each == "own" else each for each in options))
    assert (result.exit_code, "Jane" in result.output) == (1, False)
    assert says in result.output


def test_who_is_not_the_owner_is_refused(ledger: Ledger, operator: Operator) -> None:
    result = operator("verify", DATABASE_URL=ledger.database.urls.app)
    assert (result.exit_code, "mobius_owner" in result.output) == (1, True)


def test_checkpoints_that_do_not_hold_are_told_and_the_chains_are_walked_all_the_same(
    ledger: Ledger, operator: Operator, tmp_path: Path
) -> None:
    assert "is signed" in operator("checkpoint").output
    intact = f"{events(ledger)} events, "
    for heads in (tmp_path / "checkpoints" / "heads").rglob("*.gz"):
        heads.chmod(0o600)
        heads.write_bytes(b"nothing")
    lines = verified(ledger, operator, status=1)
    assert lines[0].startswith(f"checkpoint: tenant {ledger.chains[0].tenant_id}: A file of heads ")
    assert lines[1].startswith(intact)
    (note,) = (tmp_path / "checkpoints" / "checkpoints").glob("*.txt")
    note.chmod(0o600)
    note.write_text("I swear.")
    first, second, third, _ = verified(ledger, operator, status=1)
    assert first.startswith("checkpoint: Checkpoint 1 does not hold.")
    assert second.startswith(intact)
    assert third.startswith("The checkpoints do not hold. Without one, ")


@pytest.mark.parametrize("page", [1, 2, 7])
def test_chains_that_span_pages_are_walked_whole(ledger: Ledger, page: int) -> None:
    chain = ledger.chains[1]
    assert chain.context is not None
    with ledger.database.owner.connect() as connection:
        assert ledger.verified(connection, page=page).findings == []
        for door in DOORS:
            connection.exec_driver_sql(door)
        for place in range(1, chain.length + 1):
            connection.exec_driver_sql("SAVEPOINT before")
            connection.execute(
                text(
                    "INSERT INTO event_log SELECT * FROM event_log WHERE patient_context_id = :c AND seq = :n"
                ),
                {"c": chain.context, "n": place},
            )
            said = [finding.says for finding in ledger.verified(connection, page=page).findings]
            assert f"event {place} is there more than once" in said
            connection.exec_driver_sql("ROLLBACK TO before")
        connection.rollback()
