"""Departures: what leaves, leaves in one transaction, keeps its content and never blocks what comes back."""

import dataclasses
import datetime as dt

import pytest
from landing_examples import NOON, a_run, patient, refused, unit

from mappings.errors import IncompleteError, WarehouseError
from warehouse import departures
from warehouse.connection import Transaction, Warehouse
from warehouse.departures import (
    Deletion,
    DepartureLimit,
    Reconciliation,
    delete,
    is_due,
    known_versions,
    reconcile,
)
from warehouse.land import Covered, LandCounts, coverage, land, members

LIMIT = DepartureLimit(2.0)
WEEK = dt.timedelta(days=7)


def heads(warehouse: Warehouse) -> list[str]:
    return sorted(known_versions(warehouse, "a", "Patient"))


def landed(warehouse: Warehouse, count: int) -> list[str]:
    ids = [f"p{number:04d}" for number in range(count)]
    land(warehouse, unit(a_run(warehouse), *(patient(each) for each in ids)))
    return ids


def found(run_id: int, **more: object) -> Reconciliation:
    told = Reconciliation(
        run_id=run_id,
        center_id="a",
        resource_type="Patient",
        finished_at=NOON,
        heads=2,
        seen=1,
        lagging=0,
        departed={},
        settled=[],
    )
    return dataclasses.replace(told, **more)


def deletion(run_id: int, *ids: str, **more: str) -> Deletion:
    told = {"center_id": "a", "resource_type": "Patient"} | more
    return Deletion(run_id=run_id, resource_ids=ids, noticed_at=NOON, **told)


@pytest.mark.parametrize(
    ("leaving", "of", "percent", "is_forbidden"),
    [
        (20, 20, 2.0, False),
        (21, 1_050, 2.0, False),
        (21, 1_049, 2.0, True),
        (100, 5_000, 2.0, False),
        (101, 5_000, 2.0, True),
        (21, 1_000_000, 0.0, True),
    ],
)
def test_the_limit_is_twenty_or_the_percentage(
    leaving: int, of: int, percent: float, *, is_forbidden: bool
) -> None:
    assert DepartureLimit(percent).forbids(leaving, of) is is_forbidden
    assert not DepartureLimit(percent, is_lifted=True).forbids(leaving, of)


@pytest.mark.row(55)
def test_what_a_server_lists_as_deleted_leaves_without_being_asked_for(warehouse: Warehouse) -> None:
    landed(warehouse, 3)
    run_id = a_run(warehouse)
    assert delete(warehouse, deletion(run_id, "p0001", "p0001", "unknown"), LIMIT) == 1
    assert heads(warehouse) == ["p0000", "p0002"]
    (row,) = warehouse.rows("SELECT resource_id, reason, run_id, noticed_at, path FROM ops.departure")
    assert (row["resource_id"], row["reason"], row["run_id"]) == ("p0001", "bulk", run_id)
    assert row["noticed_at"] == NOON
    assert (warehouse.folder / row["path"]).is_file()
    assert delete(warehouse, deletion(run_id, "p0001"), LIMIT) == 0
    assert len(warehouse.rows("FROM ops.departure")) == 1


@pytest.mark.row(60)
def test_a_list_longer_than_the_limit_deletes_nothing(warehouse: Warehouse) -> None:
    ids = landed(warehouse, 30)
    told = deletion(a_run(warehouse), *ids[:21])
    with pytest.raises(IncompleteError, match=r"21 of 30 Patient.*--accept-deletions a"):
        delete(warehouse, told, LIMIT)
    assert heads(warehouse) == ids
    assert warehouse.rows("FROM ops.departure") == []
    assert delete(warehouse, told, DepartureLimit(2.0, is_lifted=True)) == 21


def test_ids_unknown_here_do_not_count_against_the_limit(warehouse: Warehouse) -> None:
    landed(warehouse, 2)
    many = [f"elsewhere-{number}" for number in range(100)]
    assert delete(warehouse, deletion(a_run(warehouse), "p0000", *many), LIMIT) == 1


@pytest.mark.row(67)
def test_other_centers_and_types_with_the_same_id_stay(warehouse: Warehouse) -> None:
    run_id = a_run(warehouse)
    land(warehouse, unit(run_id, patient("p1")))
    land(warehouse, unit(run_id, patient("p1"), center_id="b"))
    assert delete(warehouse, deletion(run_id, "p1", resource_type="Condition"), LIMIT) == 0
    assert delete(warehouse, deletion(run_id, "p1"), LIMIT) == 1
    assert warehouse.rows("SELECT center_id FROM ops.head") == [{"center_id": "b"}]


@pytest.mark.row(61)
@pytest.mark.parametrize("version", ["1", "2", None])
def test_a_departure_blocks_no_version_seen_later(warehouse: Warehouse, version: str | None) -> None:
    land(warehouse, unit(a_run(warehouse), patient("p1", version="7", hours=9)))
    delete(warehouse, deletion(a_run(warehouse), "p1"), LIMIT)
    back = a_run(warehouse)
    recreated = patient("p1", version=version, hours=None, gender="other")
    assert land(warehouse, unit(back, recreated)) == LandCounts(1, 1, 0, 0, 1)
    assert heads(warehouse) == ["p1"]
    assert warehouse.rows("SELECT back_run_id FROM ops.departure") == [{"back_run_id": back}]


@pytest.mark.row(61)
def test_the_same_content_as_before_comes_back_as_well(warehouse: Warehouse) -> None:
    land(warehouse, unit(a_run(warehouse), patient("p1")))
    delete(warehouse, deletion(a_run(warehouse), "p1"), LIMIT)
    assert land(warehouse, unit(a_run(warehouse), patient("p1"))).landed == 1


@pytest.mark.row(61)
def test_a_version_set_back_by_its_server_replaces_a_newer_one_only_when_told(warehouse: Warehouse) -> None:
    land(warehouse, unit(a_run(warehouse), patient("p1", version="7", hours=9)))
    older = patient("p1", version="3", hours=2, gender="other")
    assert land(warehouse, unit(a_run(warehouse), older)).landed == 0
    assert land(warehouse, unit(a_run(warehouse), older, set_back={"p1"})).landed == 1
    assert known_versions(warehouse, "a", "Patient")["p1"].version_id == "3"


def test_an_open_fault_of_what_left_is_closed(warehouse: Warehouse) -> None:
    run_id = a_run(warehouse)
    land(warehouse, unit(run_id, patient("p1"), patient("p2")))
    land(warehouse, unit(run_id, quarantined=[refused("p1"), refused("p2"), refused("")]))
    reconcile(warehouse, found(a_run(warehouse), departed={"p1": "deleted"}, settled=[""]))
    rows = warehouse.rows("SELECT resource_id FROM ops.quarantine WHERE is_open")
    assert rows == [{"resource_id": "p2"}]


def test_a_member_who_left_is_asked_for_no_longer_and_comes_back_without_coverage(
    warehouse: Warehouse,
) -> None:
    run_id = a_run(warehouse)
    covered = [Covered(each, "f", NOON) for each in ("p1", "p2")]
    land(warehouse, unit(run_id, covered=covered, members=["p1", "p2"]))
    reconcile(warehouse, found(a_run(warehouse), ended_members=["p1"]))
    assert members(warehouse, "a") == ["p2"]
    assert departures.former_members(warehouse, "a") == {"p1"}
    assert coverage(warehouse, "a", "Patient").keys() == {"p2"}
    land(warehouse, unit(a_run(warehouse), members=["p1"]))
    assert members(warehouse, "a") == ["p1", "p2"]
    rows = warehouse.rows("SELECT patient_id, run_id FROM ops.cohort_member ORDER BY patient_id")
    assert [row["run_id"] for row in rows] == [run_id, run_id]


def test_a_failure_on_the_way_leaves_nothing_of_a_reconciliation(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    landed(warehouse, 2)
    fired = []

    def fail(transaction: Transaction, told: Reconciliation) -> None:
        fired.append(told)
        raise WarehouseError("no", "no")

    monkeypatch.setattr(departures, "_end_membership", fail)
    with pytest.raises(WarehouseError):
        reconcile(warehouse, found(a_run(warehouse), departed={"p0000": "deleted"}))
    assert len(fired) == 1
    assert heads(warehouse) == ["p0000", "p0001"]
    assert warehouse.rows("FROM ops.departure") == []
    assert warehouse.rows("FROM ops.reconciliation") == []


def test_a_reconciliation_is_noted_with_its_counts(warehouse: Warehouse) -> None:
    landed(warehouse, 2)
    run_id = a_run(warehouse)
    gone = {"p0000": "deleted", "never-here": "deleted"}
    assert reconcile(warehouse, found(run_id, departed=gone, lagging=1)) == 1
    assert warehouse.rows("FROM ops.reconciliation") == [
        {
            "run_id": run_id,
            "center_id": "a",
            "resource_type": "Patient",
            "heads": 2,
            "seen": 1,
            "departed": 1,
            "lagging": 1,
            "is_limit_lifted": False,
            "finished_at": NOON,
        }
    ]


def test_it_is_due_by_the_day_and_not_by_the_hour(warehouse: Warehouse) -> None:
    def due(days: int, hours: int = 0) -> bool:
        return is_due(warehouse, "a", "Patient", NOON + dt.timedelta(days=days, hours=hours), WEEK)

    assert not due(100)  # nothing has landed yet
    landed(warehouse, 1)
    assert (due(6, 11), due(7, -11), due(8)) == (False, True, True)
    reconcile(warehouse, found(a_run(warehouse), finished_at=NOON + dt.timedelta(days=7)))
    assert (due(8), due(13), due(14)) == (False, False, True)
