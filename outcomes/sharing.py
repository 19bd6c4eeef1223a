"""What may leave the study team as tables: figures, flow and curves of one run, disclosed together.

None of them has a row of a patient. What is hidden in one of them must not stand in another, so all three are
asked about at once (outcomes/disclosure.py).
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any

from outcomes.disclosure import Audience, Disclosure, disclose
from outcomes.known_counts import KnownCounts, cohort_flow
from outcomes.metric import load_metrics, part_metrics, team_metrics
from outcomes.refresh import read_sql
from outcomes.results import MetricResult
from warehouse.mart import Mart

TABLES = files("outcomes") / "tables"
Rows = Sequence[Mapping[str, Any]]


def shared_tables(mart: Mart, audience: Audience) -> dict[str, list[dict[str, Any]]]:
    """The rows of each table that `audience` may have of the release, by its name; hidden is None."""
    results = [MetricResult.from_row(row) for row in mart.rows(read_sql(TABLES / "results.sql"))]
    flow, metrics = cohort_flow(mart.rows(read_sql(TABLES / "flow.sql"))), load_metrics()
    known = KnownCounts()
    known.add_flow(flow)
    disclosure = disclose(audience, results, part_metrics(metrics), known, team_metrics(metrics))
    return {
        "core.flow": disclosure.rows(flow, "kept", "excluded"),
        "outcomes.curve_result": _curves(disclosure, mart.rows(read_sql(TABLES / "curves.sql"))),
        "outcomes.metric_result": [result.as_row() for result in disclosure.results(results)],
    }


def _curves(disclosure: Disclosure, rows: Rows) -> list[dict[str, Any]]:
    curves: dict[tuple[str, str, str], list[Mapping[str, Any]]] = defaultdict(list)
    for row in rows:
        curves[row["metric"], row["group"], row["curve"]].append(row)
    return [row for curve in curves.values() for row in disclosure.curve(curve)]
