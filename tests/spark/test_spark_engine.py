"""Spark as the engine of a transaction: circles end, NULLs are masked, failures tell no value."""

import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from mappings.errors import WarehouseError
from warehouse.build import BuildCenter, BuildSources
from warehouse.connection import Transaction, Warehouse
from warehouse.engines.raw import RawTables
from warehouse.engines.session import spark_errors
from warehouse.engines.spark import SparkEngine
from warehouse.flat import update_flat
from warehouse.flat_plan import plan_flat
from warehouse.land import Landed, Unit, land
from warehouse.runs import start_run

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = pytest.mark.spark

NOW = dt.datetime(2026, 11, 1, tzinfo=dt.UTC)
# Two chains that meet, a circle, one that leads into it, and one that replaces itself.
LINKS = [("a", "b"), ("b", "c"), ("x", "c"), ("p", "q"), ("q", "p"), ("o", "p"), ("s", "s")]
REACHED = """
WITH RECURSIVE link AS (SELECT old, new FROM core.link WHERE old IS NOT NULL),

reached AS (
    SELECT old, new FROM link
    UNION DISTINCT
    SELECT reached.old, link.new FROM reached INNER JOIN link ON reached.new = link.old
)

SELECT old, new FROM reached
"""


@pytest.fixture
def transaction(tmp_path: Path) -> Iterator[Transaction]:
    with Warehouse.open(tmp_path / "data") as warehouse, warehouse.transaction() as transaction:
        yield transaction


@pytest.fixture
def engine(spark: "SparkSession", transaction: Transaction, tmp_path: Path) -> SparkEngine:
    scratch = tmp_path / "data" / "scratch"
    scratch.mkdir()
    return SparkEngine(spark, transaction, scratch, RawTables(spark, transaction, tmp_path / "data", ()))


def test_a_circle_of_links_ends_and_gives_the_same_rows(
    engine: SparkEngine, transaction: Transaction
) -> None:
    transaction.execute("CREATE TABLE core.link (old TEXT, new TEXT)")
    transaction.insert("core.link", [{"old": old, "new": new} for old, new in LINKS])
    expected = transaction.rows(REACHED + " ORDER BY ALL")
    assert {"old": "p", "new": "p"} in expected
    engine.create_table("core.reached", REACHED)
    assert transaction.rows("FROM core.reached ORDER BY ALL") == expected


def test_a_table_has_the_types_that_duckdb_gives_it(engine: SparkEngine, transaction: Transaction) -> None:
    transaction.execute(
        "CREATE TABLE core.typed AS SELECT * FROM (VALUES "
        "(1, 2::BIGINT, 1.5::DOUBLE, 'a', TRUE, DATE '2024-02-29', TIMESTAMP '2024-02-29 23:59:59.123456'), "
        "(NULL, NULL, NULL, NULL, NULL, NULL, NULL)) AS t (a, b, c, d, e, f, g)"
    )
    select = "SELECT *, a / 3 AS h, count(*) OVER () AS i, concat(d, f) AS j FROM core.typed"
    engine.create_table("core.by_spark", select)
    transaction.create_table("core.by_duckdb", select)
    tables = [transaction.rows(f"FROM core.{name} ORDER BY ALL") for name in ("by_spark", "by_duckdb")]
    types = [transaction.rows(f"DESCRIBE core.{name}") for name in ("by_spark", "by_duckdb")]
    assert tables[0] == tables[1]
    assert types[0] == types[1]


def test_an_empty_table_keeps_its_columns(engine: SparkEngine, transaction: Transaction) -> None:
    transaction.execute("CREATE TABLE core.none (a INTEGER, b TEXT)")
    engine.create_table("core.still_none", "SELECT b, a, a > 1 AS c FROM core.none")
    assert list(engine.columns("SELECT c, b FROM core.still_none")) == ["c", "b"]
    assert transaction.value("SELECT count(*) FROM core.still_none") == 0


def test_a_table_made_again_is_read_as_it_is_now(engine: SparkEngine, transaction: Transaction) -> None:
    for value in (1, 2):
        engine.create_table("core.again", f"SELECT {value} AS value")
        assert engine.columns("SELECT value FROM core.again")["value"].tolist() == [value]


def test_columns_are_masked_where_null(engine: SparkEngine, transaction: Transaction) -> None:
    transaction.execute("CREATE TABLE core.some AS SELECT * FROM (VALUES (1, 'x'), (NULL, NULL)) AS t (a, b)")
    sql = "SELECT a, b, a > 0 AS c FROM core.some"
    found, expected = engine.columns(sql), transaction.columns(sql)
    for name, column in expected.items():
        order = np.argsort(np.ma.getmaskarray(found[name]), kind="stable")
        assert found[name][order].tolist() == column.tolist()


def test_a_statement_that_fails_tells_no_value(
    engine: SparkEngine, transaction: Transaction, capfd: pytest.CaptureFixture[str]
) -> None:
    transaction.execute("CREATE TABLE core.name AS SELECT 'Erika Mustermann' AS name")
    with pytest.raises(WarehouseError) as told:
        engine.columns("SELECT cast(name AS DATE) AS day FROM core.name")
    assert "CAST_INVALID_INPUT" in told.value.message
    assert "Mustermann" not in "".join([str(told.value), *capfd.readouterr()])


def test_a_column_that_is_not_there_is_told_by_its_condition(spark: "SparkSession") -> None:
    with pytest.raises(WarehouseError, match="UNRESOLVED_COLUMN"), spark_errors():
        spark.sql("SELECT absent FROM VALUES (1) AS t (x)").collect()


def test_views_read_the_current_versions_alone(spark: "SparkSession", tmp_path: Path) -> None:
    parts = plan_flat([BuildCenter("a", "https://fhir.example.org", "R4")], BuildSources().views)
    with Warehouse.open(tmp_path / "data") as warehouse:
        run_id = start_run(warehouse, kind="sync", now=NOW, version="test", config_fingerprint="")
        for versions in ([("p1", "male"), ("p2", "female")], [("p1", "other"), ("p3", "male")]):
            land(warehouse, Unit(run_id, "a", "Patient", 2, [patient(*each) for each in versions], NOW))
        with warehouse.transaction() as transaction:
            update_flat(transaction, parts, run_id=run_id, folder=warehouse.folder)
            raw = RawTables(spark, transaction, warehouse.folder, parts)
            scratch = warehouse.folder / "scratch"
            scratch.mkdir()
            engine = SparkEngine(spark, transaction, scratch, raw)
            sql = "SELECT patient_key, gender FROM flat.patient ORDER BY patient_key"
            found, expected = engine.columns(sql), transaction.columns(sql)
            assert "flat.patient" in raw
            assert expected["gender"].tolist() == ["other", "female", "male"]
            assert {name: column.tolist() for name, column in found.items()} == {
                name: column.tolist() for name, column in expected.items()
            }
            # A type of which nothing has landed has its table all the same.
            assert engine.columns("SELECT condition_key FROM flat.condition")["condition_key"].tolist() == []
            assert not (scratch / "flat.patient.parquet").exists(), "it was handed over, not read from raw"
            assert (scratch / "flat.condition.parquet").exists()


def patient(resource_id: str, gender: str) -> Landed:
    body = f'{{"gender":"{gender}","id":"{resource_id}","resourceType":"Patient"}}'
    return Landed("Patient", resource_id, gender, NOW, f"{resource_id} {gender}", body)
