"""The pseudonyms of one release: a temporary table that its tables are joined with while they are written."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import repeat

import duckdb
import pyarrow as pa

from warehouse.names import literal, with_names
from warehouse.pseudonym import RESOURCE_KEY, PublishedColumn, pseudonyms
from warehouse.release_plan import PublishedTable
from warehouse.temporary import temporary_table
from warehouse.transaction import fetch

_SCHEMA = pa.schema([(name, pa.string()) for name in ("center_id", "kind", "key", "pseudonym")])
# Keys by the batch: as Python texts, all of them would take some hundred bytes each.
_BATCH = 100_000
_KEYS = """
SELECT source.center_id, source.{key}::VARCHAR AS key
FROM {table} AS source WHERE source.{key} IS NOT NULL
"""
_KIND_OF_ROW = "lower(source.resource_type)"
_KINDS_OF_ROWS = f"""
SELECT DISTINCT {_KIND_OF_ROW} AS kind
FROM {{table}} AS source WHERE source.resource_type IS NOT NULL
"""  # noqa: S608


@contextmanager
def pseudonym_lookup(
    connection: duckdb.DuckDBPyConnection,
    tables: Sequence[PublishedTable],
    *,
    project: str,
    keys: Mapping[str, bytes],
) -> Iterator[None]:
    """Offer `pseudonym` (center_id, kind, key, pseudonym), a row for every key in use, while the block runs.

    Raises ConfigError for a center without a pseudonymization key.
    """
    columns = ", ".join(f"{name} VARCHAR" for name in _SCHEMA.names)
    connection.execute(f"CREATE OR REPLACE TEMP TABLE pseudonym ({columns})")
    try:
        # Kind after kind: a join asks for one of them, and passes over the parts that hold others.
        for kind, selects in _selects_by_kind(connection, tables).items():
            for found in _keys_in_use(connection, selects):
                _add(connection, _with_pseudonyms(found, kind, project, keys))
        yield
    finally:
        connection.execute("DROP TABLE pseudonym")


def pseudonym_join(column: PublishedColumn, alias: str) -> str:
    """The join that gives a column of `source` its pseudonym as `<alias>.pseudonym`."""
    join = with_names(
        "LEFT JOIN pseudonym AS {alias} ON source.center_id = {alias}.center_id "
        "AND source.{key}::VARCHAR = {alias}.key AND {alias}.kind = ",
        alias=alias,
        key=column.source,
    )
    return join + _kind(column)


def _selects_by_kind(
    connection: duckdb.DuckDBPyConnection, tables: Sequence[PublishedTable]
) -> dict[str, list[str]]:
    """The queries of the keys of each kind that the tables hold."""
    found: dict[str, list[str]] = {}
    keyed = [
        (table, column) for table in tables for column in table.columns if column.treatment == "pseudonym"
    ]
    for table, column in keyed:
        select = with_names(_KEYS, key=column.source, table=table.name)
        for kind in _kinds(connection, table, column):
            found.setdefault(kind, []).append(f"{select} AND {_kind(column)} = {literal(kind)}")
    return found


def _kinds(
    connection: duckdb.DuckDBPyConnection, table: PublishedTable, column: PublishedColumn
) -> list[str]:
    """The kinds of a column's keys: the one that its name tells, or those of the rows."""
    if column.source != RESOURCE_KEY:
        return [column.kind]
    return [row["kind"] for row in fetch(connection, with_names(_KINDS_OF_ROWS, table=table.name))]


def _keys_in_use(connection: duckdb.DuckDBPyConnection, selects: Sequence[str]) -> Iterator[pa.Table]:
    """Every key that the queries find once, as columns center_id and key."""
    query = f"SELECT DISTINCT * FROM ({' UNION ALL '.join(selects)})"  # noqa: S608
    with temporary_table(connection, "key_in_use", query):
        (counted,) = fetch(connection, "SELECT count(*) AS n FROM key_in_use")
        for start in range(0, counted["n"], _BATCH):
            batch = "FROM key_in_use WHERE rowid >= ? AND rowid < ?"
            yield connection.sql(batch, params=[start, start + _BATCH]).to_arrow_table()


def _with_pseudonyms(found: pa.Table, kind: str, project: str, keys: Mapping[str, bytes]) -> pa.Table:
    centers, in_use = (column.to_pylist() for column in found.columns)
    made = pseudonyms(zip(centers, repeat(kind), in_use, strict=False), project=project, keys=keys)
    columns = [found.column("center_id"), [kind] * len(made), found.column("key"), made]
    return pa.table(columns, schema=_SCHEMA)


def _add(connection: duckdb.DuckDBPyConnection, made: pa.Table) -> None:
    connection.register("made_pseudonym", made)
    connection.execute("INSERT INTO pseudonym FROM made_pseudonym")
    connection.unregister("made_pseudonym")


def _kind(column: PublishedColumn) -> str:
    return _KIND_OF_ROW if column.source == RESOURCE_KEY else literal(column.kind)
