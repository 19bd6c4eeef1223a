"""Fixtures and markers of the property tests; `make soak` runs those marked `soak`."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.properties.configured_night import MEMORY


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "soak: takes long; `make soak`")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the marked tests out of a run that did not name the marker."""
    if "soak" in config.option.markexpr:
        return
    marked = [item for item in items if item.get_closest_marker("soak")]
    items[:] = [item for item in items if item not in marked]
    config.hook.pytest_deselected(items=marked)


@pytest.fixture
def quick_folder() -> Iterator[Path]:
    """A folder in memory where there is one: these tests copy and reopen a warehouse hundreds of times."""
    parent = MEMORY if MEMORY.is_dir() else None
    with tempfile.TemporaryDirectory(prefix="cryocohort-", dir=parent) as folder:
        yield Path(folder)
