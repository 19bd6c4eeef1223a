"""Pain over time: box plots of the scores, and their means by center."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes

from outcomes.plots.canvas import (
    FIRST,
    FIRST_PALE,
    PAPER,
    SECOND,
    SERIES,
    SOFT,
    Drawing,
    Shape,
    draw,
    shortened,
)
from outcomes.rounding import show


@dataclass(frozen=True, slots=True)
class PainTime:
    """The scores (0 to 10) at one time, with their mean and its interval."""

    label: str
    scores: tuple[float, ...]
    mean: float | None
    ci_low: float | None
    ci_high: float | None


@dataclass(frozen=True, slots=True)
class MeanTime:
    """The mean score at one time and its interval."""

    mean: float | None
    ci_low: float | None
    ci_high: float | None


def pain_plot(times: Sequence[PainTime], *, shows_patients: bool) -> Drawing:
    """Box plots of the pain scores with mean and 95 % interval, n below each time.

    `shows_patients` adds a dot for each score, and draws whiskers to the extremes: for the study team alone.
    """

    def paint(axes: Axes, shape: Shape) -> None:
        for place, time in enumerate(times):
            if time.scores:
                _box(axes, place, time, shows_patients=shows_patients)
        _score_axes(axes, [_label(t.label, len(t.scores), shape) for t in times])

    means = (f"{t.label}: mean {show(t.mean)} of {len(t.scores)}" for t in times if t.scores)
    return draw("pain", "Pain scores over time", f"Box plots with means. {'; '.join(means)}.", paint)


def trajectory_plot(
    times: Sequence[str], sizes: Sequence[int | None], groups: Sequence[tuple[str, Sequence[MeanTime]]]
) -> Drawing:
    """The mean score at each time with its 95 % interval: one line a group (label, one mean a time).

    `sizes` are the numbers of patients at each time, None where they are not told.
    """

    def paint(axes: Axes, shape: Shape) -> None:
        for number, (label, means) in enumerate(groups):
            color, dashes, marker = SERIES[number % len(SERIES)]
            name = shortened(label)
            shift = (number - (len(groups) - 1) / 2) * 0.09
            known = [(place + shift, m) for place, m in enumerate(means) if m.mean is not None]
            for x, m in known:
                if m.ci_low is not None and m.ci_high is not None:
                    axes.vlines(x, m.ci_low, m.ci_high, color=color, linewidth=1.6)
            xs, ys = [x for x, _ in known], [m.mean for _, m in known if m.mean is not None]
            axes.plot(xs, ys, dashes, color=color, marker=marker, markersize=5.5, linewidth=1.6, label=name)
        if any(m.mean is not None for _, means in groups for m in means):
            axes.legend(loc="upper right", fontsize=9.5)
        _score_axes(axes, [_label(time, n, shape) for time, n in zip(times, sizes, strict=True)])

    told = (
        f"{label}: " + ", ".join(f"{t} {show(m.mean)}" for t, m in zip(times, means, strict=True))
        for label, means in groups
    )
    return draw("trajectory", "Mean pain score by center", f"Lines of means. {'; '.join(told)}.", paint)


def _label(time: str, n: int | None, shape: Shape) -> str:
    shown = time.replace(" ", "\n", 1) if shape.is_narrow else time
    if n is None:
        return shown
    # A label of one line gets a second, so that the numbers stand in one row.
    gap = "\n" if shape.is_narrow and "\n" not in shown else ""
    return f"{shown}{gap}\nn = {n}"


def _score_axes(axes: Axes, labels: Sequence[str]) -> None:
    axes.grid(visible=True, axis="y")
    axes.set_xticks(range(len(labels)), labels)
    axes.tick_params(axis="x", length=0, pad=6)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.set_xlim(-0.6, len(labels) - 0.4)
    axes.set_ylim(-0.35, 10.35)
    axes.set_yticks(range(0, 11, 2))
    axes.set_ylabel("Pain score (NPRS, 0 to 10)")


def _box(axes: Axes, place: int, time: PainTime, *, shows_patients: bool) -> None:
    axes.boxplot(
        [list(time.scores)],
        positions=[place],
        widths=0.5,
        whis=(0, 100) if shows_patients else (10, 90),
        showfliers=False,
        patch_artist=True,
        manage_ticks=False,
        boxprops={"facecolor": FIRST_PALE, "edgecolor": FIRST},
        medianprops={"color": FIRST, "linewidth": 2.4},
        whiskerprops={"color": FIRST},
        capprops={"color": FIRST},
    )
    if shows_patients:
        _dots(axes, place, time.scores)
    if time.mean is None:
        return
    if time.ci_low is not None and time.ci_high is not None:
        axes.vlines(place, time.ci_low, time.ci_high, color=SECOND, linewidth=2.4, zorder=5)
    axes.plot([place], [time.mean], "D", color=SECOND, markersize=6, markeredgecolor=PAPER, zorder=6)


def _dots(axes: Axes, place: int, scores: Sequence[float]) -> None:
    """One dot a score, equal scores side by side: no jitter, so the same scores give the same picture."""
    xs, ys = [], []
    for score, times in sorted(Counter(scores).items()):
        step = min(0.045, 0.8 / times)
        xs += [place + (number - (times - 1) / 2) * step for number in range(times)]
        ys += [score] * times
    axes.plot(xs, ys, "o", color=SOFT, markersize=2.6, markeredgewidth=0, alpha=0.75, zorder=3)
