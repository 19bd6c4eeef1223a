"""The lake: what is copied, what is left as it is, and what a reader can rely on whatever happens."""

import json
import pickle
import signal
import stat
import subprocess
import sys
from pathlib import Path

import lake_testbed
import pyarrow.parquet as pq
import pytest
from build_examples import release_of
from lake_testbed import fill, planned, wrong
from landing_examples import NOON, a_run, patient, unit
from test_full_disk import no_file_beyond
from test_publish import built, release  # noqa: F401 - fixtures

from mappings.errors import ConfigError, WarehouseBusyError, WarehouseError
from warehouse.connection import Warehouse
from warehouse.lake import fill_lake, read_lake
from warehouse.lake_plan import lake_scratch
from warehouse.land import land
from warehouse.publish import Release, publish

pytestmark = pytest.mark.usefixtures("release")
Kinds = dict[str, list[str]]


def kinds(lake: Path) -> Kinds:
    found: Kinds = {"release": [], "raw": [], "heads": []}
    for path, entry in json.loads((lake / "manifest.json").read_text())["files"].items():
        found[entry["kind"]].append(path)
    return found


def land_more(warehouse: Warehouse, name: str = "new") -> None:
    run_id = a_run(warehouse)
    land(warehouse, unit(run_id, patient(name, gender="male")))


def test_a_lake_holds_release_raw_and_current_versions_and_says_what_each_file_is(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    lake = tmp_path / "lake"
    filled = fill(warehouse, lake)
    assert filled.files == filled.copied == len(read_lake(lake))
    assert wrong(lake) == []
    heads = [row for path in kinds(lake)["heads"] for row in pq.read_table(lake / path).to_pylist()]
    current = warehouse.rows("SELECT * REPLACE (last_updated::VARCHAR AS last_updated) FROM ops.head")
    assert sorted(str({**head, "last_updated": str(head["last_updated"])}) for head in heads) == sorted(
        map(str, current)
    )
    assert {row["path"] for row in heads} <= set(kinds(lake)["raw"])
    files = json.loads((lake / "manifest.json").read_text())["files"]
    for path, entry in files.items():
        assert entry["bytes"] == (lake / path).stat().st_size
        if path.endswith(".parquet"):
            assert entry["rows"] == pq.read_metadata(lake / path).num_rows
    assert not [path for path in files if path.endswith(".duckdb")]


def test_a_lake_is_its_owners_alone(warehouse: Warehouse, tmp_path: Path) -> None:
    fill(warehouse, tmp_path / "lake")
    everything = [tmp_path / "lake", *(tmp_path / "lake").rglob("*")]
    assert {stat.S_IMODE(path.stat().st_mode) for path in everything if path.is_file()} == {0o600}
    assert {stat.S_IMODE(path.stat().st_mode) for path in everything if path.is_dir()} == {0o700}
    assert not (warehouse.folder / "lake").exists()


def test_only_what_is_new_is_copied_again(warehouse: Warehouse, tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    first = fill(warehouse, lake)
    assert fill(warehouse, lake).copied == 0
    land_more(warehouse)
    again = fill(warehouse, lake)
    assert again.copied == 2, "the new segment, and the current versions of its type"
    assert again.files == first.files + 1
    assert wrong(lake) == []


def test_what_no_manifest_names_any_more_goes_a_night_later(
    warehouse: Warehouse,
    release: Release,  # noqa: F811
    tmp_path: Path,
) -> None:
    lake = tmp_path / "lake"
    fill(warehouse, lake)
    before = set(kinds(lake)["release"])
    publish(warehouse, release_of(1))
    assert fill(warehouse, lake).removed == 0, "a cluster may still read what it began with"
    assert before.isdisjoint(read_lake(lake))
    assert all((lake / path).exists() for path in before)
    assert fill(warehouse, lake).removed == len(before)
    assert not any((lake / path).exists() for path in before)
    assert not (lake / "release" / "1").exists()


def test_a_file_that_was_altered_is_noticed_and_replaced(warehouse: Warehouse, tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    fill(warehouse, lake)
    altered = kinds(lake)["raw"][0]
    content = bytearray((lake / altered).read_bytes())
    content[len(content) // 2] ^= 1
    (lake / altered).write_bytes(content)
    assert wrong(lake) == [altered]
    assert fill(warehouse, lake).altered == (altered,)
    assert wrong(lake) == []


def test_a_segment_that_is_not_what_was_landed_never_reaches_the_lake(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    lake = tmp_path / "lake"
    fill(warehouse, lake)
    land_more(warehouse)
    before = (lake / "manifest.json").read_bytes()
    (newest,) = warehouse.rows("SELECT path FROM ops.segment ORDER BY run_id DESC LIMIT 1")
    (warehouse.folder / newest["path"]).write_bytes(b"damaged")
    with pytest.raises(WarehouseError, match="is not what was landed"):
        fill(warehouse, lake)
    assert (lake / "manifest.json").read_bytes() == before
    assert wrong(lake) == []
    assert not (lake / newest["path"]).exists()


@pytest.mark.parametrize("step", range(1, 7))
def test_a_lake_that_is_killed_while_it_is_filled_is_what_it_was_and_goes_on(
    warehouse: Warehouse, tmp_path: Path, step: int
) -> None:
    lake, plan = tmp_path / "lake", tmp_path / "plan"
    fill(warehouse, lake)
    before = (lake / "manifest.json").read_bytes()
    land_more(warehouse)
    publish(warehouse, release_of(1))
    with lake_scratch(warehouse.folder) as scratch:
        plan.write_bytes(pickle.dumps(planned(warehouse, scratch)))
        program = [sys.executable, lake_testbed.__file__, str(lake), str(plan), str(step)]
        killed = subprocess.run(program, check=False, capture_output=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert (lake / "manifest.json").read_bytes() == before
    assert wrong(lake) == []
    fill(warehouse, lake)
    fill(warehouse, lake)
    assert wrong(lake) == []
    found = {str(path.relative_to(lake)) for path in lake.rglob("*") if path.is_file()}
    assert found == {*read_lake(lake), "manifest.json"}


def test_a_full_disk_leaves_the_lake_as_it_was(warehouse: Warehouse, tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    fill(warehouse, lake)
    before = (lake / "manifest.json").read_bytes()
    land_more(warehouse)
    with lake_scratch(warehouse.folder) as scratch:
        files = planned(warehouse, scratch)
        with no_file_beyond(200), pytest.raises(WarehouseError, match="could not be written: File too large"):
            fill_lake(lake, files, {}, NOON)
    assert (lake / "manifest.json").read_bytes() == before
    assert wrong(lake) == []
    assert not list(lake.rglob("*.copying"))


def test_current_versions_that_cannot_be_written_are_an_error_with_a_next_step(warehouse: Warehouse) -> None:
    with (
        lake_scratch(warehouse.folder) as scratch,
        no_file_beyond(20),
        pytest.raises(WarehouseError, match="The database cannot read or write a file"),
    ):
        planned(warehouse, scratch)
    with lake_scratch(warehouse.folder) as scratch:
        assert planned(warehouse, scratch)


def test_a_scratch_folder_whose_place_is_taken_is_an_error_with_a_next_step(warehouse: Warehouse) -> None:
    (warehouse.folder / "lake").write_text("in the way")
    with (
        pytest.raises(WarehouseError, match="could not be made: File exists"),
        lake_scratch(warehouse.folder),
    ):
        pass


def test_a_folder_of_something_else_is_left_alone(warehouse: Warehouse, tmp_path: Path) -> None:
    (tmp_path / "thesis.docx").write_text("mine")
    with pytest.raises(ConfigError, match="not of a lake"):
        fill(warehouse, tmp_path)
    assert (tmp_path / "thesis.docx").read_text() == "mine"


def test_a_manifest_that_cannot_be_read_is_told(warehouse: Warehouse, tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    fill(warehouse, lake)
    (lake / "manifest.json").write_text('{"files": ["x"]}')
    with pytest.raises(WarehouseError, match="no manifest of a lake"):
        fill(warehouse, lake)


def test_one_lake_is_filled_at_a_time_and_the_warehouse_is_free_meanwhile(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    with lake_scratch(warehouse.folder), pytest.raises(WarehouseBusyError, match="Another lake export"):
        fill(warehouse, tmp_path / "lake")
    with lake_scratch(warehouse.folder):
        land_more(warehouse)
