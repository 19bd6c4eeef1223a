"""The report's tables of estimates: every number comes through outcomes/rounding.py."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence

from outcomes.disclosure import SUPPRESSED
from outcomes.metric import Metric
from outcomes.report.facts import HIDDEN
from outcomes.report.parts import Group, Line, Table, metric_anchor
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

Form = Callable[[Results, str, str], str]


def figures(
    caption: str, wanted: Sequence[tuple[str, str, str]], results: Results, centers: Sequence[Group]
) -> Table:
    """One line a figure (label, metric, form), one column a group, and how the centers differ.

    A form is a key of `FORMS`, after a colon the category it is of: `share`, `share:points`,
    `percent:survival_12m`.
    """
    between = contrast_group(results)
    lines = []
    for label, metric, form in wanted:
        cells = [formed(form, results, metric, group.name) for group in centers]
        if between:
            cells.append(_difference(form, results, metric, between))
        lines.append(Line((label, *cells), anchor=metric_anchor(metric)))
    notes = _notes(results, {metric: label for label, metric, _ in wanted})
    contrast = ("Difference (95% CI)",) if between else ()
    return Table(caption, ("", *(g.label for g in centers), *contrast), tuple(lines), notes)


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
    if name in ("percent", "number", "p"):
        return _single(name, results.get(metric, category, group))
    return FORMS[name](results, metric, group)


def _difference(form: str, results: Results, metric: str, between: str) -> str:
    """How the first center differs from the second: shares in percentage points."""
    name, _, category = form.partition(":")
    if name == "p":
        return _single(name, results.get(metric, category, between))
    if name == "number":
        return ""
    _, has_months, months = category.rpartition("_")
    of = f"_{months}" if has_months else f"[{category}]" if category else ""
    result = results.get(metric, f"difference{of}", between)
    if result is None:
        smd = None if category else results.get(metric, "smd", between)
        return f"SMD {show(smd.value, 2)}" if smd and smd.value is not None else ""
    if result.value is None:
        return _absent(result)
    is_share = name in ("share", "percent")
    shown = f"{show(scaled(result.value, 100))} pp" if is_share else show(result.value, 2)
    interval = f" ({_interval(result, 100 if is_share else 1, digits=1 if is_share else 2)})"
    p = results.get(metric, f"p_fisher{of}", between)
    return f"{shown}{interval if result.ci_low is not None else ''}" + (f"; p {show_p(p.value)}" if p else "")


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


def pain(times: Sequence[tuple[str, str]], results: Results, centers: Sequence[Group]) -> Table:
    """Scores and changes at each time (label, metric), for all centers and each."""
    lines = []
    for group in centers:
        lines.append(Line((group.label,), is_heading=True))
        lines.extend(_pain_line(label, metric, group.name, results) for label, metric in times)
    columns = (
        "", "n", "Mean (SD)", "Median (quartiles)", "Range", "Change (95% CI)", "Hodges-Lehmann (95% CI)",
        "dz", "p, Wilcoxon", "p, Holm", "p, t",
    )  # fmt: skip
    notes = _notes(results, {metric: label for label, metric in times})
    return Table("Numerical pain rating scale, painful patients", columns, tuple(lines), notes)


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
    return _change(results.get(metric, "mean_change", group)) or NOT_ASSESSABLE


def _range(results: Results, metric: str, group: str) -> str:
    low, high = (_plain(results, metric, end, group, 0) for end in ("min", "max"))
    return f"{low} to {high}"


def _months(results: Results, metric: str, group: str) -> str:
    low, high = (_value(results.get(metric, end, group)) for end in ("min", "max"))
    return f"{show_month(low)} to {show_month(high)}"


FORMS: Mapping[str, Form] = {
    "count": _count,
    "share": _share_with_interval,
    "mean (SD)": _mean_sd,
    "median (quartiles)": _median_quartiles,
    "change": _mean_change,
    "range": _range,
    "months": _months,
}


def _pain_line(label: str, metric: str, group: str, results: Results) -> Line:
    mean = results.get(metric, "mean", group)
    return Line(
        (
            label,
            show(mean.n if mean else None, 0),
            _mean_sd(results, metric, group),
            _median_quartiles(results, metric, group),
            _range(results, metric, group),
            _change(results.get(metric, "mean_change", group)),
            _change(results.get(metric, "hodges_lehmann", group)),
            _effect(results.get(metric, "dz", group)),
            *(_p(results.get(metric, p, group)) for p in ("p_wilcoxon", "p_holm", "p_ttest")),
        )
    )


def _change(result: MetricResult | None) -> str:
    if result is None:
        return ""
    if result.value is None:
        return _absent(result)
    return f"{show(result.value, 2)} ({_interval(result, 1, digits=2)})"


def _effect(result: MetricResult | None) -> str:
    return "" if result is None else HIDDEN if is_hidden(result) else show(result.value, 2)


def _p(result: MetricResult | None) -> str:
    return "" if result is None else HIDDEN if is_hidden(result) else show_p(result.value)


def _interval(result: MetricResult | None, scale: int, *, digits: int = 1) -> str:
    if result is None:
        return NOT_ASSESSABLE
    return show_interval(result.ci_low, result.ci_high, digits, scale)


def _plain(results: Results, metric: str, statistic: str, group: str, digits: int = 1) -> str:
    result = results.get(metric, statistic, group)
    return HIDDEN if is_hidden(result) else show(_value(result), digits)


def _value(result: MetricResult | None) -> float | None:
    return None if result is None else result.value


def _notes(results: Results, labels: Mapping[str, str]) -> tuple[str, ...]:
    """What the results over all centers say about themselves, each note once; `labels` by metric."""
    found = [(labels[r.metric], r.note) for r in results if r.metric in labels and r.group == ALL and r.note]
    order = list(labels.values())
    return tuple(
        dict.fromkeys(f"{label}: {note}." for label, note in sorted(found, key=lambda f: order.index(f[0])))
    )
