"""Linear models of repeated scores: time as a factor, patients as random intercepts (REML); a GEE as check.

Patients seen at the same times share a design, so both models are solved on sums by pattern of times. That is
exact, and takes the same moment for a hundred patients as for a hundred thousand, where general packages
iterate over the patients. What a missing score would have been is left to the model: patients with any score
take part (missing at random).

Laird and Ware 1982 (mixed model); Liang and Zeger 1986 (GEE, exchangeable, robust variance).
"""

import math
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import optimize, stats

from outcomes.results import Estimate, category_statistic, not_assessable
from outcomes.statistics import CONFIDENCE

MIXED = "mixed model, random patient, time as factor, REML 95 %"
GEE = "GEE, exchangeable within the patient, time as factor, robust 95 %"

_Z = float(stats.norm.ppf((1 + CONFIDENCE) / 2))
_Array = Any  # NumPy's own generic alias says no more about the shape


@dataclass(frozen=True, slots=True)
class _Pattern:
    """Patients seen at the same times: which, how many, sums of their scores and of products of scores."""

    times: _Array
    patients: int
    sums: _Array
    products: _Array


@dataclass(frozen=True, slots=True)
class _Fit:
    """Means by time and their covariance."""

    means: _Array
    covariance: _Array
    variances: tuple[float, float] = (0.0, 0.0)


def trajectory(
    patients: Sequence[Hashable], orders: Sequence[int], times: Sequence[str], scores: Sequence[float]
) -> list[Estimate]:
    """Mean at each time, change from the first, and variances, by mixed model; changes by GEE.

    One row is one score; `orders` sorts the times. A change is later minus first: negative is less pain.
    """
    names = [name for _, name in sorted(set(zip(orders, times, strict=True)))]
    number = {name: place for place, name in enumerate(names)}
    patterns = _patterns(patients, [number[name] for name in times], scores, len(names))
    problem = _problem(patterns, len(names))
    if problem:
        return [not_assessable(statistic, problem, n=len(scores)) for statistic in _statistics(names)]
    shift = math.fsum(scores) / len(scores)
    moved = [_moved(pattern, shift) for pattern in patterns]
    mixed, gee = _mixed(moved, len(names)), _gee(moved, len(names))
    if mixed is None or gee is None:
        why = "the scores do not vary within patients"
        return [not_assessable(statistic, why, n=len(scores)) for statistic in _statistics(names)]
    return [
        *_of_mixed(mixed, names, shift, len(scores)),
        *_changes("gee_change", gee, names, len(scores), GEE),
    ]


def _statistics(names: Sequence[str]) -> list[str]:
    later = names[1:]
    return [
        *(category_statistic("model_mean", name) for name in names),
        *(category_statistic("model_change", name) for name in later),
        "variance_patient",
        "variance_residual",
        *(category_statistic("gee_change", name) for name in later),
    ]


def _problem(patterns: Sequence[_Pattern], times: int) -> str:
    if sum(pattern.patients for pattern in patterns) < 2:
        return "fewer than two patients"
    if times < 2:
        return "scores at one time only"
    if sum(pattern.patients * (len(pattern.times) - 1) for pattern in patterns) == 0:
        return "no patient has scores at two times"
    return ""


def _patterns(
    patients: Sequence[Hashable], places: Sequence[int], scores: Sequence[float], times: int
) -> list[_Pattern]:
    rows: dict[Hashable, int] = {}
    codes = [rows.setdefault(patient, len(rows)) for patient in patients]
    table = np.full((len(rows), times), np.nan)
    table[codes, list(places)] = scores
    seen = np.isfinite(table)
    kinds, which = np.unique(seen, axis=0, return_inverse=True)
    return [_pattern(table[which.ravel() == k], np.flatnonzero(kind)) for k, kind in enumerate(kinds)]


def _pattern(table: _Array, times: _Array) -> _Pattern:
    scores = table[:, times]
    # fsum: the same to the last bit whatever the order of the patients.
    sums = np.array([math.fsum(column) for column in scores.T.tolist()])
    products = np.array([[math.fsum((a * b).tolist()) for b in scores.T] for a in scores.T])
    return _Pattern(times, len(scores), sums, products)


def _moved(pattern: _Pattern, shift: float) -> _Pattern:
    """The same with `shift` taken from every score: sums of squares lose no digits then."""
    ones = np.ones(len(pattern.times))
    products = (
        pattern.products
        - shift * (np.outer(pattern.sums, ones) + np.outer(ones, pattern.sums))
        + pattern.patients * shift**2
    )
    return _Pattern(pattern.times, pattern.patients, pattern.sums - pattern.patients * shift, products)


def _normal_equations(
    patterns: Sequence[_Pattern], times: int, share: Sequence[float]
) -> tuple[_Array, _Array, float]:
    """X'WX, X'Wy and y'Wy with W = I - share * J within each patient."""
    left, right, square = np.zeros((times, times)), np.zeros(times), 0.0
    for pattern, phi in zip(patterns, share, strict=True):
        weight = np.eye(len(pattern.times)) - phi
        left[np.ix_(pattern.times, pattern.times)] += pattern.patients * weight
        right[pattern.times] += weight @ pattern.sums
        square += float(np.trace(weight @ pattern.products))
    return left, right, square


def _mixed(patterns: Sequence[_Pattern], times: int) -> _Fit | None:
    """REML over the intraclass correlation; the rest has a closed form."""
    rows = sum(pattern.patients * len(pattern.times) for pattern in patterns)

    def shares(correlation: float) -> list[float]:
        ratio = correlation / (1 - correlation)
        return [ratio / (1 + len(pattern.times) * ratio) for pattern in patterns]

    def deviance(correlation: float) -> float:
        left, right, square = _normal_equations(patterns, times, shares(correlation))
        rest = max(square - float(right @ np.linalg.solve(left, right)), 1e-300)
        ratio = correlation / (1 - correlation)
        spread = sum(p.patients * math.log1p(len(p.times) * ratio) for p in patterns)
        return (rows - times) * math.log(rest) + spread + float(np.linalg.slogdet(left)[1])

    found = optimize.minimize_scalar(
        deviance, bounds=(0.0, 1 - 1e-9), method="bounded", options={"xatol": 1e-11}
    )
    correlation = float(found.x) if found.fun < deviance(0.0) else 0.0
    left, right, square = _normal_equations(patterns, times, shares(correlation))
    means = np.linalg.solve(left, right)
    residual = (square - float(right @ means)) / max(rows - times, 1)
    if rows <= times or residual <= 1e-12 * max(square, 1.0) / rows:
        return None
    variances = (residual * correlation / (1 - correlation), residual)
    return _Fit(means, residual * np.linalg.inv(left), variances)


def _gee(patterns: Sequence[_Pattern], times: int) -> _Fit | None:
    """Exchangeable working correlation by moments, mean by generalized least squares, in turn."""
    correlation = 0.0
    for _ in range(200):
        shares = [correlation / (1 + (len(p.times) - 1) * correlation) for p in patterns]
        left, right, _square = _normal_equations(patterns, times, shares)
        means = np.linalg.solve(left, right)
        before, correlation = correlation, _within(patterns, means, times)
        if not all(1 + (len(p.times) - 1) * correlation > 0 for p in patterns) or correlation >= 1:
            return None
        if abs(correlation - before) < 1e-13:
            return _Fit(means, _robust(patterns, means, shares, left))
    return None


def _within(patterns: Sequence[_Pattern], means: _Array, times: int) -> float:
    rows = sum(p.patients * len(p.times) for p in patterns)
    pairs = sum(p.patients * len(p.times) * (len(p.times) - 1) / 2 for p in patterns)
    spreads = [_residuals(p, means) for p in patterns]
    squares = sum(float(np.trace(spread)) for spread in spreads)
    if squares <= 0 or rows <= times or pairs <= times:
        return 0.0
    sums = sum(float(spread.sum()) for spread in spreads)
    return (sums - squares) / 2 / (squares / (rows - times)) / (pairs - times)


def _residuals(pattern: _Pattern, means: _Array) -> _Array:
    """Sums of products of residuals of one pattern."""
    mean = means[pattern.times]
    crossed = np.outer(pattern.sums, mean)
    return pattern.products - crossed - crossed.T + pattern.patients * np.outer(mean, mean)


def _robust(patterns: Sequence[_Pattern], means: _Array, shares: Sequence[float], left: _Array) -> _Array:
    meat = np.zeros_like(left)
    for pattern, phi in zip(patterns, shares, strict=True):
        weight = np.eye(len(pattern.times)) - phi
        meat[np.ix_(pattern.times, pattern.times)] += weight @ _residuals(pattern, means) @ weight
    bread = np.linalg.inv(left)
    return bread @ meat @ bread


def _of_mixed(fit: _Fit, names: Sequence[str], shift: float, n: int) -> Iterator[Estimate]:
    for place, name in enumerate(names):
        error = math.sqrt(fit.covariance[place, place])
        statistic = category_statistic("model_mean", name)
        yield _estimate(statistic, float(fit.means[place]) + shift, error, n, MIXED)
    yield from _changes("model_change", fit, names, n, MIXED)
    for statistic, variance in zip(("variance_patient", "variance_residual"), fit.variances, strict=True):
        yield Estimate(statistic=statistic, value=variance, n=n, method="REML")


def _changes(statistic: str, fit: _Fit, names: Sequence[str], n: int, method: str) -> Iterator[Estimate]:
    covariance = fit.covariance
    for place, name in enumerate(names[1:], start=1):
        variance = covariance[place, place] + covariance[0, 0] - 2 * covariance[place, 0]
        change = float(fit.means[place] - fit.means[0])
        yield _estimate(category_statistic(statistic, name), change, math.sqrt(max(variance, 0.0)), n, method)


def _estimate(statistic: str, value: float, error: float, n: int, method: str) -> Estimate:
    low, high = value - _Z * error, value + _Z * error
    return Estimate(statistic=statistic, value=value, n=n, ci_low=low, ci_high=high, method=method)
