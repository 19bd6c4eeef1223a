"""Rows of the fault matrix: a test marked `row(n)` must inject its fault, and the counts are written down.

    @pytest.mark.row(7)
    def test_...(fired):
        ...
        fault = fired(server.add(Fault(...)))  # anything with a `fired` count at the end, or a number

A marked test that injected nothing fails.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ingest.auth import BearerAuth
from ingest.client import FhirClient
from tests.faults.fault_server import KEYS, FaultServer, fault_serving
from tests.faults.reliability import FIRED, HAS_FAILED, Fired
from tests.ingest.examples import QUICK, center, chart, observation
from tests.ingest.test_sync import Place
from warehouse.connection import Warehouse


@pytest.fixture(autouse=True)
def fired(request: pytest.FixtureRequest) -> Iterator[Fired]:
    """Adds a fault to the count of the test's row when the test is over; a marked test must inject one."""
    rows = [mark.args[0] for mark in request.node.iter_markers("row")]
    faults: list[Any] = []

    def add(fault: Any) -> Any:
        faults.append(fault)
        return fault

    yield add
    count = sum(fault if isinstance(fault, int) else fault.fired for fault in faults)
    request.node.stash[FIRED] = count
    if rows and not request.node.stash.get(HAS_FAILED, False):
        assert count > 0, "the fault of this row never fired"


@pytest.fixture
def server() -> Iterator[FaultServer]:
    """Seven Observations of one patient on raw sockets."""
    with fault_serving(FaultServer([observation(key, "p1") for key in KEYS])) as running:
        yield running


@pytest.fixture
def client(server: FaultServer) -> Iterator[FhirClient]:
    with FhirClient(center(server.base_url, auth=BearerAuth("SECRET-token")), QUICK) as opened:
        yield opened


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    """Three cohort patients on raw sockets, and a real warehouse."""
    resources = [resource for key in ("p1", "p2", "p3") for resource in chart(key)]
    with fault_serving(FaultServer(resources)) as server, Warehouse.open(tmp_path / "warehouse") as warehouse:
        yield Place(server, warehouse)
