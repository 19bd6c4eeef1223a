"""Exports: the release in files, and what its Safe Harbor form leaves out."""

import csv
import datetime as dt
import json
import stat
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from test_publish import CANARIES, built, release  # noqa: F401 - fixtures

from mappings.errors import ConfigError, WarehouseError
from warehouse.dictionary import DescribedTable
from warehouse.export import export_release
from warehouse.manifest import verify_manifest
from warehouse.mart import open_release
from warehouse.publish import Release
from warehouse.safe_harbor import SafeHarbor, described_safely

NOW = dt.datetime(2026, 1, 2, 3, 4, tzinfo=dt.UTC)


def read_csv(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_every_table_is_a_file_of_the_same_rows(release: Release, tmp_path: Path) -> None:  # noqa: F811
    export = export_release(release.path, tmp_path / "out", "parquet", NOW, safe_harbor=False)
    assert export.tables == release.tables
    with open_release(release.path / "mart.duckdb") as mart:
        for table in release.tables:
            written = pq.read_table(export.folder / f"{table}.parquet")
            assert written.to_pylist() == mart.table(f"SELECT * FROM {table}").to_pylist()  # noqa: S608


def test_an_export_has_a_dictionary_and_a_manifest_and_is_private(
    release: Release,  # noqa: F811
    tmp_path: Path,
) -> None:
    export = export_release(release.path, tmp_path / "out", "csv", NOW, safe_harbor=False)
    manifest = verify_manifest(export.folder)
    assert (manifest["release"], manifest["audience"], manifest["format"]) == (1, "team", "csv")
    assert manifest["exported_at"] == NOW.isoformat()
    assert manifest["tables"] == export.tables
    assert {row["table"] for row in read_csv(export.folder / "dictionary.csv")} == set(export.tables)
    modes = {stat.S_IMODE(path.stat().st_mode) for path in export.folder.iterdir()}
    assert modes == {0o600}
    assert stat.S_IMODE(export.folder.stat().st_mode) == 0o700
    assert sorted(path.name for path in tmp_path.iterdir() if path.name.startswith(".")) == []


def test_an_export_overwrites_nothing_and_reads_only_a_whole_release(
    release: Release,  # noqa: F811
    tmp_path: Path,
) -> None:
    (tmp_path / "there").mkdir()
    with pytest.raises(ConfigError, match="exists already"):
        export_release(release.path, tmp_path / "there", "csv", NOW, safe_harbor=False)
    (release.path / "dictionary.md").chmod(0o600)
    (release.path / "dictionary.md").write_text("changed")
    with pytest.raises(WarehouseError, match=r"dictionary\.md was changed"):
        export_release(release.path, tmp_path / "out", "csv", NOW, safe_harbor=False)
    assert not (tmp_path / "out").exists()


def test_safe_harbor_has_ids_of_chance_that_still_join_and_no_month(
    release: Release,  # noqa: F811
    tmp_path: Path,
) -> None:
    first = export_release(release.path, tmp_path / "1", "csv", NOW, safe_harbor=True)
    second = export_release(release.path, tmp_path / "2", "csv", NOW, safe_harbor=True)
    assert set(first.tables) == {"core.patient", "core.rule", "core.session"}
    patients, again = (read_csv(each.folder / "core.patient.csv") for each in (first, second))
    keys = {row["patient_key"] for row in patients}
    assert len(keys) == 4
    assert keys == {row["patient_key"] for row in read_csv(first.folder / "core.session.csv")}
    assert not keys & {row["patient_key"] for row in again}
    with open_release(release.path / "mart.duckdb") as mart:
        assert not keys & {row["patient_key"] for row in mart.rows("SELECT patient_key FROM core.patient")}
    assert {row["index_year"] for row in patients} == {"2019"}
    assert {row["center_id"] for row in patients} == {"center 1", "center 2"}
    manifest = json.loads((first.folder / "manifest.json").read_text())
    assert manifest["safe_harbor"] is True
    assert not {"key_fingerprints", "project"} & set(manifest)
    for path in first.folder.iterdir():
        content = path.read_bytes()
        assert not [canary for canary in CANARIES if canary.encode() in content], path
        assert b"2019-04" not in content, path


@pytest.mark.parametrize(
    ("age", "days", "told"), [(70, 4000, 70), (85, 1000, 85), (85, 2000, 90), (88, None, 88), (90, 0, 90)]
)
def test_whoever_may_turn_90_while_followed_is_pooled(age: int, days: int | None, told: int) -> None:
    columns = ("center_id", "patient_key", "age_at_index_years", "follow_up_days")
    table = DescribedTable("core.patient", "", [(name, "VARCHAR", "") for name in columns])
    row = dict(zip(columns, ("a", "k", age, days), strict=True))
    [made] = SafeHarbor().rows(table, [row])
    assert made["age_at_index_years"] == told


def test_a_date_that_a_release_may_not_hold_stops_a_safe_harbor_export() -> None:
    columns = [("center_id", "VARCHAR", ""), ("seen", "DATE", "")]
    with pytest.raises(AssertionError, match="seen"):
        described_safely(DescribedTable("core.x", "", columns))
