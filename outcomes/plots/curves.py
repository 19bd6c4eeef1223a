"""Time to an event: step curves with their 95 % bands, censoring marks and the numbers at risk below."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes

from outcomes.plots.canvas import FIRST_PALE, INK, SECOND_PALE, SERIES, SOFT, Drawing, Shape, draw, shortened
from outcomes.rounding import scaled, show

# A duration in whole days that is less than a day short of a month counts as having reached it.
_ONE_DAY_MONTHS = 1 / 30.4375
# Points below the axes: where the numbers at risk begin, and from row to row.
_BELOW, _ROW = -44.0, 14.0
_BANDS = (FIRST_PALE, SECOND_PALE)


@dataclass(frozen=True, slots=True)
class Point:
    """One time of a curve: the estimate from then on (a share) with its interval, how many were at risk
    just before it, and how many were censored at it; both None where these are not told."""

    months: float
    estimate: float
    low: float | None
    high: float | None
    at_risk: int | None
    censored: int | None


@dataclass(frozen=True, slots=True)
class CurveLine:
    """A curve as it is drawn; points in time order, the first at 0 with everybody at risk."""

    label: str
    points: tuple[Point, ...]

    @property
    def end(self) -> float:
        """The last time at which anybody was followed."""
        return self.points[-1].months

    def at(self, months: float) -> Point:
        """The point in force at `months`."""
        return [p for p in self.points if p.months <= months + _ONE_DAY_MONTHS][-1]

    def at_risk(self, months: float) -> int | None:
        """How many were still followed, without an event before, at `months`; None where that is not told."""
        return next((p.at_risk for p in self.points if p.months > months - _ONE_DAY_MONTHS), 0)


@dataclass(frozen=True, slots=True)
class CurveText:
    """What a figure of curves says: name of its ids, title, what a share means, and who is at risk."""

    name: str
    title: str
    y_label: str
    x_label: str
    at_risk_label: str
    horizons: tuple[int, ...]


def curve_plot(lines: Sequence[CurveLine], text: CurveText, *, shows_patients: bool) -> Drawing:
    """The curves of one outcome; `shows_patients` adds a mark for each censored row."""
    # The interval of one curve is a band; of several, a band each would hide the lines.
    has_band = len(lines) <= 2

    def paint(axes: Axes, shape: Shape) -> None:
        _frame(axes, text, shape, end=max(12.0, *(line.end for line in lines)) * 1.02)
        for number, line in enumerate(lines):
            _line(axes, line, number, has_band=has_band, shows_marks=shows_patients)
        if len(lines) > 1:
            axes.legend(loc="best", fontsize=9.5)
        _numbers_at_risk(axes, lines, text)

    told = " ".join(_told(line, text.horizons) for line in lines)
    height = 3.9 + 0.42 * (len(lines) - 1)
    return draw(text.name, text.title, f"{text.y_label}, step curves. {told}", paint, height=height)


def ticks(end: float, *, is_narrow: bool) -> list[int]:
    """Months to label: whole years, at most seven of them on a page and five on a phone."""
    most = 5 if is_narrow else 8
    step = next(s for s in range(12, 1200, 12) if end / s < most)
    return list(range(0, int(end) + 1, step))


def _frame(axes: Axes, text: CurveText, shape: Shape, *, end: float) -> None:
    axes.grid(visible=True, axis="y")
    axes.set_xlim(0, end)
    axes.set_xticks(ticks(end, is_narrow=shape.is_narrow))
    axes.set_ylim(0, 1.04)
    axes.set_yticks([0, 0.25, 0.5, 0.75, 1.0], ["0", "25", "50", "75", "100"])
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.set_xlabel(text.x_label, labelpad=4)
    axes.set_ylabel(text.y_label)


def _line(axes: Axes, line: CurveLine, number: int, *, has_band: bool, shows_marks: bool) -> None:
    color, dashes, _ = SERIES[number % len(SERIES)]
    times = [*(p.months for p in line.points), line.end]
    heights = [*(p.estimate for p in line.points), line.points[-1].estimate]
    axes.step(times, heights, dashes, where="post", color=color, linewidth=2, label=shortened(line.label))
    if has_band:
        _band(axes, line, _BANDS[number % len(_BANDS)])
    if shows_marks:
        censored = [p for p in line.points if p.censored]
        at = [p.months for p in censored]
        axes.plot(at, [p.estimate for p in censored], "|", color=SOFT, markersize=7, zorder=4)


def _band(axes: Axes, line: CurveLine, color: str) -> None:
    known = [(p.months, p.low, p.high) for p in line.points if p.low is not None and p.high is not None]
    if known:
        edges = [*(months for months, _, _ in known), line.end]
        lows = [*(low for _, low, _ in known), known[-1][1]]
        highs = [*(high for _, _, high in known), known[-1][2]]
        axes.fill_between(edges, lows, highs, step="post", color=color, alpha=0.7, linewidth=0, zorder=1)


def _numbers_at_risk(axes: Axes, lines: Sequence[CurveLine], text: CurveText) -> None:
    if any(line.points[0].at_risk is None for line in lines):
        return
    # Two causes of one cohort share who is at risk: said once.
    counts: dict[tuple[int | None, ...], str] = {}
    for line in lines:
        counts.setdefault(tuple(line.at_risk(float(tick)) for tick in axes.get_xticks()), line.label)
    for number, (at_risk, label) in enumerate(counts.items()):
        of = f": {shortened(label)}" if len(counts) > 1 else ""
        color = SERIES[number % len(SERIES)][0] if len(counts) > 1 else INK
        _row_at_risk(axes, f"{text.at_risk_label}{of}", at_risk, color, first=_BELOW - 2 * _ROW * number)


def _row_at_risk(axes: Axes, label: str, at_risk: Sequence[int | None], color: str, *, first: float) -> None:
    """A label and below it the numbers at each tick, `first` points from the bottom of the axes."""
    told: dict[str, Any] = {"fontsize": 9.5, "color": color, "va": "top"}
    told |= {"xycoords": axes.get_xaxis_transform(), "textcoords": "offset points"}
    axes.annotate(label, (0, 0), xytext=(0, first), fontweight="bold", **told)
    for tick, count in zip(axes.get_xticks(), at_risk, strict=True):
        axes.annotate(str(count), (float(tick), 0), xytext=(0, first - _ROW), ha="center", **told)


def _told(line: CurveLine, horizons: Sequence[int]) -> str:
    # Where the numbers at risk are not told, the curve itself ends where they would be too small.
    shares = (
        f"{show(scaled(line.at(m).estimate, 100), 0)} percent at {m} months"
        for m in horizons
        if m <= line.end or line.at_risk(m)
    )
    start = line.points[0].at_risk
    size = "" if start is None else f", {start} at risk at the start"
    return f"{line.label}{size}: {'; '.join(shares)}."
