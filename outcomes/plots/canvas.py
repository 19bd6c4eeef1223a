"""How every figure is drawn: twice, for a page and for a phone, in the colors of the page it stands in.

The same results give the same bytes: ids come from a fixed salt and no date is written. Ids carry the
figure's name as prefix, because several figures share one page. Colors become the page's CSS variables, so
that a figure follows its light and dark theme; lines differ in dashes and marks as well as in color.
"""

import io
import re
from collections.abc import Callable
from dataclasses import dataclass
from html import escape
from typing import Any

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

INK, SOFT, GRID, PAPER = "#1b2733", "#566573", "#d5dde5", "#fefefe"
# Blue, vermilion and green of Okabe and Ito (2008), darkened to be read on white.
FIRST, SECOND, THIRD, FIRST_PALE, SECOND_PALE = "#0b5c8f", "#b34700", "#00694e", "#cfe3f1", "#f6dcc9"
SERIES = ((FIRST, "-", "o"), (SECOND, "--", "s"), (THIRD, "-.", "^"), (SOFT, ":", "D"))

_VARIABLES = {
    INK: "--ink",
    SOFT: "--soft",
    GRID: "--line",
    PAPER: "--paper",
    FIRST: "--plot-1",
    SECOND: "--plot-2",
    THIRD: "--plot-3",
    FIRST_PALE: "--plot-1-pale",
    SECOND_PALE: "--plot-2-pale",
}
# Any: matplotlib types its keys as a union of every setting it knows.
_STYLE: dict[Any, Any] = {
    "svg.hashsalt": "cryocohort",
    "svg.fonttype": "none",
    "svg.id": None,
    "font.size": 10.0,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "axes.edgecolor": SOFT,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.8,
    "text.color": INK,
    "xtick.color": SOFT,
    "ytick.color": SOFT,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "legend.frameon": False,
}
LONGEST_LABEL = 32
_NO_METADATA = dict.fromkeys(("Date", "Creator", "Format", "Type"))


@dataclass(frozen=True, slots=True)
class Shape:
    """One of the two widths a figure is drawn in, in inches of 72 CSS pixels."""

    name: str
    width: float
    height: float

    @property
    def is_narrow(self) -> bool:
        """Whether this is the figure of a phone: fewer ticks, shorter labels."""
        return self.name == "narrow"


@dataclass(frozen=True, slots=True)
class Drawing:
    """A figure as two `<svg>` elements: the page shows one of them."""

    wide: str
    narrow: str


def shortened(label: str) -> str:
    """A label that fits into a figure of a phone; the tables tell it in full."""
    return (
        label
        if len(label) <= LONGEST_LABEL
        else f"{label[: LONGEST_LABEL - 1].rstrip()}\N{HORIZONTAL ELLIPSIS}"
    )


def draw(
    name: str, title: str, description: str, paint: Callable[[Axes, Shape], None], *, height: float = 3.8
) -> Drawing:
    """Have `paint` draw the figure `name` in both widths; `title` and `description` are its alternative."""
    drawings = []
    for shape in (Shape("wide", 9.0, height), Shape("narrow", 4.5, height)):
        text = _figure(shape, paint)
        drawings.append(_svg(text, f"{name}-{shape.name}", title, description))
    return Drawing(*drawings)


def _figure(shape: Shape, paint: Callable[[Axes, Shape], None]) -> str:
    with rc_context(_STYLE):
        figure = Figure(figsize=(shape.width, shape.height), layout="constrained")
        paint(figure.add_subplot(), shape)
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", metadata=_NO_METADATA)
    return buffer.getvalue()


def _svg(text: str, name: str, title: str, description: str) -> str:
    """The figure as one `<svg>` element for an HTML page: no prolog, no metadata, no foreign addresses."""
    box = re.search(r'viewBox="([^"]+)"', text)
    body = text[text.index(">", text.index("<svg")) + 1 :]
    body = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->", "", body, flags=re.DOTALL)
    body = re.sub(r"<style[^>]*>.*?</style>", "", body, flags=re.DOTALL)
    body = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{name}-", body).replace("xlink:href", "href")
    body = re.sub(r"\n\s*", "\n", body).replace("'DejaVu Sans'", "inherit")
    for color, variable in _VARIABLES.items():
        body = body.replace(color, f"var({variable})")
    return (
        f'<svg role="img" aria-labelledby="{name}-title {name}-text" viewBox="{box[1] if box else ""}">'
        f'<title id="{name}-title">{escape(title)}</title><desc id="{name}-text">{escape(description)}</desc>'
        f"{body.strip()}"
    )
