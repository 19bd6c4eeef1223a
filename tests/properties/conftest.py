"""Fixtures of the property tests; `make soak` runs those marked `soak`."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.properties.configured_night import MEMORY


@pytest.fixture
def quick_folder() -> Iterator[Path]:
    """A folder in memory where there is one: these tests copy and reopen a warehouse hundreds of times."""
    parent = MEMORY if MEMORY.is_dir() else None
    with tempfile.TemporaryDirectory(prefix="cryocohort-", dir=parent) as folder:
        yield Path(folder)
