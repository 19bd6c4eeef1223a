"""For every write of a backup and an export: a disk that refuses it is told, and the next one is whole."""

import shutil
from pathlib import Path

from landing_examples import NOON, a_run, patient, unit
from test_publish import built, release  # noqa: F401 - fixtures

from tests.properties.failing_files import refused_one_by_one
from warehouse.backup import back_up, state_numbers
from warehouse.connection import Warehouse
from warehouse.export import export_release
from warehouse.land import land
from warehouse.manifest import verify_manifest
from warehouse.publish import Release
from warehouse.restore import check_backup


def test_a_backup(warehouse: Warehouse, tmp_path: Path) -> None:
    land(warehouse, unit(a_run(warehouse), patient("p1")))
    place = tmp_path / "backups"

    def begin_again() -> None:
        assert state_numbers(place) in ([], [1])  # whole, or not there
        shutil.rmtree(place, ignore_errors=True)

    failed = refused_one_by_one(
        place, lambda: back_up(warehouse, place, version="0.1.0", now=NOON), begin_again
    )
    assert failed >= {"mkdir", "open", "write", "fsync", "replace"}
    assert check_backup(place).manifest.state == 1


def test_an_export(release: Release, tmp_path: Path) -> None:  # noqa: F811
    out = tmp_path / "exports"
    target = out / "one"

    def export() -> object:
        return export_release(release.path, target, "csv", NOON, safe_harbor=False)

    failed = refused_one_by_one(out, export, lambda: None)
    assert failed >= {"mkdir", "open", "write", "rename"}
    verify_manifest(target)
    assert [path.name for path in out.iterdir()] == ["one"]
