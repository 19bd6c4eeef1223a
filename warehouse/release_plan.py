"""Which tables leave the private warehouse with a release, and what becomes of each of their columns."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import duckdb

from warehouse.pseudonym import Column, PublishedColumn, published_columns
from warehouse.transaction import fetch

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
    columns_of, tables = _columns(connection), []
    for row in found:
        columns = columns_of[row["name"]]
        if row["name"] in LEDGER_FACTS:
            public = [c for c in columns if c.name in LEDGER_FACTS[row["name"]]]
            copied = [PublishedColumn(c.name, c.name, "copy", c.comment) for c in public]
            tables.append(PublishedTable(row["name"], row["comment"], copied))
        elif not row["name"].startswith("ops."):
            tables.append(
                PublishedTable(row["name"], row["comment"], published_columns(row["name"], columns))
            )
    return tables


def _columns(connection: duckdb.DuckDBPyConnection) -> dict[str, list[Column]]:
    """The columns of every table: one query, for a statement a table is dear."""
    rows = fetch(
        connection,
        "SELECT schema_name || '.' || table_name AS table_name, column_name AS name, data_type AS sql_type, "
        "coalesce(comment, '') AS comment FROM duckdb_columns() WHERE database_name = current_database() "
        "ORDER BY table_name, column_index",
    )
    found: dict[str, list[Column]] = {}
    for row in rows:
        found.setdefault(row.pop("table_name"), []).append(Column(**row))
    return found
