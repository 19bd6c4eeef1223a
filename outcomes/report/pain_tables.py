"""Pain in two tables: the scores at each time, and how they changed from baseline, with their tests."""

from collections.abc import Callable, Sequence

from outcomes.report.estimates import Shown, change, contrast_group, formed, is_hidden, noted
from outcomes.report.facts import HIDDEN
from outcomes.report.origins import metric_anchor
from outcomes.report.parts import Group, Line, Table
from outcomes.results import ALL, MetricResult, Results
from outcomes.rounding import show, show_p

Times = Sequence[tuple[str, str]]
TESTS = ("p_wilcoxon", "p_holm", "p_ttest")


def scores(times: Times, results: Results, centers: Sequence[Group]) -> Table:
    """The scores at each time (label, metric), of all centers and of each."""
    columns = ("", "n", "Mean (SD)", "Median (quartiles)", "Range")
    lines = _by_group(times, results, centers, _score_cells)
    return Table("Numerical pain rating scale, painful patients", columns, lines)


def changes(times: Times, results: Results, centers: Sequence[Group]) -> Table:
    """The change from baseline at each later time, of all centers and of each, and between the centers."""
    columns = (
        "", "Pairs", "Mean change (95% CI)", "Hodges-Lehmann (95% CI)", "dz", "Rank-biserial", "p, Wilcoxon",
        "p, Holm", "p, paired t",
    )  # fmt: skip
    lines = _by_group(times, results, centers, _change_cells)
    between = contrast_group(results)
    if between:
        lines += (Line(("All centers, stratified by center (fixed effect)",), is_heading=True),)
        lines += tuple(
            _change_alone(label, f"{metric}_stratified", "stratified_change", ALL, results)
            for label, metric in times
        )
        lines += (Line((f"{centers[1].label} minus {centers[2].label}",), is_heading=True),)
        lines += tuple(
            _change_alone(label, metric, "difference", between, results) for label, metric in times
        )
    shown = [
        Shown(label, "", metric, statistic)
        for label, metric in times
        for statistic in ("mean_change", *TESTS)
    ]
    notes = (
        "dz: mean change in units of its SD. Rank-biserial: \N{MINUS SIGN}1 if every score fell.",
        *noted(results, shown),
    )
    return Table("Change from baseline, points", columns, lines, notes)


def _change_alone(label: str, metric: str, statistic: str, group: str, results: Results) -> Line:
    found = results.get(metric, statistic, group)
    pairs = _size(found) if group == ALL else ""
    return Line((label, pairs, change(found), *("",) * 6), anchor=metric_anchor(metric))


def _by_group(
    times: Times,
    results: Results,
    centers: Sequence[Group],
    cells: Callable[[Results, str, str], tuple[str, ...]],
) -> tuple[Line, ...]:
    lines = []
    for group in centers:
        lines.append(Line((group.label,), is_heading=True))
        lines += [
            Line((label, *cells(results, metric, group.name)), anchor=metric_anchor(metric))
            for label, metric in times
        ]
    return tuple(lines)


def _score_cells(results: Results, metric: str, group: str) -> tuple[str, ...]:
    forms = ("mean (SD)", "median (quartiles)", "range")
    return (_size(results.get(metric, "mean", group)), *(formed(f, results, metric, group) for f in forms))


def _change_cells(results: Results, metric: str, group: str) -> tuple[str, ...]:
    return (
        _size(results.get(metric, "mean_change", group)),
        *(change(results.get(metric, name, group)) for name in ("mean_change", "hodges_lehmann")),
        *(_told(results.get(metric, name, group), _effect) for name in ("dz", "rank_biserial")),
        *(_told(results.get(metric, name, group), show_p) for name in TESTS),
    )


def _size(result: MetricResult | None) -> str:
    return show(result.n if result else None, 0)


def _effect(value: float | None) -> str:
    return show(value, 2)


def _told(result: MetricResult | None, form: Callable[[float | None], str]) -> str:
    return "" if result is None else HIDDEN if is_hidden(result) else form(result.value)
