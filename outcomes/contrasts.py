"""Two centers side by side: differences with intervals and tests, and standardized mean differences.

A difference is that of the first center minus the second. Two centers are no sample of centers: there is no
random effect and no heterogeneity statistic. Describing tables give standardized differences and no p value.
"""

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy import stats

from outcomes.results import Estimate, not_assessable
from outcomes.statistics import CONFIDENCE, exact_mean, exact_sd
from outcomes.survival import Curve

_Z = float(stats.norm.ppf((1 + CONFIDENCE) / 2))

Share = tuple[int, int]


def shares(first: Share, second: Share) -> list[Estimate]:
    """Difference of two shares (Newcombe 1998, hybrid score) and Fisher's exact test."""
    n = first[1] + second[1]
    if not all(0 <= k <= m and m > 0 for k, m in (first, second)):
        return [not_assessable(name, "a center has no share", n=n) for name in ("difference", "p_fisher")]
    table = [[k, m - k] for k, m in (first, second)]
    p = min(1.0, float(stats.fisher_exact(table)[1]))
    return [
        _newcombe(first, second),
        Estimate(statistic="p_fisher", value=p, n=n, method="Fisher, two-sided"),
    ]


def _newcombe(first: Share, second: Share) -> Estimate:
    (p1, low1, high1), (p2, low2, high2) = (_wilson(*share) for share in (first, second))
    difference = p1 - p2
    return Estimate(
        statistic="difference",
        value=difference,
        n=first[1] + second[1],
        ci_low=difference - math.hypot(p1 - low1, high2 - p2),
        ci_high=difference + math.hypot(high1 - p1, p2 - low2),
        method="Newcombe hybrid score 95 %",
    )


def _wilson(k: int, n: int) -> tuple[float, float, float]:
    interval = stats.binomtest(k, n).proportion_ci(CONFIDENCE, method="wilson")
    return k / n, float(interval.low), float(interval.high)


def means(first: Sequence[float], second: Sequence[float]) -> list[Estimate]:
    """Difference of two means with Welch's interval."""
    n = len(first) + len(second)
    if len(first) < 2 or len(second) < 2:
        return [not_assessable("difference", "a center has fewer than two rows", n=n)]
    difference = exact_mean(first) - exact_mean(second)
    errors = [exact_sd(values) ** 2 / len(values) for values in (first, second)]
    if sum(errors) == 0:
        note = "interval not assessable: all values of a center are equal"
        return [Estimate(statistic="difference", value=difference, n=n, note=note)]
    freedom = sum(errors) ** 2 / sum(
        error**2 / (len(values) - 1) for error, values in zip(errors, (first, second), strict=True)
    )
    half = float(stats.t.ppf((1 + CONFIDENCE) / 2, freedom)) * math.sqrt(sum(errors))
    low, high = difference - half, difference + half
    return [
        Estimate(
            statistic="difference", value=difference, n=n, ci_low=low, ci_high=high, method="Welch t 95 %"
        )
    ]


def curves(first: Curve, second: Curve, horizons: Sequence[int]) -> list[Estimate]:
    """Difference of two survival curves at each horizon, and the log-rank test."""
    differences = [_survival_difference(first, second, months) for months in horizons]
    return [*differences, _log_rank(first, second)]


def _survival_difference(first: Curve, second: Curve, months: int) -> Estimate:
    name, n = f"difference_{months}m", first.total + second.total
    if not (first.at_risk(months) and second.at_risk(months)):
        return not_assessable(name, f"a center is not followed to {months} months", n=n)
    difference = first.at(months).estimate - second.at(months).estimate
    error = math.sqrt(_greenwood(first, months) + _greenwood(second, months))
    if error == 0:
        note = "interval not assessable: no event yet"
        return Estimate(statistic=name, value=difference, n=n, note=note)
    low, high = difference - _Z * error, difference + _Z * error
    return Estimate(
        statistic=name, value=difference, n=n, ci_low=low, ci_high=high,
        method="Kaplan-Meier, Greenwood 95 %",
    )  # fmt: skip


def _greenwood(curve: Curve, months: int) -> float:
    points = (p for p in curve.points if p.months <= months and p.events and p.at_risk > p.events)
    terms = math.fsum(p.events / (p.at_risk * (p.at_risk - p.events)) for p in points)
    return curve.at(months).estimate ** 2 * terms


def _log_rank(first: Curve, second: Curve) -> Estimate:
    """Observed against expected events of the first, hypergeometric variance (Mantel 1966)."""
    n = first.total + second.total
    times = np.unique([p.months for curve in (first, second) for p in curve.points if p.events])
    (ours, our_events), (theirs, their_events) = (_moments(curve, times) for curve in (first, second))
    at_risk, events = ours + theirs, our_events + their_events
    share = ours / np.maximum(at_risk, 1)
    excess = float((our_events - events * share).sum())
    terms = events * share * (1 - share) * (at_risk - events) / np.maximum(at_risk - 1, 1)
    variance = float(terms.sum())
    if variance == 0:
        return not_assessable("p_logrank", "no event with both centers at risk", n=n)
    p = float(stats.chi2.sf(excess**2 / variance, 1))
    return Estimate(statistic="p_logrank", value=p, n=n, method="log-rank, two-sided")


def _moments(curve: Curve, times: Any) -> tuple[Any, Any]:
    """At risk just before each time, and events then; after the last look nobody is at risk."""
    months = np.array([*(p.months for p in curve.points[1:]), np.inf])
    at_risk = np.array([*(p.at_risk for p in curve.points[1:]), 0])
    events = np.array([*(p.events for p in curve.points[1:]), 0])
    place = np.searchsorted(months, times)
    return at_risk[place], np.where(months[place] == times, events[place], 0)


def standardized_means(first: Sequence[float], second: Sequence[float]) -> list[Estimate]:
    """Difference of two means in units of their root mean square SD (Austin 2009)."""
    n = len(first) + len(second)
    if len(first) < 2 or len(second) < 2:
        return [not_assessable("smd", "a center has fewer than two rows", n=n)]
    spread = math.sqrt((exact_sd(first) ** 2 + exact_sd(second) ** 2) / 2)
    return [_smd(exact_mean(first) - exact_mean(second), spread, n)]


def standardized_shares(first: Share, second: Share) -> list[Estimate]:
    """Difference of two shares in units of the root mean square of their SDs."""
    n = first[1] + second[1]
    if not all(0 <= k <= m and m > 0 for k, m in (first, second)):
        return [not_assessable("smd", "a center has no share", n=n)]
    p1, p2 = (k / m for k, m in (first, second))
    return [_smd(p1 - p2, math.sqrt((p1 * (1 - p1) + p2 * (1 - p2)) / 2), n)]


def standardized_categories(first: Sequence[str], second: Sequence[str]) -> list[Estimate]:
    """Distance of two distributions over categories (Yang and Dalton 2012); never negative."""
    n = len(first) + len(second)
    if not first or not second:
        return [not_assessable("smd", "a center has no row", n=n)]
    names = sorted({*first, *second})[1:]
    one, two = (
        np.array([Counter(values)[name] / len(values) for name in names]) for values in (first, second)
    )
    spread = (np.diag(one) - np.outer(one, one) + np.diag(two) - np.outer(two, two)) / 2
    difference = one - two
    if not difference.any():
        return [Estimate(statistic="smd", value=0.0, n=n, method=_SMD)]
    if np.linalg.matrix_rank(spread) < len(names):
        return [not_assessable("smd", "centers share no variation", n=n)]
    squared = float(difference @ np.linalg.solve(spread, difference))
    return [Estimate(statistic="smd", value=math.sqrt(max(squared, 0.0)), n=n, method=_SMD)]


_SMD = "standardized difference"


def _smd(difference: float, spread: float, n: int) -> Estimate:
    if difference == 0:
        return Estimate(statistic="smd", value=0.0, n=n, method=_SMD)
    if spread == 0:
        return not_assessable("smd", "neither center varies", n=n)
    return Estimate(statistic="smd", value=difference / spread, n=n, method=_SMD)
