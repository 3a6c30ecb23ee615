"""A message says which subject changed, never what; and nothing else is taken for one."""

from __future__ import annotations

import json
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.messaging.codec import NotOurMessage, ProjectMessage, decode_message, encode_message
from shared.model import CorrelationId, SubjectType, TenantId

messages = st.builds(
    ProjectMessage,
    subject_type=st.sampled_from(SubjectType),
    subject=st.uuids(),
    tenant_id=st.uuids().map(TenantId),
    version=st.integers(min_value=0, max_value=2**62),
    correlation_id=st.uuids().map(CorrelationId),
)


@given(messages)
def test_what_is_encoded_is_decoded(message: ProjectMessage) -> None:
    assert decode_message(encode_message(message)) == message


@given(messages)
def test_a_message_holds_ids_and_a_version_and_nothing_else(message: ProjectMessage) -> None:
    fields = {"kind", "subject_type", "subject", "tenant_id", "version", "correlation_id"}
    assert set(json.loads(encode_message(message))) == fields


@given(st.binary(max_size=300))
def test_other_bytes_are_refused_without_being_repeated(data: bytes) -> None:
    with pytest.raises(NotOurMessage) as refusal:
        decode_message(data)
    assert str(refusal.value) == "not a message of Mobius"


def test_a_field_of_a_newer_release_is_passed_over() -> None:
    message = ProjectMessage(
        subject_type=SubjectType.USER,
        subject=UUID(int=1),
        tenant_id=TenantId(UUID(int=2)),
        version=3,
        correlation_id=CorrelationId(UUID(int=4)),
    )
    more = {**json.loads(encode_message(message)), "name": "x"}
    assert decode_message(json.dumps(more).encode()) == message
