"""Every test here speaks to the real parts of the stack, through the real entry points."""

from __future__ import annotations

from collections.abc import Iterator

import psutil
import pytest

from tests.integration.product import Clinic, CountingProxy, Product, forget, new_clinic
from tests.stack import Stack


@pytest.fixture
def product(stack: Stack) -> Iterator[Product]:
    """The functions in this process, configured as the stack's; afterwards nothing is left of it."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        yield Product(stack, monkeypatch)
        forget()


@pytest.fixture
def clinic(product: Product) -> Iterator[Clinic]:
    """A tenant of its own for each test: none depends on another, nor on their order."""
    made = new_clinic(product)
    yield made
    made.leave()


@pytest.fixture
def held(stack: Stack) -> Iterator[None]:
    """The stack's own projector and relay stand still, so that a test sees what they would take away."""
    stopped: list[psutil.Process] = []
    for part in ("scheduler", "projector"):
        top = psutil.Process(stack.description["pids"][part])
        stopped += [top, *top.children(recursive=True)]
    for process in stopped:
        process.suspend()
    yield
    for process in stopped:
        process.resume()


@pytest.fixture
def proxy(product: Product) -> Iterator[CountingProxy]:
    """Counts what travels between the functions and Postgres."""
    counting = CountingProxy(product.stack["app_database_url"])
    product.configure(DATABASE_URL=counting.url)
    yield counting
    forget()
    counting.close()
