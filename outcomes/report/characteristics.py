"""Tables 1 and 2: who was treated, by center, with what is missing and the standardized difference."""

import re
from collections.abc import Iterator, Mapping, Sequence

from outcomes.metric import Metric
from outcomes.report import estimates
from outcomes.report.facts import HIDDEN
from outcomes.report.origins import metric_anchor
from outcomes.report.parts import Group, Line, Table
from outcomes.results import ALL, Results
from outcomes.rounding import show

_REGIONS = "CTLS"
_PLACE = re.compile(r"[CTLS]\d|cervical|thoracic|lumbar|sacral")
NOTE = (
    "SMD: standardized difference between the centers, in standard deviations; above 0.1 the centers are "
    "not alike. No tests: these tables describe one cohort."
)


def characteristics(
    caption: str,
    total: tuple[str, str],
    wanted: Sequence[str],
    metrics: Mapping[str, Metric],
    results: Results,
    centers: Sequence[Group],
) -> Table:
    """One block a metric, in the order `wanted`; `total` is the label and the metric of the first line."""
    label, counted = total
    count = estimates.FORMS["count"]
    blank = ("",) if estimates.contrast_group(results) else ()
    first = (label, *(count(results, counted, group.name) for group in centers), *blank)
    lines = [Line(first, tone="kept", anchor=metric_anchor(counted))]
    for name in wanted:
        if name in metrics:
            lines += _block(metrics[name], results, centers)
    columns = ("", *(group.label for group in centers), *(("SMD",) if blank else ()))
    return Table(caption, columns, tuple(lines), (NOTE,) if blank else ())


def _block(metric: Metric, results: Results, centers: Sequence[Group]) -> Iterator[Line]:
    anchor = metric_anchor(metric.metric)
    smd = _smd(results, metric.metric)
    if metric.statistic == "categories":
        yield Line((metric.title, *("" for _ in centers), *smd), tone="kept", anchor=anchor)
        for category in categories(results, metric):
            # A center without a row of a category has no result of it.
            shares = [
                estimates.formed(f"share:{category}", results, metric.metric, group.name)
                if results.get(metric.metric, f"proportion[{category}]", group.name)
                else "0"
                for group in centers
            ]
            yield Line((category, *shares, *("" for _ in smd)), tone="part")
    elif metric.statistic == "summary":
        yield Line(
            (f"{metric.title}, {metric.unit}", *("" for _ in centers), *smd), tone="kept", anchor=anchor
        )
        for form in ("mean (SD)", "median (quartiles)", "range"):
            cells = _cells(form, metric.metric, results, centers)
            yield Line((form, *cells, *("" for _ in smd)), tone="part")
    else:
        form = {"proportion": "share", "extremes": "months"}.get(metric.statistic, "count")
        yield Line((metric.title, *_cells(form, metric.metric, results, centers), *smd), anchor=anchor)
    missing = [results.get(metric.metric, "missing", group.name) for group in centers]
    if any(found is not None and found.value for found in missing):
        shown = _cells("number:missing", metric.metric, results, centers)
        yield Line(("missing", *shown, *("" for _ in smd)), tone="excluded")


def _cells(form: str, metric: str, results: Results, centers: Sequence[Group]) -> list[str]:
    return [estimates.formed(form, results, metric, group.name) for group in centers]


def _smd(results: Results, metric: str) -> tuple[str, ...]:
    between = estimates.contrast_group(results)
    if between is None:
        return ()
    found = results.get(metric, "smd", between)
    return (HIDDEN if estimates.is_hidden(found) else show(found.value, 2) if found else "",)


def categories(results: Results, metric: Metric) -> list[str]:
    """The categories of a metric in their own order, names without one by their size, the largest first."""
    sizes = {
        result.statistic[len("proportion[") : -1]: result.value or 0.0
        for result in results
        if result.metric == metric.metric
        and result.group == ALL
        and result.statistic.startswith("proportion[")
    }
    match metric.order:
        case "name":
            return sorted(sizes)
        case "spine":
            return sorted(sizes, key=_along_the_spine)
    return sorted(sizes, key=lambda category: (-sizes[category], category))


def _along_the_spine(place: str) -> tuple[int, int, str]:
    """From the neck down: `C3`, `T2`, `T11` or a region; a set of levels by its first, others last."""
    region = _REGIONS.find(place[0].upper()) if _PLACE.match(place) else len(_REGIONS)
    number = re.match(r"[A-Z](\d+)", place)
    return region, int(number[1]) if number else 0, place
