"""The run ledger."""

import pytest
from landing_examples import NOON, a_run, at

from mappings.errors import WarehouseError
from warehouse.connection import Warehouse
from warehouse.health import latest_center_syncs
from warehouse.runs import (
    CenterSync,
    RunStep,
    finish_center,
    finish_run,
    last_complete_syncs,
    last_run,
    run_history,
)


def test_runs_are_numbered_and_remembered(warehouse: Warehouse) -> None:
    first = a_run(warehouse)
    finish_run(warehouse, first, status="incomplete", now=at(1), message="center b did not answer")
    second = a_run(warehouse, "refresh")
    newest, oldest = run_history(warehouse, limit=5)
    assert (newest.run_id, newest.kind, newest.status, newest.finished_at) == (
        second,
        "refresh",
        "running",
        None,
    )
    assert (oldest.status, oldest.started_at, oldest.finished_at) == ("incomplete", NOON, at(1))
    assert oldest.message == "center b did not answer"
    assert run_history(warehouse, limit=1) == [newest]


def test_a_run_that_a_crash_left_running_is_failed_at_the_next_start(warehouse: Warehouse) -> None:
    crashed = a_run(warehouse)
    a_run(warehouse)
    (run,) = [run for run in run_history(warehouse, limit=9) if run.run_id == crashed]
    assert (run.status, run.finished_at) == ("failed", NOON)
    assert "without finishing" in run.message


def test_the_steps_of_a_run_are_noted_as_it_is_closed_and_once(warehouse: Warehouse) -> None:
    run_id, steps = a_run(warehouse, "refresh"), [RunStep("build", NOON, at(1), 3)]
    finish_run(warehouse, run_id, status="complete", now=at(1), steps=steps)
    steps.append(RunStep("publish", at(1), at(2), None))
    finish_run(warehouse, run_id, status="failed", now=at(2), steps=steps)
    rows = warehouse.rows(
        "SELECT * EXCLUDE (run_id) FROM ops.run_step WHERE run_id = ? ORDER BY ALL", [run_id]
    )
    assert [RunStep(**row) for row in rows] == steps


def test_the_last_run_is_found_by_kind_and_status(warehouse: Warehouse) -> None:
    good = a_run(warehouse, "sync")
    finish_run(warehouse, good, status="complete", now=at(1))
    bad = a_run(warehouse, "sync")
    finish_run(warehouse, bad, status="failed", now=at(2))
    found = last_run(warehouse, kinds=("sync", "nightly"), status="complete")
    assert found is not None
    assert found.run_id == good
    assert last_run(warehouse, kinds=("refresh",), status="complete") is None


def test_an_unknown_status_is_refused(warehouse: Warehouse) -> None:
    run_id = a_run(warehouse)
    with pytest.raises(WarehouseError):
        finish_run(warehouse, run_id, status="fine", now=at(1))  # type: ignore[arg-type]


def test_the_last_complete_sync_of_each_center_is_kept_apart_from_incomplete_ones(
    warehouse: Warehouse,
) -> None:
    complete = CenterSync(a_run(warehouse), "a", "complete", "", at(1))
    finish_center(warehouse, complete)
    incomplete = CenterSync(a_run(warehouse), "a", "incomplete", "the server failed", at(2))
    finish_center(warehouse, incomplete)
    finish_center(warehouse, incomplete)
    assert last_complete_syncs(warehouse) == {"a": complete}
    assert latest_center_syncs(warehouse) == [incomplete]
