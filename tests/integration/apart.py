"""The product over a database of the test's own: the stack's scheduler and projector have no part in it."""

from __future__ import annotations

from collections.abc import Iterator

import functions_framework
import pytest
from werkzeug.test import TestResponse

from shared.model import PatientKey
from shared.projections.documents import patient_state_path
from shared.projections.store import FirestoreDocuments
from tests.integration.databases import Database, new_database
from tests.integration.product import Clinic, Product, forget
from tests.stack import Stack


@pytest.fixture(scope="module")
def database(stack: Stack) -> Iterator[Database]:
    """One migrated database for a module; its tests make clinics of their own in it."""
    with new_database(stack, "apart") as made:
        yield made


@pytest.fixture
def product(stack: Stack, database: Database) -> Iterator[Product]:
    """The functions in this process, over that database."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        made = Product(stack, monkeypatch)
        made.urls = database.urls
        made.stack = {**made.stack, "app_database_url": database.urls.app}
        made.configure(DATABASE_URL=database.urls.app)
        yield made
        forget()


def call_retention(product: Product) -> TestResponse:
    """One call of the scheduler's real function, as the role that it runs as."""
    product.configure(DATABASE_URL=product.urls.worker)
    # A new one each time: it keeps its engine.
    application = functions_framework.create_app("retention", "functions/scheduler/main.py")
    try:
        return application.test_client().post("/", json={})
    finally:
        product.configure(DATABASE_URL=product.urls.app)


def document_of(clinic: Clinic, number: int) -> dict[str, object] | None:
    """The patient's document as it is."""
    found = FirestoreDocuments().read(patient_state_path(clinic.tenant_id, PatientKey(clinic.key(number))))
    return None if found is None else dict(found.content)
