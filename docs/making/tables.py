"""Tables and metrics, from the headers of their SQL files and the comments of the ledger."""

import datetime as dt
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from outcomes.metric import load_metrics
from outcomes.refresh import refresh
from service.configuration import load_settings
from service.study import build_input
from warehouse.build import build
from warehouse.connection import Warehouse
from warehouse.dictionary import describe_mart, dictionary
from warehouse.mart import open_release
from warehouse.publish import PublishInput, publish
from warehouse.releases import MART_FILE

ROOT = Path(__file__).parents[2]
COLUMNS = (
    "SELECT schema_name || '.' || table_name AS name, column_name, columns.comment AS meaning, "
    "tables.comment AS title FROM duckdb_columns() AS columns "
    "INNER JOIN duckdb_tables() AS tables USING (database_name, schema_name, table_name) "
    "WHERE database_name = current_database() ORDER BY name, column_index"
)


NO_DATE = dt.datetime(2000, 1, 1, tzinfo=dt.UTC)


@cache
def data_dictionary() -> Mapping[str, str]:
    """Every table and column of a release (one without patients), as Markdown, HTML and CSV."""
    with (
        tempfile.TemporaryDirectory() as folder,
        Warehouse.open(Path(folder), threads=1, memory_limit="1GB") as warehouse,
    ):
        with warehouse.transaction() as transaction:
            build(transaction, build_input(load_settings(ROOT / "config"), 1), folder=warehouse.folder)
            refresh(transaction, 1)
        release = publish(warehouse, PublishInput(1, NO_DATE, "docs", {}, 3, {}))
        with open_release(release.path / MART_FILE) as mart:
            return dictionary(describe_mart(mart))


def ledger() -> str:
    """Every table that the migrations make, as its comments tell it."""
    lines = [
        "# The ledger",
        "",
        "What the private warehouse knows of its runs, centers, resources and results. The release holds the",
        "tables of it that name no patient.",
    ]
    titles = {row["name"]: row["title"] for row in _columns()}
    for name, columns in described_columns().items():
        lines += ["", f"## {name}", "", titles[name], "", "| Column | Meaning |", "| --- | --- |"]
        lines += [f"| `{column}` | {meaning} |" for column, meaning in columns.items()]
    return "\n".join(lines)


def described_columns() -> dict[str, dict[str, str]]:
    """The meaning of each column of each table of the ledger; empty where it has no comment."""
    tables: dict[str, dict[str, str]] = {}
    for row in _columns():
        tables.setdefault(row["name"], {})[row["column_name"]] = one_line(row["meaning"] or "")
    return tables


@cache
def _columns() -> list[dict[str, Any]]:
    with (
        tempfile.TemporaryDirectory() as folder,
        Warehouse.open(Path(folder), threads=1, memory_limit="1GB") as warehouse,
    ):
        return warehouse.rows(COLUMNS)


def metrics() -> str:
    """Every metric with its definition and its reference."""
    lines = [
        "# Metrics",
        "",
        "One row of `outcomes.metric_result` is one statistic of one metric and group.",
        "",
    ]
    for metric in load_metrics():
        lines += [
            f"## {metric.metric}",
            "",
            f"**{metric.title}** ({metric.statistic} by {metric.grain}, {metric.unit}, v{metric.version})",
            "",
            one_line(metric.definition),
            "",
            f"Source: {metric.reference}.",
            "",
        ]
    return "\n".join(lines)


def one_line(text: str) -> str:
    """A definition without its line breaks, fit for a table's cell."""
    return " ".join(text.replace("|", "\\|").split())
