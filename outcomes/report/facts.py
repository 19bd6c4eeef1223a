"""What the report is made from: facts about the run that it is told, and what it reads from the release."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, Protocol

from mappings.errors import WarehouseError
from mappings.terminology import MappedCode
from outcomes.disclosure import Audience, Disclosure, disclose
from outcomes.known_counts import KnownCounts, cohort_flow
from outcomes.metric import Metric, load_metrics, part_metrics, team_metrics
from outcomes.publication import Publication
from outcomes.refresh import read_sql
from outcomes.report.origins import Origin, metric_origin
from outcomes.results import ALL, MetricResult, Results

# What stands where a count may not be shown.
HIDDEN = "*"
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
    audience: Audience


@dataclass(frozen=True, slots=True)
class Published:
    """Everything read from the mart, as its audience may see it; `rows` are for counts that go by `shown`."""

    results: Results
    metrics: Mapping[str, Metric]
    rows: Mapping[str, Sequence[Mapping[str, Any]]]
    run_id: int
    disclosure: Disclosure

    @property
    def is_shared(self) -> bool:
        """Whether the reader is outside the study team: nothing of a single patient, no small counts."""
        return self.disclosure.audience.name == "shared"

    def shown(self, group: str, count: int) -> str:
        """A count of a group, or a mark where this audience may not see it."""
        return str(count) if self.disclosure.shows(group, count) else HIDDEN

    def curve(self, metric: str, name: str, group: str = ALL) -> list[list[Mapping[str, Any]]]:
        """The rows of one curve in a list of its own; an empty list where there is none."""
        wanted = (metric, name, group)
        rows = [row for row in self.rows["curves"] if (row["metric"], row["curve"], row["group"]) == wanted]
        shown: list[Mapping[str, Any]] = [*self.disclosure.curve(rows)] if rows else []
        return [shown] if shown else []

    def linked(self, *metrics: str) -> tuple[Origin, ...]:
        """Each metric as an origin, to link a table or figure to its definitions."""
        return tuple(metric_origin(self.metrics[name]) for name in metrics)


def read_published(mart: Mart, audience: Audience) -> Published:
    """Read what the audience may see; raises WarehouseError when the release holds no results."""
    metrics = {metric.metric: metric for metric in load_metrics()}
    results = read_results(mart)
    names = ("history", "curves", "flow", "complications", "listing", "checks", "unmapped", "rules")
    rows = {name: mart.rows(table_sql(name)) for name in names}
    plotted = [metric for _, metric in PAIN_TIMES]
    rows |= {name: mart.rows(metrics[name].sql) for name in plotted}
    if audience.name == "shared":
        rows["flow"] = cohort_flow(rows["flow"])
    known = KnownCounts()
    known.add_flow(rows["flow"])
    team_only = team_metrics(metrics.values())
    disclosure = disclose(audience, results, part_metrics(metrics.values()), known, team_only)
    shown = Results(disclosure.results(results))
    return Published(shown, metrics, rows, results[0].run_id, disclosure)


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
