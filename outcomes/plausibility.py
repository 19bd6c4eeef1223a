"""Can printed summary figures hold together? An exact search over whole-number scores.

A publication prints n, mean, SD, range and sometimes how many scores were zero. Whole-number scores that
give all of them at once either exist or do not. The search walks every reachable pair (sum, sum of
squares), so "none" is a proof, not a failed guess; what it proves is that at least one printed figure is
misprinted or counted differently.
"""

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from importlib.resources.abc import Traversable


@dataclass(frozen=True, slots=True, kw_only=True)
class PrintedSummary:
    """A summary of `n` whole-number scores as printed; `zeros` is None where it was not printed."""

    figure: str
    n: int
    lowest: int
    highest: int
    mean: Decimal
    sd: Decimal
    digits: int
    zeros: int | None = None


def load_summaries(path: Traversable) -> list[PrintedSummary]:
    """The printed summaries of one publication: a CSV with the columns of `PrintedSummary`."""
    lines = csv.DictReader(io.StringIO(path.read_text(encoding="utf-8")))
    return [_summary(line) for line in lines]


def solutions(summary: PrintedSummary) -> int:
    """How many pairs (sum, sum of squares) give every printed figure; 0 proves a contradiction.

    Both ends of the range are attained, mean and SD (n - 1) round half up to the print.
    """
    ends = [summary.lowest] if summary.lowest == summary.highest else [summary.lowest, summary.highest]
    zeros = summary.zeros
    fixed = list(ends) if zeros is None else [*(e for e in ends if e), *([0] * zeros)]
    free = summary.n - len(fixed)
    if free < 0 or summary.n < 2 or (zeros == 0 and 0 in ends) or (zeros and 0 not in _range(summary)):
        return 0
    scores = [s for s in _range(summary) if zeros is None or s != 0]
    shift, square_shift = sum(fixed), sum(s * s for s in fixed)
    return sum(
        _squares_that_fit(summary, total + shift, squares << square_shift)
        for total, squares in _reachable(free, scores).items()
    )


def _summary(row: dict[str, str]) -> PrintedSummary:
    return PrintedSummary(
        figure=row["figure"],
        n=int(row["n"]),
        lowest=int(row["lowest"]),
        highest=int(row["highest"]),
        mean=Decimal(row["mean"]),
        sd=Decimal(row["sd"]),
        digits=int(row["digits"]),
        zeros=int(row["zeros"]) if row["zeros"] else None,
    )


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


def _squares_that_fit(summary: PrintedSummary, total: int, squares: int) -> int:
    """How many of the set bits of `squares` are sums of squares that round to the printed SD."""
    half = Fraction(1, 2 * 10**summary.digits)
    printed_mean, printed_sd = Fraction(summary.mean), Fraction(summary.sd)
    if not printed_mean - half <= Fraction(total, summary.n) < printed_mean + half:
        return 0
    about_mean = Fraction(total * total, summary.n)
    low = math.ceil(max(printed_sd - half, Fraction(0)) ** 2 * (summary.n - 1) + about_mean)
    high = math.ceil((printed_sd + half) ** 2 * (summary.n - 1) + about_mean)
    return ((squares & ((1 << high) - 1)) >> low).bit_count()
