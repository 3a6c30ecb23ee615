"""What is unconfirmed, parked, overdue and drifted: the scheduler's health, and ``mobius status``."""

from __future__ import annotations

import json
from contextlib import chdir
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from ops.cli import app
from tests.integration.product import BY_HAND, EXPIRING, Clinic, Product, closed_port, new_clinic

pytestmark = pytest.mark.usefixtures("held")


def status(clinic: Clinic, *options: str) -> Result:
    with chdir("/"):  # where no stack runs: the environment names the database
        return CliRunner().invoke(app, ["status", *options], env={"DATABASE_URL": clinic.product.urls.owner})


def told(clinic: Clinic, exit_code: int = 0) -> dict[str, Any]:
    """What the command says of this clinic alone."""
    result = status(clinic, "--tenant", str(clinic.tenant_id))
    assert result.exit_code == exit_code, result.output
    answer: dict[str, Any] = json.loads(result.stdout)
    assert answer["ok"] is (exit_code == 0)
    return answer


def put(clinic: Clinic, created: str, *, attempts: int = 1, due: str = "now()", parked: str = "NULL") -> None:
    """Puts a row into the outbox; times are SQL."""
    clinic.sql(
        f"""INSERT INTO outbox (tenant_id, outbox_id, subject_type, subject, version, attempts, created_at,
                next_attempt_at, parked_at)
            VALUES (:tenant, gen_random_uuid(), 'patient', gen_random_uuid(), 1, :attempts, {created}, {due},
                {parked})""",  # noqa: S608 -- our own text
        attempts=attempts,
    )


def test_a_clinic_where_all_is_well(clinic: Clinic) -> None:
    answer = told(clinic)
    assert answer["troubles"] == []
    assert answer["unconfirmed"] == answer["parked"] == answer["overdue"] == {"count": 0, "oldest_s": None}


def test_of_one_tenant_nothing_of_another_counts(product: Product, clinic: Clinic) -> None:
    other = new_clinic(product)
    for each in (clinic, other):
        each.sql("UPDATE tenant SET created_at = now() - interval '1 day' WHERE tenant_id = :tenant")
        each.sql(
            "INSERT INTO projection_walk (tenant_id, purpose, stage, began_at, looked_at) "
            "VALUES (:tenant, 'check', 'patient', now(), now())"
        )
    assert told(clinic)["drifted"]["last_looked_s"] < 60
    clinic.sql("DELETE FROM projection_walk WHERE tenant_id = :tenant")
    assert told(clinic, exit_code=1)["drifted"]["last_looked_s"] > 80_000
    other.leave()


def test_a_change_is_unconfirmed_until_firestore_has_it(clinic: Clinic) -> None:
    clinic.status(BY_HAND)
    answer = told(clinic)
    assert answer["unconfirmed"]["count"] == 1
    assert 0 <= answer["unconfirmed"]["oldest_s"] < 60
    put(clinic, "now() - interval '5 minutes'")
    answer = told(clinic, exit_code=1)
    assert answer["unconfirmed"]["count"] == 2
    assert 300 <= answer["unconfirmed"]["oldest_s"] < 360
    assert "2 changes are not in Firestore" in answer["troubles"][0]


def test_what_is_put_off_on_purpose_is_not_late(clinic: Clinic) -> None:
    put(clinic, "now() - interval '5 minutes'", attempts=0, due="now() + interval '5 minutes'")
    assert told(clinic)["unconfirmed"] == {"count": 1, "oldest_s": 0}


def test_what_is_parked_is_told(clinic: Clinic) -> None:
    put(clinic, "now() - interval '10 seconds'", attempts=20, parked="now()")
    answer = told(clinic, exit_code=1)
    assert answer["parked"]["count"] == answer["unconfirmed"]["count"] == 1
    assert "told many times" in answer["troubles"][0]


def test_what_is_overdue_is_told(clinic: Clinic) -> None:
    clinic.status(EXPIRING)
    clinic.sql(
        """UPDATE patient_context SET ack_due_at = now() - interval '1 hour'
           WHERE tenant_id = :tenant AND patient_context_id = :context""",
        context=clinic.context(EXPIRING),
    )
    answer = told(clinic, exit_code=1)
    assert answer["overdue"]["count"] == 1
    assert answer["overdue"]["oldest_s"] >= 3600


def test_the_scheduler_sees_all_tenants_and_answers_503_when_somebody_should_look(
    clinic: Clinic, product: Product
) -> None:
    put(clinic, "now() - interval '3 days'", parked="now()")
    product.configure(DATABASE_URL=product.urls.worker)
    response = product.client("scheduler/health").get("/")
    assert response.status_code == 503
    assert response.get_json()["parked"]["count"] >= 1
    assert response.get_json()["parked"]["oldest_s"] >= 3 * 86_400
    assert response.get_json()["ok"] is False
    refused = product.client("scheduler/health").post("/")
    assert (refused.status_code, refused.headers["Allow"]) == (405, "GET, HEAD")


def test_without_a_database_it_says_nothing_but_that(product: Product) -> None:
    product.configure(DATABASE_URL=f"postgresql://nobody@127.0.0.1:{closed_port()}/none")
    response = product.client("scheduler/health").get("/")
    assert response.status_code == 503
    assert set(response.get_json()) == {"ok", "error"}


def test_another_tenants_id_that_is_none_is_refused(clinic: Clinic) -> None:
    result = status(clinic, "--tenant", "nobody")
    assert result.exit_code == 1
    assert "no such tenant" in result.stderr
