"""From the rows of a metric to its estimates: which statistics each kind of metric gives."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from outcomes import clusters, models, paired, statistics, stratified, survival
from outcomes.metric import Kind, Metric
from outcomes.results import Estimate, category_statistic
from outcomes.sample import Sample
from outcomes.survival import Curve


@dataclass(frozen=True, slots=True)
class Found:
    """What the rows of one group give: estimates, and curves where the metric is one over time."""

    estimates: list[Estimate]
    curves: tuple[Curve, ...] = ()


def estimate(metric: Metric, sample: Sample) -> Found:
    """Every estimate of `metric`; rows with a NULL are left out and counted."""
    if metric.statistic == "shares":
        return Found([e for name, part in sample.by_category().items() for e in _share(metric, name, part)])
    complete = sample.complete(metric.columns)
    found = _ESTIMATORS[metric.statistic](metric, complete)
    noted = _noted(found.estimates, len(sample) - len(complete), len(sample))
    if metric.statistic in ("categories", "summary"):
        noted.append(statistics.missing(len(sample) - len(complete), len(sample)))
    return replace(found, estimates=noted)


def _noted(estimates: list[Estimate], missing: int, rows: int) -> list[Estimate]:
    """The same, each saying how many rows were left out."""
    if missing == 0:
        return estimates
    note = f"{missing} of {rows} without a value left out"
    return [replace(e, note="; ".join(filter(None, (e.note, note)))) for e in estimates]


def _share(metric: Metric, name: str, sample: Sample) -> list[Estimate]:
    rows = sample.complete(metric.columns)
    found = statistics.proportion(
        rows.total("numerator"),
        rows.total("denominator"),
        statistic=category_statistic("proportion", name),
        always_exact=metric.interval == "exact",
    )
    return _noted(found, len(sample) - len(rows), len(sample))


def _count(_: Metric, rows: Sample) -> Found:
    return Found(statistics.count(rows.total("counted")))


def _tally(_: Metric, rows: Sample) -> Found:
    parts = rows.by_category()
    found = [
        statistics.count(part.total("counted"), statistic=category_statistic("count", name))
        for name, part in parts.items()
    ]
    return Found([estimate for part in found for estimate in part])


def _proportion(metric: Metric, rows: Sample) -> Found:
    exact = metric.interval == "exact"
    found = statistics.proportion(rows.total("numerator"), rows.total("denominator"), always_exact=exact)
    if metric.cluster:
        columns = (rows.integers("numerator"), rows.integers("denominator"), rows.keys("patient_key"))
        found += clusters.clustered_proportion(*columns)
    return Found(found)


def _categories(_: Metric, rows: Sample) -> Found:
    return Found(statistics.distribution(rows.texts("category")))


def _summary(_: Metric, rows: Sample) -> Found:
    return Found(statistics.summary(rows.floats("value")))


def _extremes(_: Metric, rows: Sample) -> Found:
    return Found(statistics.extremes(rows.floats("value")))


def _paired(_: Metric, rows: Sample) -> Found:
    return Found(paired.paired_change(rows.floats("value"), rows.floats("baseline")))


def _stratified(_: Metric, rows: Sample) -> Found:
    parts = (rows.of_center(center_id) for center_id in sorted(set(rows.texts("center_id"))))
    return Found(stratified.fixed_effect([_changes(part) for part in parts]))


def _changes(rows: Sample) -> list[float]:
    return [v - b for v, b in zip(rows.floats("value"), rows.floats("baseline"), strict=True)]


def _survival(metric: Metric, rows: Sample) -> Found:
    durations, events = rows.floats("duration_months"), rows.integers("is_event")
    curve = survival.kaplan_meier(durations, [bool(event) for event in events])
    found = survival.survival_at(curve, metric.horizons_months)
    if metric.cluster:
        columns = (durations, events, rows.keys("patient_key"))
        found += clusters.clustered_horizons(columns, curve, metric.horizons_months, _SURVIVAL)
    return Found(found, (curve,))


def _competing(metric: Metric, rows: Sample) -> Found:
    durations, outcomes = rows.floats("duration_months"), rows.integers("outcome")
    event, competing = survival.aalen_johansen(durations, outcomes)
    found = survival.incidence_at(event, competing, metric.horizons_months)
    naive = survival.kaplan_meier(durations, [outcome == survival.EVENT for outcome in outcomes])
    found += survival.naive_at(naive, metric.horizons_months)
    if metric.cluster:
        columns = (durations, outcomes, rows.keys("patient_key"))
        found += clusters.clustered_horizons(columns, event, metric.horizons_months, _INCIDENCE)
    return Found(found, (event, competing))


def _trajectory(_: Metric, rows: Sample) -> Found:
    return Found(
        models.trajectory(
            rows.keys("patient_key"),
            rows.integers("time_order"),
            rows.texts("time_point"),
            rows.floats("score"),
        )
    )


_SURVIVAL: tuple[str, clusters.Estimator] = (
    "survival",
    lambda events, _, at_risk: survival.product_limit(events, at_risk),
)
_INCIDENCE: tuple[str, clusters.Estimator] = ("incidence", survival.incidence)

_ESTIMATORS: Mapping[Kind, Callable[[Metric, Sample], Found]] = {
    "count": _count,
    "tally": _tally,
    "proportion": _proportion,
    "categories": _categories,
    "summary": _summary,
    "extremes": _extremes,
    "paired": _paired,
    "survival": _survival,
    "competing": _competing,
    "trajectory": _trajectory,
    "stratified": _stratified,
}
