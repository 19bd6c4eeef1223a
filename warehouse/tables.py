"""Tables made by SQL files: built in the order of their needs, held to their headers, and described."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources.abc import Traversable
from pathlib import Path

from mappings.errors import SqlFileError, WarehouseError
from warehouse.connection import Transaction
from warehouse.names import literal, with_names
from warehouse.sqlfile import SqlFile, TableHeader, in_order, read_sql_file


@dataclass(frozen=True, slots=True)
class TableCount:
    """A table that was built and how many rows it has."""

    table: str
    rows: int


def build_tables(transaction: Transaction, paths: Sequence[Traversable | Path]) -> list[TableCount]:
    """Make the table of each SQL file, replacing what is there; returns them in the order built.

    Raises SqlFileError for a file that breaks its contract: a table it needs is missing, its columns are not
    those of its header, or its key is empty or not unique.
    """
    files = in_order([read_sql_file(path, TableHeader) for path in paths])
    return [_build(transaction, file) for file in files]


def _build(transaction: Transaction, file: SqlFile[TableHeader]) -> TableCount:
    header = file.header
    _require_needs(transaction, file)
    create = with_names("CREATE OR REPLACE TABLE {table} AS", table=header.table)
    try:
        transaction.execute(f"{create}\n{file.body}")
    except WarehouseError as error:
        raise SqlFileError(
            f"{file.name} cannot make {header.table}. {error.message}", "Correct the SELECT statement."
        ) from None
    _require_columns(transaction, file)
    _require_key(transaction, file)
    describe(transaction, header.table, f"{header.title}: {header.grain}.", header.columns)
    return TableCount(header.table, count_rows(transaction, header.table))


def _require_needs(transaction: Transaction, file: SqlFile[TableHeader]) -> None:
    tables = {
        f"{row['schema_name']}.{row['table_name']}"
        for row in transaction.rows("SELECT schema_name, table_name FROM duckdb_tables()")
    }
    missing = [need for need in file.header.needs if need not in tables]
    if missing:
        raise SqlFileError(
            f"{file.name} needs {', '.join(missing)}, which nothing makes.",
            "Correct `needs`, or add the view or file that makes the table.",
        )


def _require_columns(transaction: Transaction, file: SqlFile[TableHeader]) -> None:
    found, declared = columns_of(transaction, file.header.table), list(file.header.columns)
    if found != declared:
        raise SqlFileError(
            f"{file.name} selects {', '.join(found)}, but its header describes {', '.join(declared)}.",
            "Make [columns] and the SELECT agree: names and order.",
        )


def _require_key(transaction: Transaction, file: SqlFile[TableHeader]) -> None:
    header = file.header
    unknown = [column for column in header.key if column not in header.columns]
    if unknown:
        raise SqlFileError(f"{file.name}: key: {', '.join(unknown)} is no column.", "Correct `key`.")
    empty = " OR ".join(with_names("{column} IS NULL", column=column) for column in header.key)
    counted = transaction.rows(
        with_names("SELECT count(*) AS found, count(DISTINCT row({key})) AS kept, ", key=header.key)
        + f"count(*) FILTER ({empty}) AS empty "
        + with_names("FROM {table}", table=header.table)
    )[0]
    repeated = counted["found"] - counted["kept"]
    if counted["empty"] or repeated:
        raise SqlFileError(
            f"{file.name}: the key ({', '.join(header.key)}) of {header.table} is empty in "
            f"{counted['empty']} rows and repeated in {repeated}.",
            "Correct the SELECT statement or `key`.",
        )


def describe(transaction: Transaction, table: str, title: str, columns: Mapping[str, str]) -> None:
    """Write a table's title and its columns' meanings into the database, as comments."""
    transaction.execute(with_names("COMMENT ON TABLE {table} IS ", table=table) + literal(title))
    for column, meaning in columns.items():
        target = with_names("COMMENT ON COLUMN {column} IS ", column=f"{table}.{column}")
        transaction.execute(target + literal(meaning))


def columns_of(transaction: Transaction, table: str) -> list[str]:
    """Return the column names of a table, in order."""
    schema, name = table.split(".")
    rows = transaction.rows(
        "SELECT column_name FROM duckdb_columns() "
        "WHERE database_name = current_database() AND schema_name = ? AND table_name = ? "
        "ORDER BY column_index",
        [schema, name],
    )
    return [row["column_name"] for row in rows]


def count_rows(transaction: Transaction, table: str) -> int:
    """Return how many rows a table has."""
    rows: int = transaction.value(with_names("SELECT count(*) FROM {table}", table=table))
    return rows
