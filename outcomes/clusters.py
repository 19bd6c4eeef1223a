"""Intervals that know that lesions share a patient: patient bootstrap, and GEE with exchangeable correlation.

The bootstrap draws whole patients, 2,000 times, from a fixed seed. Patients are put in the order of what was
seen in them before they are drawn, so neither the order of rows nor the patients' keys move an interval.

The GEE of an intercept alone (Liang and Zeger 1986, logit link, robust variance) needs of each patient only
the two counts, so it is solved on their distinct pairs: the same estimate as a general package, for any
number of patients.
"""

import math
from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import Any

import numpy as np
from scipy import sparse, stats

from outcomes.results import Estimate, not_assessable
from outcomes.statistics import CONFIDENCE
from outcomes.survival import COMPETING, EVENT, Curve

DRAWS = 2_000
SEED = 20_220_607
BOOTSTRAP = f"patient bootstrap, {DRAWS:,} draws, percentile 95 %"
GEE = "GEE intercept by patient, exchangeable, robust 95 %"

_TAILS = ((1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2)
_CELLS_AT_ONCE = 4_000_000  # numbers in one block of draws: 32 MB
_Array = Any  # NumPy's own generic alias says no more about the shape

Estimator = Callable[[_Array, _Array, _Array], _Array]


def clustered_proportion(
    numerators: Sequence[int], denominators: Sequence[int], patients: Sequence[Hashable]
) -> list[Estimate]:
    """The share of all rows, with an interval of the patient bootstrap and one of the GEE."""
    events, units, n_patients = _counts(numerators, denominators, patients)
    names = ("proportion_bootstrap", "proportion_gee")
    total, among = int(np.dot(n_patients, events)), int(np.dot(n_patients, units))
    if among == 0 or total > among:
        why = "the denominator is 0" if among == 0 else "more events than rows is a rate, not a share"
        return [not_assessable(name, why, n=among) for name in names]
    no_interval = _why_no_interval(total, among, int(n_patients.sum()))
    if no_interval:
        note = f"interval not assessable: {no_interval}"
        return [_share(name, total / among, total, among, note=note) for name in names]
    return [_bootstrapped(events, units, n_patients), _gee(events, units, n_patients)]


def clustered_horizons(
    rows: tuple[Sequence[float], Sequence[int], Sequence[Hashable]],
    curve: Curve,
    horizons: Sequence[int],
    estimator: tuple[str, Estimator],
) -> list[Estimate]:
    """A curve's value at each horizon with its interval of the patient bootstrap.

    `rows` are durations, outcomes (0, 1, 2) and patients; `estimator` is the name of the statistic and the
    function of events, competing events and numbers at risk by time that makes the curve.
    """
    name, function = estimator
    names = {months: f"{name}_{months}m_bootstrap" for months in horizons}
    reached = [months for months in horizons if curve.at_risk(months) > 0 and curve.events_by(months) > 0]
    patients = len(set(rows[2]))
    intervals = _resampled(rows, reached, curve.points[0].estimate, function) if patients > 1 else {}
    found = []
    for months in horizons:
        if months in intervals:
            found.append(_at(names[months], curve, months, intervals[months]))
        else:
            found.append(not_assessable(names[months], _why_not_at(curve, months), n=curve.total))
    return found


def _counts(
    numerators: Sequence[int], denominators: Sequence[int], patients: Sequence[Hashable]
) -> tuple[_Array, _Array, _Array]:
    """Distinct pairs (events, units) of a patient in ascending order, and how many patients have each."""
    codes = _codes(patients)
    size = int(codes.max(initial=-1)) + 1
    events = np.bincount(codes, weights=numerators, minlength=size)
    units = np.bincount(codes, weights=denominators, minlength=size)
    pairs, counts = np.unique(np.column_stack([events, units]), axis=0, return_counts=True)
    return pairs[:, 0], pairs[:, 1], counts


def _codes(keys: Sequence[Hashable]) -> _Array:
    numbers: dict[Hashable, int] = {}
    return np.fromiter(
        (numbers.setdefault(key, len(numbers)) for key in keys), dtype=np.int64, count=len(keys)
    )


def _why_no_interval(total: int, among: int, patients: int) -> str:
    if patients < 2:
        return "one patient"
    if total in (0, among):
        return "resampling patients cannot show what happened to none, or to all, of them"
    return ""


def _share(name: str, value: float, total: int, among: int, *, note: str = "") -> Estimate:
    return Estimate(statistic=name, value=value, n=among, numerator=total, denominator=among, note=note)


def _bootstrapped(events: _Array, units: _Array, n_patients: _Array) -> Estimate:
    patients = int(n_patients.sum())
    draws = np.random.default_rng(SEED).multinomial(patients, n_patients / patients, size=DRAWS)
    with np.errstate(invalid="ignore"):
        shares = (draws @ events) / (draws @ units)
    # A draw of patients without a single unit has no share.
    low, high = np.quantile(shares[np.isfinite(shares)], _TAILS)
    total, among = int(np.dot(n_patients, events)), int(np.dot(n_patients, units))
    return Estimate(
        statistic="proportion_bootstrap",
        value=total / among,
        n=among,
        ci_low=float(low),
        ci_high=float(min(high, 1.0)),
        numerator=total,
        denominator=among,
        method=BOOTSTRAP,
    )


def _gee(events: _Array, units: _Array, n_patients: _Array) -> Estimate:
    total, among = int(np.dot(n_patients, events)), int(np.dot(n_patients, units))
    if (events > units).any():
        return not_assessable("proportion_gee", "a patient has more events than units", n=among)
    solved = _solve_gee(events, units, n_patients)
    if solved is None:
        return not_assessable("proportion_gee", "the working correlation does not converge", n=among)
    mean, error = solved
    logit, half = math.log(mean / (1 - mean)), float(stats.norm.ppf(_TAILS[1])) * error
    low, high = (1 / (1 + math.exp(-(logit + shift))) for shift in (-half, half))
    return Estimate(
        statistic="proportion_gee",
        value=mean,
        n=among,
        ci_low=low,
        ci_high=high,
        numerator=total,
        denominator=among,
        method=GEE,
    )


def _solve_gee(events: _Array, units: _Array, n: _Array) -> tuple[float, float] | None:
    """Mean and standard error of its logit; None when the correlation cannot be that of a matrix."""
    mean = float(np.dot(n, events) / np.dot(n, units))
    for _ in range(200):
        spread = 1 + (units - 1) * _correlation(mean, events, units, n)
        if not (spread > 0).all():
            return None
        weights = 1 / spread
        before, mean = mean, float(np.dot(n, events * weights) / np.dot(n, units * weights))
        if not 0 < mean < 1:
            return None
        if abs(mean - before) < 1e-14:
            variance = mean * (1 - mean)
            meat = float(np.dot(n, (weights * (events - units * mean)) ** 2))
            return mean, math.sqrt(meat) / (variance * float(np.dot(n, units * weights)))
    return None


def _correlation(mean: float, events: _Array, units: _Array, n: _Array) -> float:
    """Moment estimate of the exchangeable correlation, one degree of freedom taken for the mean."""
    pairs = float(np.dot(n, units * (units - 1))) / 2
    if pairs <= 1:
        return 0.0
    squares = (events * (1 - mean) ** 2 + (units - events) * mean**2) / (mean * (1 - mean))
    sums = (events - units * mean) ** 2 / (mean * (1 - mean))
    scale = float(np.dot(n, squares)) / (float(np.dot(n, units)) - 1)
    return float(np.dot(n, sums - squares)) / 2 / scale / (pairs - 1)


def _why_not_at(curve: Curve, months: int) -> str:
    if curve.at_risk(months) == 0:
        return f"nobody is followed to {months} months"
    return "no event yet" if curve.events_by(months) == 0 else "one patient"


def _at(name: str, curve: Curve, months: int, interval: tuple[float, float]) -> Estimate:
    return Estimate(
        statistic=name,
        value=curve.at(months).estimate,
        n=curve.total,
        ci_low=interval[0],
        ci_high=interval[1],
        numerator=curve.events_by(months),
        denominator=curve.total,
        method=BOOTSTRAP,
    )


def _resampled(
    rows: tuple[Sequence[float], Sequence[int], Sequence[Hashable]],
    horizons: Sequence[int],
    start: float,
    estimator: Estimator,
) -> dict[int, tuple[float, float]]:
    """The interval at each horizon, from curves of patients drawn with replacement."""
    if not horizons:
        return {}
    months, place = np.unique(np.asarray(rows[0], dtype=float), return_inverse=True)
    outcome, patient = np.asarray(rows[1]), _in_order_of_content(rows)
    patients = int(patient.max()) + 1
    shape = (len(months), patients)
    kinds = [_by_time(place, patient, outcome == kind, shape) for kind in (EVENT, COMPETING, 0)]
    table = sparse.vstack(kinds, format="csr")
    wanted = np.searchsorted(months, horizons, side="right") - 1
    values = np.concatenate(
        [_curves(draw, table, estimator, start)[:, wanted + 1] for draw in _draws(patients, len(months))]
    )
    bounds = np.quantile(values, _TAILS, axis=0).T.tolist()
    return {m: (float(low), float(high)) for m, (low, high) in zip(horizons, bounds, strict=True)}


def _in_order_of_content(rows: tuple[Sequence[float], Sequence[int], Sequence[Hashable]]) -> _Array:
    """The number of each row's patient, patients numbered by what was seen in them."""
    codes = _codes(rows[2])
    seen: dict[int, list[tuple[float, int]]] = {}
    for code, duration, outcome in zip(codes.tolist(), rows[0], rows[1], strict=True):
        seen.setdefault(code, []).append((duration, outcome))
    ranked = sorted(seen, key=lambda code: sorted(seen[code]))
    number = np.empty(len(ranked), dtype=np.int64)
    number[ranked] = np.arange(len(ranked))
    return number[codes]


def _by_time(place: _Array, patient: _Array, chosen: _Array, shape: tuple[int, int]) -> Any:
    ones = np.ones(int(chosen.sum()))
    return sparse.csr_array((ones, (place[chosen], patient[chosen])), shape=shape)


def _draws(patients: int, times: int) -> Iterator[_Array]:
    """How often each patient is drawn: blocks of draws x patients, all of the same stream of chance."""
    generator = np.random.default_rng(SEED)
    block = max(1, _CELLS_AT_ONCE // max(patients, times))
    for start in range(0, DRAWS, block):
        yield _one_block(generator, min(block, DRAWS - start), patients)


def _one_block(generator: np.random.Generator, size: int, patients: int) -> _Array:
    chosen = generator.integers(patients, size=(size, patients))
    chosen += patients * np.arange(size)[:, np.newaxis]
    return np.bincount(chosen.ravel(), minlength=size * patients).reshape(size, patients)


def _curves(draw: _Array, table: Any, estimator: Estimator, start: float) -> _Array:
    """One curve a draw, its value before the first time in front; `table` counts by kind and time."""
    drawn = (table @ np.ascontiguousarray(draw.T, dtype=float)).T
    events, competing, censored = np.split(drawn, 3, axis=1)
    leaving = events + competing + censored
    at_risk = np.cumsum(leaving[:, ::-1], axis=1)[:, ::-1]
    curves = estimator(events, competing, at_risk)
    return np.concatenate([np.full((len(draw), 1), start), curves], axis=1)
