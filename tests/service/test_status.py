"""Whether `status` says healthy: neither a dead service nor a working one may be mistaken."""

import datetime as dt
from dataclasses import replace
from pathlib import Path

import pytest

from mappings.errors import WarehouseError
from service.status import Status, note_status, problems
from warehouse.connection import Warehouse
from warehouse.health import LastRelease
from warehouse.runs import Run, RunKind, RunStatus

NOW = dt.datetime(2026, 11, 23, 12, 0, tzinfo=dt.UTC)
DUE = {"sync": NOW - dt.timedelta(hours=36), "refresh": NOW - dt.timedelta(hours=36)}


def run(run_id: int, kind: RunKind, status: RunStatus = "complete", hours_ago: float = 6) -> Run:
    started = NOW - dt.timedelta(hours=hours_ago)
    ended = None if status == "running" else started + dt.timedelta(minutes=5)
    return Run(run_id, kind, started, ended, status, "0.1.0", "f" * 64, "")


def healthy() -> Status:
    sync, refresh = run(1, "sync"), run(2, "refresh")
    newest = {"sync": sync, "refresh": refresh}
    return Status((refresh, sync), dict(newest), dict(newest), (), (), (), LastRelease(1, 2, NOW))


def told(status: Status, *, is_locked: bool = False) -> list[str]:
    return problems(status, DUE, is_locked=is_locked)  # type: ignore[arg-type]


def test_a_good_night_has_no_problems() -> None:
    assert told(healthy()) == []


def test_a_run_under_way_is_no_problem_while_it_holds_the_warehouse() -> None:
    status = replace(healthy(), runs=(run(3, "sync", "running"), *healthy().runs))
    assert told(status, is_locked=True) == []
    assert told(status) == ["Run 3 ended without finishing."]


@pytest.mark.parametrize(
    ("ending", "how"), [("incomplete", "was incomplete"), ("failed", "failed"), ("withheld", "was withheld")]
)
def test_a_run_that_did_not_end_well_is_told(ending: RunStatus, how: str) -> None:
    good = healthy()
    status = replace(good, ended={**good.ended, "refresh": run(4, "refresh", ending)})
    assert told(status) == [f"The last refresh (run 4) {how}."]


def test_many_good_syncs_do_not_hide_that_a_refresh_was_complete() -> None:
    good = healthy()
    status = replace(good, runs=tuple(run(20 - number, "sync") for number in range(10)))
    assert told(status) == []


def test_a_service_that_died_is_overdue() -> None:
    good = healthy()
    status = replace(good, last_complete={**good.last_complete, "sync": run(1, "sync", hours_ago=40)})
    assert [problem.split(":")[0] for problem in told(status)] == ["The last complete sync is overdue"]


def test_a_refresh_without_its_release_is_told() -> None:
    assert told(replace(healthy(), release=None)) == ["Run 2 was refreshed but never published."]


def test_nothing_complete_yet_is_told() -> None:
    status = replace(healthy(), last_complete={"sync": None, "refresh": None}, release=None)
    assert told(status) == ["No sync has been complete yet.", "No refresh has been complete yet."]


def test_a_status_that_cannot_be_written_is_the_warehouse_s_failure(tmp_path: Path) -> None:
    with Warehouse.open(tmp_path) as warehouse:
        (tmp_path / "status.new").mkdir()
        with pytest.raises(WarehouseError, match="cannot be written"):
            note_status(warehouse)
