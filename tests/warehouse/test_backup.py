"""Backups: consistent, incremental, verified; and warehouses restored from them."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from landing_examples import NOON, a_run, at, patient, unit

from mappings.errors import NothingPublishedError, WarehouseBusyError, WarehouseError
from warehouse.audit import read_log, verify
from warehouse.backup import KEPT_STATES, Copied, back_up, state_numbers
from warehouse.connection import Warehouse
from warehouse.land import land
from warehouse.restore import check_backup, restore
from warehouse.segments import checksum


@pytest.fixture
def landed(warehouse: Warehouse) -> Iterator[Warehouse]:
    """Two landed segments, and the file of a release."""
    run_id = a_run(warehouse)
    land(warehouse, unit(run_id, patient("p1")))
    land(warehouse, unit(run_id, patient("p2")))
    release = warehouse.folder / "marts" / "releases" / "1"
    release.mkdir(parents=True)
    (release / "mart.duckdb").write_bytes(b"a release")
    (warehouse.folder / "marts" / "current").symlink_to(Path("releases") / "1")
    return warehouse


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "backups"


def made(warehouse: Warehouse, place: Path) -> Copied:
    return back_up(warehouse, place, version="0.1.0", now=at(1))


def hashes(folder: Path) -> dict[str, str]:
    """Every file but the lock, which each warehouse has of its own, and the database with its new entry."""
    files = (file for file in folder.rglob("*") if file.is_file())
    own = {"lock", "work.duckdb", "work.duckdb.wal"}
    return {str(file.relative_to(folder)): checksum(file) for file in files if file.name not in own}


def test_a_backup_is_restored_into_a_new_folder_with_equal_hashes(
    landed: Warehouse, place: Path, tmp_path: Path
) -> None:
    heads = landed.rows("FROM ops.head ORDER BY resource_id")
    assert made(landed, place).files == 4
    manifest = restore(place, tmp_path / "new", now=at(2))
    assert hashes(tmp_path / "new") == hashes(landed.folder)
    assert manifest.current_release == "1"
    assert (tmp_path / "new" / "marts" / "current" / "mart.duckdb").read_bytes() == b"a release"
    with Warehouse.open(tmp_path / "new") as restored:
        assert restored.rows("FROM ops.head ORDER BY resource_id") == heads
        land(restored, unit(a_run(restored), patient("p3")))


def test_both_logs_tell_of_it_and_stay_whole(landed: Warehouse, place: Path, tmp_path: Path) -> None:
    made(landed, place)
    restore(place, tmp_path / "new", now=at(2))
    with Warehouse.open(tmp_path / "new") as restored:
        logs = [read_log(landed.rows), read_log(restored.rows)]
    told = [[(entry.action, entry.outcome) for entry in log[1:]] for log in logs]
    assert told == [
        [("backup", "started"), ("backup", "complete")],
        [("backup", "started"), ("restore", "restored")],
    ]
    assert [verify(log).broken_at for log in logs] == [None, None]


def test_a_second_backup_copies_what_is_new(landed: Warehouse, place: Path) -> None:
    assert made(landed, place).copied == 4
    land(landed, unit(a_run(landed), patient("p3")))
    again = made(landed, place)
    assert (again.state, again.files, again.copied) == (2, 5, 2)
    assert check_backup(place).manifest.state == 2


def test_only_what_the_ledger_lists_is_kept(landed: Warehouse, place: Path) -> None:
    (landed.folder / "raw" / "a" / "left.parquet").write_bytes(b"what a crash left")
    made(landed, place)
    assert not (place / "raw" / "a" / "left.parquet").exists()


def test_the_warehouse_goes_on_after_its_backup_and_stays_locked_meanwhile(
    landed: Warehouse, place: Path
) -> None:
    made(landed, place)
    land(landed, unit(a_run(landed), patient("p9")))
    with landed.at_rest():
        assert not (landed.folder / "work.duckdb.wal").exists()
        with pytest.raises(WarehouseBusyError):
            Warehouse.open(landed.folder)
    assert len(landed.rows("FROM ops.head")) == 3


def test_only_the_owner_can_read_a_backup(landed: Warehouse, place: Path) -> None:
    before = os.umask(0)
    try:
        made(landed, place)
    finally:
        os.umask(before)
    modes = {stat.S_IMODE(path.stat().st_mode) for path in [place, *place.rglob("*")]}
    assert modes == {0o600, 0o700}


def test_older_states_and_their_releases_are_forgotten(landed: Warehouse, place: Path) -> None:
    made(landed, place)
    releases = landed.folder / "marts" / "releases"
    (releases / "1").rename(releases / "2")
    for _ in range(KEPT_STATES):
        made(landed, place)
    assert state_numbers(place) == [2, 3, 4]
    assert sorted(path.parent.name for path in place.rglob("mart.duckdb")) == ["2"]


@pytest.mark.parametrize("name", ["work.duckdb", "1.parquet", "mart.duckdb"])
def test_a_changed_file_is_found_and_nothing_is_restored(
    landed: Warehouse, place: Path, tmp_path: Path, name: str
) -> None:
    made(landed, place)
    file = next(place.rglob(name))
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    with pytest.raises(WarehouseError, match="missing or were altered"):
        check_backup(place)
    with pytest.raises(WarehouseError, match="missing or were altered"):
        restore(place, tmp_path / "new", now=at(2))
    assert not (tmp_path / "new").exists()


def test_a_missing_file_is_found(landed: Warehouse, place: Path) -> None:
    made(landed, place)
    next(place.rglob("2.parquet")).unlink()
    with pytest.raises(WarehouseError, match="1 files of the backup are missing"):
        check_backup(place)


def test_a_check_changes_nothing(landed: Warehouse, place: Path) -> None:
    made(landed, place)
    before = {path: path.stat().st_mtime_ns for path in place.rglob("*")}
    assert check_backup(place).size > 0
    assert {path: path.stat().st_mtime_ns for path in place.rglob("*")} == before


def test_a_log_that_was_cut_after_the_backup_is_noticed(landed: Warehouse, place: Path) -> None:
    """A database with a whole but shorter log, put in with its hash, is still not the one backed up."""
    made(landed, place)
    head = check_backup(place).manifest.audit_head
    manifest = next((place / "states" / "1").glob("manifest.json"))
    manifest.write_text(manifest.read_text().replace(head, "0" * 64))
    with pytest.raises(WarehouseError, match="audit log in the backup is not whole"):
        check_backup(place)


def test_a_restore_never_writes_over_a_warehouse(landed: Warehouse, place: Path) -> None:
    made(landed, place)
    with pytest.raises(WarehouseError, match="is not empty"):
        restore(place, landed.folder, now=NOON)


def test_an_empty_folder_may_be_restored_into(landed: Warehouse, place: Path, tmp_path: Path) -> None:
    made(landed, place)
    (tmp_path / "new").mkdir()
    restore(place, tmp_path / "new", now=NOON)
    assert (tmp_path / "new" / "work.duckdb").is_file()


def test_a_damaged_segment_is_not_backed_up_silently(landed: Warehouse, place: Path) -> None:
    file = next((landed.folder / "raw").rglob("1.parquet"))
    file.write_bytes(b"no Parquet")
    with pytest.raises(WarehouseError, match="not what was landed"):
        made(landed, place)
    assert state_numbers(place) == []


def test_a_backup_that_dies_leaves_the_earlier_one(
    landed: Warehouse, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made(landed, place)

    def full(*_: object) -> str:
        raise OSError(28, "No space left on device")

    land(landed, unit(a_run(landed), patient("p3")))
    monkeypatch.setattr("warehouse.backup.copy_durably", full)
    with pytest.raises(WarehouseError, match="No space left"):
        made(landed, place)
    assert check_backup(place).manifest.state == 1
    assert len(landed.rows("FROM ops.head")) == 3


def test_a_backup_into_the_warehouse_itself_is_refused(landed: Warehouse) -> None:
    with pytest.raises(WarehouseError, match="lies in the warehouse folder"):
        made(landed, landed.folder / "backups")


def test_a_folder_without_backups_is_told(tmp_path: Path) -> None:
    with pytest.raises(NothingPublishedError, match="holds no backup"):
        check_backup(tmp_path)
