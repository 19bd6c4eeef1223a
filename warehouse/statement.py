"""What a SELECT statement reads, as the database itself parses it; each text is parsed once a process."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from warehouse.connection import Transaction


@dataclass(frozen=True, slots=True)
class TableRead:
    """One place in a statement where a table is read: its alias or '', and where it stands, in bytes."""

    table: str
    alias: str
    start: int


_TABLES: dict[str, tuple[TableRead, ...]] = {}
_COLUMNS: dict[str, frozenset[str]] = {}


def tables_read(transaction: Transaction, select: str) -> tuple[TableRead, ...]:
    """The tables that a SELECT statement reads by their schema."""
    if select not in _TABLES:
        _TABLES[select] = tuple(
            TableRead(f"{node['schema_name']}.{node['table_name']}", node["alias"], node["query_location"])
            for node in _nodes(_parsed(transaction, select))
            if node.get("type") == "BASE_TABLE" and node["schema_name"]
        )
    return _TABLES[select]


def columns_read(transaction: Transaction, select: str) -> frozenset[str]:
    """The names of the columns that a SELECT statement reads."""
    if select not in _COLUMNS:
        _COLUMNS[select] = frozenset(
            node["column_names"][-1]
            for node in _nodes(_parsed(transaction, select))
            if node.get("class") == "COLUMN_REF"
        )
    return _COLUMNS[select]


def _parsed(transaction: Transaction, select: str) -> Any:
    return json.loads(transaction.value("SELECT json_serialize_sql(?)", [select]))


def _nodes(tree: Any) -> Iterator[dict[str, Any]]:
    """Every mapping within a parsed statement."""
    if isinstance(tree, dict):
        yield tree
    children = tree.values() if isinstance(tree, dict) else tree if isinstance(tree, list) else ()
    for child in children:
        yield from _nodes(child)
