"""Patient keys reveal nothing, collide with nothing, and mean nothing in another tenant."""

from __future__ import annotations

import re
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from shared.model import TenantId
from shared.security.patient_keys import client_text_hash, external_id_hash, patient_key

MASTER = bytes(range(32))
HERE, THERE = TenantId(UUID(int=1)), TenantId(UUID(int=2))
ids = st.text(min_size=1, max_size=40).filter(lambda text: text.strip() == text and "\0" not in text)


@given(ids, ids)
def test_a_key_is_the_same_each_time_and_url_safe(source: str, external_id: str) -> None:
    key = patient_key(MASTER, HERE, source, external_id)
    assert key == patient_key(MASTER, HERE, source, external_id)
    assert re.fullmatch(r"p1[A-Za-z0-9_-]{24}", key)


@given(ids, ids)
def test_a_key_means_nothing_in_another_tenant_or_under_another_secret(source: str, external_id: str) -> None:
    key = patient_key(MASTER, HERE, source, external_id)
    assert key != patient_key(MASTER, THERE, source, external_id)
    assert key != patient_key(bytes(32), HERE, source, external_id)


def test_source_system_and_id_are_never_run_together() -> None:
    assert patient_key(MASTER, HERE, "ab", "c") != patient_key(MASTER, HERE, "a", "bc")


def test_spaces_around_an_external_id_are_the_pages_and_not_the_patients() -> None:
    assert patient_key(MASTER, HERE, "ehr", " 4711 ") == patient_key(MASTER, HERE, "ehr", "4711")


def test_the_hash_that_search_compares_is_not_the_key_that_documents_show() -> None:
    key = patient_key(MASTER, HERE, "ehr", "4711")
    digest = external_id_hash(MASTER, HERE, "ehr", "4711")
    assert len(digest) == 32
    assert client_text_hash(MASTER, HERE, "idempotency-key", "4711") != digest
    assert digest.hex() not in key
