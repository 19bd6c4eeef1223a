"""The story of the outcomes of one run: cohorts, rows, estimates, correction, results.

Everything happens in the caller's transaction: a run either gets all of its figures or none.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from importlib.resources import files
from importlib.resources.abc import Traversable
from itertools import combinations
from typing import Any

from outcomes import statistics
from outcomes.curves import curve_rows
from outcomes.estimators import Found, estimate
from outcomes.metric import Metric, check_columns, load_metrics, sql_files
from outcomes.pairs import contrast
from outcomes.results import ALL, MetricResult, Source, center_group, center_pair
from outcomes.sample import Sample
from warehouse.catalog import drop_tables_but
from warehouse.connection import Transaction
from warehouse.engines.engine import Engine
from warehouse.tables import TableFile, build_tables, read_table_files

OUTCOMES = files("outcomes")
KEPT = ("outcomes.metric_result", "outcomes.curve_result")


@dataclass(frozen=True, slots=True)
class Computed:
    """The rows of one run: `results` of outcomes.metric_result, `curves` of outcomes.curve_result."""

    results: list[MetricResult]
    curves: list[dict[str, Any]]


def refresh(tx: Transaction, run_id: int, engine: Engine | None = None) -> list[MetricResult]:
    """Build the cohorts, compute every metric for all centers and each, append and return the results.

    Curves are those of this run only: they can be drawn again from its tables, and would outgrow the history.
    Needs the core tables of this run. Raises SqlFileError for a metric file that breaks its contract.
    """
    cohorts = read_cohorts()
    drop_tables_but(tx, ("outcomes",), [*KEPT, *(file.header.table for file in cohorts)])
    build_tables(tx, cohorts, engine=engine)
    computed = compute(tx, run_id, load_metrics(), engine)
    tx.insert("outcomes.metric_result", [result.as_row() for result in computed.results])
    tx.execute("DELETE FROM outcomes.curve_result")
    tx.insert("outcomes.curve_result", computed.curves)
    return computed.results


def read_cohorts() -> list[TableFile]:
    """The SQL files of the cohorts, each after those it needs."""
    return read_table_files(sql_files(OUTCOMES / "cohorts"))


def compute(
    tx: Transaction, run_id: int, metrics: Sequence[Metric], engine: Engine | None = None
) -> Computed:
    """The results of `metrics` on the core and cohort tables as they stand; nothing is written."""
    engine = engine or tx
    centers = [row["center_id"] for row in tx.rows(read_sql(OUTCOMES / "tables" / "centers.sql"))]
    (rules,) = tx.rows(read_sql(OUTCOMES / "tables" / "rules.sql"))
    computed = Computed([], [])
    for metric in metrics:
        applied = metric.applied(rules)
        for group, found in _found(metric, engine, centers):
            source = Source(
                run_id=run_id, metric=metric.metric, version=metric.version, group=group, rules=applied
            )
            computed.results.extend(MetricResult.of(source, estimate) for estimate in found.estimates)
            computed.curves.extend(row for curve in found.curves for row in curve_rows(source, curve))
    computed.results.extend(_corrected(computed.results, metrics))
    return computed


def read_sql(path: Traversable) -> str:
    """The text of one of our SQL files."""
    return path.read_text(encoding="utf-8")


def _found(metric: Metric, engine: Engine, centers: Sequence[str]) -> Iterator[tuple[str, Found]]:
    """What each group of the metric gives; a center without rows still has its (empty) group."""
    sample = Sample(engine.columns(metric.sql))
    check_columns(metric, sample.columns)
    if "all" in metric.groups:
        yield ALL, estimate(metric, sample)
    if "center" not in metric.groups:
        return
    parts = {center_id: sample.of_center(center_id) for center_id in centers}
    for center_id, part in parts.items():
        yield center_group(center_id), estimate(metric, part)
    if metric.contrast is not None:
        for first, second in combinations(centers, 2):
            yield center_pair(first, second), Found(contrast(metric, parts[first], parts[second]))


def _corrected(results: Sequence[MetricResult], metrics: Sequence[Metric]) -> list[MetricResult]:
    """Holm's adjusted p of each paired metric: the correction runs within a family and a group."""
    family_of = {metric.metric: metric.family for metric in metrics if metric.family}
    families: dict[tuple[str, str], list[MetricResult]] = defaultdict(list)
    for result in results:
        if result.statistic == "p_wilcoxon" and result.metric in family_of:
            families[family_of[result.metric], result.group].append(result)
    return [
        adjusted
        for (family, _), tests in families.items()
        for test, p in zip(tests, statistics.holm([t.value for t in tests]), strict=True)
        for adjusted in [_holm_result(test, p, family, sum(t.value is not None for t in tests))]
    ]


def _holm_result(test: MetricResult, p: float | None, family: str, tests: int) -> MetricResult:
    return replace(
        test,
        statistic="p_holm",
        value=p,
        method=f"Holm over {tests} Wilcoxon tests of the family {family}" if p is not None else "",
        note="" if p is not None else test.note,
    )
