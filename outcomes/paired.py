"""Scores before and after in the same patients: change, effect sizes and tests.

A change is later minus earlier: negative is less pain, also in the effect sizes. All intervals are 95 %, all
tests two-sided. Values never depend on the order of the rows.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy import stats

from outcomes.results import Estimate, not_assessable
from outcomes.statistics import CONFIDENCE, exact_mean, exact_sd, mean_with_interval, summary

_EXACT_TEST_UP_TO = 50
_MOST_DISTINCT_CHANGES = 2_000  # two million averages of two; whole scores have at most 21

_CHANGES = ("mean_change", "sd_change", "hodges_lehmann", "dz", "rank_biserial", "p_wilcoxon", "p_ttest")


def paired_change(values: Sequence[float], baselines: Sequence[float]) -> list[Estimate]:
    """Summary of `values`, and their change from `baselines` (same rows, same order).

    Mean change with t interval and its SD; Hodges-Lehmann estimate (median of the averages of two changes)
    with the interval of the signed-rank test; effect sizes dz (mean change / SD of changes) and matched-pairs
    rank-biserial correlation; paired t, and Wilcoxon signed rank: zeros dropped, as Wilcoxon 1945, and
    counted in the note; exact up to 50 changes, above that the normal approximation.
    """
    changes = sorted(float(v) - float(b) for v, b in zip(values, baselines, strict=True))
    if not changes:
        return [*summary(values), *(not_assessable(name, "no pairs", n=0) for name in _CHANGES)]
    moved = [change for change in changes if change != 0]
    return [
        *summary(values),
        mean_with_interval("mean_change", changes),
        _sd_change(changes),
        _hodges_lehmann(changes),
        _dz(changes),
        _rank_biserial(moved, len(changes)),
        _wilcoxon(changes, moved),
        _paired_t(changes),
    ]


def _sd_change(changes: Sequence[float]) -> Estimate:
    if len(changes) < 2:
        return not_assessable("sd_change", "one pair", n=len(changes))
    return Estimate(statistic="sd_change", value=exact_sd(changes), n=len(changes), method="n - 1")


def _dz(changes: Sequence[float]) -> Estimate:
    n = len(changes)
    if n < 2 or changes[0] == changes[-1]:
        return not_assessable("dz", "one pair" if n < 2 else "all changes are equal", n=n)
    value = exact_mean(changes) / exact_sd(changes)
    return Estimate(statistic="dz", value=value, n=n, method="mean change / SD of changes")


def _rank_biserial(moved: Sequence[float], n: int) -> Estimate:
    if not moved:
        return not_assessable("rank_biserial", "no row changed", n=n)
    ranks = stats.rankdata(np.abs(moved))
    value = float(np.dot(np.sign(moved), ranks) / ranks.sum())
    method = "ranks of increases - ranks of decreases, of all ranks"
    return Estimate(statistic="rank_biserial", value=value, n=n, method=method, note=_unchanged(n, moved))


def _hodges_lehmann(changes: Sequence[float]) -> Estimate:
    """Order statistics of the averages of two changes (Hollander and Wolfe, sections 3.2 and 3.3)."""
    n = len(changes)
    distinct, counts = np.unique(changes, return_counts=True)
    if len(distinct) > _MOST_DISTINCT_CHANGES:
        return not_assessable("hodges_lehmann", f"more than {_MOST_DISTINCT_CHANGES:,} distinct changes", n=n)
    averages, upto = _averages_of_two(distinct, counts)
    pairs = n * (n + 1) // 2
    middle = [_ordered(averages, upto, place) for place in ((pairs + 1) // 2, pairs // 2 + 1)]
    value = sum(middle) / 2
    cut = _critical_place(n)
    if cut < 1 or len(distinct) == 1:
        why = "all changes are equal" if len(distinct) == 1 else "fewer than six pairs"
        note = f"interval not assessable: {why}"
        return Estimate(statistic="hodges_lehmann", value=value, n=n, method="Hodges-Lehmann", note=note)
    return Estimate(
        statistic="hodges_lehmann",
        value=value,
        n=n,
        ci_low=_ordered(averages, upto, cut),
        ci_high=_ordered(averages, upto, pairs + 1 - cut),
        method=f"Hodges-Lehmann, {'exact' if n <= _EXACT_TEST_UP_TO else 'normal'} signed-rank 95 %",
    )


def _averages_of_two(distinct: Any, counts: Any) -> tuple[Any, Any]:
    """The distinct averages of two changes (each also with itself), and how many lie at or below each."""
    first, second = np.triu_indices(len(distinct))
    whole = counts.astype(np.int64)
    weights = np.where(first == second, whole[first] * (whole[first] + 1) // 2, whole[first] * whole[second])
    averages = (distinct[first] + distinct[second]) / 2
    order = np.argsort(averages, kind="stable")
    return averages[order], np.cumsum(weights[order])


def _ordered(averages: Any, upto: Any, place: int) -> float:
    return float(averages[np.searchsorted(upto, place)])


def _critical_place(n: int) -> int:
    """Which average of two from either end bounds the interval; below 1: no such interval exists."""
    tail = (1 - CONFIDENCE) / 2
    if n > _EXACT_TEST_UP_TO:
        spread = math.sqrt(n * (n + 1) * (2 * n + 1) / 24)
        return round(n * (n + 1) / 4 - float(stats.norm.ppf(1 - tail)) * spread)
    below = np.cumsum(_patterns(list(range(1, n + 1)))) / 2.0**n
    return int(np.searchsorted(below, tail, side="right"))


def _patterns(ranks: Sequence[int]) -> Any:
    """How many sign patterns of the ranks give each sum of the positive ones; exact up to 2^50."""
    patterns = np.zeros(sum(ranks) + 1)
    patterns[0] = 1.0
    for rank in ranks:
        patterns[rank:] += patterns[:-rank].copy()
    return patterns


def _unchanged(n: int, moved: Sequence[float]) -> str:
    unchanged = n - len(moved)
    return f"tested without the {unchanged} of {n} pairs that did not change" if unchanged else ""


def _wilcoxon(changes: Sequence[float], moved: Sequence[float]) -> Estimate:
    n = len(changes)
    if not moved:
        return not_assessable("p_wilcoxon", "no row changed", n=n)
    exact = len(moved) <= _EXACT_TEST_UP_TO
    p = _exact_signed_rank(moved) if exact else float(stats.wilcoxon(moved, method="asymptotic").pvalue)
    return Estimate(
        statistic="p_wilcoxon",
        value=p,
        n=n,
        method=f"Wilcoxon signed rank, {'exact' if exact else 'normal approximation'}",
        note=_unchanged(n, moved),
    )


def _exact_signed_rank(moved: Sequence[float]) -> float:
    """Two-sided p over all sign patterns of the ranks, ties allowed (SciPy's exact p forbids them)."""
    # Doubled, because ties share half ranks; counts stay exact in a float, being at most 2^50.
    ranks = [round(2 * rank) for rank in stats.rankdata(np.abs(moved))]
    patterns = _patterns(ranks)
    positive = sum(rank for rank, change in zip(ranks, moved, strict=True) if change > 0)
    tail = min(patterns[: positive + 1].sum(), patterns[positive:].sum())
    return min(1.0, 2 * float(tail) / 2.0 ** len(moved))


def _paired_t(changes: Sequence[float]) -> Estimate:
    n = len(changes)
    if n < 2:
        return not_assessable("p_ttest", "one pair", n=n)
    if changes[0] == changes[-1]:
        return not_assessable("p_ttest", "all changes are equal", n=n)
    t = exact_mean(changes) / (exact_sd(changes) / math.sqrt(n))
    p = 2 * float(stats.t.sf(abs(t), n - 1))
    return Estimate(statistic="p_ttest", value=p, n=n, method="paired t")
