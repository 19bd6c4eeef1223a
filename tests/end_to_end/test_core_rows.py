"""Every core table of a whole night: its grain holds, and each row says where it comes from."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from service.run import open_warehouse
from tests.end_to_end.conftest import Night1
from warehouse.connection import Warehouse
from warehouse.names import with_names
from warehouse.sqlfile import SqlFile, TableHeader, read_sql_folder

CORE = Path(__file__).parents[2] / "warehouse" / "core"
FILES = [file for file in read_sql_folder(CORE, TableHeader) if file.header.table.startswith("core.")]
# Counts over many resources: a row of it comes from no single one.
COUNTS = {"core.flow"}
ENTITIES = [file for file in FILES if file.header.table not in COUNTS]
ids = [file.header.table for file in FILES]


@pytest.fixture(scope="module")
def warehouse(first_night: Night1) -> Iterator[Warehouse]:
    with open_warehouse(first_night.study.settings) as opened:
        yield opened


@pytest.mark.parametrize("file", FILES, ids=ids)
def test_a_row_is_what_the_header_says_it_is(warehouse: Warehouse, file: SqlFile[TableHeader]) -> None:
    names = {"table": file.header.table, "key": file.header.key}
    [found] = warehouse.rows(
        with_names("SELECT count(*) AS n, count(DISTINCT row({key})) AS keys FROM {table}", **names)
    )
    assert found["n"] == found["keys"]
    assert found["n"] or file.header.table == "core.patient_link", "nobody is merged in the demo"
    for column in ["center_id", *file.header.key]:
        empty = with_names("SELECT 1 FROM {table} WHERE {column} IS NULL", column=column, **names)
        assert warehouse.rows(empty) == [], column


@pytest.mark.parametrize("file", ENTITIES, ids=[file.header.table for file in ENTITIES])
def test_each_row_comes_from_a_resource_that_was_landed_by_a_run(
    warehouse: Warehouse, file: SqlFile[TableHeader]
) -> None:
    assert {"center_id", "run_id", "resource_type", "resource_key"} <= set(file.header.columns)
    query = (
        "SELECT * FROM {table} AS core_row WHERE NOT EXISTS (SELECT 1 FROM ops.head AS head "
        "WHERE head.center_id = core_row.center_id AND head.resource_type = core_row.resource_type "
        "AND head.center_id || '/' || head.resource_id = core_row.resource_key) "
        "OR NOT EXISTS (SELECT 1 FROM ops.run AS run WHERE run.run_id = core_row.run_id)"
    )
    assert warehouse.rows(with_names(query, table=file.header.table)) == []


def test_the_released_rows_still_meet_their_resources(first_night: Night1) -> None:
    """Pseudonyms of resource_key are those of the key of its own type."""
    for table, key in (("patient", "patient_key"), ("treatment", "procedure_key")):
        rows = first_night.study.mart(f"SELECT {key} AS k, resource_key AS r FROM core.{table}")  # noqa: S608
        assert rows
        assert all(row["k"] == row["r"] for row in rows)
    kinds = first_night.study.mart("SELECT DISTINCT resource_type AS t FROM core.complication ORDER BY t")
    assert "AdverseEvent" in [row["t"] for row in kinds]
