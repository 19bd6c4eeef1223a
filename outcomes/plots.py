"""The report's two figures as inline SVG: reproducible, readable without color, and named for screen readers.

The same results give the same bytes: ids come from a fixed salt and no date is written. Ids carry the
figure's name as prefix, because several figures share one page.
"""

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from outcomes.rounding import scaled, show
from outcomes.survival import Curve

_INK, _GRID, _BOX, _BLUE, _ORANGE = "#1b2733", "#d5dde5", "#cfe3f1", "#0b5c8f", "#c14a09"
# Any: matplotlib types its keys as a union of every setting it knows.
_STYLE: dict[Any, Any] = {
    "svg.hashsalt": "cryocohort",
    "svg.fonttype": "none",
    "svg.id": None,
    "font.size": 10.0,
    "axes.edgecolor": _INK,
    "axes.labelcolor": _INK,
    "text.color": _INK,
    "xtick.color": _INK,
    "ytick.color": _INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
}
_NO_METADATA = dict.fromkeys(("Date", "Creator", "Format", "Type"))


@dataclass(frozen=True, slots=True)
class PainTime:
    """The scores (0 to 10) at one time, with their mean and its interval."""

    label: str
    scores: tuple[float, ...]
    mean: float | None
    ci_low: float | None
    ci_high: float | None


def pain_plot(times: Sequence[PainTime]) -> str:
    """Box plots of the pain scores with mean and 95 % interval, and n below each time."""
    with rc_context(_STYLE):
        figure = Figure(figsize=(7.4, 3.7), layout="constrained")
        axes = figure.add_subplot()
        axes.grid(visible=True, axis="y", color=_GRID, linewidth=0.8)
        axes.set_axisbelow(True)
        for place, time in enumerate(times):
            if time.scores:
                _box(axes, place, time)
        axes.set_xticks(range(len(times)), [f"{t.label}\nn = {len(t.scores)}" for t in times])
        axes.tick_params(axis="x", length=0, pad=6)
        axes.set_xlim(-0.6, len(times) - 0.4)
        axes.set_ylim(-0.35, 10.35)
        axes.set_yticks(range(0, 11, 2))
        axes.set_ylabel("Pain score (NPRS, 0 to 10)")
        return _svg(figure, "pain", "Pain scores over time", _pain_text(times))


def survival_plot(curve: Curve, horizons: Sequence[int]) -> str:
    """Kaplan-Meier curve with its 95 % band, censoring marks and the numbers at risk below."""
    with rc_context(_STYLE):
        figure = Figure(figsize=(7.4, 3.9), layout="constrained")
        axes = figure.add_subplot()
        end = max(curve.durations, default=0.0)
        axes.grid(visible=True, axis="y", color=_GRID, linewidth=0.8)
        axes.set_axisbelow(True)
        _curve(axes, curve, end)
        months = list(range(0, int(end) + 13, 12))
        axes.set_xlim(0, max(12.0, end * 1.02))
        axes.set_xticks([m for m in months if m <= max(12.0, end * 1.02)])
        axes.set_ylim(0, 1.04)
        axes.set_yticks([0, 0.25, 0.5, 0.75, 1.0], ["0", "25", "50", "75", "100"])
        axes.set_xlabel("Months since the lesion's first treatment", labelpad=4)
        axes.set_ylabel("Free of local progression (%)")
        _numbers_at_risk(axes, curve)
        return _svg(figure, "control", "Time to local progression", _survival_text(curve, horizons))


def _box(axes: Axes, place: int, time: PainTime) -> None:
    axes.boxplot(
        [list(time.scores)],
        positions=[place],
        widths=0.5,
        whis=(0, 100),
        patch_artist=True,
        manage_ticks=False,
        boxprops={"facecolor": _BOX, "edgecolor": _BLUE},
        medianprops={"color": _BLUE, "linewidth": 2.2},
        whiskerprops={"color": _BLUE},
        capprops={"color": _BLUE},
    )
    if time.mean is None:
        return
    if time.ci_low is not None and time.ci_high is not None:
        axes.vlines(place, time.ci_low, time.ci_high, color=_ORANGE, linewidth=2.4, zorder=3)
    axes.plot([place], [time.mean], "D", color=_ORANGE, markersize=6, markeredgecolor="white", zorder=4)


def _curve(axes: Axes, curve: Curve, end: float) -> None:
    steps = curve.steps
    times = [*(s.months for s in steps), end]
    axes.step(times, [*(s.survival for s in steps), steps[-1].survival], where="post", color=_BLUE, lw=2)
    banded = [s for s in steps if s.low is not None and s.high is not None]
    if banded:
        edges = [*(s.months for s in banded), end]
        lows = [s.low for s in [*banded, banded[-1]] if s.low is not None]
        highs = [s.high for s in [*banded, banded[-1]] if s.high is not None]
        axes.fill_between(edges, lows, highs, step="post", color=_BOX, alpha=0.7, linewidth=0, zorder=1)
    heights = [curve.at(months).survival for months in curve.censored]
    axes.plot(curve.censored, heights, "|", color=_INK, markersize=7, markeredgewidth=1, zorder=4)


def _numbers_at_risk(axes: Axes, curve: Curve) -> None:
    below = axes.get_xaxis_transform()
    axes.text(0, -0.21, "Lesions at risk", transform=below, va="top", fontsize=9, fontweight="bold")
    for tick in axes.get_xticks():
        label = str(curve.at_risk(float(tick)))
        axes.text(float(tick), -0.27, label, transform=below, ha="center", va="top", fontsize=9)


def _pain_text(times: Sequence[PainTime]) -> str:
    means = (f"{t.label}: mean {show(t.mean)} of {len(t.scores)}" for t in times if t.scores)
    return "Box plots with means. " + "; ".join(means) + "."


def _survival_text(curve: Curve, horizons: Sequence[int]) -> str:
    shares = (
        f"{show(scaled(curve.at(m).survival, 100), 0)} percent at {m} months"
        for m in horizons
        if curve.at_risk(m) > 0
    )
    return f"Kaplan-Meier curve of {len(curve.durations)} lesions: " + "; ".join(shares) + "."


def _svg(figure: Figure, name: str, title: str, description: str) -> str:
    """The figure as one `<svg>` element for an HTML page: no prolog, no metadata, no foreign addresses."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata=_NO_METADATA)
    text = buffer.getvalue()
    body = text[text.index(">", text.index("<svg")) + 1 :]
    body = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->", "", body, flags=re.DOTALL)
    body = re.sub(r"<style[^>]*>.*?</style>", "", body, flags=re.DOTALL)
    body = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{name}-", body).replace("xlink:href", "href")
    body = body.replace("'DejaVu Sans'", "inherit")
    width, height = (72 * inches for inches in figure.get_size_inches())
    return (
        f'<svg role="img" aria-labelledby="{name}-title {name}-text" viewBox="0 0 {width:.2f} {height:.2f}">'
        f'<title id="{name}-title">{escape(title)}</title><desc id="{name}-text">{escape(description)}</desc>'
        f"{body.strip()}"
    )
