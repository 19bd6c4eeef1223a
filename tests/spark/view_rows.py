"""The rows and rejects of a compiled view over the same resources, by DuckDB and by Spark."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa

from mappings.compiler import CompiledView
from tests.conformance.harness import BASE_URL, cell
from warehouse.engines.views import spark_view

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_COLUMNS = ("center_id", "base_url", "resource_type", "resource_id", "body")


@dataclass(frozen=True, slots=True)
class Found:
    rows: Counter[str]
    rejects: Counter[str]


def relation(resources: Iterable[Mapping[str, Any]]) -> pa.Table:
    """The resources as the relation `resource`."""
    rows = [
        ("a", BASE_URL, resource["resourceType"], resource.get("id"), json.dumps(resource))
        for resource in resources
    ]
    schema = pa.schema([(name, pa.string()) for name in _COLUMNS])
    return pa.Table.from_pylist([dict(zip(_COLUMNS, row, strict=True)) for row in rows], schema)


def by_duckdb(view: CompiledView, resource: pa.Table) -> Found:
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.register("resource", resource)
        rows, rejects = (connection.execute(sql).fetchall() for sql in (view.sql, view.rejects_sql))
        return Found(multiset(rows), multiset(rejects))


def by_spark(spark: "SparkSession", view: CompiledView, resource: pa.Table) -> Found:
    written = spark_view(view)
    spark.createDataFrame(resource).coalesce(1).createOrReplaceTempView("resource")
    return Found(*(multiset(spark.sql(sql).collect()) for sql in (written.rows, written.rejects)))


def multiset(rows: Iterable[Sequence[Any]]) -> Counter[str]:
    return Counter(json.dumps([cell(value) for value in row], default=str) for row in rows)
