"""The story of the outcomes of one run: cohorts, rows, estimates, correction, results.

Everything happens in the caller's transaction: a run either gets all of its figures or none.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from importlib.resources import files
from importlib.resources.abc import Traversable

from outcomes import statistics
from outcomes.estimators import Row, estimates
from outcomes.metric import Metric, check_columns, load_metrics, sql_files
from outcomes.results import ALL, Estimate, MetricResult, center_group
from warehouse.catalog import drop_tables_but
from warehouse.connection import Transaction
from warehouse.tables import build_tables, read_table_files

OUTCOMES = files("outcomes")


def refresh(tx: Transaction, run_id: int) -> list[MetricResult]:
    """Build the cohorts, compute every metric for all centers and each, append and return the results.

    Needs the core tables of this run. Raises SqlFileError for a metric file that breaks its contract.
    """
    cohorts = read_table_files(sql_files(OUTCOMES / "cohorts"))
    drop_tables_but(tx, ("outcomes",), ["outcomes.metric_result", *(file.header.table for file in cohorts)])
    build_tables(tx, cohorts)
    results = compute(tx, run_id, load_metrics())
    tx.insert("outcomes.metric_result", [result.as_row() for result in results])
    return results


def compute(tx: Transaction, run_id: int, metrics: Sequence[Metric]) -> list[MetricResult]:
    """The results of `metrics` on the core and cohort tables as they stand; nothing is written."""
    centers = [row["center_id"] for row in tx.rows(read_sql(OUTCOMES / "tables" / "centers.sql"))]
    results = [
        MetricResult.of(run_id, metric.metric, group, estimate)
        for metric in metrics
        for group, rows in _by_group(metric, tx.rows(metric.sql), centers).items()
        for estimate in estimates(metric, rows)
    ]
    return [*results, *_corrected(results, metrics)]


def read_sql(path: Traversable) -> str:
    """The text of one of our SQL files."""
    return path.read_text(encoding="utf-8")


def _by_group(metric: Metric, rows: Sequence[Row], centers: Sequence[str]) -> Mapping[str, Sequence[Row]]:
    """The rows of each group the metric asks for; a center without rows still has its (empty) group."""
    if rows:
        check_columns(metric, rows[0])
    groups: dict[str, Sequence[Row]] = {ALL: rows} if "all" in metric.groups else {}
    if "center" in metric.groups:
        groups |= {center_group(c): [row for row in rows if row["center_id"] == c] for c in centers}
    return groups


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
    estimate = Estimate(
        statistic="p_holm",
        value=p,
        n=test.n,
        method=f"Holm over {tests} Wilcoxon tests of the family {family}" if p is not None else "",
        note="" if p is not None else test.note,
    )
    return MetricResult.of(test.run_id, test.metric, test.group, estimate)
