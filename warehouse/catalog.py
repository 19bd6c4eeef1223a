"""The tables as the database knows them: which there are, their columns, rows and comments."""

from collections.abc import Collection, Mapping, Sequence

from warehouse.connection import Transaction
from warehouse.names import literal, with_names


def existing_tables(transaction: Transaction) -> set[str]:
    """Return the tables of the working database as `schema.table`."""
    rows = transaction.rows(
        "SELECT schema_name, table_name FROM duckdb_tables() WHERE database_name = current_database()"
    )
    return {f"{row['schema_name']}.{row['table_name']}" for row in rows}


def drop_tables_but(transaction: Transaction, schemas: Collection[str], keep: Collection[str]) -> None:
    """Drop every table of `schemas` that is not in `keep`, and forget what it was made from."""
    for table in sorted(existing_tables(transaction) - set(keep)):
        if table.partition(".")[0] in schemas:
            transaction.execute(with_names("DROP TABLE {table}", table=table))
            transaction.execute("DELETE FROM ops.built_from WHERE table_name = ?", [table])


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


def count_all(transaction: Transaction, tables: Sequence[str]) -> dict[str, int]:
    """Return how many rows each of the tables has: one query, for a statement a table is dear."""
    counts = [with_names("SELECT ? AS counted, count(*) AS n FROM {table}", table=table) for table in tables]
    rows = transaction.rows(" UNION ALL ".join(counts), list(tables)) if counts else []
    return {row["counted"]: row["n"] for row in rows}


def count_rows(transaction: Transaction, table: str) -> int:
    """Return how many rows a table has."""
    rows: int = transaction.value(with_names("SELECT count(*) FROM {table}", table=table))
    return rows
