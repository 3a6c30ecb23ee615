"""What the end-to-end tests share: the clinics of the running stack, and its Firestore."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from google.cloud import firestore

from tests.e2e.clinic import Clinic
from tests.stack import Stack


@pytest.fixture(scope="module")
def clinic(stack: Stack) -> Clinic:
    return Clinic(stack, 0)


@pytest.fixture(scope="module")
def other_clinic(stack: Stack) -> Clinic:
    return Clinic(stack, 1)


@pytest.fixture(scope="module")
def documents(clinic: Clinic) -> Iterator[firestore.Client]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FIRESTORE_EMULATOR_HOST", clinic.told["firestore_emulator_host"])
        yield firestore.Client(project=clinic.told["project_id"])
