"""Stratified estimates against statsmodels, against exact fractions, and at their limits."""

import math
import warnings
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from outcomes_testbed import patients
from scipy import stats
from statsmodels.stats.contingency_tables import StratifiedTable
from statsmodels.stats.meta_analysis import combine_effects

from outcomes.contrasts import Share
from outcomes.results import Estimate, Results
from outcomes.stratified import fixed_effect, mantel_haenszel

shares = st.integers(0, 30).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))
strata = st.lists(st.tuples(shares, shares), max_size=5)
scores = st.lists(st.integers(-10, 10).map(float), min_size=2, max_size=20)


def named(found: list[Estimate]) -> dict[str, Estimate]:
    return {estimate.statistic: estimate for estimate in found}


@given(strata)
@settings(deadline=None)
def test_the_test_over_strata_equals_statsmodels(pairs: list[tuple[Share, Share]]) -> None:
    found = named(mantel_haenszel(pairs))["p_cmh"]
    tables = [[[k1, n1 - k1], [k2, n2 - k2]] for (k1, n1), (k2, n2) in pairs if n1 and n2]
    if found.value is None:
        assert found.note.startswith("not assessable: ")
        assert all(0 in np.sum(table, axis=0) for table in tables)
        return
    expected = StratifiedTable([np.array(table, float) for table in tables]).test_null_odds(correction=False)
    assert found.value == pytest.approx(expected.pvalue, abs=1e-9)


@given(strata)
def test_the_difference_over_strata_is_the_weighted_mean_of_their_differences(
    pairs: list[tuple[Share, Share]],
) -> None:
    found = named(mantel_haenszel(pairs))["difference_stratified"]
    both = [pair for pair in pairs if pair[0][1] and pair[1][1]]
    if not both:
        assert found.value is None
        return
    weights = [Fraction(n1 * n2, n1 + n2) for (_, n1), (_, n2) in both]
    differences = [Fraction(k1, n1) - Fraction(k2, n2) for (k1, n1), (k2, n2) in both]
    expected = sum(w * d for w, d in zip(weights, differences, strict=True)) / sum(weights)
    assert found.value == pytest.approx(float(expected), abs=1e-12)
    assert -1 <= found.value <= 1
    assert found.n == sum(n1 + n2 for (_, n1), (_, n2) in both)


@given(strata)
def test_swapping_the_centers_turns_the_difference_round_and_leaves_the_test(
    pairs: list[tuple[Share, Share]],
) -> None:
    ours = named(mantel_haenszel(pairs))
    theirs = named(mantel_haenszel([(second, first) for first, second in reversed(pairs)]))
    one, other = ours["difference_stratified"], theirs["difference_stratified"]
    if one.value is None or other.value is None:
        assert one.note == other.note
        return
    assert one.value == pytest.approx(-other.value, abs=1e-12)
    if one.ci_low is not None:
        assert [one.ci_low, one.ci_high] == pytest.approx(
            [-(other.ci_high or 0), -(other.ci_low or 0)], abs=1e-9
        )
        assert one.ci_low <= one.value <= (one.ci_high or 0)
    if ours["p_cmh"].value is not None:
        assert ours["p_cmh"].value == pytest.approx(theirs["p_cmh"].value, abs=1e-9)


def test_the_interval_over_strata_is_that_of_sato() -> None:
    """Greenland and Robins' notation, in exact fractions: Sato 1989, Biometrics 45, 1323."""
    pairs = [((4, 20), (9, 25)), ((7, 12), (6, 9)), ((1, 15), (3, 11))]
    found = named(mantel_haenszel(pairs))["difference_stratified"]
    weights, tops, p, q = Fraction(0), Fraction(0), Fraction(0), Fraction(0)
    for (a, n1), (c, n0) in pairs:
        t = n1 + n0
        weights += Fraction(n1 * n0, t)
        tops += Fraction(a * n0 - c * n1, t)
        p += Fraction(n1 * n1 * c - n0 * n0 * a, t * t) + Fraction(n1 * n0 * (n0 - n1), 2 * t * t)
        q += Fraction(a * (n0 - c) + c * (n1 - a), 2 * t)
    value = tops / weights
    error = math.sqrt((value * p + q) / weights**2)
    z = stats.norm.ppf(0.975)
    assert found.ci_low == pytest.approx(float(value) - z * error, abs=1e-12)
    assert found.ci_high == pytest.approx(float(value) + z * error, abs=1e-12)


@given(st.lists(scores, min_size=2, max_size=4))
def test_pooled_centers_equal_statsmodels_fixed_effect(centers: list[list[float]]) -> None:
    assume(all(len(set(center)) > 1 for center in centers))
    (found,) = fixed_effect(centers)
    variances = np.array([np.var(center, ddof=1) / len(center) for center in centers])
    means = np.array([np.mean(center) for center in centers])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its random effects, which are not ours, divide by zero
        pooled = combine_effects(means, variances, method_re="dl")
        low, high = pooled.conf_int()[0]
    assert found.value == pytest.approx(pooled.mean_effect_fe, abs=1e-9)
    assert [found.ci_low, found.ci_high] == pytest.approx([low, high], abs=1e-9)


@pytest.mark.parametrize(
    ("centers", "reason"),
    [
        ([], "fewer than two centers"),
        ([[1.0, 2.0], []], "fewer than two centers"),
        ([[1.0, 2.0], [3.0]], "a center has no spread of its own"),
        ([[1.0, 2.0], [3.0, 3.0]], "a center has no spread of its own"),
    ],
)
def test_centers_that_cannot_be_pooled_say_why(centers: list[list[float]], reason: str) -> None:
    (found,) = fixed_effect(centers)
    assert (found.value, found.note) == (None, f"not assessable: {reason}")


def test_more_events_than_rows_are_no_share() -> None:
    notes = {estimate.note for estimate in mantel_haenszel([((3, 2), (1, 2))])}
    assert notes == {"not assessable: more events than rows is a rate, not a share"}


def test_one_outcome_alone_has_a_difference_without_an_interval() -> None:
    found = named(mantel_haenszel([((0, 5), (0, 7))]))
    assert (found["difference_stratified"].value, found["difference_stratified"].ci_low) == (0.0, None)
    assert found["p_cmh"].value is None


def test_the_cohort_is_compared_within_its_severities(results: Results) -> None:
    """From the cohort's own rows, with statsmodels."""
    tables = {}
    for severity, low, high in (("mild", 0, 4), ("moderate", 5, 6), ("severe", 7, 10)):
        rows = [p for p in patients() if p["painful"] == "yes" and low <= int(p["nprs_baseline"]) <= high]
        tables[severity] = [
            [
                sum(p["center"] == c and (p["nprs_last"] == "0") is free for p in rows)
                for free in (True, False)
            ]
            for c in "AB"
        ]
        pooled = results.get("pain_free_last_by_baseline", f"proportion[{severity}]")
        assert pooled is not None
        assert pooled.numerator == sum(row[0] for row in tables[severity])
    expected = StratifiedTable([np.array(t, float) for t in tables.values()]).test_null_odds(correction=False)
    found = results.get("pain_free_last_by_baseline", "p_cmh", "centers=a,b")
    assert found is not None
    assert found.value == pytest.approx(expected.pvalue, abs=1e-9)
