"""The report's tables of estimates: every number comes through outcomes/rounding.py."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence

from outcomes.metric import Metric
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
    """One line a figure (label, metric, form), one column a group; forms are the keys of `FORMS`."""
    lines = tuple(
        Line(
            (label, *(FORMS[form](results, metric, group.name) for group in centers)),
            anchor=metric_anchor(metric),
        )
        for label, metric, form in wanted
    )
    notes = _notes(results, {metric: label for label, metric, _ in wanted})
    return Table(caption, ("", *(g.label for g in centers)), lines, notes)


def pain(times: Sequence[tuple[str, str]], results: Results, centers: Sequence[Group]) -> Table:
    """Scores and changes at each time (label, metric), for all centers and each."""
    lines = []
    for group in centers:
        lines.append(Line((group.label,), is_heading=True))
        lines.extend(_pain_line(label, metric, group.name, results) for label, metric in times)
    columns = (
        "", "n", "Mean (SD)", "Median (quartiles)", "Range", "Change (95% CI)",
        "p, Wilcoxon", "p, Holm", "p, t",
    )  # fmt: skip
    notes = _notes(results, {metric: label for label, metric in times})
    return Table("Numerical pain rating scale, painful patients", columns, tuple(lines), notes)


def control_over_time(metric: Metric, results: Results, centers: Sequence[Group]) -> Table:
    """Kaplan-Meier shares with interval and numbers at risk at each horizon."""
    lines = []
    for months in metric.horizons_months:
        shares = (_survival(results, metric.metric, f"survival_{months}m", g.name) for g in centers)
        at_risk = (_plain(results, metric.metric, f"at_risk_{months}m", g.name, 0) for g in centers)
        lines.append(Line((f"Free of local progression at {months} months (95% CI)", *shares)))
        lines.append(Line((f"Lesions at risk at {months} months", *at_risk), tone="excluded"))
    notes = _notes(results, {metric.metric: metric.title})
    return Table("Kaplan-Meier estimate, by lesion", ("", *(g.label for g in centers)), tuple(lines), notes)


def everything(
    metrics: Iterable[Metric],
    results: Results,
    centers: Sequence[Group],
    *,
    caption: str,
    is_folded: bool = False,
) -> Table:
    """Every statistic that was computed of `metrics`, one column a group."""
    found: dict[str, dict[str, None]] = defaultdict(dict)
    for result in results:
        found[result.metric][result.statistic] = None
    lines = []
    for metric in metrics:
        if metric.metric in found:
            lines.append(Line((f"{metric.title} ({metric.metric})",), is_heading=True))
        for statistic in found[metric.metric]:
            cells = (any_result(metric, results.get(metric.metric, statistic, g.name)) for g in centers)
            lines.append(Line((statistic.replace("_", " "), *cells), anchor=metric_anchor(metric.metric)))
    columns = ("Statistic", *(g.label for g in centers))
    return Table(caption, columns, tuple(lines), is_folded=is_folded)


def any_result(metric: Metric, result: MetricResult | None) -> str:
    """Any figure in one cell, with its interval: shares as percentages, p values as such, the rest plain."""
    if result is None:
        return ""
    if result.value is None:
        return NOT_ASSESSABLE
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
    is_counted = result.statistic.startswith(("at_risk", "count", "median", "q1", "q3", "events"))
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
    result = results.get(metric, "proportion", group)
    shown = share(results, metric, group)
    return f"{shown}; {_interval(result, 100)}" if result and result.ci_low is not None else shown


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
            str(mean.n) if mean else NOT_ASSESSABLE,
            _mean_sd(results, metric, group),
            _median_quartiles(results, metric, group),
            _range(results, metric, group),
            _change(results.get(metric, "mean_change", group)),
            *(_p(results.get(metric, p, group)) for p in ("p_wilcoxon", "p_holm", "p_ttest")),
        )
    )


def _change(result: MetricResult | None) -> str:
    if result is None:
        return ""
    return f"{show(result.value, 2)} ({_interval(result, 1, digits=2)})"


def _p(result: MetricResult | None) -> str:
    return "" if result is None else show_p(result.value)


def _survival(results: Results, metric: str, statistic: str, group: str) -> str:
    result = results.get(metric, statistic, group)
    if result is None or result.value is None:
        return NOT_ASSESSABLE
    shown = f"{show(scaled(result.value, 100))}%"
    return shown if result.ci_low is None else f"{shown} ({_interval(result, 100)})"


def _interval(result: MetricResult | None, scale: int, *, digits: int = 1) -> str:
    if result is None:
        return NOT_ASSESSABLE
    return show_interval(result.ci_low, result.ci_high, digits, scale)


def _plain(results: Results, metric: str, statistic: str, group: str, digits: int = 1) -> str:
    return show(_value(results.get(metric, statistic, group)), digits)


def _value(result: MetricResult | None) -> float | None:
    return None if result is None else result.value


def _notes(results: Results, labels: Mapping[str, str]) -> tuple[str, ...]:
    """What the results over all centers say about themselves, each note once; `labels` by metric."""
    found = [(labels[r.metric], r.note) for r in results if r.metric in labels and r.group == ALL and r.note]
    order = list(labels.values())
    return tuple(
        dict.fromkeys(f"{label}: {note}." for label, note in sorted(found, key=lambda f: order.index(f[0])))
    )
