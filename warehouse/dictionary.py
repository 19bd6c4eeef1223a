"""The data dictionary of a release: every table and column in words, read from the comments in its file.

What analysts find in the file itself (`duckdb_tables()`, `duckdb_columns()`) and on these pages is one text.
"""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from warehouse.csv_cells import write_csv
from warehouse.mart import Mart

_COLUMNS = (
    "SELECT columns.schema_name || '.' || columns.table_name AS table_name, "
    "coalesce(tables.comment, '') AS table_comment, column_name, data_type, "
    "coalesce(columns.comment, '') AS comment FROM duckdb_columns() AS columns "
    "INNER JOIN duckdb_tables() AS tables USING (database_name, schema_name, table_name) "
    "WHERE database_name = current_database() ORDER BY table_name, column_index"
)
_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1a1a1a}"
    "table{border-collapse:collapse;width:100%}th,td{text-align:left;vertical-align:top;padding:.3rem .6rem;"
    "border-bottom:1px solid #ccc}code{font-size:.95em}nav{columns:3}h2{margin-top:2.5rem}"
)


@dataclass(frozen=True, slots=True)
class DescribedTable:
    """A table in words: each of its columns as (name, SQL type, meaning)."""

    name: str
    comment: str
    columns: Sequence[tuple[str, str, str]]


def describe_mart(mart: Mart) -> list[DescribedTable]:
    """Read every table and column of an opened release, by name."""
    found: dict[str, list[dict[str, Any]]] = {}
    for row in mart.rows(_COLUMNS):
        found.setdefault(row["table_name"], []).append(row)
    return [
        DescribedTable(
            name,
            rows[0]["table_comment"],
            [(row["column_name"], row["data_type"], row["comment"]) for row in rows],
        )
        for name, rows in found.items()
    ]


def write_dictionary(tables: Sequence[DescribedTable], folder: Path) -> None:
    """Write `dictionary.md`, `dictionary.html` and `dictionary.csv` into `folder`."""
    for ending, text in dictionary(tables).items():
        (folder / f"dictionary.{ending}").write_text(text, encoding="utf-8")


def dictionary(tables: Sequence[DescribedTable]) -> Mapping[str, str]:
    """Return the dictionary as Markdown, HTML and CSV, by the ending of its file."""
    return {"md": _markdown(tables), "html": _html(tables), "csv": _csv(tables)}


def _markdown(tables: Sequence[DescribedTable]) -> str:
    lines = ["# Data dictionary"]
    for table in tables:
        lines += ["", f"## {table.name}", "", table.comment, "", "| Column | Type | Meaning |"]
        lines += ["| --- | --- | --- |"]
        lines += [f"| `{name}` | {kind} | {_cell(meaning)} |" for name, kind, meaning in table.columns]
    return "\n".join(lines) + "\n"


def _html(tables: Sequence[DescribedTable]) -> str:
    links = "".join(f'<a href="#{escape(t.name)}">{escape(t.name)}</a><br>' for t in tables)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Data dictionary</title>'
        f"<style>{_STYLE}</style></head><body><h1>Data dictionary</h1><nav>{links}</nav>"
        + "".join(map(_html_section, tables))
        + "</body></html>\n"
    )


def _html_section(table: DescribedTable) -> str:
    rows = "".join(
        f"<tr><td><code>{escape(name)}</code></td><td>{escape(kind)}</td><td>{escape(meaning)}</td></tr>"
        for name, kind, meaning in table.columns
    )
    paragraphs = "".join(f"<p>{escape(part)}</p>" for part in table.comment.split("\n\n"))
    return (
        f'<h2 id="{escape(table.name)}">{escape(table.name)}</h2>{paragraphs}'
        f"<table><thead><tr><th>Column</th><th>Type</th><th>Meaning</th></tr></thead><tbody>{rows}</tbody></table>"
    )


def _csv(tables: Sequence[DescribedTable]) -> str:
    text = io.StringIO()
    rows = [(table.name, *column) for table in tables for column in table.columns]
    write_csv(text, ["table", "column", "type", "meaning"], rows)
    return text.getvalue()


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())
