"""The computed figures beside those a publication prints.

A publication is one CSV, a printed figure a line: which metric, group and statistic gives it, the relation
(`=` or `<`), the figure as printed and its decimals. Where our figure is known to differ, the line also says
which value we expect instead and why; any other value there is a difference like every other.
"""

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Literal

from mappings.errors import ConfigError
from outcomes.results import MetricResult, Results
from outcomes.rounding import NOT_ASSESSABLE, percent, rounded, show_month, show_p

_PRINTED = re.compile(r"-?\d+(\.\d+)?|\d{4}-\d{2}")

State = Literal["as printed", "known difference", "different"]

_COLUMNS = (
    "figure", "metric", "group", "statistic", "relation", "printed", "digits", "known_value", "known_reason",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class PrintedFigure:
    """One figure of a publication, its text kept as printed; empty `known_value` where none is known."""

    figure: str
    metric: str
    group: str
    statistic: str
    relation: str
    printed: str
    digits: int
    known_value: str
    known_reason: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """A printed figure beside ours, both as text, and whether they agree."""

    figure: str
    metric: str
    group: str
    statistic: str
    printed: str
    computed: str
    state: State
    reason: str


def load_publication(path: Traversable | None = None) -> list[PrintedFigure]:
    """The printed figures of one publication (default: the shipped one), in the order of the file.

    Raises ConfigError, naming file and line, for a file that breaks the form.
    """
    path = path or files("outcomes") / "publications" / "cazzato-2022.csv"
    lines = csv.DictReader(io.StringIO(path.read_text(encoding="utf-8")))
    if tuple(lines.fieldnames or ()) != _COLUMNS:
        raise ConfigError(f"{path.name} has other columns.", f"Use {', '.join(_COLUMNS)}.")
    return [_figure(path.name, number, line) for number, line in enumerate(lines, start=2)]


def compare(results: Iterable[MetricResult], publication: Sequence[PrintedFigure]) -> list[Comparison]:
    """Each printed figure beside the computed one; a figure nobody computed is `different`."""
    found = Results(results)
    return [_compared(figure, found) for figure in publication]


def _figure(name: str, number: int, line: Mapping[str, str]) -> PrintedFigure:
    problem = _problem(line)
    if problem:
        raise ConfigError(f"{name}, line {number}: {problem}.", "Correct that line.")
    texts = {column: line[column] for column in _COLUMNS if column != "digits"}
    return PrintedFigure(**texts, digits=int(line["digits"]))


def _problem(line: Mapping[str, str | None]) -> str:
    """What is wrong with one line of a publication, or an empty text."""
    if any(line[column] is None for column in _COLUMNS):
        return "a column is missing"
    if line["relation"] not in ("=", "<"):
        return "relation is '=' or '<'"
    if not _PRINTED.fullmatch(line["printed"] or ""):
        return "printed is a number, or a month as 2008-05"
    if not (line["digits"] or "").isdecimal():
        return "digits is a whole number"
    return ""


def _compared(figure: PrintedFigure, results: Results) -> Comparison:
    shown, holds = _computed(figure, results)
    state: State = "as printed" if holds else "different"
    if state == "different" and figure.known_value and shown == figure.known_value:
        state = "known difference"
    return Comparison(
        figure=figure.figure,
        metric=figure.metric,
        group=figure.group,
        statistic=figure.statistic,
        printed=f"< {figure.printed}" if figure.relation == "<" else figure.printed,
        computed=shown,
        state=state,
        reason=figure.known_reason if state == "known difference" else "",
    )


def _computed(figure: PrintedFigure, results: Results) -> tuple[str, bool]:
    """Our figure as it would be printed, and whether the printed relation holds."""
    # A count inside a share (34 of 64) is the numerator of its proportion.
    statistic = "proportion" if figure.statistic == "numerator" else figure.statistic
    result = results.get(figure.metric, statistic, figure.group)
    if result is None or result.value is None:
        return NOT_ASSESSABLE, False
    if figure.relation == "<":
        return show_p(result.value), Decimal(repr(result.value)) < Decimal(figure.printed)
    shown = _shown(figure, result)
    return shown, shown == figure.printed


def _shown(figure: PrintedFigure, result: MetricResult) -> str:
    if figure.statistic == "numerator":
        return str(result.numerator)
    if figure.statistic == "proportion" and result.denominator:
        return f"{percent(result.numerator or 0, result.denominator, figure.digits):f}"
    if "-" in figure.printed[1:]:
        return show_month(result.value)
    return f"{rounded(result.value or 0.0, figure.digits):f}"
