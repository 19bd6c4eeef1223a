"""Point estimates of one group and their intervals; pairs of scores, pairs of centers and curves have theirs.

Values never depend on the order of the rows. What the rows cannot support is an estimate without a
value and a note that says why: never NaN, a warning or an exception. All intervals are 95 %, all tests
two-sided.

Interval of a proportion: Wilson, except Clopper-Pearson where fewer than ten rows lie on either side
(k < 10 or n - k < 10). With so few events Wilson's coverage dips below its nominal level, and the
figures in question are complications, where an interval that is too narrow does harm; the exact
interval never covers less than it says. The method used is named in the result.
"""

import functools
import math
from collections import Counter
from collections.abc import Sequence

import numpy as np
from scipy import stats

from outcomes.results import Estimate, category_statistic, not_assessable

CONFIDENCE = 0.95
EXACT_BELOW = 10


def count(total: int, *, statistic: str = "count") -> list[Estimate]:
    """A plain number of rows."""
    return [Estimate(statistic=statistic, value=float(total), n=total)]


def missing(absent: int, rows: int) -> Estimate:
    """How many of `rows` have no value."""
    return Estimate(statistic="missing", value=float(absent), n=rows, numerator=absent, denominator=rows)


def distribution(categories: Sequence[str]) -> list[Estimate]:
    """The share of each category among the values there are, by name; a description, so without intervals."""
    total = len(categories)
    return [
        Estimate(
            statistic=category_statistic("proportion", name),
            value=number / total,
            n=total,
            numerator=number,
            denominator=total,
        )
        for name, number in sorted(Counter(categories).items())
    ]


def proportion(
    numerator: int, denominator: int, *, statistic: str = "proportion", always_exact: bool = False
) -> list[Estimate]:
    """The share numerator / denominator with its interval (Wilson 1927; Clopper and Pearson 1934)."""
    if denominator == 0:
        return [_share(statistic, numerator, denominator, "the denominator is 0")]
    if not 0 <= numerator <= denominator:
        return [_share(statistic, numerator, denominator, "more events than rows is a rate, not a share")]
    exact = always_exact or min(numerator, denominator - numerator) < EXACT_BELOW
    ci_low, ci_high = _interval(numerator, denominator, exact)
    return [
        Estimate(
            statistic=statistic,
            value=numerator / denominator,
            n=denominator,
            ci_low=ci_low,
            ci_high=ci_high,
            numerator=numerator,
            denominator=denominator,
            method="Clopper-Pearson 95 %" if exact else "Wilson 95 %",
        )
    ]


@functools.lru_cache(maxsize=4096)  # the same counts come again: in sensitivity analyses, and every night
def _interval(numerator: int, denominator: int, exact: bool) -> tuple[float, float]:
    test = stats.binomtest(numerator, denominator)
    interval = test.proportion_ci(CONFIDENCE, method="exact" if exact else "wilson")
    return float(interval.low), float(interval.high)


def _share(statistic: str, numerator: int, denominator: int, reason: str) -> Estimate:
    return Estimate(
        statistic=statistic,
        value=None,
        n=denominator,
        numerator=numerator,
        denominator=denominator,
        note=f"not assessable: {reason}",
    )


def summary(values: Sequence[float]) -> list[Estimate]:
    """Mean with t interval, SD (n - 1), median, quartiles (linear, type 7), minimum and maximum."""
    n = len(values)
    if n == 0:
        names = ("mean", "sd", "median", "q1", "q3", "min", "max")
        return [not_assessable(name, "no rows", n=0) for name in names]
    q1, median, q3 = (float(q) for q in np.quantile(sorted(values), (0.25, 0.5, 0.75), method="linear"))
    spread = [_plain("median", median, n), _plain("q1", q1, n), _plain("q3", q3, n)]
    ends = [_plain("min", float(min(values)), n), _plain("max", float(max(values)), n)]
    return [mean_with_interval("mean", values), _sd(values), *spread, *ends]


def extremes(values: Sequence[float]) -> list[Estimate]:
    """Only the smallest and the largest value: for calendar months, whose mean means nothing."""
    return [e for e in summary(values) if e.statistic in ("min", "max")]


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Holm's step-down adjusted p values (Holm 1979), in the order given; None is not a test."""
    ranked = sorted((p, i) for i, p in enumerate(p_values) if p is not None)
    adjusted: list[float | None] = [None] * len(p_values)
    floor = 0.0
    for rank, (p, i) in enumerate(ranked):
        floor = max(floor, min(1.0, p * (len(ranked) - rank)))
        adjusted[i] = floor
    return adjusted


def _plain(statistic: str, value: float, n: int) -> Estimate:
    return Estimate(statistic=statistic, value=value, n=n)


def exact_mean(values: Sequence[float]) -> float:
    """The mean from the correctly rounded sum."""
    # fsum: the correctly rounded sum, so neither the order of rows nor a tie at the last digit matters.
    return math.fsum(values) / len(values)


def exact_sd(values: Sequence[float]) -> float:
    """The standard deviation (n - 1) of at least two values."""
    mean = exact_mean(values)
    return math.sqrt(math.fsum((v - mean) ** 2 for v in values) / (len(values) - 1))


def mean_with_interval(statistic: str, values: Sequence[float]) -> Estimate:
    """The mean of at least one value with its t interval."""
    n, mean = len(values), exact_mean(values)
    if n < 2 or min(values) == max(values):
        why = "one row" if n < 2 else "all values are equal"
        return Estimate(statistic=statistic, value=mean, n=n, note=f"interval not assessable: {why}")
    half = float(stats.t.ppf((1 + CONFIDENCE) / 2, n - 1)) * exact_sd(values) / math.sqrt(n)
    return Estimate(
        statistic=statistic, value=mean, n=n, ci_low=mean - half, ci_high=mean + half, method="t 95 %"
    )


def _sd(values: Sequence[float]) -> Estimate:
    if len(values) < 2:
        return not_assessable("sd", "one row", n=len(values))
    return Estimate(statistic="sd", value=exact_sd(values), n=len(values), method="n - 1")
