"""What tests of several floors share."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.stack import Stack, start_stack


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """The whole product, running on free ports over a fresh folder; started once for the session."""
    # Not pytest's own folder: that is closed to the user whom PostgreSQL runs as.
    state_dir = Path(tempfile.mkdtemp(prefix="mobius-"))
    running = start_stack(state_dir)
    yield running
    running.stop()
    shutil.rmtree(state_dir)
