"""From the rows of a metric to its estimates: which statistics each kind of metric gives."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from outcomes import statistics, survival
from outcomes.metric import COLUMNS, Kind, Metric
from outcomes.results import Estimate

Row = Mapping[str, Any]


def estimates(metric: Metric, rows: Sequence[Row]) -> list[Estimate]:
    """Every estimate of `metric` over `rows`; rows with a NULL are left out and counted in the notes."""
    columns = COLUMNS[metric.statistic]
    complete = [row for row in rows if all(row[column] is not None for column in columns)]
    found = _ESTIMATORS[metric.statistic](metric, complete)
    missing = len(rows) - len(complete)
    if missing == 0:
        return found
    return [_with_note(e, f"{missing} of {len(rows)} without a value left out") for e in found]


def _with_note(estimate: Estimate, note: str) -> Estimate:
    return replace(estimate, note="; ".join(filter(None, (estimate.note, note))))


def _count(_: Metric, rows: Sequence[Row]) -> list[Estimate]:
    return statistics.count(_total(rows, "counted"))


def _proportion(_: Metric, rows: Sequence[Row]) -> list[Estimate]:
    return statistics.proportion(_total(rows, "numerator"), _total(rows, "denominator"))


def _summary(_: Metric, rows: Sequence[Row]) -> list[Estimate]:
    return statistics.summary(_floats(rows, "value"))


def _extremes(_: Metric, rows: Sequence[Row]) -> list[Estimate]:
    return statistics.extremes(_floats(rows, "value"))


def _paired(_: Metric, rows: Sequence[Row]) -> list[Estimate]:
    return statistics.paired_change(_floats(rows, "value"), _floats(rows, "baseline"))


def _survival(metric: Metric, rows: Sequence[Row]) -> list[Estimate]:
    curve = survival.kaplan_meier(_floats(rows, "duration_months"), [bool(r["is_event"]) for r in rows])
    return survival.survival_at(curve, metric.horizons_months)


def _total(rows: Sequence[Row], column: str) -> int:
    return sum(int(row[column]) for row in rows)


def _floats(rows: Sequence[Row], column: str) -> list[float]:
    return [float(row[column]) for row in rows]


_ESTIMATORS: Mapping[Kind, Callable[[Metric, Sequence[Row]], list[Estimate]]] = {
    "count": _count,
    "proportion": _proportion,
    "summary": _summary,
    "extremes": _extremes,
    "paired": _paired,
    "survival": _survival,
}
