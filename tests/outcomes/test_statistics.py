import math
import random
import statistics as exact

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from outcomes_testbed import scores
from scipy import stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint

from outcomes import statistics
from outcomes.paired import paired_change
from outcomes.results import Estimate

values = st.floats(-1e6, 1e6, allow_nan=False).map(lambda x: round(x, 6))
nprs = st.integers(0, 10).map(float)
pairs = st.lists(st.tuples(nprs, nprs), max_size=40)
p_values = st.lists(st.one_of(st.none(), st.floats(0, 1)), max_size=8)


def named(found: list[Estimate]) -> dict[str, Estimate]:
    return {estimate.statistic: estimate for estimate in found}


@given(st.integers(1, 300).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_interval_of_a_share_equals_statsmodels(share: tuple[int, int]) -> None:
    k, n = share
    (found,) = statistics.proportion(k, n)
    exact_rule = min(k, n - k) < 10
    low, high = proportion_confint(k, n, method="beta" if exact_rule else "wilson")
    assert found.method == ("Clopper-Pearson 95 %" if exact_rule else "Wilson 95 %")
    assert found.ci_low == pytest.approx(0 if k == 0 else low, abs=1e-9)
    assert found.ci_high == pytest.approx(1 if k == n else high, abs=1e-9)
    assert 0 <= (found.ci_low or 0) <= k / n <= (found.ci_high or 0) <= 1


@pytest.mark.parametrize(("k", "n"), [(0, 0), (3, 2), (-1, 5)])
def test_a_share_of_nothing_or_above_one_is_not_assessable(k: int, n: int) -> None:
    (found,) = statistics.proportion(k, n)
    assert (found.value, found.numerator, found.denominator) == (None, k, n)
    assert found.note.startswith("not assessable: ")


@given(st.lists(values, min_size=3, max_size=60).filter(lambda v: max(v) - min(v) > 1e-3))
def test_summary_equals_exact_arithmetic_and_scipy(rows: list[float]) -> None:
    found = named(statistics.summary(rows))
    assert found["mean"].value == pytest.approx(exact.fmean(rows), rel=1e-12, abs=1e-9)
    assert found["sd"].value == pytest.approx(exact.stdev(rows), rel=1e-9)
    assert found["median"].value == pytest.approx(exact.median(rows), rel=1e-12, abs=1e-9)
    q1, _, q3 = exact.quantiles(rows, n=4, method="inclusive")
    assert [found["q1"].value, found["q3"].value] == pytest.approx([q1, q3], rel=1e-9, abs=1e-9)
    assert (found["min"].value, found["max"].value) == (min(rows), max(rows))
    low, high = stats.t.interval(0.95, len(rows) - 1, exact.fmean(rows), exact.stdev(rows) / len(rows) ** 0.5)
    assert [found["mean"].ci_low, found["mean"].ci_high] == pytest.approx([low, high], rel=1e-9, abs=1e-9)


@given(pairs, st.randoms(use_true_random=False))
def test_row_order_never_changes_a_value(rows: list[tuple[float, float]], shuffler: random.Random) -> None:
    shuffled = list(rows)
    shuffler.shuffle(shuffled)
    before, after = (paired_change([v for v, _ in r], [b for _, b in r]) for r in (rows, shuffled))
    assert before == after


@given(pairs)
def test_every_estimate_is_a_finite_number_or_a_reason(rows: list[tuple[float, float]]) -> None:
    found = paired_change([v for v, _ in rows], [b for _, b in rows])
    assert len(found) == 14
    for estimate in found:
        if estimate.value is None:
            assert estimate.note.startswith("not assessable: ")
        else:
            assert math.isfinite(estimate.value)
        if estimate.statistic.startswith("p_") and estimate.value is not None:
            assert 0 <= estimate.value <= 1


@given(pairs.filter(lambda r: len({v - b for v, b in r}) > 1))
def test_paired_t_equals_scipys_own(rows: list[tuple[float, float]]) -> None:
    later, before = [v for v, _ in rows], [b for _, b in rows]
    found = named(paired_change(later, before))
    assert found["p_ttest"].value == pytest.approx(stats.ttest_rel(later, before).pvalue, rel=1e-9, abs=1e-15)


@pytest.mark.parametrize(
    "changes",
    [[1.0, 1.0], [-1.0, 1.0, 2.0], [-3.0, -1.0, -1.0, 2.0, 2.0, 5.0], [1.0, 1.0, 1.0, -1.0, 4.0, 0.0, 0.0]],
)
def test_exact_signed_rank_with_ties_equals_every_permutation(changes: list[float]) -> None:
    found = named(paired_change(changes, [0.0] * len(changes)))["p_wilcoxon"]
    moved = [c for c in changes if c]
    assert found.value == pytest.approx(
        stats.wilcoxon(moved, method=stats.PermutationMethod()).pvalue, rel=1e-12
    )
    assert found.method == "Wilcoxon signed rank, exact"


@given(st.lists(st.integers(1, 60), min_size=1, max_size=50, unique=True), st.integers(0, 2**50))
def test_exact_signed_rank_without_ties_equals_scipy(sizes: list[int], signs: int) -> None:
    changes = [float(size if signs >> i & 1 else -size) for i, size in enumerate(sizes)]
    found = named(paired_change(changes, [0.0] * len(changes)))["p_wilcoxon"]
    assert found.value == pytest.approx(stats.wilcoxon(changes, method="exact").pvalue, rel=1e-9)


def test_more_than_fifty_changes_use_the_normal_approximation() -> None:
    changes = [float(i % 7 - 2) for i in range(70)]
    found = named(paired_change(changes, [0.0] * 70))["p_wilcoxon"]
    assert found.method.endswith("normal approximation")
    assert found.value == pytest.approx(stats.wilcoxon(changes, method="asymptotic").pvalue, rel=1e-12)
    assert found.note == "tested without the 10 of 70 pairs that did not change"


SUMMARY = {"mean", "sd", "median", "q1", "q3", "min", "max"}
CHANGE = {"mean_change", "sd_change", "hodges_lehmann", "dz", "rank_biserial", "p_wilcoxon", "p_ttest"}


@pytest.mark.parametrize(
    ("later", "before", "missing"),
    [
        ([], [], SUMMARY | CHANGE),
        ([4.0], [7.0], {"sd", "sd_change", "dz", "p_ttest"}),
        ([4.0, 4.0], [7.0, 7.0], {"dz", "p_ttest"}),
        ([4.0, 7.0], [4.0, 7.0], {"dz", "rank_biserial", "p_wilcoxon", "p_ttest"}),
        ([0.0] * 5, [0.0] * 5, {"dz", "rank_biserial", "p_wilcoxon", "p_ttest"}),
    ],
)
def test_degenerate_rows_give_reasons_only_where_they_must(
    later: list[float], before: list[float], missing: set[str]
) -> None:
    found = paired_change(later, before)
    assert {estimate.statistic for estimate in found if estimate.value is None} == missing


@pytest.mark.parametrize("rows", [[5.0], [5.0, 5.0, 5.0], [0.1] * 10])
def test_a_mean_without_spread_has_no_interval(rows: list[float]) -> None:
    mean = named(statistics.summary(rows))["mean"]
    assert mean.value == rows[0]
    assert (mean.ci_low, mean.ci_high) == (None, None)
    assert mean.note.startswith("interval not assessable: ")


def test_extremes_are_the_ends_only() -> None:
    found = named(statistics.extremes([200805.0, 202009.0, 201501.0]))
    assert {name: e.value for name, e in found.items()} == {"min": 200805.0, "max": 202009.0}


@given(p_values)
@settings(max_examples=15, deadline=None)  # statsmodels takes a quarter of a second for each
def test_holm_equals_statsmodels(tests: list[float | None]) -> None:
    adjusted = statistics.holm(tests)
    assert [p is None for p in adjusted] == [p is None for p in tests]
    real = [p for p in tests if p is not None]
    if real:
        expected = multipletests(real, method="holm")[1]
        assert [p for p in adjusted if p is not None] == pytest.approx(list(expected), abs=1e-12)


def test_scores_of_the_cohort_have_the_sums_of_their_readme() -> None:
    found = named(statistics.summary(scores("nprs_last")))
    assert found["mean"].value == 151 / 64
    assert found["sd"].value == pytest.approx(math.sqrt((781 - 151**2 / 64) / 63), rel=1e-12)
