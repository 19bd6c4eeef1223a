"""Rows of the fault matrix: a test marked `row(n)` must inject its fault, and the counts are written down.

    @pytest.mark.row(7)
    def test_...(fired):
        ...
        fault = fired(server.add(Fault(...)))  # anything with a `fired` count at the end, or a number

A marked test that injected nothing fails. `pytest tests/faults --reliability docs/reliability.md` writes
the table of rows, tests and counts anew.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ingest.auth import BearerAuth
from ingest.client import FhirClient
from tests.faults.fault_server import FaultServer, fault_serving
from tests.faults.reliability import Proof, page
from tests.ingest.examples import QUICK, center, chart, observation
from tests.ingest.test_sync import Place
from warehouse.connection import Warehouse

PROOFS = pytest.StashKey[list[Proof]]()
Fired = Callable[[Any], Any]

KEYS = [f"o{number}" for number in range(7)]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--reliability", metavar="FILE", help="write the table of rows, tests and faults to FILE")


def pytest_configure(config: pytest.Config) -> None:
    config.stash[PROOFS] = []


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    target = session.config.getoption("--reliability", None)
    if target and exitstatus == 0:
        Path(target).write_text(page(session.config.stash[PROOFS]), encoding="utf-8")


@pytest.fixture(autouse=True)
def fired(request: pytest.FixtureRequest) -> Iterator[Fired]:
    """Adds a fault to the count of the test's row when the test is over; a marked test must inject one."""
    rows = [mark.args[0] for mark in request.node.iter_markers("row")]
    faults: list[Any] = []

    def add(fault: Any) -> Any:
        faults.append(fault)
        return fault

    yield add
    if not rows or getattr(request.node, "has_failed", False):
        return
    count = sum(fault if isinstance(fault, int) else fault.fired for fault in faults)
    assert count > 0, "the fault of this row never fired"
    name = request.node.originalname or request.node.name
    request.config.stash[PROOFS] += [Proof(row, request.node.path.name, name, count) for row in rows]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Any:
    report = yield
    item.has_failed = getattr(item, "has_failed", False) or report.failed
    return report


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
