"""Landing: what becomes current, what is kept, and that a unit is one thing or nothing."""

import datetime as dt
import random
import subprocess
import sys
import threading
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from landing_examples import NOON, Commits, a_run, at, patient, refused, unit

from mappings.errors import ConfigError, WarehouseError
from warehouse.connection import Transaction, Warehouse
from warehouse.departures import Deletion, DepartureLimit, delete
from warehouse.land import Covered, LandCounts, Landed, Unit, coverage, land, members
from warehouse.names import with_names
from warehouse.segments import require_intact


def current(warehouse: Warehouse) -> dict[str, str]:
    """Body of the current version of every resource, read through the ledger."""
    segments = [row["path"] for row in warehouse.rows("SELECT path FROM ops.segment")]
    bodies = {}
    for head in warehouse.rows("SELECT resource_id, content_hash, path FROM ops.head"):
        assert head["path"] in segments
        for row in pq.read_table(warehouse.folder / head["path"]).to_pylist():
            if row["resource_id"] == head["resource_id"]:
                assert row["content_hash"] == head["content_hash"]
                bodies[head["resource_id"]] = row["body"]
    return bodies


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in (folder / "raw").rglob("*") if path.is_file())


def test_a_new_resource_lands_with_its_text_unchanged(warehouse: Warehouse) -> None:
    new = patient(weight="7.10")
    assert land(warehouse, unit(a_run(warehouse), new)) == LandCounts(1, 1, 0, 0, 1)
    assert current(warehouse) == {"p1": new.body}


def test_a_segment_carries_every_raw_column(warehouse: Warehouse) -> None:
    run_id = a_run(warehouse)
    new = patient(hours=None, version=None)
    land(warehouse, unit(run_id, new, patient("p2")))
    first, second = pq.read_table(warehouse.folder / "raw/a/Patient/run=1/1.parquet").to_pylist()
    assert first == {
        "center_id": "a",
        "resource_type": "Patient",
        "resource_id": "p1",
        "version_id": None,
        "last_updated": None,
        "content_hash": new.content_hash,
        "run_id": run_id,
        "body": new.body,
    }
    assert second["last_updated"] == NOON.replace(tzinfo=None)


def test_the_same_unit_again_changes_nothing_but_its_step(warehouse: Warehouse) -> None:
    once = unit(a_run(warehouse), patient(), patient("p2"))
    land(warehouse, once)
    before = (warehouse.rows("SELECT * FROM ops.head ORDER BY ALL"), files(warehouse.folder))
    assert land(warehouse, once) == LandCounts(2, 0, 2, 0)
    assert (warehouse.rows("SELECT * FROM ops.head ORDER BY ALL"), files(warehouse.folder)) == before
    assert len(warehouse.rows("SELECT * FROM ops.step")) == 2


OLD = {"gender": "male"}
NEW = {"gender": "female"}


@pytest.mark.parametrize(
    ("second", "wins"),
    [
        pytest.param(patient(hours=1, version="2", **NEW), True, id="later instant"),
        pytest.param(patient(hours=1, version="0", **NEW), True, id="later instant, lower version: reborn"),
        pytest.param(patient(hours=-1, version="2", **NEW), True, id="earlier instant, higher version"),
        pytest.param(patient(hours=-1, version="0", **NEW), False, id="earlier instant, lower version"),
        pytest.param(patient(hours=-1, version=None, **NEW), False, id="earlier instant, no version"),
        pytest.param(patient(hours=0, version="2", **NEW), True, id="same instant, higher version"),
        pytest.param(patient(hours=0, version="0", **NEW), False, id="same instant, lower version"),
        pytest.param(patient(hours=0, version="1", **NEW), True, id="same instant and version: arrival"),
        pytest.param(patient(hours=0, version="W/x", **NEW), True, id="version that is no number: arrival"),
        pytest.param(patient(hours=None, version=None, **NEW), True, id="no meta: arrival"),
        pytest.param(patient(hours=None, version="0", **NEW), False, id="no instant, lower version"),
    ],
)
@pytest.mark.parametrize("in_one_unit", [True, False])
def test_the_newer_version_is_current(
    warehouse: Warehouse, second: Landed, wins: bool, in_one_unit: bool
) -> None:
    run_id = a_run(warehouse)
    first = patient(hours=0, version="1", **OLD)
    units = [unit(run_id, first, second)] if in_one_unit else [unit(run_id, first), unit(run_id, second)]
    for each in units:
        land(warehouse, each)
    assert current(warehouse) == {"p1": (second if wins else first).body}


def test_version_ten_is_newer_than_version_nine(warehouse: Warehouse) -> None:
    land(warehouse, unit(a_run(warehouse), patient(version="9", **OLD)))
    land(warehouse, unit(a_run(warehouse), patient(version="10", **NEW)))
    assert "female" in current(warehouse)["p1"]


def test_instants_are_compared_as_instants_not_as_text(warehouse: Warehouse) -> None:
    east = dt.datetime(2024, 5, 1, 13, tzinfo=dt.timezone(dt.timedelta(hours=3)))  # 10:00 UTC
    land(warehouse, unit(a_run(warehouse), patient(**OLD)))
    late = patient(version="1", **NEW)
    land(
        warehouse,
        unit(1, Landed("Patient", "p1", "1", east, late.content_hash, late.body)),
    )
    assert "female" not in current(warehouse)["p1"]


def test_touched_but_unchanged_content_moves_the_instant_and_stores_nothing(warehouse: Warehouse) -> None:
    run_id = a_run(warehouse)
    land(warehouse, unit(run_id, patient(hours=0, version="1", **OLD)))
    assert land(warehouse, unit(run_id, patient(hours=5, version="2", **OLD))) == LandCounts(1, 0, 1, 0)
    land(warehouse, unit(run_id, patient(hours=3, version="x", **NEW)))
    (head,) = warehouse.rows("SELECT version_id, last_updated FROM ops.head")
    assert head == {"version_id": "2", "last_updated": at(5)}
    assert len(files(warehouse.folder)) == 1
    assert "female" not in current(warehouse)["p1"]


def test_content_that_comes_back_within_a_run_is_current_once(warehouse: Warehouse) -> None:
    run_id = a_run(warehouse)
    for hours, content in enumerate([OLD, NEW, OLD]):
        land(warehouse, unit(run_id, patient(hours=hours, version=None, **content)))
    assert current(warehouse) == {"p1": patient(**OLD).body}
    assert warehouse.rows("SELECT path FROM ops.head") == [{"path": "raw/a/Patient/run=1/3.parquet"}]


def test_duplicates_inside_a_unit_are_stored_once(warehouse: Warehouse) -> None:
    assert land(warehouse, unit(a_run(warehouse), patient(), patient())) == LandCounts(2, 1, 1, 0, 1)
    assert warehouse.rows("SELECT versions FROM ops.segment") == [{"versions": 1}]


def test_equal_ids_at_two_centers_are_two_resources(warehouse: Warehouse) -> None:
    run_id = a_run(warehouse)
    land(warehouse, unit(run_id, patient(), center_id="a"))
    land(warehouse, unit(run_id, patient(), center_id="b"))
    assert len(warehouse.rows("SELECT * FROM ops.head")) == 2


def test_a_unit_of_another_type_is_refused(warehouse: Warehouse) -> None:
    odd = Landed("Condition", "c1", "1", NOON, "h", "{}")
    with pytest.raises(WarehouseError, match="A unit of Patient holds a Condition"):
        land(warehouse, unit(a_run(warehouse), odd))


@pytest.mark.parametrize("center_id", ["../a", "a/b", "", ".", "a\x00"])
def test_a_center_cannot_name_a_path(warehouse: Warehouse, center_id: str) -> None:
    with pytest.raises(ConfigError):
        land(warehouse, unit(a_run(warehouse), patient(), center_id=center_id))


def test_coverage_and_members_move_with_the_data(warehouse: Warehouse) -> None:
    run_id = a_run(warehouse)
    cohort = Covered("", "f", NOON)
    land(warehouse, unit(run_id, patient(), covered=[cohort, Covered("p1", "f", NOON)], members=["p2", "p1"]))
    later = Covered("p1", "g", at(24))
    land(warehouse, unit(run_id, covered=[later], members=["p1", "p3"]))
    assert coverage(warehouse, "a", "Patient") == {"": cohort, "p1": later}
    assert coverage(warehouse, "a", "Condition") == coverage(warehouse, "b", "Patient") == {}
    assert members(warehouse, "a") == ["p1", "p2", "p3"]
    assert members(warehouse, "b") == []


def open_faults(warehouse: Warehouse) -> list[tuple[str, str]]:
    rows = warehouse.rows("SELECT resource_id, content_hash FROM ops.quarantine WHERE is_open ORDER BY ALL")
    return [(row["resource_id"], row["content_hash"]) for row in rows]


def test_a_refused_resource_stays_open_until_a_good_version_lands(warehouse: Warehouse) -> None:
    first = a_run(warehouse)
    counts = land(warehouse, unit(first, quarantined=[refused(), refused(rule="pattern"), refused("p2")]))
    assert counts == LandCounts(3, 0, 0, 2)
    land(warehouse, unit(a_run(warehouse), quarantined=[refused()]))
    rows = warehouse.rows(
        "SELECT first_run_id, last_run_id, is_open, body FROM ops.quarantine "
        "WHERE resource_id = 'p1' AND rule = 'required'"
    )
    assert rows == [{"first_run_id": 1, "last_run_id": 2, "is_open": True, "body": '{"id":"x"}'}]
    land(warehouse, unit(a_run(warehouse), patient()))
    assert open_faults(warehouse) == [("p2", "bad")]


def test_a_good_version_that_is_current_already_closes_the_fault_too(warehouse: Warehouse) -> None:
    run_id = a_run(warehouse)
    land(warehouse, unit(run_id, patient()))
    land(warehouse, unit(run_id, quarantined=[refused()]))
    land(warehouse, unit(run_id, patient()))
    assert open_faults(warehouse) == []


def test_an_older_good_version_closes_no_fault(warehouse: Warehouse) -> None:
    run_id = a_run(warehouse)
    land(warehouse, unit(run_id, patient(hours=2)))
    land(warehouse, unit(run_id, quarantined=[refused()]))
    land(warehouse, unit(run_id, patient(hours=1, **NEW)))
    assert open_faults(warehouse) == [("p1", "bad")]


def test_of_two_faulty_versions_only_the_newer_is_open(warehouse: Warehouse) -> None:
    run_id = a_run(warehouse)
    land(warehouse, unit(run_id, quarantined=[refused(content="bad1")]))
    land(warehouse, unit(run_id, quarantined=[refused(content="bad2")]))
    assert open_faults(warehouse) == [("p1", "bad2")]


def test_a_resource_both_good_and_faulty_in_one_unit_stays_open(warehouse: Warehouse) -> None:
    land(warehouse, unit(a_run(warehouse), patient(), quarantined=[refused()]))
    assert open_faults(warehouse) == [("p1", "bad")]


def snapshot(warehouse: Warehouse) -> object:
    tables = ("head", "segment", "step", "coverage", "cohort_member", "quarantine")
    return [
        warehouse.rows(with_names("SELECT * FROM {table} ORDER BY ALL", table=f"ops.{name}"))
        for name in tables
    ], files(warehouse.folder)


def everything(run_id: int) -> Unit:
    return unit(
        run_id,
        patient(hours=9, **NEW),
        patient("p9"),
        quarantined=[refused("p8")],
        covered=[Covered("p9", "f", NOON)],
        members=["p9"],
    )


@pytest.mark.parametrize("failing", range(1, 13))
def test_a_unit_that_fails_at_any_statement_leaves_nothing(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch, failing: int
) -> None:
    run_id = a_run(warehouse)
    land(warehouse, unit(run_id, patient(**OLD)))
    before = snapshot(warehouse)
    execute, calls = Transaction.execute, 0

    def fail_at(self: Transaction, sql: str, params: object = None) -> None:
        nonlocal calls
        calls += 1
        if calls == failing:
            raise WarehouseError("injected", "none")
        execute(self, sql, params)  # type: ignore[arg-type]

    with monkeypatch.context() as patched:
        patched.setattr(Transaction, "execute", fail_at)
        try:
            land(warehouse, everything(run_id))
        except WarehouseError:
            assert snapshot(warehouse) == before
            assert calls == failing
        else:
            assert failing > calls >= 10, "every statement of a unit has failed once"
            return
    land(warehouse, everything(run_id))
    assert set(current(warehouse)) == {"p1", "p9"}


@pytest.mark.parametrize("is_durable", [True, False])
def test_a_commit_that_raises_keeps_the_segment_exactly_when_it_is_listed(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch, is_durable: bool
) -> None:
    run_id = a_run(warehouse)
    monkeypatch.setattr(warehouse, "_writer", Commits(warehouse._writer, is_durable=is_durable))
    if is_durable:
        land(warehouse, unit(run_id, patient()))
    else:
        with pytest.raises(WarehouseError, match="could not be committed"):
            land(warehouse, unit(run_id, patient()))
    assert files(warehouse.folder) == [row["path"] for row in warehouse.rows("SELECT path FROM ops.segment")]
    land(warehouse, unit(run_id, patient()))
    assert set(current(warehouse)) == {"p1"}


def test_a_file_that_the_ledger_does_not_list_is_ignored_and_overwritten(warehouse: Warehouse) -> None:
    run_id = a_run(warehouse)
    leftover = warehouse.folder / "raw/a/Patient" / f"run={run_id}" / "1.parquet"
    leftover.parent.mkdir(parents=True)
    leftover.write_bytes(b"half a file")
    assert current(warehouse) == {}
    land(warehouse, unit(run_id, patient()))
    assert set(current(warehouse)) == {"p1"}
    with warehouse.transaction() as transaction:
        require_intact(transaction, warehouse.folder)


def test_a_missing_or_altered_segment_is_noticed(warehouse: Warehouse) -> None:
    run_id = a_run(warehouse)
    for resource_id in ("p1", "p2", "p3"):
        land(warehouse, unit(run_id, patient(resource_id)))
    place = warehouse.folder / "raw/a/Patient/run=1"
    (place / "1.parquet").unlink()
    (place / "2.parquet").write_bytes(b"other")
    named = r"altered: \S+=1/1\.parquet, \S+=1/2\.parquet\."
    with warehouse.transaction() as transaction, pytest.raises(WarehouseError, match=named):
        require_intact(transaction, warehouse.folder)


def test_two_threads_land_without_losing_anything(warehouse: Warehouse) -> None:
    run_id = a_run(warehouse)

    def land_many(center_id: str) -> None:
        for number in range(10):
            land(warehouse, unit(run_id, patient(f"p{number}"), center_id=center_id, members=[f"p{number}"]))

    # Two threads share center a: their segments must not take the same number.
    threads = [threading.Thread(target=land_many, args=(center_id,)) for center_id in ("a", "a", "b")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(warehouse.rows("SELECT * FROM ops.head")) == 20
    assert len(files(warehouse.folder)) == len(warehouse.rows("SELECT * FROM ops.segment")) == 20
    with warehouse.transaction() as transaction:
        require_intact(transaction, warehouse.folder)


LANDER = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from landing_examples import a_run, patient, unit
from warehouse.connection import Warehouse
from warehouse.land import land
with Warehouse.open(Path(sys.argv[1])) as warehouse:
    run_id = a_run(warehouse)
    for number in range(100_000):
        land(warehouse, unit(run_id, patient(f"r{run_id}-{number}"), members=[f"r{run_id}-{number}"]))
        print(f"r{run_id}-{number}", flush=True)
"""


@pytest.mark.parametrize("acknowledged", [1, 4, 9])
def test_a_process_killed_while_landing_loses_nothing_it_acknowledged(
    folder: Path, acknowledged: int
) -> None:
    here = str(Path(__file__).parent)
    child = subprocess.Popen(
        [sys.executable, "-c", LANDER, str(folder), here], stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    seen = [child.stdout.readline().strip() for _ in range(acknowledged)]
    child.kill()
    seen += child.stdout.read().split()
    child.stdout.close()
    child.wait()
    with Warehouse.open(folder) as warehouse:
        landed = set(current(warehouse))
        assert landed >= set(seen)
        assert landed == set(members(warehouse, "a")), "data and members move together"
        assert len(warehouse.rows("SELECT * FROM ops.step")) == len(landed)
        with warehouse.transaction() as transaction:
            require_intact(transaction, folder)
        land(warehouse, unit(a_run(warehouse), patient("after")))
        assert set(current(warehouse)) == landed | {"after"}


def _heads(warehouse: Warehouse) -> dict[str, set[str]]:
    """The current resources of each segment."""
    found: dict[str, set[str]] = {}
    for head in warehouse.rows("SELECT path, resource_id FROM ops.head"):
        found.setdefault(head["path"], set()).add(head["resource_id"])
    return found


def test_a_segment_gains_no_head_once_it_is_written(warehouse: Warehouse) -> None:
    """The flat tables rely on it: as many heads of a segment as they took from it are the same ones.

    Same and changed content, later, earlier and unnumbered versions, versions set back, deletions, returns.
    """
    chance = random.Random(20261126)  # noqa: S311 -- no secret
    held: dict[str, set[str]] = {}
    moved = 0
    for hours in range(150):
        run_id = a_run(warehouse)
        ids = chance.sample([f"p{number}" for number in range(12)], chance.randrange(1, 8))
        if chance.random() < 0.3:
            gone = Deletion(run_id, "a", "Patient", ids, at(hours))
            delete(warehouse, gone, DepartureLimit(100.0, is_lifted=True))
        else:
            at_hours = max(0, hours - chance.choice([0, 0, 0, 5]))
            version = chance.choice([str(at_hours), None])
            content = [chance.choice(["male", "female"]) for _ in ids]
            sent = [
                patient(each, version=version, hours=at_hours, gender=gender)
                for each, gender in zip(ids, content, strict=True)
            ]
            land(warehouse, unit(run_id, *sent, set_back=chance.choice([(), ids])))
        for path, heads in _heads(warehouse).items():
            assert heads <= held.setdefault(path, heads), path
            moved += heads < held[path]
    returned = len(warehouse.rows("SELECT * FROM ops.departure WHERE back_run_id IS NOT NULL"))
    assert moved > 100
    assert returned > 20
