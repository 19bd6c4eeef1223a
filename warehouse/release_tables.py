"""The tables of a release: which leave the private warehouse, and how they are written pseudonymized."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow as pa

from mappings.errors import WarehouseError
from warehouse.names import literal, with_names
from warehouse.pseudonym import (
    OLDEST_AGE,
    RESOURCE_KEY,
    Column,
    KeyOfCenter,
    PublishedColumn,
    pseudonyms,
    published_columns,
)
from warehouse.releases import MART_FILE
from warehouse.transaction import database_error, fetch

# Written by DuckDB 2, still read by clients of DuckDB 1.5.
STORAGE_VERSION = "v1.5.0"

# Of the ledger only facts about runs and centers leave; columns are named so that a new one stays private.
LEDGER_FACTS: Mapping[str, Sequence[str]] = {
    "ops.run": (
        "run_id", "kind", "started_at", "finished_at", "status", "version", "config_fingerprint",
    ),
    "ops.center_sync": ("run_id", "center_id", "status", "reason", "finished_at"),
    "ops.check_result": (
        "run_id", "check_name", "severity", "violations", "denominator", "status", "message",
    ),
    "ops.code_coverage": (
        "center_id", "resource_type", "element", "codings", "mapped_codings", "mapped_share",
    ),
    "ops.unmapped": ("center_id", "resource_type", "element", "system", "resources"),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class PublishedTable:
    """A table to publish: its name, its comment and its columns."""

    name: str
    comment: str
    columns: Sequence[PublishedColumn]


@dataclass(frozen=True, slots=True)
class WrittenMart:
    """How many rows each table has, and a hash of them that does not depend on their order."""

    rows: Mapping[str, int]
    content: Mapping[str, str]


def plan_release(connection: duckdb.DuckDBPyConnection) -> list[PublishedTable]:
    """Return the tables to publish, by name, with the treatment of every column.

    Raises SqlFileError for a column that may not leave the warehouse.
    """
    found = fetch(
        connection,
        "SELECT schema_name || '.' || table_name AS name, coalesce(comment, '') AS comment "
        "FROM duckdb_tables() WHERE database_name = current_database() "
        "AND schema_name IN ('core', 'outcomes', 'ops') ORDER BY name",
    )
    tables = []
    for row in found:
        columns = _columns(connection, row["name"])
        if row["name"] in LEDGER_FACTS:
            public = [c for c in columns if c.name in LEDGER_FACTS[row["name"]]]
            copied = [PublishedColumn(c.name, c.name, "copy", c.comment) for c in public]
            tables.append(PublishedTable(row["name"], row["comment"], copied))
        elif not row["name"].startswith("ops."):
            tables.append(
                PublishedTable(row["name"], row["comment"], published_columns(row["name"], columns))
            )
    return tables


def _columns(connection: duckdb.DuckDBPyConnection, table: str) -> list[Column]:
    rows = fetch(
        connection,
        "SELECT column_name AS name, data_type AS sql_type, coalesce(comment, '') AS comment "
        "FROM duckdb_columns() WHERE database_name = current_database() "
        "AND schema_name || '.' || table_name = ? ORDER BY column_index",
        [table],
    )
    return [Column(**row) for row in rows]


def write_mart(
    connection: duckdb.DuckDBPyConnection,
    tables: Sequence[PublishedTable],
    staging: Path,
    *,
    project: str,
    keys: Mapping[str, bytes],
) -> WrittenMart:
    """Write `mart.duckdb` and `parquet/<schema>/<table>.parquet` into `staging`; returns what was written.

    All tables are read in one transaction: they fit together whatever happens meanwhile.
    """
    found = _keys_in_use(connection, tables)
    lookup = pa.Table.from_pylist(pseudonyms(found, project=project, keys=keys), schema=_PSEUDONYMS)
    try:
        with _attached(connection, staging / MART_FILE), _registered(connection, lookup):
            with _one_transaction(connection):
                counts = {table.name: _write_table(connection, table) for table in tables}
                content = {table.name: _content(connection, table) for table in tables}
            connection.execute("CHECKPOINT mart")
            _write_parquet(connection, tables, staging / "parquet")
    except duckdb.Error as error:
        raise database_error(error) from None
    if (staging / f"{MART_FILE}.wal").exists():
        raise WarehouseError("The mart was not written out completely.", "Check the disk, then run again.")
    return WrittenMart(counts, content)


_PSEUDONYMS = pa.schema([(name, pa.string()) for name in ("center_id", "kind", "key", "pseudonym")])


@contextmanager
def _attached(connection: duckdb.DuckDBPyConnection, file: Path) -> Iterator[None]:
    connection.execute(f"ATTACH {literal(str(file))} AS mart (STORAGE_VERSION {literal(STORAGE_VERSION)})")
    try:
        yield
    finally:
        connection.execute("DETACH mart")


@contextmanager
def _registered(connection: duckdb.DuckDBPyConnection, lookup: pa.Table) -> Iterator[None]:
    connection.register("pseudonym", lookup)
    try:
        yield
    finally:
        connection.unregister("pseudonym")


@contextmanager
def _one_transaction(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    connection.execute("BEGIN TRANSACTION")
    try:
        yield
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def _keys_in_use(connection: duckdb.DuckDBPyConnection, tables: Sequence[PublishedTable]) -> set[KeyOfCenter]:
    found: set[KeyOfCenter] = set()
    for table in tables:
        for column in table.columns:
            if column.treatment == "pseudonym":
                query = with_names(
                    "FROM {table} AS source WHERE {key} IS NOT NULL", key=column.source, table=table.name
                )
                keys = with_names("{key}::VARCHAR AS key ", key=column.source)
                select = f"SELECT DISTINCT center_id, {_kind(column)} AS kind, {keys}"
                found.update(KeyOfCenter(**row) for row in fetch(connection, select + query))
    return found


def _write_table(connection: duckdb.DuckDBPyConnection, table: PublishedTable) -> int:
    target = f"mart.{table.name}"
    schema = target.rpartition(".")[0]
    connection.execute(with_names("CREATE SCHEMA IF NOT EXISTS {schema}", schema=schema))
    connection.execute(with_names("CREATE TABLE {target} AS ", target=target) + _select(table))
    connection.execute(with_names("COMMENT ON TABLE {target} IS ", target=target) + literal(table.comment))
    for column in table.columns:
        name = with_names("COMMENT ON COLUMN {column} IS ", column=f"{target}.{column.name}")
        connection.execute(name + literal(column.comment))
    (row,) = fetch(connection, with_names("SELECT count(*) AS counted FROM {target}", target=target))
    return int(row["counted"])


def _content(connection: duckdb.DuckDBPyConnection, table: PublishedTable) -> str:
    """The sum of the MD5 of every row as text: equal for equal rows, whatever wrote them in which order."""
    query = (
        "SELECT coalesce(sum(md5_number_lower(whole::VARCHAR)), 0)::VARCHAR AS total FROM {target} AS whole"
    )
    (row,) = fetch(connection, with_names(query, target=f"mart.{table.name}"))
    return f"{int(row['total']):032x}"


def _select(table: PublishedTable) -> str:
    """The query of a table's published rows, in an order that does not show that of the private one."""
    columns = [_expression(column, f"pseudonym_{number}") for number, column in enumerate(table.columns)]
    joins = [_join(column, f"pseudonym_{number}") for number, column in enumerate(table.columns)]
    if any(column.treatment == "day" for column in table.columns):
        joins.append("LEFT JOIN core.patient AS indexed ON source.patient_key = indexed.patient_key")
    source = with_names("FROM {table} AS source", table=table.name)
    return "\n".join(["SELECT", ",\n".join(columns), source, *joins, "ORDER BY ALL"])


def _expression(column: PublishedColumn, lookup: str) -> str:
    made = {
        "copy": "source.{source} AS {name}",
        "pseudonym": "{lookup}.pseudonym AS {name}",
        "day": "date_diff('day', indexed.index_date, source.{source}) AS {name}",
        "month": "strftime(source.{source}, '%Y-%m') AS {name}",
        "age": f"least(source.{{source}}, {OLDEST_AGE}) AS {{name}}",
    }
    return with_names(made[column.treatment], source=column.source, name=column.name, lookup=lookup)


def _join(column: PublishedColumn, lookup: str) -> str:
    if column.treatment != "pseudonym":
        return ""
    join = with_names(
        "LEFT JOIN pseudonym AS {lookup} ON source.center_id = {lookup}.center_id "
        "AND source.{key}::VARCHAR = {lookup}.key AND {lookup}.kind = ",
        lookup=lookup,
        key=column.source,
    )
    return join + _kind(column)


def _kind(column: PublishedColumn) -> str:
    return "lower(source.resource_type)" if column.source == RESOURCE_KEY else literal(column.kind)


def _write_parquet(
    connection: duckdb.DuckDBPyConnection, tables: Sequence[PublishedTable], folder: Path
) -> None:
    for table in tables:
        schema, name = table.name.split(".")
        (folder / schema).mkdir(parents=True, exist_ok=True)
        copy = with_names("COPY {table} TO ", table=f"mart.{table.name}")
        target = literal(str(folder / schema / f"{name}.parquet"))
        connection.execute(f"{copy}{target} (FORMAT parquet, COMPRESSION zstd)")
