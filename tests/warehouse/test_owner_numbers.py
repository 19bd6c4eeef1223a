"""The numbers by which builds find rows stand in schema flat, and nowhere that anybody else reads."""

import datetime as dt
from pathlib import Path

import pytest
from build_examples import KEYS, PATIENT_COLUMNS, write_table, write_view
from incremental_bed import IncrementalBed, a_patient
from landing_examples import a_run

from mappings.errors import SqlFileError, ViewError
from service.configuration import load_settings
from service.study import build_input
from warehouse.build import build
from warehouse.connection import Warehouse
from warehouse.mart import open_release
from warehouse.owner import NUMBERS, OWNER_NUMBER
from warehouse.publish import PublishInput, publish
from warehouse.releases import MART_FILE

ROOT = Path(__file__).parents[2]
NOON = dt.datetime(2026, 1, 1, 12, tzinfo=dt.UTC)
NUMBERED = "SELECT schema_name, column_name FROM duckdb_columns() WHERE column_name IN (SELECT unnest(?))"


def test_numbers_stand_in_schema_flat_and_reach_neither_core_nor_a_release(warehouse: Warehouse) -> None:
    a_run(warehouse)
    with warehouse.transaction() as transaction:
        build(transaction, build_input(load_settings(ROOT / "config"), 1), folder=warehouse.folder)
    found = warehouse.rows(NUMBERED, [list(NUMBERS)])
    assert {row["schema_name"] for row in found} == {"flat"}
    assert {row["column_name"] for row in found} == set(NUMBERS)
    release = publish(warehouse, PublishInput(1, NOON, "study", KEYS, 3, {}))
    with open_release(release.path / MART_FILE) as mart:
        columns = {row["column_name"] for row in mart.rows("SELECT column_name FROM duckdb_columns()")}
    assert "patient_key" in columns
    assert not columns & set(NUMBERS)


def test_a_file_that_selects_a_number_into_core_is_refused(warehouse: Warehouse, tmp_path: Path) -> None:
    a_run(warehouse)
    write_view(tmp_path / "views", "patient", PATIENT_COLUMNS)
    columns = {"center_id": "Center.", "run_id": "Run.", **{name: name for name, _, _ in PATIENT_COLUMNS}}
    write_table(tmp_path / "core", "patient", "SELECT * FROM flat.patient", columns)
    bed = IncrementalBed(warehouse, tmp_path / "views", tmp_path / "core")
    bed.land(a_patient(1))
    with pytest.raises(SqlFileError, match=f"selects .*{OWNER_NUMBER}, but its header describes"):
        bed.build()


def test_a_view_may_not_name_a_column_as_a_number(warehouse: Warehouse, tmp_path: Path) -> None:
    a_run(warehouse)
    write_view(tmp_path / "views", "patient", [*PATIENT_COLUMNS, ("Owner_Number", "gender", "code")])
    write_table(tmp_path / "core", "one", "SELECT 1 AS one", {"one": "One."}, key='["one"]')
    bed = IncrementalBed(warehouse, tmp_path / "views", tmp_path / "core")
    with pytest.raises(ViewError, match=f"patient.json names a column {OWNER_NUMBER}"):
        bed.build()


def test_a_made_flat_table_carries_the_number_of_its_owner_and_stays_current(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    a_run(warehouse)
    write_view(tmp_path / "views", "patient", PATIENT_COLUMNS)
    write_table(
        tmp_path / "core",
        "gender",
        "SELECT patient_key, gender FROM flat.patient",
        {"patient_key": "Patient.", "gender": "As sent."},
        table='"flat.gender"',
        owner='["\'Patient\'", "patient_key"]',
    )
    bed = IncrementalBed(warehouse, tmp_path / "views", tmp_path / "core")
    bed.land(*(a_patient(number, gender="male") for number in range(40)))
    bed.build()
    bed.land(a_patient(1, hours=1, gender="female"))
    bed.build()
    rows = {row["patient_key"]: row for row in bed.rows("flat.gender")}
    assert (rows["a/p1"]["gender"], rows["a/p2"]["gender"], len(rows)) == ("female", "male", 40)
    views = {row["patient_key"]: row[OWNER_NUMBER] for row in bed.rows("flat.patient")}
    assert {key: row[OWNER_NUMBER] for key, row in rows.items()} == views
    bed.assert_equal_to_scratch()
