from collections.abc import Iterator
from pathlib import Path

import pytest
from outcomes_testbed import refreshed, stored

from outcomes.results import Results
from warehouse.connection import Warehouse


@pytest.fixture
def warehouse(tmp_path: Path) -> Iterator[Warehouse]:
    with Warehouse.open(tmp_path / "warehouse") as opened:
        yield opened


@pytest.fixture(scope="session")
def published(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
    """A warehouse refreshed with the cohort; read only, please."""
    with Warehouse.open(tmp_path_factory.mktemp("cohort")) as opened:
        refreshed(opened)
        yield opened


@pytest.fixture(scope="session")
def results(published: Warehouse) -> Results:
    return Results(stored(published))
