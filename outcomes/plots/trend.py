"""Shares over runs: how the headline figures went."""

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes

from outcomes.plots.canvas import SERIES, Drawing, Shape, draw
from outcomes.rounding import scaled, show


@dataclass(frozen=True, slots=True)
class TrendLine:
    """A share (0 to 1) in each run; None where the run did not give it."""

    label: str
    values: tuple[float | None, ...]


def trend_plot(runs: Sequence[str], lines: Sequence[TrendLine]) -> Drawing:
    """One line a share, one mark a run."""

    def paint(axes: Axes, shape: Shape) -> None:
        for number, line in enumerate(lines):
            color, dashes, marker = SERIES[number % len(SERIES)]
            known = [(place, value) for place, value in enumerate(line.values) if value is not None]
            xs, ys = [place for place, _ in known], [100 * value for _, value in known]
            axes.plot(
                xs, ys, dashes, color=color, marker=marker, markersize=5, linewidth=1.6, label=line.label
            )
        _frame(axes, runs, shape)

    told = (f"{line.label}: {_ends(line)}" for line in lines)
    return draw("trend", "Headline shares by run", f"Lines over runs. {'; '.join(told)}.", paint)


def _frame(axes: Axes, runs: Sequence[str], shape: Shape) -> None:
    most = 4 if shape.is_narrow else 9
    step = -(-len(runs) // most)
    places = range(len(runs) - 1, -1, -step)
    axes.grid(visible=True, axis="y")
    axes.set_xticks(list(places), [runs[place] for place in places])
    axes.set_xlim(-0.3, len(runs) - 0.7)
    axes.set_ylim(0, 104)
    axes.set_ylabel("Share (%)")
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=1 if shape.is_narrow else 2, fontsize=9.5)


def _ends(line: TrendLine) -> str:
    known = [value for value in line.values if value is not None]
    if not known:
        return "not assessable"
    first, last = (show(scaled(value, 100)) for value in (known[0], known[-1]))
    return f"from {first} to {last} percent"
