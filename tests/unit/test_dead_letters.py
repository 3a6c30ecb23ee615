"""A dead letter is shown by ids, counts and times; what is not ours by its size alone."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

import msgspec
import pytest

from ops.deadletters.letters import plain_letter, read_letter
from shared.messaging.codec import PresenceMessage, ProjectMessage, encode_message
from shared.model import CorrelationId, InvocationId, SubjectType, TenantId

AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
TENANT, SUBJECT, CORRELATION = TenantId(UUID(int=1)), UUID(int=2), CorrelationId(UUID(int=3))
COUNT = "CloudPubSubDeadLetterSourceDeliveryCount"
PROJECT = ProjectMessage(
    subject_type=SubjectType.PATIENT, subject=SUBJECT, tenant_id=TENANT, version=7, correlation_id=CORRELATION
)
PRESENCE = PresenceMessage(subject=InvocationId(SUBJECT), tenant_id=TENANT, correlation_id=CORRELATION)


def test_a_change_is_shown_with_its_ids_and_whether_the_relay_goes_on() -> None:
    letter = read_letter("12", AT, encode_message(PROJECT), {COUNT: "5"})
    assert letter.message == PROJECT
    assert letter.waits_for == (TENANT, SUBJECT)
    assert plain_letter(letter, is_unconfirmed=True) == {
        "id": "12",
        "dead_at": AT,
        "deliveries": 5,
        "size_bytes": len(encode_message(PROJECT)),
        "kind": "project",
        "subject_type": "patient",
        "subject": SUBJECT,
        "tenant_id": TENANT,
        "version": 7,
        "correlation_id": CORRELATION,
        "unconfirmed": True,
    }


def test_a_presence_waits_in_no_outbox() -> None:
    letter = read_letter("12", AT, encode_message(PRESENCE), {})
    assert letter.waits_for is None
    assert plain_letter(letter, None)["kind"] == "presence"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"Maria Garcia",
        b"\xff\xfe",
        b'{"kind": "project", "name": "Maria Garcia"}',
        b"[" * 100_000,
        encode_message(PROJECT).replace(b"patient", b"Maria Garcia"),
    ],
    ids=["nothing", "text", "no-text", "another-shape", "deep", "nearly-ours"],
)
def test_of_what_is_not_ours_only_the_size_is_shown(data: bytes) -> None:
    letter = read_letter("12", AT, data, {COUNT: "5", "name": "Maria Garcia"})
    assert letter.message is None
    shown = plain_letter(letter, None)
    assert shown == {"id": "12", "dead_at": AT, "deliveries": 5, "size_bytes": len(data), "kind": None}
    assert b"Garcia" not in msgspec.json.encode(shown)
    assert "Garcia" not in repr(letter)


@pytest.mark.parametrize("told", ["", "-1", "many", "1e9", "\N{ARABIC-INDIC DIGIT FIVE}", "9" * 5000])
def test_a_count_that_is_none_is_not_shown(told: str) -> None:
    assert read_letter("12", AT, b"", {COUNT: told}).deliveries is None
