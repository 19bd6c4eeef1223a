"""For every request, statement and write of a night by export: when it fails, the next night mends it."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from mappings.errors import CryocohortError
from tests.ingest.bulk_place import Place
from tests.ingest.bulk_server import Answer, BulkServer, Fault, serving
from tests.ingest.examples import chart, observation
from tests.properties.failing_database import StatementCounter
from tests.properties.failing_files import FailingDisk
from warehouse.connection import Warehouse

ENDS: tuple[Callable[[Answer], Answer], ...] = (
    lambda _: Answer(500),
    lambda _: Answer(404),
    lambda answer: replace(answer, body=answer.body[: len(answer.body) // 2]),
    lambda answer: replace(answer, framing="long"),
    lambda _: Answer(200, b"<html>busy</html>", {"Content-Type": "text/html"}),
)
PLACES_BEFORE_THE_END = {"requests": 20, "statements": 40, "writes": 30}


# Tells whether a step has failed; what fails it, for as long as the block goes on.
Failing = tuple[Callable[[], object], AbstractContextManager[object]]


@dataclass
class Nights:
    """A center read by export; its first night lies in `kept`, and since then its server has changed."""

    server: BulkServer
    kept: Path
    data: Path

    def begin_again(self) -> None:
        """As it was before the second night."""
        self.server.faults.clear()
        self.server.forget()
        shutil.rmtree(self.data, ignore_errors=True)
        shutil.copytree(self.kept, self.data)

    def is_called_complete(self) -> bool:
        """Run a night; whatever it raises is of our own tree."""
        try:
            with Warehouse.open(self.data) as warehouse:
                return Place(self.server, warehouse).sync().status == "complete"
        except CryocohortError:
            return False

    def held(self) -> dict[tuple[str, str], str]:
        """The version that the warehouse holds of each resource."""
        with Warehouse.open(self.data) as warehouse:
            rows = warehouse.rows("SELECT resource_type, resource_id, version_id FROM ops.head")
        return {(row["resource_type"], row["resource_id"]): row["version_id"] for row in rows}


@contextmanager
def installed(fault: StatementCounter | FailingDisk) -> Iterator[None]:
    """Stand between the product and what fails."""
    with pytest.MonkeyPatch.context() as patch:
        fault.install(patch)
        yield


@pytest.fixture
def nights(quick_folder: Path) -> Iterator[Nights]:
    """A second night that brings a change, a deletion and a patient new to the cohort."""
    kept = quick_folder / "kept"
    resources = [resource for key in ("p1", "p2") for resource in chart(key)]
    with serving(BulkServer(resources)) as server:
        with Warehouse.open(kept) as warehouse:
            first = Place(server, warehouse)
            assert first.sync().status == "complete"
            first.night()
        server.put(observation("pain-p1", "p1") | {"status": "amended"}, *chart("p3"))
        server.remove("Observation", "pain-p2")
        server.deleted.append("Observation/pain-p2")
        yield Nights(server, kept, quick_folder / "data")


def every_failure_is_mended(nights: Nights, what: str, failing: Callable[[int], Failing]) -> None:
    """Fail the n-th step for n = 1, 2, ... until the night has fewer steps than that."""
    wanted = nights.server.versions()
    failed = 0
    for nth in range(1, 1000):
        nights.begin_again()
        step, place = failing(nth)
        with place:
            is_complete = nights.is_called_complete()
        assert not is_complete or nights.held() == wanted, f"{what} {nth} failed: called complete and is not"
        if not step():
            break
        failed += not is_complete
        nights.server.faults.clear()
        assert nights.is_called_complete(), f"{what} {nth} failed: the next night is not complete"
        assert nights.held() == wanted, f"{what} {nth} failed: not mended"
    assert is_complete
    assert nth > PLACES_BEFORE_THE_END[what]
    assert failed > nth / 4


@pytest.mark.row(58)
@pytest.mark.parametrize("times", [1, pytest.param(10**6, marks=pytest.mark.soak)], ids=["once", "for good"])
def test_a_night_by_export_whose_nth_request_fails_is_mended_by_the_next(nights: Nights, times: int) -> None:
    def failing(nth: int) -> Failing:
        before = [0]

        def is_its_turn(_: object) -> bool:
            before[0] += 1
            return before[0] >= nth

        fault = nights.server.add(Fault(is_its_turn, ENDS[nth % len(ENDS)], times))
        return lambda: fault.fired, nullcontext()

    every_failure_is_mended(nights, "requests", failing)


@pytest.mark.row(68)
@pytest.mark.row(69)
def test_a_night_by_export_whose_nth_statement_fails_is_mended_by_the_next(nights: Nights) -> None:
    def failing(nth: int) -> Failing:
        counter = StatementCounter(nth, "error")
        return lambda: counter.failed, installed(counter)

    every_failure_is_mended(nights, "statements", failing)


@pytest.mark.row(70)
@pytest.mark.row(78)
def test_a_night_by_export_whose_nth_write_fails_is_mended_by_the_next(nights: Nights) -> None:
    def failing(nth: int) -> Failing:
        disk = FailingDisk(nights.data, nth)
        return lambda: disk.failed, installed(disk)

    every_failure_is_mended(nights, "writes", failing)
