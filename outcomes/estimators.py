"""From the rows of a metric to its estimates: which statistics each kind of metric gives."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from outcomes import statistics, survival
from outcomes.metric import COLUMNS, Kind, Metric
from outcomes.results import Estimate
from outcomes.sample import Sample
from outcomes.survival import Curve


@dataclass(frozen=True, slots=True)
class Found:
    """What the rows of one group give: estimates, and curves where the metric is one over time."""

    estimates: list[Estimate]
    curves: tuple[Curve, ...] = ()


def estimate(metric: Metric, sample: Sample) -> Found:
    """Every estimate of `metric`; rows with a NULL are left out and counted in the notes."""
    complete = sample.complete(COLUMNS[metric.statistic])
    found = _ESTIMATORS[metric.statistic](metric, complete)
    missing = len(sample) - len(complete)
    if missing == 0:
        return found
    note = f"{missing} of {len(sample)} without a value left out"
    return replace(found, estimates=[_with_note(e, note) for e in found.estimates])


def _with_note(estimate: Estimate, note: str) -> Estimate:
    return replace(estimate, note="; ".join(filter(None, (estimate.note, note))))


def _count(_: Metric, rows: Sample) -> Found:
    return Found(statistics.count(rows.total("counted")))


def _proportion(_: Metric, rows: Sample) -> Found:
    return Found(statistics.proportion(rows.total("numerator"), rows.total("denominator")))


def _summary(_: Metric, rows: Sample) -> Found:
    return Found(statistics.summary(rows.floats("value")))


def _extremes(_: Metric, rows: Sample) -> Found:
    return Found(statistics.extremes(rows.floats("value")))


def _paired(_: Metric, rows: Sample) -> Found:
    return Found(statistics.paired_change(rows.floats("value"), rows.floats("baseline")))


def _survival(metric: Metric, rows: Sample) -> Found:
    curve = survival.kaplan_meier(rows.floats("duration_months"), rows.flags("is_event"))
    return Found(survival.survival_at(curve, metric.horizons_months), (curve,))


_ESTIMATORS: Mapping[Kind, Callable[[Metric, Sample], Found]] = {
    "count": _count,
    "proportion": _proportion,
    "summary": _summary,
    "extremes": _extremes,
    "paired": _paired,
    "survival": _survival,
}
