"""A real warehouse in a temporary folder."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from warehouse.connection import Warehouse


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def warehouse(folder: Path) -> Iterator[Warehouse]:
    with Warehouse.open(folder, threads=2, memory_limit="1GB") as opened:
        yield opened
