"""What the page about the lake tells a cluster to run gives the current versions, and a view's rows."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from mappings.compiler import compile_view
from mappings.viewdef import load_view
from tests.spark.view_rows import multiset
from tests.warehouse.landing_examples import NOON, a_run, patient, unit
from warehouse.connection import Warehouse
from warehouse.lake import fill_lake
from warehouse.lake_plan import lake_scratch, raw_files
from warehouse.land import land

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = pytest.mark.spark

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "how-to" / "fill-a-lake.md"
VIEW = ROOT / "mappings" / "views" / "patient.json"
CENTERS = [
    {"center_id": "a", "base_url": "http://a.example/fhir", "fhir_version": "R4"},
    {"center_id": "b", "base_url": "http://b.example/fhir", "fhir_version": "R5"},
]


@pytest.fixture
def warehouse(tmp_path: Path) -> Iterator[Warehouse]:
    """Two centers, three nights: one patient changes and changes back, one changes, one is new."""
    with Warehouse.open(tmp_path / "data") as opened:
        for night in (
            [patient("p1", gender="male"), patient("p2", gender="male"), patient("p/ü", birthDate="1950")],
            [patient("p1", version="2", gender="other"), patient("p2", version="2", gender="female")],
            [patient("p1", version="3", gender="male"), patient("p4", version="1", gender="unknown")],
        ):
            run_id = a_run(opened)
            for center_id in ("a", "b"):
                land(opened, unit(run_id, *night, center_id=center_id))
        yield opened


def run_page(spark: "SparkSession") -> dict[str, Any]:
    """The names that the page's Python leaves."""
    names: dict[str, Any] = {"spark": spark}
    for block in re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL):
        exec(compile(block, str(PAGE), "exec"), names)  # noqa: S102 -- our own page
    return names


def test_the_page_finds_the_current_versions_and_the_rows_of_a_view(
    spark: "SparkSession", warehouse: Warehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with lake_scratch(warehouse.folder) as scratch:
        fill_lake(tmp_path / "lake", raw_files(warehouse, scratch), {"centers": CENTERS}, NOON)
    (tmp_path / "lake" / "raw" / "a" / "Patient" / "left.parquet").write_bytes(b"of a crash")
    shutil.copy(VIEW, tmp_path / "patient.json")
    monkeypatch.chdir(tmp_path)
    found = run_page(spark)
    current = [(row.center_id, row.resource_id, row.body) for row in found["current"].collect()]
    warehouse_path = str(warehouse.folder)
    with warehouse.exclusive() as connection:
        sql = (
            "SELECT raw.center_id, raw.resource_id, raw.body FROM read_parquet($f, filename = TRUE) AS raw "
            "INNER JOIN ops.head AS head ON raw.filename = concat($d, '/', head.path) "
            "AND raw.resource_id = head.resource_id AND raw.center_id = head.center_id"
        )
        files = {"f": f"{warehouse_path}/raw/*/*/*/*.parquet", "d": warehouse_path}
        expected = connection.execute(sql, files).fetchall()
        assert sorted(current) == sorted(expected)
        assert len(current) == 8
        view = compile_view(load_view(VIEW), fhir_version="R4", carry=["center_id"])
        connection.execute(
            "CREATE TEMP TABLE resource AS SELECT 'a' AS center_id, 'http://a.example/fhir' AS base_url, "
            "'Patient' AS resource_type, made.id AS resource_id, made.body FROM (SELECT unnest($ids) AS id, "
            "unnest($bodies) AS body) AS made",
            {
                "ids": [id_ for center, id_, _ in expected if center == "a"],
                "bodies": [body for center, _, body in expected if center == "a"],
            },
        )
        rows = connection.execute(view.sql).fetchall()
    assert multiset(found["rows"].collect()) == multiset(rows)
    assert len(rows) == 4
    assert found["rejects"].collect() == []
