"""What the report is made from: facts about the run that it is told, and what it reads from the release."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, Protocol

from mappings.errors import WarehouseError
from mappings.terminology import MappedCode
from outcomes.metric import Metric, load_metrics
from outcomes.publication import Publication
from outcomes.refresh import read_sql
from outcomes.results import ALL, MetricResult, Results

PAIN_TIMES = (
    ("Baseline", "nprs_baseline"),
    ("24 hours", "nprs_24h"),
    ("1 month", "nprs_1m"),
    ("Last follow-up", "nprs_last"),
)


class Mart(Protocol):
    """What the report needs of a published release: read-only queries."""

    def rows(self, sql: str) -> list[dict[str, Any]]:
        """The rows of one query, as dictionaries."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class CenterFacts:
    """A center as the head of the report shows it.

    `read_at` is the end of its last complete sync, `is_complete` whether its newest sync was complete;
    `key_fingerprint` tells whether its pseudonyms are made with the same key as in another report.
    """

    center_id: str
    name: str
    fhir_version: str
    read_at: dt.datetime | None
    is_complete: bool
    key_fingerprint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportFacts:
    """What the report says about itself and cannot read from the mart."""

    study: str
    data_lock: dt.date
    version: str
    release: int
    generated_at: dt.datetime
    centers: Sequence[CenterFacts]
    is_synthetic: bool
    config_fingerprint: str
    codes: Sequence[MappedCode]
    publications: Sequence[Publication]


@dataclass(frozen=True, slots=True)
class Published:
    """Everything read from the mart."""

    results: Results
    metrics: Mapping[str, Metric]
    rows: Mapping[str, Sequence[Mapping[str, Any]]]
    run_id: int

    def curve(self, metric: str, name: str, group: str = ALL) -> list[list[Mapping[str, Any]]]:
        """The rows of one curve in a list of its own; an empty list where there is none."""
        wanted = (metric, name, group)
        rows = [row for row in self.rows["curves"] if (row["metric"], row["curve"], row["group"]) == wanted]
        return [rows] if rows else []

    def linked(self, *metrics: str) -> tuple[tuple[str, str], ...]:
        """Name and title of each metric, to link a figure to its definitions."""
        return tuple((name, self.metrics[name].title) for name in metrics)


def read_published(mart: Mart) -> Published:
    """Read what the report shows; raises WarehouseError when the release holds no results."""
    metrics = {metric.metric: metric for metric in load_metrics()}
    results = read_results(mart)
    names = ("history", "curves", "flow", "complications", "checks", "unmapped", "rules")
    rows = {name: mart.rows(table_sql(name)) for name in names}
    plotted = [metric for _, metric in PAIN_TIMES]
    rows |= {name: mart.rows(metrics[name].sql) for name in plotted}
    return Published(Results(results), metrics, rows, results[0].run_id)


def read_results(mart: Mart) -> list[MetricResult]:
    """Every figure of the published run; raises WarehouseError when the release holds none."""
    results = [MetricResult.from_row(row) for row in mart.rows(table_sql("results"))]
    if not results:
        raise WarehouseError(
            "The published release holds no results.", "Run `cryocohort refresh`, then report again."
        )
    return results


def table_sql(name: str) -> str:
    """The query of one table of the report."""
    return read_sql(files("outcomes") / "tables" / f"{name}.sql")
