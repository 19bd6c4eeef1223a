"""Two centers side by side: which contrast each kind of metric gives."""

from collections.abc import Callable, Mapping

from outcomes import contrasts
from outcomes.contrasts import Share
from outcomes.metric import Contrast, Kind, Metric
from outcomes.results import Estimate, category_statistic
from outcomes.sample import Sample
from outcomes.stratified import mantel_haenszel
from outcomes.survival import Curve, kaplan_meier


def contrast(metric: Metric, first: Sample, second: Sample) -> list[Estimate]:
    """The first center against the second, as the metric asks for; rows with a NULL are left out."""
    if metric.contrast is None:
        return []
    pair = first.complete(metric.columns), second.complete(metric.columns)
    return _CONTRASTS[metric.contrast, metric.statistic](metric, *pair)


def _difference_of_shares(_: Metric, first: Sample, second: Sample) -> list[Estimate]:
    return contrasts.shares(_share(first), _share(second))


def _differences_by_category(_: Metric, first: Sample, second: Sample) -> list[Estimate]:
    ours, theirs = ({name: _share(part) for name, part in s.by_category().items()} for s in (first, second))
    return [
        estimate.renamed(category_statistic(estimate.statistic, name))
        for name in sorted({*ours, *theirs})
        for estimate in contrasts.shares(ours.get(name, (0, 0)), theirs.get(name, (0, 0)))
    ]


def _difference_of_means(_: Metric, first: Sample, second: Sample) -> list[Estimate]:
    return contrasts.means(first.floats("value"), second.floats("value"))


def _difference_of_changes(_: Metric, first: Sample, second: Sample) -> list[Estimate]:
    return contrasts.means(_changes(first), _changes(second))


def _changes(rows: Sample) -> list[float]:
    return [v - b for v, b in zip(rows.floats("value"), rows.floats("baseline"), strict=True)]


def _difference_of_curves(metric: Metric, first: Sample, second: Sample) -> list[Estimate]:
    return contrasts.curves(_curve(first), _curve(second), metric.horizons_months)


def _curve(rows: Sample) -> Curve:
    return kaplan_meier(rows.floats("duration_months"), [bool(e) for e in rows.integers("is_event")])


def _standardized_shares(_: Metric, first: Sample, second: Sample) -> list[Estimate]:
    return contrasts.standardized_shares(_share(first), _share(second))


def _standardized_means(_: Metric, first: Sample, second: Sample) -> list[Estimate]:
    return contrasts.standardized_means(first.floats("value"), second.floats("value"))


def _standardized_categories(_: Metric, first: Sample, second: Sample) -> list[Estimate]:
    return contrasts.standardized_categories(first.texts("category"), second.texts("category"))


def _stratified_shares(_: Metric, first: Sample, second: Sample) -> list[Estimate]:
    ours, theirs = ({name: _share(part) for name, part in s.by_category().items()} for s in (first, second))
    strata = sorted({*ours, *theirs})
    return mantel_haenszel([(ours.get(name, (0, 0)), theirs.get(name, (0, 0))) for name in strata])


def _share(rows: Sample) -> Share:
    return rows.total("numerator"), rows.total("denominator")


_CONTRASTS: Mapping[tuple[Contrast, Kind], Callable[[Metric, Sample, Sample], list[Estimate]]] = {
    ("difference", "proportion"): _difference_of_shares,
    ("difference", "shares"): _differences_by_category,
    ("difference", "summary"): _difference_of_means,
    ("difference", "paired"): _difference_of_changes,
    ("difference", "survival"): _difference_of_curves,
    ("stratified", "shares"): _stratified_shares,
    ("smd", "proportion"): _standardized_shares,
    ("smd", "summary"): _standardized_means,
    ("smd", "categories"): _standardized_categories,
}
