"""A full disk, or files that may not grow: the error says so, nothing is half there, and it goes on."""

import os
import resource
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from build_examples import release_of
from landing_examples import a_run, patient, unit
from test_publish import build_core

from mappings.errors import WarehouseError
from warehouse.connection import Warehouse
from warehouse.land import land
from warehouse.mart import open_mart
from warehouse.publish import current_release, publish
from warehouse.segments import require_intact
from warehouse.unit import Unit

DISK_MEBIBYTES = 24
LIMITS = (1_000, 20_000, 60_000, 200_000, 700_000, 1_500_000, 3_000_000)


def big_unit(run_id: int, number: int) -> Unit:
    """Patients whose content no compression makes smaller; about a megabyte."""
    landed = [patient(f"p{number}-{each}", noise=os.urandom(4_000).hex()) for each in range(120)]
    return unit(run_id, *landed)


@contextmanager
def no_file_beyond(limit: int) -> Iterator[None]:
    """Writing beyond that many bytes of any file fails; Python ignores the signal that comes with it."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@contextmanager
def full(disk: Path, left: int) -> Iterator[None]:
    """The disk has `left` bytes of room while the block runs."""
    ballast = disk / "ballast"
    room = os.statvfs(disk)
    with ballast.open("wb") as file:
        file.write(b"\0" * max(room.f_bavail * room.f_frsize - left, 0))
    try:
        yield
    finally:
        ballast.unlink()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A small file system of its own."""
    place = tmp_path / "disk"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={DISK_MEBIBYTES}m", "tmpfs", str(place)]
    mounted = subprocess.run(command, capture_output=True, text=True, check=False)
    if mounted.returncode:
        reason = f"no tmpfs can be mounted here: {mounted.stderr.strip()}"
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(reason)
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def assert_consistent(warehouse: Warehouse, heads: int) -> None:
    """So many resources are current, and each listed segment is what was landed."""
    assert len(warehouse.rows("SELECT 1 AS one FROM ops.head")) == heads
    with warehouse.transaction() as transaction:
        require_intact(transaction, warehouse.folder)


@pytest.mark.row(70)
def test_a_landing_that_finds_no_room_leaves_nothing_behind(warehouse: Warehouse) -> None:
    run_id = a_run(warehouse)
    refused, landed = 0, 0
    for number, limit in enumerate(LIMITS):
        try:
            with no_file_beyond(limit):
                land(warehouse, big_unit(run_id, number))
            landed += 1
        except WarehouseError:
            refused += 1
        assert_consistent(warehouse, 120 * landed)
    assert refused > 2
    land(warehouse, big_unit(run_id, 99))
    assert_consistent(warehouse, 120 * (landed + 1))


@pytest.mark.row(70)
def test_a_release_that_finds_no_room_leaves_the_old_one(warehouse: Warehouse, tmp_path: Path) -> None:
    land(warehouse, big_unit(a_run(warehouse), 1))
    build_core(warehouse, tmp_path)
    current, refused = publish(warehouse, release_of(1)).path, 0
    for limit in LIMITS:
        try:
            with no_file_beyond(limit):
                current = publish(warehouse, release_of(1)).path
        except WarehouseError:
            refused += 1
        assert current_release(warehouse.folder) == current
        with open_mart(warehouse.folder) as mart:
            assert mart.rows("SELECT count(*) AS n FROM core.patient") == [{"n": 120}]
    assert refused > 2


@pytest.mark.row(70)
def test_a_full_disk_loses_neither_data_nor_the_published_release(disk: Path, tmp_path: Path) -> None:
    with Warehouse.open(disk / "data", threads=2) as warehouse:
        run_id = a_run(warehouse)
        land(warehouse, big_unit(run_id, 1))
        build_core(warehouse, tmp_path)
        current = publish(warehouse, release_of(1)).path
        for left in (0, 100_000, 400_000):
            with full(disk, left):
                with pytest.raises(WarehouseError):
                    land(warehouse, big_unit(run_id, 2))
                with pytest.raises(WarehouseError):
                    publish(warehouse, release_of(1))
                with open_mart(warehouse.folder) as mart:
                    assert mart.rows("SELECT count(*) AS n FROM core.patient") == [{"n": 120}]
            assert current_release(warehouse.folder) == current
        land(warehouse, big_unit(run_id, 2))
        assert_consistent(warehouse, 240)
        assert publish(warehouse, release_of(1)).path != current
    with Warehouse.open(disk / "data") as again:
        assert_consistent(again, 240)
