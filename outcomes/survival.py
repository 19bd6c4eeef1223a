"""Time to an event: the Kaplan-Meier estimate with log-log Greenwood interval and numbers at risk.

SciPy's product-limit estimate (`scipy.stats.ecdf` of right-censored data) does the counting. Times are
months; dates are whole days, so a duration counts as having reached a horizon when it is less than one
day short of it (day 365 completes 12 months of 30.4375 days).
"""

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from outcomes.results import Estimate, not_assessable
from outcomes.statistics import CONFIDENCE

METHOD = "Kaplan-Meier, log-log Greenwood 95 %"

_ONE_DAY_MONTHS = 1 / 30.4375


@dataclass(frozen=True, slots=True)
class Step:
    """The survival curve from `months` on; `low`, `high` None where Greenwood gives no interval."""

    months: float
    survival: float
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class Curve:
    """A Kaplan-Meier curve: its steps in time order (the first at 0), and what it was made from."""

    steps: tuple[Step, ...]
    durations: tuple[float, ...]
    events: tuple[float, ...]
    censored: tuple[float, ...]

    def at(self, months: float) -> Step:
        """The step in force at `months`."""
        return [s for s in self.steps if s.months <= months][-1]

    def at_risk(self, months: float) -> int:
        """How many were still followed, without an event before, at `months`."""
        return sum(d > months - _ONE_DAY_MONTHS for d in self.durations)

    def events_by(self, months: float) -> int:
        """How many events happened up to `months`."""
        return sum(e <= months for e in self.events)


def kaplan_meier(durations: Sequence[float], is_event: Sequence[bool]) -> Curve:
    """The curve of rows with a duration in months (>= 0) and whether it ended in the event."""
    paired = sorted(zip((float(d) for d in durations), is_event, strict=True))
    months = tuple(d for d, _ in paired)
    return Curve(
        steps=_steps(months, [e for _, e in paired]) if paired else (Step(0.0, 1.0, None, None),),
        durations=months,
        events=tuple(d for d, e in paired if e),
        censored=tuple(d for d, e in paired if not e),
    )


def survival_at(curve: Curve, horizons: Sequence[int]) -> list[Estimate]:
    """Survival and numbers at risk at each horizon (months), and the median survival time."""
    estimates = []
    for months in horizons:
        estimates.append(_at_horizon(curve, months))
        at_risk = curve.at_risk(months)
        estimates.append(
            Estimate(statistic=f"at_risk_{months}m", value=float(at_risk), n=len(curve.durations))
        )
    return [*estimates, _median(curve)]


def _steps(months: Sequence[float], is_event: Sequence[bool]) -> tuple[Step, ...]:
    survival = stats.ecdf(stats.CensoredData.right_censored(months, np.logical_not(is_event))).sf
    with warnings.catch_warnings():
        # SciPy warns where the interval is 0/0 (before the first event, after the last); we say None.
        warnings.simplefilter("ignore", RuntimeWarning)
        interval = survival.confidence_interval(CONFIDENCE, method="log-log")
    rows = zip(
        survival.quantiles,
        survival.probabilities,
        interval.low.probabilities,
        interval.high.probabilities,
        strict=True,
    )
    start = Step(0.0, 1.0, None, None)
    return (start, *(Step(float(t), float(s), _known(lo), _known(hi)) for t, s, lo, hi in rows))


def _known(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _at_horizon(curve: Curve, months: int) -> Estimate:
    name, total = f"survival_{months}m", len(curve.durations)
    if curve.at_risk(months) == 0:
        return not_assessable(name, f"nobody is followed to {months} months", n=total)
    step = curve.at(months)
    events = curve.events_by(months)
    return Estimate(
        statistic=name,
        value=step.survival,
        n=total,
        ci_low=step.low,
        ci_high=step.high,
        numerator=events,
        denominator=total,
        method=METHOD,
        note="" if events else "interval not assessable: no event yet",
    )


def _median(curve: Curve) -> Estimate:
    reached = [s.months for s in curve.steps if s.survival <= 0.5 + 1e-12]
    total = len(curve.durations)
    if not reached:
        return not_assessable("median", "the curve stays above one half", n=total)
    return Estimate(statistic="median", value=reached[0], n=total, method="Kaplan-Meier")
