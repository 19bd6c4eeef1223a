"""Views on Spark: the statements of a compiled view, written from DuckDB's text for Spark's SQL.

There is one compiler and one text of a view; this is that text's Spark form, with the same rows and the same
rejects. Both read a relation of current resources with the columns center_id, base_url, resource_type,
resource_id and body, besides what the view carries. The session's time zone must be UTC.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar

import sqlglot
from sqlglot import exp
from sqlglot.dialects.duckdb import DuckDB
from sqlglot.parsers.duckdb import DuckDBParser

from mappings.compiler import CompiledView
from warehouse.engines.view_expressions import Writer, unknown
from warehouse.engines.view_functions import FUNCTIONS
from warehouse.engines.view_terms import Term, quoted

_RECURSION = 20_000


@dataclass(frozen=True, slots=True)
class SparkView:
    """Spark SQL of a view's rows (the carried columns, then its own) and of its rejects."""

    rows: str
    rejects: str


def spark_view(view: CompiledView) -> SparkView:
    """A compiled view for Spark. Raises ViewError for a statement that has no Spark form."""
    return SparkView(_statement(view.sql), _statement(view.rejects_sql))


class _Read(DuckDB):
    """DuckDB's syntax with every function under its own name and every index as written."""

    INDEX_OFFSET = 0

    class Parser(DuckDBParser):
        FUNCTIONS: ClassVar[dict[str, Any]] = {}
        FUNCTION_PARSERS: ClassVar[dict[str, Any]] = {
            name: parser
            for name, parser in DuckDBParser.FUNCTION_PARSERS.items()
            if name in ("CAST", "TRY_CAST")
        }


def _statement(sql: str) -> str:
    with _deep_recursion():
        return _select(sqlglot.parse_one(sql, read=_Read))[0]


@contextmanager
def _deep_recursion() -> Iterator[None]:
    """Room for `repeat`, which nests lambdas twelve deep; sqlglot needs some twenty calls a level."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(max(before, _RECURSION))
    try:
        yield
    finally:
        sys.setrecursionlimit(before)


def _select(node: Any) -> tuple[str, dict[str, Term]]:
    """A SELECT, and its columns as the statement around it sees them."""
    source, scope = _source(node.args["from_"].this)
    writer = Writer(scope, FUNCTIONS)
    columns: dict[str, Term] = {}
    written = []
    for column in node.expressions:
        if isinstance(column, exp.Star):
            written.append("*")
            continue
        term = writer.term(column.unalias())
        name = column.alias_or_name
        columns[name] = Term(quoted(name), term.kind)
        written.append(f"{term.sql} AS {quoted(name)}")
    where = node.args.get("where")
    test = f"\nWHERE {writer.term(where.this).sql}" if where else ""
    return f"SELECT {', '.join(written)}\nFROM {source}{test}", columns


def _source(node: Any) -> tuple[str, dict[str, Term]]:
    """What a SELECT reads, and the names that it may use."""
    if isinstance(node, exp.Table):
        return quoted(node.name), {}
    if isinstance(node, exp.Subquery):
        inner, columns = _select(node.this)
        row = Term(node.alias, {name: term.kind for name, term in columns.items()})
        return f"({inner}) AS {node.alias}", {node.alias: row}
    raise unknown(f"a source that is {type(node).__name__}")
