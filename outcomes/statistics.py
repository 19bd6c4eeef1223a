"""Point estimates, intervals and tests: the door to SciPy and NumPy (with survival.py).

Values never depend on the order of the rows. What the rows cannot support is an estimate without a
value and a note that says why: never NaN, a warning or an exception. All intervals are 95 %, all tests
two-sided.

Interval of a proportion: Wilson, except Clopper-Pearson where fewer than ten rows lie on either side
(k < 10 or n - k < 10). With so few events Wilson's coverage dips below its nominal level, and the
figures in question are complications, where an interval that is too narrow does harm; the exact
interval never covers less than it says. The method used is named in the result.
"""

import math
from collections.abc import Sequence

import numpy as np
from scipy import stats

from outcomes.results import Estimate, not_assessable

CONFIDENCE = 0.95
EXACT_BELOW = 10

_EXACT_TEST_UP_TO = 50


def count(total: int) -> list[Estimate]:
    """A plain number of rows."""
    return [Estimate(statistic="count", value=float(total), n=total)]


def proportion(numerator: int, denominator: int) -> list[Estimate]:
    """The share numerator / denominator with its interval (Wilson 1927; Clopper and Pearson 1934)."""
    if denominator == 0:
        return [_share(numerator, denominator, "the denominator is 0")]
    if not 0 <= numerator <= denominator:
        return [_share(numerator, denominator, "more events than rows is a rate, not a share")]
    exact = min(numerator, denominator - numerator) < EXACT_BELOW
    test = stats.binomtest(numerator, denominator)
    interval = test.proportion_ci(CONFIDENCE, method="exact" if exact else "wilson")
    return [
        Estimate(
            statistic="proportion",
            value=numerator / denominator,
            n=denominator,
            ci_low=float(interval.low),
            ci_high=float(interval.high),
            numerator=numerator,
            denominator=denominator,
            method="Clopper-Pearson 95 %" if exact else "Wilson 95 %",
        )
    ]


def _share(numerator: int, denominator: int, reason: str) -> Estimate:
    return Estimate(
        statistic="proportion",
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
    return [_mean("mean", values), _sd(values), *spread, *ends]


def extremes(values: Sequence[float]) -> list[Estimate]:
    """Only the smallest and the largest value: for calendar months, whose mean means nothing."""
    return [e for e in summary(values) if e.statistic in ("min", "max")]


def paired_change(values: Sequence[float], baselines: Sequence[float]) -> list[Estimate]:
    """Summary of `values`, and their change from `baselines` (same rows, same order).

    Mean change with t interval, paired t, and Wilcoxon signed rank: zeros dropped, as Wilcoxon 1945, and
    counted in the note; exact up to 50 changes, above that the normal approximation. A change is later
    minus earlier: negative is less pain.
    """
    changes = sorted(float(v) - float(b) for v, b in zip(values, baselines, strict=True))
    if not changes:
        names = ("mean_change", "p_wilcoxon", "p_ttest")
        return [*summary(values), *(not_assessable(name, "no pairs", n=0) for name in names)]
    return [*summary(values), _mean("mean_change", changes), _wilcoxon(changes), _paired_t(changes)]


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


def _exact_mean(values: Sequence[float]) -> float:
    # fsum: the correctly rounded sum, so neither the order of rows nor a tie at the last digit matters.
    return math.fsum(values) / len(values)


def _exact_sd(values: Sequence[float]) -> float:
    mean = _exact_mean(values)
    return math.sqrt(math.fsum((v - mean) ** 2 for v in values) / (len(values) - 1))


def _mean(statistic: str, values: Sequence[float]) -> Estimate:
    n, mean = len(values), _exact_mean(values)
    if n < 2 or min(values) == max(values):
        why = "one row" if n < 2 else "all values are equal"
        return Estimate(statistic=statistic, value=mean, n=n, note=f"interval not assessable: {why}")
    half = float(stats.t.ppf((1 + CONFIDENCE) / 2, n - 1)) * _exact_sd(values) / math.sqrt(n)
    return Estimate(
        statistic=statistic, value=mean, n=n, ci_low=mean - half, ci_high=mean + half, method="t 95 %"
    )


def _sd(values: Sequence[float]) -> Estimate:
    if len(values) < 2:
        return not_assessable("sd", "one row", n=len(values))
    return Estimate(statistic="sd", value=_exact_sd(values), n=len(values), method="n - 1")


def _wilcoxon(changes: Sequence[float]) -> Estimate:
    n = len(changes)
    moved = [c for c in changes if c != 0]
    if not moved:
        return not_assessable("p_wilcoxon", "no row changed", n=n)
    exact = len(moved) <= _EXACT_TEST_UP_TO
    p = _exact_signed_rank(moved) if exact else float(stats.wilcoxon(moved, method="asymptotic").pvalue)
    unchanged = n - len(moved)
    return Estimate(
        statistic="p_wilcoxon",
        value=p,
        n=n,
        method=f"Wilcoxon signed rank, {'exact' if exact else 'normal approximation'}",
        note=f"tested without the {unchanged} of {n} pairs that did not change" if unchanged else "",
    )


def _exact_signed_rank(moved: Sequence[float]) -> float:
    """Two-sided p over all sign patterns of the ranks, ties allowed (SciPy's exact p forbids them)."""
    # Doubled, because ties share half ranks; counts stay exact in a float, being at most 2^50.
    ranks = [round(2 * rank) for rank in stats.rankdata(np.abs(moved))]
    patterns = np.zeros(sum(ranks) + 1)
    patterns[0] = 1.0
    for rank in ranks:
        patterns[rank:] += patterns[:-rank].copy()
    positive = sum(rank for rank, change in zip(ranks, moved, strict=True) if change > 0)
    tail = min(patterns[: positive + 1].sum(), patterns[positive:].sum())
    return min(1.0, 2 * float(tail) / 2.0 ** len(moved))


def _paired_t(changes: Sequence[float]) -> Estimate:
    n = len(changes)
    if n < 2:
        return not_assessable("p_ttest", "one pair", n=n)
    if changes[0] == changes[-1]:
        return not_assessable("p_ttest", "all changes are equal", n=n)
    t = _exact_mean(changes) / (_exact_sd(changes) / math.sqrt(n))
    p = 2 * float(stats.t.sf(abs(t), n - 1))
    return Estimate(statistic="p_ttest", value=p, n=n, method="paired t")
