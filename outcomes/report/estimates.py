"""The report's tables of estimates: every number comes through outcomes/rounding.py."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass

from outcomes.disclosure import SUPPRESSED
from outcomes.metric import Metric
from outcomes.report.facts import HIDDEN
from outcomes.report.origins import metric_anchor
from outcomes.report.parts import Group, Line, Table
from outcomes.results import ALL, MetricResult, Results
from outcomes.rounding import (
    NOT_ASSESSABLE,
    scaled,
    show,
    show_interval,
    show_month,
    show_p,
    show_share,
)
from outcomes.stratified import DIFFERENCE

Form = Callable[[Results, str, str], str]
# A figure as its label, metric and form; a text alone is a heading.
Wanted = tuple[str, str, str] | str


@dataclass(frozen=True, slots=True)
class Shown:
    """A statistic that a table shows, and where: the label of its line and the heading above it."""

    label: str
    heading: str
    metric: str
    statistic: str


def figures(caption: str, wanted: Sequence[Wanted], results: Results, centers: Sequence[Group]) -> Table:
    """One line a figure, one column a group, and how the centers differ where that is known.

    A form is a key of `FORMS`, after a colon the category it is of: `share`, `share:points`,
    `percent:survival_12m`.
    """
    between = contrast_group(results)
    asked = [figure for figure in wanted if not isinstance(figure, str)]
    differences = [_difference(form, results, metric, between) for _, metric, form in asked]
    contrast = ("Difference (95% CI)",) if any(differences) else ()
    cells = {
        figure: (*(formed(form, results, metric, group.name) for group in centers), difference)
        for figure, (_, metric, form), difference in zip(asked, asked, differences, strict=True)
    }
    width = len(centers) + len(contrast)
    lines = [
        Line((figure,), is_heading=True)
        if isinstance(figure, str)
        else Line((figure[0], *cells[figure][:width]), anchor=metric_anchor(figure[1]))
        for figure in wanted
    ]
    notes = noted(results, _labelled(wanted))
    return Table(caption, ("", *(g.label for g in centers), *contrast), tuple(lines), notes)


def _labelled(wanted: Sequence[Wanted]) -> Iterator[Shown]:
    """Each statistic shown in a table of figures."""
    heading = ""
    for figure in wanted:
        if isinstance(figure, str):
            heading = figure
            continue
        label, metric, form = figure
        for statistic in _statistics(form):
            yield Shown(label, heading, metric, statistic)


def _statistics(form: str) -> tuple[str, ...]:
    """The statistics that a form shows."""
    name, _, category = form.partition(":")
    if name == "share":
        return (f"proportion[{category}]",) if category else ("proportion",)
    return (category,) if category else SHOWN_BY.get(name, (name,))


def by_patient(metric: str) -> tuple[tuple[str, str, str], ...]:
    """The same share with intervals that know that lesions share a patient."""
    return (
        ("The same by patient, GEE (95% CI)", metric, "percent:proportion_gee"),
        ("The same by patient, bootstrap (95% CI)", metric, "percent:proportion_bootstrap"),
    )


def is_hidden(result: MetricResult | None) -> bool:
    """Whether the audience may not see this result."""
    return result is not None and result.note == SUPPRESSED


def _absent(result: MetricResult | None) -> str:
    return HIDDEN if is_hidden(result) else NOT_ASSESSABLE


def contrast_group(results: Results) -> str | None:
    """The group of the results that compare the centers, None where there are not two."""
    return next((result.group for result in results if result.group.startswith("centers=")), None)


def formed(form: str, results: Results, metric: str, group: str) -> str:
    """One figure of one group, in a form of `figures`."""
    name, _, category = form.partition(":")
    if name == "share" and category:
        return _share_of(results.get(metric, f"proportion[{category}]", group))
    if name == "change" and category:
        return change(results.get(metric, category, group))
    if name in ("percent", "number", "p"):
        return _single(name, results.get(metric, category, group))
    if any(is_hidden(results.get(metric, each, group)) for each in SHOWN_BY.get(name, ())):
        return HIDDEN
    return FORMS[name](results, metric, group) if name in FORMS else ""


def _difference(form: str, results: Results, metric: str, between: str | None) -> str:
    """How the first center differs from the second: shares in percentage points."""
    name, _, category = form.partition(":")
    if between is None or name == "number":
        return ""
    if name == "p":
        return _single(name, results.get(metric, category, between))
    if name == "stratified":
        return _points(*(results.get(metric, each, between) for each in (DIFFERENCE, "p_cmh")))
    return _difference_of(name, category, results, (metric, between))


def _difference_of(name: str, category: str, results: Results, place: tuple[str, str]) -> str:
    metric, between = place
    of = f"[{category}]" if category else ""
    if name == "percent":
        of = f"_{category.rpartition('_')[2]}"
    result = results.get(metric, f"difference{of}", between)
    if result is None:
        smd = None if category else results.get(metric, "smd", between)
        return f"SMD {show(smd.value, 2)}" if smd and smd.value is not None else ""
    if result.value is None:
        return _absent(result)
    if name in ("share", "percent"):
        return _points(result, results.get(metric, f"p_fisher{of}", between))
    interval = f" ({_interval(result, 1, digits=2)})" if result.ci_low is not None else ""
    return f"{show(result.value, 2)}{interval}"


def _points(difference: MetricResult | None, p: MetricResult | None) -> str:
    """A difference of shares in percentage points, with its interval and p."""
    if difference is None or difference.value is None:
        return _absent(difference)
    interval = f" ({_interval(difference, 100)})" if difference.ci_low is not None else ""
    return f"{show(scaled(difference.value, 100))} pp{interval}" + (f"; p {show_p(p.value)}" if p else "")


def _single(form: str, result: MetricResult | None) -> str:
    if result is None:
        return ""
    if result.value is None:
        return _absent(result)
    if form == "p":
        return show_p(result.value)
    if form == "percent":
        shown = f"{show(scaled(result.value, 100))}%"
        return shown if result.ci_low is None else f"{shown} ({_interval(result, 100)})"
    shown = show(result.value, 0 if result.value == int(result.value) else 1)
    return shown if result.ci_low is None else f"{shown} ({_interval(result, 1, digits=1)})"


def _share_of(result: MetricResult | None) -> str:
    if result is None or result.numerator is None or result.denominator is None:
        return _absent(result)
    shown = show_share(result.numerator, result.denominator)
    return shown if result.ci_low is None else f"{shown}; {_interval(result, 100)}"


def everything(
    metrics: Iterable[Metric],
    results: Results,
    centers: Sequence[Group],
    *,
    caption: str,
    is_folded: bool = False,
) -> Table:
    """Every statistic that was computed of `metrics`, one column a group."""
    between = contrast_group(results)
    names = [*(group.name for group in centers), *([between] if between else [])]
    found: dict[str, dict[str, None]] = defaultdict(dict)
    for result in results:
        found[result.metric][result.statistic] = None
    lines = []
    for metric in metrics:
        if metric.metric in found:
            lines.append(Line((f"{metric.title} ({metric.metric})",), is_heading=True))
        for statistic in found[metric.metric]:
            cells = (any_result(metric, results.get(metric.metric, statistic, name)) for name in names)
            lines.append(Line((statistic.replace("_", " "), *cells), anchor=metric_anchor(metric.metric)))
    columns = ("Statistic", *(g.label for g in centers), *(("Between centers",) if between else ()))
    return Table(caption, columns, tuple(lines), is_folded=is_folded)


def any_result(metric: Metric, result: MetricResult | None) -> str:
    """Any figure in one cell, with its interval: shares as percentages, p values as such, the rest plain."""
    if result is None:
        return ""
    if result.value is None:
        return _absent(result)
    if result.statistic.startswith("p_"):
        return show_p(result.value)
    if result.statistic.startswith("proportion") and result.denominator:
        shown, scale = show_share(result.numerator or 0, result.denominator), 100
    elif _is_share(metric, result):
        shown, scale = f"{show(scaled(result.value, 100))}%", 100
    else:
        shown, scale = show(result.value, 0 if result.value == int(result.value) else 2), 1
    if result.ci_low is None:
        return shown
    return f"{shown}; {_interval(result, scale, digits=1 if scale == 100 else 2)}"


def _is_share(metric: Metric, result: MetricResult) -> bool:
    is_counted = result.statistic.startswith(("at_risk", "count", "median", "q1", "q3", "smd", "missing"))
    return metric.unit == "%" and not is_counted


def share(results: Results, metric: str, group: str = ALL) -> str:
    """A share with both its numbers."""
    result = results.get(metric, "proportion", group)
    if result is None or result.numerator is None or result.denominator is None:
        return NOT_ASSESSABLE
    return show_share(result.numerator, result.denominator)


def _count(results: Results, metric: str, group: str) -> str:
    return _plain(results, metric, "count", group, 0)


def _share_with_interval(results: Results, metric: str, group: str) -> str:
    return _share_of(results.get(metric, "proportion", group))


def _mean_sd(results: Results, metric: str, group: str) -> str:
    return f"{_plain(results, metric, 'mean', group)} ({_plain(results, metric, 'sd', group)})"


def _median_quartiles(results: Results, metric: str, group: str) -> str:
    low, high = _plain(results, metric, "q1", group), _plain(results, metric, "q3", group)
    return f"{_plain(results, metric, 'median', group)} ({low} to {high})"


def _mean_change(results: Results, metric: str, group: str) -> str:
    return change(results.get(metric, "mean_change", group)) or NOT_ASSESSABLE


def _range(results: Results, metric: str, group: str) -> str:
    low, high = (_plain(results, metric, end, group, 0) for end in ("min", "max"))
    return f"{low} to {high}"


def _months(results: Results, metric: str, group: str) -> str:
    low, high = (_value(results.get(metric, end, group)) for end in ("min", "max"))
    return f"{show_month(low)} to {show_month(high)}"


SHOWN_BY: Mapping[str, tuple[str, ...]] = {
    "mean (SD)": ("mean", "sd"),
    "median (quartiles)": ("median", "q1", "q3"),
    "change": ("mean_change",),
    "range": ("min", "max"),
    "months": ("min", "max"),
}
FORMS: Mapping[str, Form] = {
    "count": _count,
    "share": _share_with_interval,
    "mean (SD)": _mean_sd,
    "median (quartiles)": _median_quartiles,
    "change": _mean_change,
    "range": _range,
    "months": _months,
}


def change(result: MetricResult | None) -> str:
    """A change in points with its interval, to two decimals."""
    if result is None:
        return ""
    if result.value is None:
        return _absent(result)
    return f"{show(result.value, 2)} ({_interval(result, 1, digits=2)})"


def _interval(result: MetricResult | None, scale: int, *, digits: int = 1) -> str:
    if result is None:
        return NOT_ASSESSABLE
    return show_interval(result.ci_low, result.ci_high, digits, scale)


def _plain(results: Results, metric: str, statistic: str, group: str, digits: int = 1) -> str:
    result = results.get(metric, statistic, group)
    return HIDDEN if is_hidden(result) else show(_value(result), digits)


def _value(result: MetricResult | None) -> float | None:
    return None if result is None else result.value


def noted(results: Results, shown: Iterable[Shown]) -> tuple[str, ...]:
    """What the results over all centers say about themselves: each note once, with the lines it is of."""
    of_note: dict[str, dict[str, dict[str, None]]] = {}
    headings: dict[str, set[str]] = defaultdict(set)
    for each in shown:
        headings[each.label].add(each.heading)
        result = results.get(each.metric, each.statistic)
        if result is not None and result.note:
            of_note.setdefault(result.note, {}).setdefault(each.label, {})[each.heading] = None
    return tuple(
        f"{', '.join(_place(label, found, headings[label]) for label, found in lines.items())}: {note}."
        for note, lines in of_note.items()
    )


def _place(label: str, found: Iterable[str], headings: Set[str]) -> str:
    """A line by its label, with its headings where the note is not of all of them."""
    return label if set(found) == headings else f"{label} ({', '.join(found)})"
