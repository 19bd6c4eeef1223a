"""Can printed figures hold together? An exact search over whole-number scores, and exact percentages.

A publication prints n, mean, SD, range and sometimes how many scores were zero. Whole-number scores that
give all of them at once either exist or do not. The search walks every reachable pair (sum, sum of
squares), so "none" is a proof, not a failed guess; what it proves is that at least one printed figure is
misprinted or counted differently. A percentage is compared with the rounded fraction of the two numbers that
the publication prints for it.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction

from outcomes.publication import PrintedFigure, PrintedScores, Publication
from outcomes.rounding import percent, rounded, show_share

_SUMMARY_FIELDS = {"mean": "mean", "sd": "sd", "min": "lowest", "max": "highest"}


@dataclass(frozen=True, slots=True, kw_only=True)
class PrintedSummary:
    """A summary of `n` whole-number scores as printed; `zeros` is None where it was not printed.

    `digits` are the decimals of mean and SD.
    """

    figure: str
    n: int
    lowest: int
    highest: int
    mean: Decimal
    sd: Decimal
    digits: int
    zeros: int | None = None


@dataclass(frozen=True, slots=True)
class Contradiction:
    """A printed figure that cannot hold together with others, and why; the reason is found, not told."""

    figure: str
    printed: str
    reason: str
    summary: PrintedSummary | None = None
    field: str = ""

    def allows(self, shown: str) -> bool:
        """Whether another value of the figure, as it would be printed, is one that the others allow."""
        if self.summary is None:
            return shown == self.field
        if not shown.replace(".", "", 1).removeprefix("-").isdigit():
            return False
        return (
            solutions(replace(self.summary, **{self.field: type(getattr(self.summary, self.field))(shown)}))
            > 0
        )


def contradictions(publication: Publication) -> list[Contradiction]:
    """Every printed figure that others contradict, in the order of the publication."""
    found = [*_wrong_shares(publication), *_impossible_summaries(publication)]
    order = [figure.figure for figure in publication.figure]
    return sorted(found, key=lambda contradiction: order.index(contradiction.figure))


def summaries(publication: Publication) -> list[PrintedSummary]:
    """The summaries of whole-number scores that a publication prints."""
    return [_summary(publication, scores) for scores in publication.summary]


def _wrong_shares(publication: Publication) -> Iterator[Contradiction]:
    for figure in publication.figure:
        if figure.share_of is None:
            continue
        numerator, denominator = (int(publication.named(name).printed) for name in figure.share_of)
        right = f"{percent(numerator, denominator, figure.digits):f}"
        if right != figure.printed:
            reason = _wrong_share(figure, numerator, denominator, right)
            yield Contradiction(figure.figure, figure.printed, reason, field=right)


def _wrong_share(figure: PrintedFigure, numerator: int, denominator: int, right: str) -> str:
    exact = show_share(numerator, denominator, figure.digits + 2)
    shifted = 100 * 10**figure.digits * Fraction(numerator, denominator)
    is_cut_off = Decimal(figure.printed).scaleb(figure.digits) == math.floor(shifted)
    how = (
        "the printed figure is cut off instead of rounded"
        if is_cut_off
        else "it does not give the printed one"
    )
    return f"{exact} rounds to {right}: {how}."


def _impossible_summaries(publication: Publication) -> Iterator[Contradiction]:
    """The SD of each impossible summary, once: it is the figure that the others bound."""
    told: set[str] = set()
    for scores in publication.summary:
        summary = _summary(publication, scores)
        sd = publication.of_metric(scores.metric, "sd")
        if sd.figure not in told and solutions(summary) == 0:
            told.add(sd.figure)
            yield Contradiction(sd.figure, sd.printed, _impossible(summary), summary, "sd")


def _impossible(summary: PrintedSummary) -> str:
    zeros = "" if summary.zeros is None else f" and {summary.zeros} zeros"
    scores = (
        f"{summary.n} whole-number scores from {summary.lowest} to {summary.highest}, both attained, "
        f"with a mean that rounds to {summary.mean}{zeros}"
    )
    possible = possible_sds(summary)
    if possible is None:
        return f"There are no {scores}."
    low, high = (f"{rounded(end, summary.digits + 1):f}" for end in possible)
    return (
        f"{scores} have an SD from {low} to {high}: the printed {summary.sd} cannot hold together with that."
    )


def possible_sds(summary: PrintedSummary) -> tuple[float, float] | None:
    """The smallest and the largest SD of whole-number scores with all printed figures but the SD, or None."""
    spreads = [
        Fraction(squares, 1) - Fraction(total * total, summary.n)
        for total, found in _totals(summary)
        if _mean_fits(summary, total)
        for squares in (_lowest_bit(found), found.bit_length() - 1)
    ]
    if not spreads or summary.n < 2:
        return None
    return tuple(math.sqrt(spread / (summary.n - 1)) for spread in (min(spreads), max(spreads)))  # type: ignore[return-value]


def _lowest_bit(bits: int) -> int:
    return (bits & -bits).bit_length() - 1


def _summary(publication: Publication, scores: PrintedScores) -> PrintedSummary:
    printed = {name: publication.of_metric(scores.metric, name) for name in _SUMMARY_FIELDS}
    return PrintedSummary(
        figure=scores.summary,
        n=int(publication.named(scores.n).printed),
        lowest=int(printed["min"].printed),
        highest=int(printed["max"].printed),
        mean=Decimal(printed["mean"].printed),
        sd=Decimal(printed["sd"].printed),
        digits=min(printed["mean"].digits, printed["sd"].digits),
        zeros=None if scores.zeros is None else int(publication.named(scores.zeros).printed),
    )


def solutions(summary: PrintedSummary) -> int:
    """How many pairs (sum, sum of squares) give every printed figure; 0 proves a contradiction.

    Both ends of the range are attained, mean and SD (n - 1) round half up to the print.
    """
    return sum(_squares_that_fit(summary, total, squares) for total, squares in _totals(summary))


def _totals(summary: PrintedSummary) -> Iterator[tuple[int, int]]:
    """Each sum that scores with this n, range and zeros reach, with its sums of squares as set bits."""
    ends = [summary.lowest] if summary.lowest == summary.highest else [summary.lowest, summary.highest]
    zeros = summary.zeros
    fixed = list(ends) if zeros is None else [*(e for e in ends if e), *([0] * zeros)]
    free = summary.n - len(fixed)
    if free < 0 or summary.n < 2 or (zeros == 0 and 0 in ends) or (zeros and 0 not in _range(summary)):
        return
    scores = [s for s in _range(summary) if zeros is None or s != 0]
    shift, square_shift = sum(fixed), sum(s * s for s in fixed)
    for total, squares in _reachable(free, scores).items():
        yield total + shift, squares << square_shift


def _range(summary: PrintedSummary) -> range:
    return range(summary.lowest, summary.highest + 1)


def _reachable(n: int, scores: Sequence[int]) -> dict[int, int]:
    """For `n` scores: each sum, with its reachable sums of squares as the set bits of one integer."""
    by_count: list[dict[int, int]] = [{0: 1}, *({} for _ in range(n))]
    for score in scores:
        for used in range(n):
            following = by_count[used + 1]
            for total, squares in by_count[used].items():
                reached = total + score
                following[reached] = following.get(reached, 0) | (squares << (score * score))
    return by_count[n]


def _mean_fits(summary: PrintedSummary, total: int) -> bool:
    half = Fraction(1, 2 * 10**summary.digits)
    return Fraction(summary.mean) - half <= Fraction(total, summary.n) < Fraction(summary.mean) + half


def _squares_that_fit(summary: PrintedSummary, total: int, squares: int) -> int:
    """How many of the set bits of `squares` are sums of squares that round to the printed SD."""
    half = Fraction(1, 2 * 10**summary.digits)
    printed_sd = Fraction(summary.sd)
    if not _mean_fits(summary, total):
        return 0
    about_mean = Fraction(total * total, summary.n)
    low = math.ceil(max(printed_sd - half, Fraction(0)) ** 2 * (summary.n - 1) + about_mean)
    high = math.ceil((printed_sd + half) ** 2 * (summary.n - 1) + about_mean)
    return ((squares & ((1 << high) - 1)) >> low).bit_count()
