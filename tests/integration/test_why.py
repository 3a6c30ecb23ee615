"""``mobius why``: a stored response is explained, decided once more, and found out when it was altered."""

from __future__ import annotations

from contextlib import chdir
from typing import Any
from uuid import UUID, uuid4

import pytest
from typer.testing import CliRunner, Result

from ops.cli import app
from shared.model import CorrelationId
from shared.views import System
from tests.integration.product import BY_HAND, GREEN, MANY, NO_SIGNALS, NOTE, Clinic

pytestmark = pytest.mark.usefixtures("held")

RESOLVED = 4


def why(clinic: Clinic, response_id: object) -> Result:
    arguments = ["why", str(response_id), "--tenant", str(clinic.tenant_id)]
    with chdir("/"):  # where no stack runs: the environment names the database
        return CliRunner().invoke(app, arguments, env={"DATABASE_URL": clinic.product.urls.owner})


def explained(clinic: Clinic, response_id: object) -> str:
    result = why(clinic, response_id)
    assert result.exit_code == 0, result.output
    return result.stdout


def digest_of(clinic: Clinic, response_id: str) -> str:
    ((digest,),) = clinic.sql(
        "SELECT facts_digest FROM system_response WHERE tenant_id = :tenant AND system_response_id = :id",
        id=response_id,
    )
    return str(digest)


@pytest.mark.parametrize("number", [MANY, GREEN, NO_SIGNALS, RESOLVED])
def test_every_kind_of_response_is_decided_the_same_again(clinic: Clinic, number: int) -> None:
    response_id = clinic.status(number)["system_response_id"]
    said = explained(clinic, response_id)
    digest = digest_of(clinic, response_id)
    assert said.endswith(f"Replayed under policy version 1: the same decision (digest {digest[:12]}…).\n")
    assert "What became of it\n  nothing so far\n" in said


def test_a_response_is_explained_in_words_with_source_and_age(clinic: Clinic) -> None:
    answer = clinic.status(MANY)
    said = explained(clinic, answer["system_response_id"])
    assert f"about patient {clinic.key(MANY)}\n" in said
    assert ", on mini, under policy version 1\n" in said
    assert "  proceed  yellow: Review before proceeding\n  mode     user_driven: User-driven\n" in said
    assert f"  tasks    4: {answer['tasking']['text']}\n  needs acknowledgement: yes\nDecided by\n" in said
    decided, also = said.split("Decided by\n")[1].split("Also active\n")
    assert "    claim.denied from billing, seen " in decided
    assert " before\n" in decided
    assert "appointment.upcoming from scheduling" in also


def test_what_became_of_a_response_is_told_without_the_note_or_who_the_patient_is(clinic: Clinic) -> None:
    response_id = clinic.status(BY_HAND)["system_response_id"]
    clinic.sql(
        "UPDATE patient_context SET ack_due_at = now() WHERE tenant_id = :tenant AND ack_due_at > now()"
    )
    system = System(tenant_id=clinic.tenant_id, correlation_id=CorrelationId(uuid4()))
    assert clinic.product.core().settle_overdue(system, clinic.context(BY_HAND))
    clinic.answer("mini/ack", clinic.says(BY_HAND, override_proceed="green"))
    said = explained(clinic, response_id)
    worker, patient = clinic.users[0].display_name, clinic.patients[BY_HAND]
    assert " UTC: unacknowledged\n" in said
    assert f" UTC: acknowledged by {worker}\n" in said
    assert f" UTC: Send by {worker}: proceed green, tasking review (overridden)\n" in said
    assert " UTC: assignment for authorization to financial_counselor, resolved " in said
    for private in (NOTE, patient.display_name, patient.external_id, patient.id_masked, str(patient.dob)):
        assert private not in said


def test_an_altered_response_is_found_out(clinic: Clinic) -> None:
    """Nobody can alter a stored response; so one is put there that says what nobody decided."""
    honest = clinic.status(MANY)["system_response_id"]
    forged = forge(clinic, honest, "proceed_indicator", "green")
    result = why(clinic, forged)
    assert result.exit_code == 1
    assert "Replayed under policy version 1, it differs:\n" in result.stderr
    assert "  proceed_indicator: stored green, replayed yellow\n" in result.stderr
    assert f"  facts_digest: stored {digest_of(clinic, forged)}, in the ledger no event\n" in result.stderr
    assert explained(clinic, honest)


def test_a_digest_that_is_not_of_these_facts_is_found_out(clinic: Clinic) -> None:
    honest = clinic.status(MANY)["system_response_id"]
    forged = forge(clinic, honest, "facts_digest", "0" * 64)
    digest = digest_of(clinic, honest)
    assert f"  facts_digest: stored {'0' * 64}, replayed {digest}\n" in why(clinic, forged).stderr


def test_an_older_policy_version_still_explains_its_responses(clinic: Clinic) -> None:
    response_id = clinic.status(MANY)["system_response_id"]
    clinic.sql(
        """INSERT INTO policy_config (tenant_id, version, allowlist_rules_json, ui_variants_json,
               timeout_rules_json, notification_rules_json, decision_rules_json)
           SELECT tenant_id, 2, allowlist_rules_json, ui_variants_json, timeout_rules_json,
               jsonb_set(notification_rules_json, '{assign}', '{}'),
               jsonb_set(decision_rules_json, '{signals}', '{}')
           FROM policy_config WHERE tenant_id = :tenant"""
    )
    assert "Replayed under policy version 1: the same decision" in explained(clinic, response_id)
    assert "Replayed under policy version 2: the same decision" in explained(
        clinic, clinic.status(MANY)["system_response_id"]
    )


@pytest.mark.parametrize(
    ("response_id", "sentence"),
    [("nope", "'nope' is no response's id"), (UUID(int=0), "This tenant has no response of that id.")],
)
def test_a_response_that_is_not_there_is_said_to_be_so(
    clinic: Clinic, response_id: object, sentence: str
) -> None:
    result = why(clinic, response_id)
    assert (result.exit_code, result.stdout) == (1, "")
    assert sentence in result.stderr


def forge(clinic: Clinic, honest: str, column: str, value: Any) -> str:
    """A copy of a stored response with one column altered."""
    forged = str(uuid4())
    columns = (
        "tenant_id, patient_context_id, computed_at, correlation_id, surface_type, proceed_indicator, "
        "execution_mode, tasking_summary, task_count, rationale, needs_ack, policy_version, facts_digest"
    )
    clinic.sql(
        f"""INSERT INTO system_response (system_response_id, {columns})
            SELECT :forged, {columns.replace(column, ":value")} FROM system_response
            WHERE tenant_id = :tenant AND system_response_id = :honest""",  # noqa: S608 -- our own columns
        forged=forged,
        honest=honest,
        value=value,
    )
    return forged
