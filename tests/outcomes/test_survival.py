import itertools
import math
import random

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from lifelines import AalenJohansenFitter, KaplanMeierFitter
from lifelines.utils import median_survival_times
from outcomes_testbed import curative

from outcomes.survival import aalen_johansen, incidence_at, kaplan_meier, survival_at

followed = st.lists(st.tuples(st.integers(1, 60).map(float), st.booleans()), min_size=2, max_size=40)


def lifelines_at(durations: list[float], events: list[bool], months: float) -> tuple[float, float, float]:
    fitted = KaplanMeierFitter().fit(durations, events)
    interval = fitted.confidence_interval_survival_function_
    low, high = interval[interval.index <= months].iloc[-1]
    return float(fitted.predict(months)), float(low), float(high)


@pytest.mark.parametrize("months", [6, 12, 24, 36, 70])
def test_curve_of_the_cohort_equals_lifelines(months: int) -> None:
    durations, events = curative()
    survival, low, high = lifelines_at(durations, events, months)
    step = kaplan_meier(durations, events).at(months)
    assert step.estimate == pytest.approx(survival, abs=1e-9)
    assert step.low == pytest.approx(low, abs=1e-9)
    assert step.high == pytest.approx(high, abs=1e-9)


@given(followed)
@settings(deadline=None, max_examples=30)
def test_any_curve_equals_lifelines(rows: list[tuple[float, bool]]) -> None:
    durations, events = [d for d, _ in rows], [e for _, e in rows]
    curve = kaplan_meier(durations, events)
    fitted = KaplanMeierFitter().fit(durations, events)
    for months, row in fitted.confidence_interval_survival_function_.iterrows():
        step, survival = curve.at(float(months)), float(fitted.survival_function_.loc[months].iloc[0])
        assert step.estimate == pytest.approx(survival, abs=1e-9)
        assert (step.low is None) == (survival in (0.0, 1.0))
        if step.low is not None and step.high is not None:
            assert [step.low, step.high] == pytest.approx(list(row), abs=1e-9)


@given(followed, st.randoms(use_true_random=False))
def test_row_order_never_changes_the_curve(rows: list[tuple[float, bool]], shuffler: random.Random) -> None:
    shuffled = list(rows)
    shuffler.shuffle(shuffled)
    first, second = (kaplan_meier([d for d, _ in r], [e for _, e in r]) for r in (rows, shuffled))
    assert survival_at(first, (12, 24)) == survival_at(second, (12, 24))


@given(followed)
def test_survival_falls_and_stays_a_share(rows: list[tuple[float, bool]]) -> None:
    steps = kaplan_meier([d for d, _ in rows], [e for _, e in rows]).points
    assert steps[0].estimate == 1.0
    for before, after in itertools.pairwise(steps):
        assert 0 <= after.estimate <= before.estimate <= 1


def test_day_365_reaches_twelve_months_and_day_364_does_not() -> None:
    curve = kaplan_meier([365 / 30.4375, 364 / 30.4375, 100.0], [False, False, False])
    assert curve.at_risk(12) == 2


@pytest.mark.parametrize("rows", [[], [(5.0, False)], [(5.0, True)], [(5.0, True), (5.0, True)]])
def test_tiny_cohorts_give_reasons_and_no_warning(rows: list[tuple[float, bool]]) -> None:
    estimates = survival_at(kaplan_meier([d for d, _ in rows], [e for _, e in rows]), (12, 24, 36))
    beyond = [e for e in estimates if e.statistic.startswith("survival")]
    assert [e.note for e in beyond] == [
        f"not assessable: nobody is followed to {months} months" for months in (12, 24, 36)
    ]
    assert all(e.value == 0 for e in estimates if e.statistic.startswith("at_risk"))


def test_before_the_first_event_there_is_no_interval() -> None:
    twelve = survival_at(kaplan_meier([20.0, 30.0], [False, True]), (12,))[0]
    assert (twelve.value, twelve.ci_low, twelve.ci_high) == (1.0, None, None)
    assert twelve.note == "interval not assessable: no event yet"


def test_median_is_the_first_time_at_one_half_or_below() -> None:
    found = survival_at(kaplan_meier([1.0, 2.0, 3.0, 4.0], [True, True, True, True]), ())
    assert {e.statistic: e.value for e in found} == {"q1": 1.0, "median": 2.0, "q3": 3.0}


# No two events at one time: lifelines jitters ties, which moves its own answer.
untied = st.lists(st.integers(1, 500), min_size=3, max_size=40, unique=True).flatmap(
    lambda times: st.lists(st.integers(0, 2), min_size=len(times), max_size=len(times)).map(
        lambda outcomes: (list(map(float, times)), outcomes)
    )
)


@given(untied.filter(lambda rows: 1 in rows[1]))
@settings(deadline=None, max_examples=30)
def test_cumulative_incidence_equals_lifelines(rows: tuple[list[float], list[int]]) -> None:
    durations, outcomes = rows
    event, _ = aalen_johansen(durations, outcomes)
    with np.errstate(all="ignore"):
        fitted = AalenJohansenFitter().fit(durations, outcomes, event_of_interest=1)
    for months in durations:
        point, interval = event.at(months), fitted.confidence_interval_.loc[months]
        assert point.estimate == pytest.approx(fitted.cumulative_density_.loc[months].iloc[0], abs=1e-9)
        if point.low is not None and np.isfinite(interval).all():
            assert [point.low, point.high] == pytest.approx(sorted(interval), abs=1e-9)


@given(st.lists(st.tuples(st.integers(1, 30).map(float), st.integers(0, 2)), min_size=1, max_size=40))
@settings(deadline=None)
def test_both_incidences_and_survival_add_up_to_one_and_rise(rows: list[tuple[float, int]]) -> None:
    durations, outcomes = [d for d, _ in rows], [o for _, o in rows]
    event, competing = aalen_johansen(durations, outcomes)
    alive = kaplan_meier(durations, [o > 0 for o in outcomes])
    for ours, theirs, free in zip(event.points, competing.points, alive.points, strict=True):
        assert ours.estimate + theirs.estimate + free.estimate == pytest.approx(1, abs=1e-12)
    for before, after in itertools.pairwise(event.points):
        assert 0 <= before.estimate <= after.estimate <= 1 + 1e-12
        if after.low is not None and after.high is not None:
            assert 0 <= after.low <= after.estimate <= after.high <= 1


def test_without_a_competing_event_incidence_is_one_minus_kaplan_meier() -> None:
    durations, events = curative()
    event, _ = aalen_johansen(durations, [int(e) for e in events])
    survival = kaplan_meier(durations, events)
    for ours, theirs in zip(event.points, survival.points, strict=True):
        assert ours.estimate == pytest.approx(1 - theirs.estimate, abs=1e-12)


def test_tiny_competing_cohorts_give_reasons() -> None:
    for rows in ([], [(5.0, 2)], [(5.0, 1), (5.0, 2)], [(9.0, 0)]):
        found = incidence_at(*aalen_johansen([d for d, _ in rows], [o for _, o in rows]), (12,))
        assert [e.note for e in found if e.value is None] == [
            "not assessable: nobody is followed to 12 months"
        ] * 2


@given(followed)
@settings(deadline=None, max_examples=20)
def test_median_and_its_interval_equal_lifelines(rows: list[tuple[float, bool]]) -> None:
    durations, events = [d for d, _ in rows], [e for _, e in rows]
    curve = kaplan_meier(durations, events)
    # At exactly one half lifelines' logarithms decide by their last bit; we take one half as reached.
    bounds = [b for p in curve.points for b in (p.estimate, p.low, p.high) if b is not None]
    assume(all(abs(bound - 0.5) > 1e-9 for bound in bounds))
    found = {e.statistic: e for e in survival_at(curve, ())}["median"]
    fitted = KaplanMeierFitter().fit(durations, events)
    assert fitted.median_survival_time_ == (math.inf if found.value is None else found.value)
    if found.ci_low is not None:
        interval = median_survival_times(fitted.confidence_interval_survival_function_)
        assert sorted(interval.to_numpy().ravel()) == [found.ci_low, found.ci_high]
