"""Words that no event may hold are in it as digests: who alters them is found out, who erases them is not."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import pytest
from sqlalchemy import Connection, create_engine, text

from ops.ledger.policies import check_policies
from ops.policy.document import policy_digest
from ops.policy.store import stored_policy
from ops.transaction import tell_ledger, transaction
from shared import settings
from shared.ledger.events import PolicyPublished
from shared.ledger.verification.records import check_records
from shared.ledger.verification.words import check_words
from shared.persistence.database import driver_url
from shared.security.patient_keys import text_digest
from tests.integration.product import BY_HAND, EXPIRING, NOTE, Clinic
from tests.integration.small_ledger import ask

DESK = 0
TABLES = (
    *("mini_submission", "break_glass", "system_response", "response_outcome"),
    *("policy_config", "event_log", "patient_context"),
)
ERASED = "UPDATE mini_submission SET note_text = '[erased]'"


@pytest.fixture
def spoken(clinic: Clinic) -> Clinic:
    """A clinic with words of every kind, of two patients."""
    clinic.publish(allowlist={"permissions": {"break_glass": ["front_desk"]}})
    with transaction(create_engine(driver_url(clinic.product.urls.owner)), clinic.tenant_id) as uow:
        digest = policy_digest(stored_policy(uow, clinic.tenant_id, 2))
        tell_ledger(uow, clinic.tenant_id, PolicyPublished(version=2, digest=digest))
        uow.commit()
    for number in (EXPIRING, BY_HAND):
        clinic.status(number)
        clinic.answer("mini/ack", clinic.says(number))
        why = {"reason": "emergency", "explanation": "The patient waits."}
        clinic.answer("mini/break-glass", {**clinic.names(number), **why}, user=DESK)
    return clinic


@contextmanager
def altered(clinic: Clinic, *statements: str) -> Iterator[Connection]:
    """The database as its owner leaves it, until it is rolled back."""
    with create_engine(driver_url(clinic.product.urls.owner)).connect() as connection:
        connection.execute(text(f"SET LOCAL app.tenant_id = '{clinic.tenant_id}'"))
        for table in TABLES:
            connection.execute(text(f"ALTER TABLE {table} DISABLE TRIGGER USER"))
        for statement in statements:
            connection.execute(text(statement))
        yield connection
        connection.rollback()


def found(clinic: Clinic, *statements: str) -> list[str]:
    digest = partial(text_digest, settings.settings().master_secret)
    with altered(clinic, *statements) as connection:
        read = partial(ask, connection)
        findings = [
            *check_words(read, clinic.tenant_id, digest),
            *check_records(read, clinic.tenant_id),
            *check_policies(read, clinic.tenant_id),
        ]
    for finding in findings:
        assert finding.tenant_id == clinic.tenant_id
        assert NOTE not in finding.line
    return [finding.says for finding in findings]


def test_what_nobody_altered_is_as_it_was_told(spoken: Clinic) -> None:
    assert found(spoken) == []


@pytest.mark.parametrize(
    ("alteration", "what"),
    [
        ("UPDATE mini_submission SET note_text = note_text || ' '", "the note of a Send"),
        (ERASED, "the note of a Send"),
        ("UPDATE break_glass SET explanation = 'Curious.'", "the explanation of broken glass"),
        ("UPDATE system_response SET tasking_summary = 'Nothing to do'", "what a response says"),
        (
            """UPDATE system_response SET rationale = (SELECT jsonb_agg(r || '{"text": "Paid"}')
               FROM jsonb_array_elements(rationale) AS r)""",
            "what a response says",
        ),
    ],
)
def test_altered_words_are_found_by_the_event_that_tells_of_them(
    spoken: Clinic, alteration: str, what: str
) -> None:
    says = found(spoken, alteration)
    # Of each of the two patients; the number is the event's in its chain.
    assert len(says) >= 2
    assert all(
        each.startswith(f"{what}, which event ") and each.endswith(" was altered since") for each in says
    )


def test_two_notes_that_changed_places_are_found(spoken: Clinic) -> None:
    spoken.answer("mini/ack", spoken.says(BY_HAND, note_text="Another note."))
    swap = f"""UPDATE mini_submission SET note_text = CASE note_text
        WHEN 'Another note.' THEN '{NOTE}' ELSE 'Another note.' END
        WHERE patient_context_id = '{spoken.context(BY_HAND)}'"""  # noqa: S608 -- our own text
    assert len(found(spoken, swap)) == 2


@pytest.mark.parametrize(
    ("until", "count"),
    [("2999-01-01T00:00:00.000000Z", 1), ("2026-01-01T00:00:00.000000Z", 2), ("no time", 2)],
    ids=["what came before", "what came later", "who knows"],
)
def test_only_what_an_erasure_tells_of_is_no_alteration(spoken: Clinic, until: str, count: int) -> None:
    # As text, a letter would come behind every digit, and so be later than any time.
    told = f"""INSERT INTO event_log (tenant_id, patient_context_id, event_id, event_type, payload_json, seq,
            prev_hash, hash)
        SELECT '{spoken.tenant_id}', c.patient_context_id, gen_random_uuid(), 'Patient.Erased',
            '{{"texts_until": "{until}"}}', c.ledger_seq + 1, c.ledger_head, c.ledger_head
        FROM patient_context c WHERE c.tenant_id = '{spoken.tenant_id}'
        AND c.patient_context_id = '{spoken.context(BY_HAND)}'"""  # noqa: S608 -- our own text
    # Of the other patient nobody told.
    assert len(found(spoken, ERASED, told)) == count


@pytest.mark.parametrize(
    "alteration",
    [
        "UPDATE policy_config SET allowlist_rules_json = jsonb_set(allowlist_rules_json, '{roles}', '[]')",
        "UPDATE policy_config SET decision_rules_json = '{}'",
        """UPDATE policy_config SET retention_rules_json = '{"text_days": 30}'""",
    ],
)
def test_a_policy_that_was_altered_since_it_was_published_is_found(clinic: Clinic, alteration: str) -> None:
    assert found(clinic, alteration) == ["version 1 of the policy was altered since it was published"]


def test_a_version_that_nobody_published_or_that_was_taken_away_is_found(spoken: Clinic) -> None:
    forged = """INSERT INTO policy_config SELECT (f.r).* FROM (
        SELECT jsonb_populate_record(p, '{"version": 3}') AS r FROM policy_config p WHERE p.version = 2) f"""
    assert found(spoken, forged) == ["version 3 of the policy was never published"]
    assert found(
        spoken,
        "DELETE FROM mini_submission",
        "DELETE FROM response_outcome",
        "ALTER TABLE system_response DROP CONSTRAINT fk_system_response_tenant_id_policy_version",
        "DELETE FROM policy_config WHERE version = 2",
    )[-1:] == ["version 2 of the policy, which was published, is not there"]


@pytest.mark.parametrize(
    "alteration",
    [
        "UPDATE break_glass SET reason = 'other'",
        "UPDATE break_glass SET expires_at = expires_at + interval '10 years'",
        "DELETE FROM break_glass",
    ],
)
def test_broken_glass_that_was_altered_or_taken_away_is_found(spoken: Clinic, alteration: str) -> None:
    assert len(found(spoken, alteration)) == 2


def test_what_is_too_deep_to_be_read_is_altered(spoken: Clinic) -> None:
    deep = "(repeat('[', 3000) || repeat(']', 3000))::jsonb"
    says = found(spoken, f"UPDATE system_response SET rationale = {deep}")  # noqa: S608 -- our own text
    assert any(each.startswith("what a response says") for each in says)
