"""Time to an event: Kaplan-Meier, and Aalen-Johansen where another event competes, with numbers at risk.

Both come from one table of distinct times. Times are months; dates are whole days, so a duration counts as
having reached a horizon when it is less than one day short of it (day 365 completes 12 months of 30.4375
days). Intervals are pointwise 95 % on the log-log scale: Greenwood's variance for Kaplan-Meier, for
Aalen-Johansen the delta-method variance of Collett (Modelling Survival Data in Medical Research, ch. 12).
"""

import bisect
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy import stats

from outcomes.results import Estimate, not_assessable
from outcomes.statistics import CONFIDENCE

EVENT, COMPETING = 1, 2
METHOD = "Kaplan-Meier, log-log Greenwood 95 %"
COMPETING_METHOD = "Aalen-Johansen, log-log 95 %"

_ONE_DAY_MONTHS = 1 / 30.4375
_Z = float(stats.norm.ppf((1 + CONFIDENCE) / 2))
_Array = Any  # one column; NumPy's own generic alias says no more about the shape


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """A curve from `months` on, and what happened at that time; no interval where the method gives none."""

    months: float
    estimate: float
    low: float | None
    high: float | None
    at_risk: int
    events: int = 0
    competing: int = 0
    censored: int = 0


@dataclass(frozen=True, slots=True)
class Curve:
    """A curve by distinct times, the first at 0; `name` as in outcomes.curve_result."""

    name: str
    points: tuple[CurvePoint, ...]

    @property
    def total(self) -> int:
        """How many were followed."""
        return self.points[0].at_risk

    def at(self, months: float) -> CurvePoint:
        """The point in force at `months`."""
        return self.points[bisect.bisect_right(self.points, months, key=lambda point: point.months) - 1]

    def at_risk(self, months: float) -> int:
        """How many were still followed, without an event before, at `months`."""
        reached = months - _ONE_DAY_MONTHS
        place = bisect.bisect_right(self.points, reached, lo=1, key=lambda point: point.months)
        return self.points[place].at_risk if place < len(self.points) else 0

    def events_by(self, months: float) -> int:
        """How many events happened up to `months`."""
        return sum(point.events for point in self.points if point.months <= months)


def kaplan_meier(durations: Sequence[float], is_event: Sequence[bool]) -> Curve:
    """The survival curve of rows with a duration in months (>= 0) and whether it ended in the event."""
    table = life_table(durations, [int(event) for event in is_event])
    survival = product_limit(table.events, table.at_risk)
    with np.errstate(divide="ignore", invalid="ignore"):
        greenwood = np.cumsum(table.events / (table.at_risk * (table.at_risk - table.events)))
        spread = np.sqrt(greenwood) / np.abs(np.log(survival))
    return Curve("survival", _points(table, 1.0, survival, spread))


def aalen_johansen(durations: Sequence[float], outcome: Sequence[int]) -> tuple[Curve, Curve]:
    """Cumulative incidence of the event (1) and of what competes with it (2); 0 is the last look."""
    table = life_table(durations, outcome)
    event = _incidence(table, table.events)
    competing = _incidence(table, table.competing)
    swapped = _LifeTable(table.months, table.at_risk, table.competing, table.events, table.censored)
    return Curve("incidence", _points(table, 0.0, *event)), Curve(
        "incidence_competing", _points(swapped, 0.0, *competing)
    )


def survival_at(curve: Curve, horizons: Sequence[int]) -> list[Estimate]:
    """Survival and numbers at risk at each horizon (months), and quartiles of the survival time."""
    quantiles = [_quantile(curve, name, share) for name, share in _QUANTILES]
    return [*_at_horizons(curve, horizons, "survival", METHOD), *quantiles]


def incidence_at(curve: Curve, competing: Curve, horizons: Sequence[int]) -> list[Estimate]:
    """Cumulative incidence of the event and of what competes, and numbers at risk, at each horizon."""
    ours = _at_horizons(curve, horizons, "incidence", COMPETING_METHOD)
    theirs = [
        _at_horizon(competing, months, f"incidence_competing_{months}m", COMPETING_METHOD)
        for months in horizons
    ]
    return [*ours, *theirs]


def naive_at(curve: Curve, horizons: Sequence[int]) -> list[Estimate]:
    """One minus Kaplan-Meier at each horizon, what competes taken as censoring: for comparison only."""
    found = []
    for months in horizons:
        survival = _at_horizon(
            curve, months, f"incidence_naive_{months}m", "1 - Kaplan-Meier, for comparison"
        )
        value = None if survival.value is None else 1 - survival.value
        found.append(replace(survival, value=value, ci_low=None, ci_high=None))
    return found


@dataclass(frozen=True, slots=True)
class _LifeTable:
    """What happened at each distinct time; columns of equal length."""

    months: _Array
    at_risk: _Array
    events: _Array
    competing: _Array
    censored: _Array


def life_table(durations: Sequence[float], outcome: Sequence[int]) -> _LifeTable:
    """Count at each distinct time: at risk just before it, events, competing events, last looks."""
    months, place = np.unique(np.asarray(durations, dtype=float), return_inverse=True)
    kinds = np.asarray(outcome, dtype=int)
    events, competing, censored = (
        np.bincount(place[kinds == kind], minlength=len(months)) for kind in (EVENT, COMPETING, 0)
    )
    leaving = events + competing + censored
    return _LifeTable(months, np.cumsum(leaving[::-1])[::-1], events, competing, censored)


def product_limit(events: _Array, at_risk: _Array) -> _Array:
    """The product-limit estimate after each time (last axis); nobody at risk leaves it as it is."""
    return np.cumprod(1 - events / np.maximum(at_risk, 1), axis=-1)


def incidence(events: _Array, competing: _Array, at_risk: _Array) -> _Array:
    """The Aalen-Johansen estimate after each time (last axis)."""
    survival = product_limit(events + competing, at_risk)
    before = np.concatenate([np.ones_like(survival[..., :1]), survival[..., :-1]], axis=-1)
    return np.cumsum(before * events / np.maximum(at_risk, 1), axis=-1)


def _incidence(table: _LifeTable, cause: _Array) -> tuple[_Array, _Array]:
    """Cumulative incidence of one cause, and its standard error on the log-log scale."""
    n, both = table.at_risk, table.events + table.competing
    survival = product_limit(both, n)
    before = np.concatenate([[1.0], survival[:-1]])
    share = np.cumsum(before * cause / n)
    # Nobody is left after a time at which all leave: its term never meets a later one.
    a = np.where(n > both, both / (n * np.maximum(n - both, 1)), 0.0)
    c = before * cause / n**2
    variance = (
        share**2 * np.cumsum(a) - 2 * share * np.cumsum(a * share) + np.cumsum(a * share**2)
        + np.cumsum(before**2 * cause * (n - cause) / n**3)
        - 2 * (share * np.cumsum(c) - np.cumsum(c * share))
    )  # fmt: skip
    with np.errstate(divide="ignore", invalid="ignore"):
        spread = np.sqrt(np.maximum(variance, 0.0)) / (share * np.abs(np.log(share)))
    return share, spread


def _points(table: _LifeTable, start: float, share: _Array, spread: _Array) -> tuple[CurvePoint, ...]:
    with np.errstate(over="ignore", invalid="ignore"):
        low, high = share ** np.exp(_Z * spread), share ** np.exp(-_Z * spread)
    columns = (table.months, share, low, high, table.at_risk, table.events, table.competing, table.censored)
    rows = zip(*(column.tolist() for column in columns), strict=True)
    first = CurvePoint(0.0, start, None, None, int(table.at_risk[0]) if len(table.at_risk) else 0)
    return (first, *(_point(*row) for row in rows))


def _point(months: float, share: float, low: float, high: float, *counts: int) -> CurvePoint:
    if not 0 < share < 1 or not (math.isfinite(low) and math.isfinite(high)):
        return CurvePoint(months, share, None, None, *counts)
    return CurvePoint(months, share, low, high, *counts)


def _at_horizons(curve: Curve, horizons: Sequence[int], statistic: str, method: str) -> list[Estimate]:
    estimates = []
    for months in horizons:
        estimates.append(_at_horizon(curve, months, f"{statistic}_{months}m", method))
        at_risk = float(curve.at_risk(months))
        estimates.append(Estimate(statistic=f"at_risk_{months}m", value=at_risk, n=curve.total))
    return estimates


def _at_horizon(curve: Curve, months: int, name: str, method: str) -> Estimate:
    if curve.at_risk(months) == 0:
        return not_assessable(name, f"nobody is followed to {months} months", n=curve.total)
    point = curve.at(months)
    events = curve.events_by(months)
    return Estimate(
        statistic=name,
        value=point.estimate,
        n=curve.total,
        ci_low=point.low,
        ci_high=point.high,
        numerator=events,
        denominator=curve.total,
        method=method,
        note="" if events else "interval not assessable: no event yet",
    )


_QUANTILES = (("q1", 0.75), ("median", 0.5), ("q3", 0.25))


def _quantile(curve: Curve, name: str, share: float) -> Estimate:
    """The first time at which the curve is at `share` or below; interval after Brookmeyer and Crowley."""
    reached = _first(curve, share, "estimate")
    if reached is None:
        where = {0.75: "three quarters", 0.5: "one half", 0.25: "one quarter"}[share]
        return not_assessable(name, f"the curve stays above {where}", n=curve.total)
    low, high = _first(curve, share, "low"), _first(curve, share, "high")
    if low is None or high is None:
        end = "" if low is None else f", its lower end is {low:.1f}"
        note = f"interval not assessable: the band stays above the share{end}"
        return Estimate(statistic=name, value=reached, n=curve.total, method="Kaplan-Meier", note=note)
    return Estimate(
        statistic=name, value=reached, n=curve.total, ci_low=low, ci_high=high,
        method="Kaplan-Meier, log-log Greenwood 95 % band",
    )  # fmt: skip


def _first(curve: Curve, share: float, bound: str) -> float | None:
    for point in curve.points:
        value = getattr(point, bound)
        if value is not None and value <= share + 1e-12:
            return point.months
    return None
