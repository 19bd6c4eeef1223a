"""A look at a warehouse tells what is there and leaves every byte as it was."""

import datetime as dt
import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from mappings.errors import WarehouseError
from warehouse.connection import Warehouse
from warehouse.lock import holder
from warehouse.look import WORK_FILE, existing, is_usable, look_at_release, look_at_warehouse, size_of_work
from warehouse.migrate import load_migrations


def prints(folder: Path) -> dict[str, tuple[str, int]]:
    """Content and time of every file below a folder."""
    return {
        str(path.relative_to(folder)): (
            hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "",
            path.lstat().st_mtime_ns,
        )
        for path in [folder, *folder.rglob("*")]
    }


@pytest.fixture
def closed(folder: Path) -> Path:
    Warehouse.open(folder).close()
    return folder


def test_a_warehouse_is_looked_at_without_changing_it(closed: Path) -> None:
    before = prints(closed)
    look = look_at_warehouse(closed)
    assert look is not None
    assert (look.size, look.pending_migrations) == (size_of_work(closed), 0)
    assert look.size > 0
    assert prints(closed) == before


def test_what_a_crash_left_in_the_log_is_read_and_stays(closed: Path) -> None:
    crash = (
        "import duckdb, os, sys; c = duckdb.connect(sys.argv[1]); c.execute('CREATE TABLE t AS SELECT 1'); "
        "os._exit(0)"
    )
    subprocess.run([sys.executable, "-c", crash, str(closed / WORK_FILE)], check=True)
    wal = closed / f"{WORK_FILE}.wal"
    assert wal.exists()
    before = prints(closed)
    assert look_at_warehouse(closed) is not None
    assert prints(closed) == before


def test_no_warehouse_is_no_fault_and_none_is_made(folder: Path) -> None:
    assert look_at_warehouse(folder) is None
    assert look_at_release(folder) is None
    assert not folder.exists()
    assert (existing(folder / "x"), size_of_work(folder)) == (folder.parent, 0)


def test_migrations_still_to_come_are_counted(closed: Path) -> None:
    with duckdb.connect(str(closed / WORK_FILE)) as connection:
        connection.execute("DELETE FROM ops.schema_migration WHERE version > 2")
    look = look_at_warehouse(closed)
    assert look is not None
    assert look.pending_migrations == len(load_migrations()) - 2


def test_a_warehouse_of_a_newer_version_is_an_error(closed: Path) -> None:
    with duckdb.connect(str(closed / WORK_FILE)) as connection:
        connection.execute("INSERT INTO ops.schema_migration VALUES (99, 'later', 'f', now()::TIMESTAMP)")
    with pytest.raises(WarehouseError, match="newer cryocohort"):
        look_at_warehouse(closed)


def test_a_damaged_warehouse_is_an_error(closed: Path) -> None:
    (closed / WORK_FILE).write_bytes(b"no database" * 1000)
    with pytest.raises(WarehouseError, match="cannot be opened"):
        look_at_warehouse(closed)


def test_a_warehouse_that_others_can_read_is_an_error(closed: Path) -> None:
    (closed / WORK_FILE).chmod(0o640)
    with pytest.raises(WarehouseError, match="mode 0640"):
        look_at_warehouse(closed)


def test_a_run_that_begins_in_this_moment_is_no_fault(closed: Path) -> None:
    hold = (
        "import sys; from pathlib import Path; from warehouse.connection import Warehouse; "
        "w = Warehouse.open(Path(sys.argv[1])); print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", hold, str(closed)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as run:
        assert run.stdout is not None
        assert run.stdout.readline() == "held\n"
        assert look_at_warehouse(closed) is None
        assert holder(closed) == str(run.pid)
        run.communicate("")


def test_the_holder_is_unknown_without_a_lock_file_or_a_number_in_it(folder: Path) -> None:
    folder.mkdir()
    assert holder(folder) == ""
    (folder / "lock").write_text("somebody")
    assert holder(folder) == ""


def release(folder: Path) -> Path:
    path = folder / "marts" / "releases" / "4"
    path.mkdir(parents=True)
    (folder / "marts" / "current").symlink_to("releases/4")
    duckdb.connect(str(path / "mart.duckdb")).close()
    manifest = {
        "release": 4,
        "published_at": "2026-11-23T05:00:00+01:00",
        "key_fingerprints": {"a": "0123456789ab"},
        "sha256": {},
    }
    (path / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    return path


def test_the_current_release_tells_its_number_age_and_size(folder: Path) -> None:
    path = release(folder)
    before = prints(folder)
    look = look_at_release(folder)
    assert look is not None
    assert (look.number, look.published_at) == (4, dt.datetime(2026, 11, 23, 4, tzinfo=dt.UTC))
    assert look.size == sum(file.stat().st_size for file in path.iterdir())
    assert (look.newest, look.key_fingerprints) == (4, {"a": "0123456789ab"})
    assert prints(folder) == before


@pytest.mark.parametrize("lost", ["manifest.json", "mart.duckdb", "."])
def test_a_release_that_is_not_whole_is_an_error(folder: Path, lost: str) -> None:
    path = release(folder)
    if lost == ".":
        shutil.rmtree(path)
    else:
        (path / lost).unlink()
    with pytest.raises(WarehouseError, match="leads to no whole release"):
        look_at_release(folder)


def test_a_file_or_a_foreign_folder_cannot_hold_a_warehouse(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert not is_usable(tmp_path / "file")
    assert is_usable(tmp_path)
    if os.getuid():
        tmp_path.chmod(0o500)
        assert not is_usable(tmp_path)
