"""The computed figures beside those a publication prints.

Where a figure differs, and the publication contradicts itself there (outcomes/plausibility.py), the
difference is known as long as our value is one that the other printed figures allow; any other is different.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from outcomes.plausibility import Contradiction, contradictions
from outcomes.publication import PrintedFigure, Publication
from outcomes.results import MetricResult, Results
from outcomes.rounding import NOT_ASSESSABLE, percent, rounded, show_month, show_p

State = Literal["as printed", "known difference", "different"]


@dataclass(frozen=True, slots=True)
class Comparison:
    """A printed figure beside ours, both as text, and whether they agree."""

    figure: str
    metric: str
    group: str
    statistic: str
    printed: str
    computed: str
    difference: str
    state: State
    reason: str


def compare(results: Iterable[MetricResult], publication: Publication) -> list[Comparison]:
    """Each printed figure beside the computed one; a figure nobody computed is `different`."""
    found = Results(results)
    known = {contradiction.figure: contradiction for contradiction in contradictions(publication)}
    return [_compared(figure, found, known.get(figure.figure)) for figure in publication.figure]


def _compared(figure: PrintedFigure, results: Results, known: Contradiction | None) -> Comparison:
    shown, holds = _computed(figure, results)
    state: State = "as printed" if holds else "different"
    if state == "different" and known is not None and known.allows(shown):
        state = "known difference"
    return Comparison(
        figure=figure.figure,
        metric=figure.metric,
        group=figure.group,
        statistic=figure.statistic,
        printed=f"< {figure.printed}" if figure.relation == "<" else figure.printed,
        computed=shown,
        difference=_difference(figure.printed, shown),
        state=state,
        reason=known.reason if known is not None and state == "known difference" else "",
    )


def _difference(printed: str, computed: str) -> str:
    """Computed less printed, or an empty text where there is none or they are no numbers."""
    try:
        difference = Decimal(computed) - Decimal(printed)
    except ArithmeticError:
        return ""
    return f"{difference:+f}" if difference else ""


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
