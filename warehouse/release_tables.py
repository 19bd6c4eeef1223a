"""The tables of a release as they are written: pseudonymized, described, hashed, and as Parquet too."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb

from mappings.errors import WarehouseError
from warehouse.names import literal, with_names
from warehouse.pseudonym import OLDEST_AGE, PublishedColumn
from warehouse.pseudonym_lookup import pseudonym_join, pseudonym_lookup
from warehouse.release_plan import PublishedTable
from warehouse.releases import MART_FILE
from warehouse.temporary import temporary_table
from warehouse.transaction import database_error, fetch

# Written by DuckDB 2, still read by clients of DuckDB 1.5.
STORAGE_VERSION = "v1.5.0"


@dataclass(frozen=True, slots=True)
class WrittenMart:
    """How many rows each table has, and a hash of them that does not depend on their order."""

    rows: Mapping[str, int]
    content: Mapping[str, str]


def write_mart(
    connection: duckdb.DuckDBPyConnection,
    tables: Sequence[PublishedTable],
    staging: Path,
    *,
    project: str,
    keys: Mapping[str, bytes],
) -> WrittenMart:
    """Write `mart.duckdb` and `parquet/<schema>/<table>.parquet` into `staging`; returns what was written.

    Nothing else may write meanwhile, so that the tables fit together.
    """
    lookup = pseudonym_lookup(connection, tables, project=project, keys=keys)
    try:
        with _attached(connection, staging / MART_FILE), lookup:
            counts = {table.name: _write_table(connection, table) for table in tables}
            content = {table.name: _content(connection, table) for table in tables}
            connection.execute("CHECKPOINT mart")
            _write_parquet(connection, tables, staging / "parquet")
    except duckdb.Error as error:
        raise database_error(error) from None
    if (staging / f"{MART_FILE}.wal").exists():
        raise WarehouseError("The mart was not written out completely.", "Check the disk, then run again.")
    return WrittenMart(counts, content)


@contextmanager
def _attached(connection: duckdb.DuckDBPyConnection, file: Path) -> Iterator[None]:
    connection.execute(f"ATTACH {literal(str(file))} AS mart (STORAGE_VERSION {literal(STORAGE_VERSION)})")
    try:
        yield
    finally:
        connection.execute("DETACH mart")


@contextmanager
def _one_transaction(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    connection.execute("BEGIN TRANSACTION")
    try:
        yield
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def _write_table(connection: duckdb.DuckDBPyConnection, table: PublishedTable) -> int:
    # The rows are ordered once the joins are done and their memory is free: in one statement DuckDB gives
    # the joins so much of a small memory_limit that the sort finds none. A temporary table that is dropped
    # keeps its room until its transaction ends, so it has none in common with the mart.
    with temporary_table(connection, "published", _select(table)), _one_transaction(connection):
        _create(connection, table)
    (row,) = fetch(connection, with_names("SELECT count(*) AS n FROM {table}", table=f"mart.{table.name}"))
    return int(row["n"])


def _create(connection: duckdb.DuckDBPyConnection, table: PublishedTable) -> None:
    """Make a table of the mart from `published`, in an order that does not show that of the private one."""
    target = f"mart.{table.name}"
    schema = target.rpartition(".")[0]
    connection.execute(with_names("CREATE SCHEMA IF NOT EXISTS {schema}", schema=schema))
    connection.execute(with_names("CREATE TABLE {target} AS FROM published ORDER BY ALL", target=target))
    connection.execute(with_names("COMMENT ON TABLE {target} IS ", target=target) + literal(table.comment))
    for column in table.columns:
        name = with_names("COMMENT ON COLUMN {column} IS ", column=f"{target}.{column.name}")
        connection.execute(name + literal(column.comment))


def _content(connection: duckdb.DuckDBPyConnection, table: PublishedTable) -> str:
    """The sum of the MD5 of every row as a JSON array: equal for equal rows, whatever their order."""
    query = (
        "SELECT coalesce(sum(md5_number_lower(json_array({columns})::VARCHAR)), 0)::VARCHAR AS total "
        "FROM {target}"
    )
    names = [column.name for column in table.columns]
    (row,) = fetch(connection, with_names(query, columns=names, target=f"mart.{table.name}"))
    return f"{int(row['total']):032x}"


def _select(table: PublishedTable) -> str:
    """The query of a table's published rows."""
    columns = [_expression(column, f"pseudonym_{number}") for number, column in enumerate(table.columns)]
    joins = [
        pseudonym_join(column, f"pseudonym_{number}")
        for number, column in enumerate(table.columns)
        if column.treatment == "pseudonym"
    ]
    if any(column.treatment == "day" for column in table.columns):
        joins.append("LEFT JOIN core.patient AS indexed ON source.patient_key = indexed.patient_key")
    source = with_names("FROM {table} AS source", table=table.name)
    return "\n".join(["SELECT", ",\n".join(columns), source, *joins])


def _expression(column: PublishedColumn, lookup: str) -> str:
    made = {
        "copy": "source.{source} AS {name}",
        "pseudonym": "{lookup}.pseudonym AS {name}",
        "day": "date_diff('day', indexed.index_date, source.{source}) AS {name}",
        "month": "strftime(source.{source}, '%Y-%m') AS {name}",
        "age": f"least(source.{{source}}, {OLDEST_AGE}) AS {{name}}",
    }
    return with_names(made[column.treatment], source=column.source, name=column.name, lookup=lookup)


def _write_parquet(
    connection: duckdb.DuckDBPyConnection, tables: Sequence[PublishedTable], folder: Path
) -> None:
    for table in tables:
        schema, name = table.name.split(".")
        (folder / schema).mkdir(parents=True, exist_ok=True)
        copy = with_names("COPY {table} TO ", table=f"mart.{table.name}")
        target = literal(str(folder / schema / f"{name}.parquet"))
        # Level 1 makes files of the same size as the default level 3 here, in two thirds of the time.
        connection.execute(f"{copy}{target} (FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1)")
